package peer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/hashicorp/raft"
)

// Raft RPC types, as sent. The message structs are those of hashicorp/raft
// v1.7.3, every field included, in the order of their declaration; numbers are
// varints, byte strings a uvarint length and the bytes. An empty byte string
// arrives as nil.
const (
	rpcAppendEntries = 1
	rpcRequestVote   = 2
	rpcRequestPre    = 3
	rpcTimeoutNow    = 4
	rpcSnapshot      = 5 // only on a snapshot stream
)

func appendRPCHeader(dst []byte, h *raft.RPCHeader) []byte {
	dst = binary.AppendVarint(dst, int64(h.ProtocolVersion))
	dst = appendBytes(dst, h.ID)
	return appendBytes(dst, h.Addr)
}

func (d *decoder) rpcHeader(h *raft.RPCHeader, in *interner) {
	h.ProtocolVersion = raft.ProtocolVersion(d.varint())
	h.ID = in.keep(d.bytes())
	h.Addr = in.keep(d.bytes())
}

// appendRequest appends any request but AppendEntries.
func appendRequest(dst []byte, req any) []byte {
	switch r := req.(type) {
	case *raft.RequestVoteRequest:
		dst = appendRPCHeader(dst, &r.RPCHeader)
		dst = binary.AppendUvarint(dst, r.Term)
		dst = appendBytes(dst, r.Candidate)
		dst = binary.AppendUvarint(dst, r.LastLogIndex)
		dst = binary.AppendUvarint(dst, r.LastLogTerm)
		return appendBool(dst, r.LeadershipTransfer)
	case *raft.RequestPreVoteRequest:
		dst = appendRPCHeader(dst, &r.RPCHeader)
		dst = binary.AppendUvarint(dst, r.Term)
		dst = binary.AppendUvarint(dst, r.LastLogIndex)
		return binary.AppendUvarint(dst, r.LastLogTerm)
	case *raft.TimeoutNowRequest:
		return appendRPCHeader(dst, &r.RPCHeader)
	case *raft.InstallSnapshotRequest:
		dst = appendRPCHeader(dst, &r.RPCHeader)
		dst = binary.AppendVarint(dst, int64(r.SnapshotVersion))
		dst = binary.AppendUvarint(dst, r.Term)
		dst = appendBytes(dst, r.Leader)
		dst = binary.AppendUvarint(dst, r.LastLogIndex)
		dst = binary.AppendUvarint(dst, r.LastLogTerm)
		dst = appendBytes(dst, r.Peers)
		dst = appendBytes(dst, r.Configuration)
		dst = binary.AppendUvarint(dst, r.ConfigurationIndex)
		return binary.AppendVarint(dst, r.Size)
	}
	panic(fmt.Sprintf("peer: request type %T", req))
}

// decodeRequest decodes any request but AppendEntries. The result does not
// refer to b.
func decodeRequest(rpc byte, b []byte, in *interner) (any, *raft.RPCHeader, error) {
	d := decoder{b: b}
	switch rpc {
	case rpcRequestVote:
		r := new(raft.RequestVoteRequest)
		d.rpcHeader(&r.RPCHeader, in)
		r.Term = d.uvarint()
		r.Candidate = in.keep(d.bytes())
		r.LastLogIndex = d.uvarint()
		r.LastLogTerm = d.uvarint()
		r.LeadershipTransfer = d.bool()
		return r, &r.RPCHeader, d.end()
	case rpcRequestPre:
		r := new(raft.RequestPreVoteRequest)
		d.rpcHeader(&r.RPCHeader, in)
		r.Term = d.uvarint()
		r.LastLogIndex = d.uvarint()
		r.LastLogTerm = d.uvarint()
		return r, &r.RPCHeader, d.end()
	case rpcTimeoutNow:
		r := new(raft.TimeoutNowRequest)
		d.rpcHeader(&r.RPCHeader, in)
		return r, &r.RPCHeader, d.end()
	case rpcSnapshot:
		r := new(raft.InstallSnapshotRequest)
		d.rpcHeader(&r.RPCHeader, in)
		r.SnapshotVersion = raft.SnapshotVersion(d.varint())
		r.Term = d.uvarint()
		r.Leader = in.keep(d.bytes())
		r.LastLogIndex = d.uvarint()
		r.LastLogTerm = d.uvarint()
		r.Peers = bytes.Clone(d.bytes())
		r.Configuration = bytes.Clone(d.bytes())
		r.ConfigurationIndex = d.uvarint()
		r.Size = d.varint()
		if r.Size < 0 {
			d.fail("snapshot size")
		}
		return r, &r.RPCHeader, d.end()
	}
	return nil, nil, fmt.Errorf("%w: Raft RPC type %d", ErrProtocol, rpc)
}

// AppendEntries: the fixed fields, the number of entries, each entry's fields
// with the lengths of its two byte strings, then all the byte strings. Keeping
// the bytes last lets a sender pass them to the kernel without copying and a
// receiver keep them in one piece.

// minEntry is the least an entry takes before its bytes: seven one-byte numbers.
const minEntry = 7

