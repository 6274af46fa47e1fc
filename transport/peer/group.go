package peer

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// GroupTransport is the raft.Transport of one group. It also implements
// raft.WithPreVote and raft.WithClose. All methods may be called concurrently.
type GroupTransport struct {
	m        *Mux
	id       uint32
	consumer chan raft.RPC
	done     chan struct{} // closed by Close
	closed   atomic.Bool

	heartbeat atomic.Pointer[func(term uint64, leader raft.ServerID) (last uint64, ok bool)]

	mu      sync.Mutex
	free    []*slot
	slots   int
	waiting int // bytes of requests that Raft has not answered
	streams map[net.Conn]struct{}
}

// Interfaces implemented.
var (
	_ raft.Transport   = (*GroupTransport)(nil)
	_ raft.WithPreVote = (*GroupTransport)(nil)
	_ raft.WithClose   = (*GroupTransport)(nil)
)

// Group returns the transport of a group, made if there is none. Requests for a
// group that has none are refused.
func (m *Mux) Group(id uint32) *GroupTransport {
	m.mu.Lock()
	defer m.mu.Unlock()
	if g := m.group(id); g != nil {
		return g
	}
	g := &GroupTransport{
		m: m, id: id,
		consumer: make(chan raft.RPC, maxSlots),
		done:     make(chan struct{}),
		streams:  map[net.Conn]struct{}{},
	}
	if m.closed {
		g.closed.Store(true)
		close(g.done)
		return g
	}
	m.setGroupLocked(id, g)
	return g
}

// Close removes the group: pending and later RPCs return ErrClosed, snapshot
// streams break, requests of other nodes are refused. raft.Shutdown calls it
// last; call it before waiting for that future, since raft waits for its RPCs.
func (g *GroupTransport) Close() error {
	if g.closed.Swap(true) {
		return nil
	}
	m := g.m
	m.mu.Lock()
	if m.group(g.id) == g {
		m.setGroupLocked(g.id, nil)
	}
	conns := make([]*outgoing, 0, len(m.links))
	for _, l := range m.links {
		if c := l.conn.Load(); c != nil {
			conns = append(conns, c)
		}
	}
	m.mu.Unlock()
	g.mu.Lock()
	close(g.done) // under mu: see enqueue
	for c := range g.streams {
		c.Close()
	}
	g.mu.Unlock()
	for _, c := range conns {
		c.giveUpGroup(g)
	}
	return nil
}

// Consumer returns the channel of requests for Raft's main loop.
func (g *GroupTransport) Consumer() <-chan raft.RPC { return g.consumer }

// LocalAddr returns the advertised address of the node.
func (g *GroupTransport) LocalAddr() raft.ServerAddress { return raft.ServerAddress(g.m.addr) }

// EncodePeer returns the address as bytes.
func (g *GroupTransport) EncodePeer(_ raft.ServerID, addr raft.ServerAddress) []byte {
	return []byte(addr)
}

// DecodePeer is the inverse of EncodePeer.
func (g *GroupTransport) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }

// SetHeartbeatHandler does nothing: Raft's own handler may change term and role
// behind the back of Raft's main loop (hashicorp/raft issue 695). See SetHeartbeats.
func (g *GroupTransport) SetHeartbeatHandler(func(raft.RPC)) {}

// SetHeartbeats sets what takes a heartbeat on the goroutine that reads the
// connection: it must not block. It returns the last index of the log; for false
// the heartbeat waits its turn in Raft's main loop. To be called once
// raft.NewRaft has returned.
func (g *GroupTransport) SetHeartbeats(f func(term uint64, leader raft.ServerID) (last uint64, ok bool)) {
	g.heartbeat.Store(&f)
}

// AppendEntriesPipeline always refuses: batches do the work of a pipeline, and
// the library's can deadlock.
func (g *GroupTransport) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// AppendEntries sends the entries, in several messages if they exceed MaxBatch.
// It then returns the answer to the first that was not successful, or to the last.
func (g *GroupTransport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	rest := args.Entries
	n := g.batch(rest)
	if n == len(rest) {
		return g.appendOnce(id, target, args, resp)
	}
	part := *args
	for {
		part.Entries = rest[:n]
		if err := g.appendOnce(id, target, &part, resp); err != nil {
			return err
		}
		if rest = rest[n:]; len(rest) == 0 || !resp.Success || resp.Term > args.Term {
			return nil
		}
		last := part.Entries[n-1]
		part.PrevLogEntry, part.PrevLogTerm = last.Index, last.Term
		n = g.batch(rest)
	}
}

// batch returns how many entries go into the next message, at least one if any.
func (g *GroupTransport) batch(entries []*raft.Log) int {
	size := 0
	for i, e := range entries {
		size += len(e.Data) + len(e.Extensions) + entryOverhead
		if size > g.m.opts.MaxBatch && i > 0 {
			return i
		}
	}
	return len(entries)
}

func (g *GroupTransport) appendOnce(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	limit := g.m.opts.AppendTimeout
	if isHeartbeat(args) {
		limit = g.m.opts.RPCTimeout
	}
	q := request{kind: kindGroup, group: g.id, rpc: rpcAppendEntries, append: args}
	return g.call(id, target, &q, resp, limit)
}

// RequestVote asks for a vote.
func (g *GroupTransport) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	q := request{kind: kindGroup, group: g.id, rpc: rpcRequestVote, msg: args}
	return g.call(id, target, &q, resp, g.m.opts.RPCTimeout)
}

// RequestPreVote asks whether a vote would be given.
func (g *GroupTransport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	q := request{kind: kindGroup, group: g.id, rpc: rpcRequestPre, msg: args}
	return g.call(id, target, &q, resp, g.m.opts.RPCTimeout)
}

// TimeoutNow asks a follower to start an election.
func (g *GroupTransport) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	q := request{kind: kindGroup, group: g.id, rpc: rpcTimeoutNow, msg: args}
	return g.call(id, target, &q, resp, g.m.opts.RPCTimeout)
}

// call sends a request and waits for its answer.
func (g *GroupTransport) call(id raft.ServerID, target raft.ServerAddress, q *request, resp any, limit time.Duration) error {
	l := g.m.link(string(target))
	for greeted := false; ; greeted = true {
		c, err := l.connected(string(id), limit, g.done, nil)
		if err != nil {
			return err
		}
		k := g.m.newCall(limit)
		k.group, k.resp = g, resp
		err = c.send(k, q)
		if err == nil {
			_, err = g.m.wait(k, nil)
			return err
		}
		g.m.release(k)
		if err != errNeedHello {
			return err
		}
		if greeted {
			return notDelivered(fmt.Errorf("%w: cluster id keeps changing", ErrCluster))
		}
		if err := c.greetAgain(g.m.opts.RPCTimeout, g); err != nil {
			return err
		}
	}
}

// isHeartbeat says whether Raft's heartbeat loop sent the request: the other
// AppendEntries carry a previous entry, a commit index or entries, except at the
// very beginning of a log, where telling them apart makes no difference.
func isHeartbeat(r *raft.AppendEntriesRequest) bool {
	return r.Term != 0 && len(r.Entries) == 0 && r.PrevLogEntry == 0 && r.PrevLogTerm == 0 && r.LeaderCommitIndex == 0
}
