package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// serveSnapshot is the follower's end of a stream; conn is closed by the caller.
func (m *Mux) serveSnapshot(conn net.Conn, h hello) {
	r := &chunkReader{conn: conn, limit: m.opts.ChunkTimeout, fr: newFrameReader(conn, chunkFrame, chunkFrame-4)}
	r.timer = time.AfterFunc(r.limit, func() { conn.Close() })
	defer r.timer.Stop()
	g, args, err := m.openSnapshot(r, h)
	if err == nil {
		if !g.addStream(conn) {
			err = ErrClosed
		} else {
			defer g.closeStream(conn)
		}
	}
	if err != nil {
		m.log.Warn("snapshot refused", "from", h.node, "error", err)
		if _, werr := conn.Write(appendErrorFrame(nil, 0, codeRefused, err.Error())); werr == nil {
			linger(conn)
		}
		return
	}
	r.left = args.Size

	answer := make(chan raft.RPCResponse, 1)
	working := time.NewTicker(max(m.opts.ChunkTimeout/3, time.Millisecond))
	defer working.Stop()
	queue := (chan<- raft.RPC)(g.consumer)
	for {
		select {
		case queue <- raft.RPC{Command: args, Reader: r, RespChan: answer}:
			queue = nil
		case a := <-answer:
			if _, err := conn.Write(snapshotAnswer(a)); err == nil {
				linger(conn)
			}
			return
		case <-working.C:
			frame := beginFrame(nil, kindWorking, 0)
			endFrame(frame, 0, 0)
			if _, err := conn.Write(frame); err != nil && queue != nil {
				return // the sender has gone before Raft saw the request
			}
		case <-g.done:
			return
		case <-m.ctx.Done():
			return
		}
	}
}

// openSnapshot reads and checks the request.
func (m *Mux) openSnapshot(r *chunkReader, h hello) (*GroupTransport, *raft.InstallSnapshotRequest, error) {
	f, err := r.fr.next()
	r.timer.Stop()
	if err != nil {
		return nil, nil, err
	}
	d := decoder{b: f.body}
	rpc := d.byte()
	id := d.uvarint32()
	if d.err != nil || f.kind != kindSnapshot || rpc != rpcSnapshot {
		return nil, nil, fmt.Errorf("%w: not a snapshot request", ErrProtocol)
	}
	msg, head, err := decodeRequest(rpc, d.b, new(interner))
	if err != nil {
		return nil, nil, err
	}
	if ours := m.cluster(); ours == "" || ours != h.cluster {
		return nil, nil, fmt.Errorf("%w: ours %q, theirs %q", ErrCluster, ours, h.cluster)
	}
	if len(head.ID) > 0 && string(head.ID) != h.node {
		return nil, nil, fmt.Errorf("%w: request of %s on a connection of %s", ErrIdentity, head.ID, h.node)
	}
	g := m.group(id)
	if g == nil {
		return nil, nil, fmt.Errorf("peer: no group %d", id)
	}
	return g, msg.(*raft.InstallSnapshotRequest), nil
}

// snapshotAnswer encodes Raft's answer.
func snapshotAnswer(a raft.RPCResponse) []byte {
	if a.Error != nil {
		return appendErrorFrame(nil, 0, codeHandler, a.Error.Error())
	}
	resp, ok := a.Response.(*raft.InstallSnapshotResponse)
	if !ok {
		return appendErrorFrame(nil, 0, codeHandler, fmt.Sprintf("peer: Raft answered with %T", a.Response))
	}
	frame := appendResponse(beginFrame(nil, kindOK, 0), resp)
	endFrame(frame, 0, 0)
	return frame
}

// chunkReader is the reader that Raft gets: the data of the chunks, one at a time
// in memory. It ends with io.EOF only after a kindEnd frame and exactly as many
// bytes as the request announced; anything else is an error, also every time
// after. Only Raft's main loop reads it.
type chunkReader struct {
	conn  net.Conn
	fr    *frameReader
	limit time.Duration
	timer *time.Timer // closes the connection when a chunk takes longer than limit

	left  int64 // bytes still to come
	total int64
	seq   uint64
	chunk []byte
	err   error
}

// Read implements io.Reader.
func (r *chunkReader) Read(p []byte) (int, error) {
	for len(r.chunk) == 0 && r.err == nil {
		r.timer.Reset(r.limit)
		r.err = r.nextChunk()
		if !r.timer.Stop() && r.err != nil && r.err != io.EOF {
			r.err = errors.Join(ErrTimeout, r.err)
		}
	}
	if len(r.chunk) == 0 {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, r.err
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

func (r *chunkReader) nextChunk() error {
	f, err := r.fr.next()
	if err != nil {
		return fmt.Errorf("peer: snapshot stream broke after %d bytes: %w", r.total, cutShort(err))
	}
	switch {
	case f.kind == kindEnd && len(f.body) == 8:
		if n := binary.BigEndian.Uint64(f.body); n != uint64(r.total) || r.left != 0 {
			return fmt.Errorf("%w: snapshot ended after %d bytes, %d missing", ErrProtocol, r.total, r.left)
		}
		return io.EOF
	case f.kind == kindChunk && len(f.body) > 4:
		data := f.body[4:]
		r.seq++
		switch {
		case f.id != r.seq:
			return fmt.Errorf("%w: snapshot chunk %d, want %d", ErrProtocol, f.id, r.seq)
		case int64(len(data)) > r.left:
			return fmt.Errorf("%w: snapshot longer than announced", ErrProtocol)
		case crc32.Checksum(data, castagnoli) != binary.BigEndian.Uint32(f.body):
			return fmt.Errorf("%w: checksum of snapshot chunk %d", ErrProtocol, r.seq)
		}
		r.chunk = data
		r.left -= int64(len(data))
		r.total += int64(len(data))
		return nil
	}
	return fmt.Errorf("%w: frame kind %d of %d bytes in a snapshot", ErrProtocol, f.kind, len(f.body))
}