func appendAppendEntriesHead(dst []byte, r *raft.AppendEntriesRequest) []byte {
	dst = appendRPCHeader(dst, &r.RPCHeader)
	dst = binary.AppendUvarint(dst, r.Term)
	dst = appendBytes(dst, r.Leader)
	dst = binary.AppendUvarint(dst, r.PrevLogEntry)
	dst = binary.AppendUvarint(dst, r.PrevLogTerm)
	dst = binary.AppendUvarint(dst, r.LeaderCommitIndex)
	dst = binary.AppendUvarint(dst, uint64(len(r.Entries)))
	for _, e := range r.Entries {
		dst = binary.AppendUvarint(dst, e.Index)
		dst = binary.AppendUvarint(dst, e.Term)
		dst = append(dst, byte(e.Type))
		dst = appendTime(dst, e.AppendedAt)
		dst = binary.AppendUvarint(dst, uint64(len(e.Data)))
		dst = binary.AppendUvarint(dst, uint64(len(e.Extensions)))
	}
	return dst
}

// decodeAppendEntries sets every field of r. If owned, the entries keep
// referring to b, otherwise they get a copy.
func decodeAppendEntries(r *raft.AppendEntriesRequest, b []byte, owned bool, in *interner) error {
	d := decoder{b: b}
	d.rpcHeader(&r.RPCHeader, in)
	r.Term = d.uvarint()
	r.Leader = in.keep(d.bytes())
	r.PrevLogEntry = d.uvarint()
	r.PrevLogTerm = d.uvarint()
	r.LeaderCommitIndex = d.uvarint()
	r.Entries = nil
	n := d.uvarint()
	if n > uint64(len(d.b)/minEntry) {
		d.fail("entry count")
	}
	if n == 0 || d.err != nil {
		return d.end()
	}
	entries := make([]*raft.Log, 0, min(n, 64))
	lengths := make([][2]uint64, 0, min(n, 64))
	var logs []raft.Log
	for n > 0 && d.err == nil {
		if len(logs) == cap(logs) { // a block of entries at a time: fewer allocations
			logs = make([]raft.Log, 0, min(n, 64))
		}
		logs = append(logs, raft.Log{
			Index: d.uvarint(), Term: d.uvarint(), Type: raft.LogType(d.byte()), AppendedAt: d.time(),
		})
		entries = append(entries, &logs[len(logs)-1])
		lengths = append(lengths, [2]uint64{d.uvarint(), d.uvarint()})
		n--
	}
	if d.err != nil {
		return d.err
	}
	if !owned {
		d.b = slices.Clone(d.b)
	}
	for i, e := range entries {
		e.Data = d.take(lengths[i][0])
		e.Extensions = d.take(lengths[i][1])
	}
	if err := d.end(); err != nil {
		return err
	}
	r.Entries = entries
	return nil
}

// appendResponse appends any response.
func appendResponse(dst []byte, resp any) []byte {
	switch r := resp.(type) {
	case *raft.AppendEntriesResponse:
		dst = appendRPCHeader(dst, &r.RPCHeader)
		dst = binary.AppendUvarint(dst, r.Term)
		dst = binary.AppendUvarint(dst, r.LastLog)
		dst = appendBool(dst, r.Success)
		return appendBool(dst, r.NoRetryBackoff)
	case *raft.RequestVoteResponse:
		dst = appendRPCHeader(dst, &r.RPCHeader)
		dst = binary.AppendUvarint(dst, r.Term)
		dst = appendBytes(dst, r.Peers)
		return appendBool(dst, r.Granted)
	case *raft.RequestPreVoteResponse:
		dst = appendRPCHeader(dst, &r.RPCHeader)
		dst = binary.AppendUvarint(dst, r.Term)
		return appendBool(dst, r.Granted)
	case *raft.TimeoutNowResponse:
		return appendRPCHeader(dst, &r.RPCHeader)
	case *raft.InstallSnapshotResponse:
		dst = appendRPCHeader(dst, &r.RPCHeader)
		dst = binary.AppendUvarint(dst, r.Term)
		return appendBool(dst, r.Success)
	}
	panic(fmt.Sprintf("peer: response type %T", resp))
}

// isResponse says whether appendResponse accepts resp.
func isResponse(resp any) bool {
	switch resp.(type) {
	case *raft.AppendEntriesResponse, *raft.RequestVoteResponse, *raft.RequestPreVoteResponse,
		*raft.TimeoutNowResponse, *raft.InstallSnapshotResponse:
		return true
	}
	return false
}

// decodeResponse sets every field of resp, a pointer to a response of the type
// that was sent. The result does not refer to b.
func decodeResponse(resp any, b []byte, in *interner) error {
	d := decoder{b: b}
	switch r := resp.(type) {
	case *raft.AppendEntriesResponse:
		d.rpcHeader(&r.RPCHeader, in)
		r.Term = d.uvarint()
		r.LastLog = d.uvarint()
		r.Success = d.bool()
		r.NoRetryBackoff = d.bool()
	case *raft.RequestVoteResponse:
		d.rpcHeader(&r.RPCHeader, in)
		r.Term = d.uvarint()
		r.Peers = bytes.Clone(d.bytes())
		r.Granted = d.bool()
	case *raft.RequestPreVoteResponse:
		d.rpcHeader(&r.RPCHeader, in)
		r.Term = d.uvarint()
		r.Granted = d.bool()
	case *raft.TimeoutNowResponse:
		d.rpcHeader(&r.RPCHeader, in)
	case *raft.InstallSnapshotResponse:
		d.rpcHeader(&r.RPCHeader, in)
		r.Term = d.uvarint()
		r.Success = d.bool()
	default:
		return fmt.Errorf("%w: response type %T", ErrProtocol, resp)
	}
	return d.end()
}
