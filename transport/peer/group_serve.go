package peer

import (
	"fmt"

	"github.com/hashicorp/raft"
)

// maxSlots is how many requests of one group wait for Raft at a time, and
// maxWaiting how many bytes they may have: the other nodes have one or two
// outstanding each, more only after giving up on earlier ones.
const (
	maxSlots   = 64
	maxWaiting = 128 << 20
)

// slot waits for Raft's answer to one request. Its goroutine is parked on answer
// before the request is made known to Raft, so an answer wakes exactly one
// goroutine, which sends it. Slots are reused for the life of the group.
type slot struct {
	g      *GroupTransport
	answer chan raft.RPCResponse // capacity 1: Raft never blocks on it

	// Set before the request is passed on, read after the answer.
	conn *incoming
	id   uint64
	size int
}

// handleRaft serves a kindGroup frame. An error is a broken protocol.
func (s *incoming) handleRaft(f frame) error {
	d := decoder{b: f.body}
	rpc := d.byte()
	id := d.uvarint32()
	if d.err != nil {
		return d.err
	}
	if ours := s.m.cluster(); ours == "" || ours != s.cluster {
		s.refuse(f.id, fmt.Errorf("%w: ours %q, theirs %q", ErrCluster, ours, s.cluster))
		return nil
	}
	g := s.m.group(id)
	if g == nil {
		s.refuse(f.id, fmt.Errorf("peer: no group %d", id))
		return nil
	}
	var msg any
	var head *raft.RPCHeader
	if rpc == rpcAppendEntries {
		if err := decodeAppendEntries(&s.beat, d.b, f.owned, &s.in); err != nil {
			return err
		}
		head = &s.beat.RPCHeader
	} else {
		var err error
		if rpc == rpcSnapshot {
			return fmt.Errorf("%w: snapshot outside a stream", ErrProtocol)
		}
		if msg, head, err = decodeRequest(rpc, d.b, &s.in); err != nil {
			return err
		}
	}
	if string(head.ID) != s.node && len(head.ID) > 0 {
		s.refuse(f.id, fmt.Errorf("%w: request of %s on a connection of %s", ErrIdentity, head.ID, s.node))
		return nil
	}
	if msg == nil {
		if isHeartbeat(&s.beat) && s.fastHeartbeat(g, f.id) {
			return nil
		}
		own := s.beat
		s.beat.Entries = nil
		msg = &own
	}
	if err := g.enqueue(s, f.id, msg, len(f.body)); err != nil {
		s.refuse(f.id, err)
	}
	return nil
}

// fastHeartbeat answers the heartbeat in s.beat on the reader's goroutine, if
// that is safe: see SetHeartbeats.
func (s *incoming) fastHeartbeat(g *GroupTransport, id uint64) bool {
	heard := g.heartbeat.Load()
	if heard == nil || g.closed.Load() {
		return false
	}
	last, ok := (*heard)(s.beat.Term, raft.ServerID(s.beat.ID))
	if ok {
		// Who answers, the other end knows.
		s.beaten = raft.AppendEntriesResponse{RPCHeader: raft.RPCHeader{ProtocolVersion: s.beat.ProtocolVersion},
			Term: s.beat.Term, LastLog: last, Success: true}
		s.answerRaft(id, raft.RPCResponse{Response: &s.beaten}, false)
	}
	return ok
}

// enqueue passes a request to Raft's main loop without waiting for it.
func (g *GroupTransport) enqueue(s *incoming, id uint64, msg any, size int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.done:
		return ErrClosed
	default:
	}
	if g.waiting > 0 && g.waiting+size > maxWaiting {
		return errBusy
	}
	var sl *slot
	if n := len(g.free); n > 0 {
		sl = g.free[n-1]
		g.free = g.free[:n-1]
	} else if g.slots < maxSlots {
		sl = &slot{g: g, answer: make(chan raft.RPCResponse, 1)}
		// Owned by the group; stopped by its Close; the Mux waits for it.
		if !g.m.spawn(sl.run) {
			return ErrClosed
		}
		g.slots++
	} else {
		return errBusy
	}
	sl.conn, sl.id, sl.size = s, id, size
	select {
	case g.consumer <- raft.RPC{Command: msg, RespChan: sl.answer}:
		g.waiting += size
		return nil
	default: // snapshots have filled it
		sl.conn = nil
		g.free = append(g.free, sl)
		return errBusy
	}
}

// run sends Raft's answers until the group is closed.
func (sl *slot) run() {
	g := sl.g
	for {
		select {
		case r := <-sl.answer:
			conn, id := sl.conn, sl.id
			g.mu.Lock()
			g.waiting -= sl.size
			sl.conn = nil
			g.free = append(g.free, sl)
			g.mu.Unlock()
			conn.answerRaft(id, r, true)
		case <-g.done:
			g.mu.Lock()
			conn := sl.conn
			g.mu.Unlock()
			if conn == nil {
				return
			}
			select {
			case r := <-sl.answer: // both were ready
				conn.answerRaft(sl.id, r, true)
			default: // passed on, outcome unknown: not a refusal
				conn.answerError(sl.id, codeHandler, ErrClosed, true)
			}
			return
		}
	}
}
