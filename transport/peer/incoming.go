package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// incoming is an accepted connection. Its reader answers heartbeats and inline
// services itself and passes everything else on without waiting.
type incoming struct {
	outbox // its mu also guards the fields below the line

	m      *Mux
	node   string // who dialled, by its own account
	ctx    context.Context
	cancel context.CancelFunc

	running  map[uint64]context.CancelFunc // calls that a goroutine works on
	seenBeat uint64                        // beats at the last tick
	stuck    int                           // ticks within one write

	// Owned by the reader.
	cluster string // the dialling end's, as last told
	in      interner
	scratch []byte                     // response of an inline handler
	beat    raft.AppendEntriesRequest  // every AppendEntries is decoded into it
	beaten  raft.AppendEntriesResponse // to a heartbeat
}

const (
	maxRunning = 512 // service calls of one connection that run at a time

	// lingerLimit is how long a refused connection is drained, so that the refusal
	// is not overtaken by a reset.
	lingerLimit = time.Second
)

// serve is the goroutine of an accepted connection.
func (m *Mux) serve(conn net.Conn) {
	defer m.drop(conn)
	timer := time.AfterFunc(m.opts.DialTimeout, func() { conn.Close() })
	h, err := m.welcome(conn)
	if !timer.Stop() || err != nil {
		if m.ctx.Err() == nil {
			m.log.Warn("peer refused", "from", conn.RemoteAddr(), "node", h.node, "error", err)
		}
		return
	}
	if h.code == purposeSnapshot {
		m.serveSnapshot(conn, h)
		return
	}

	s := &incoming{
		m: m, node: h.node, cluster: h.cluster,
		running: map[uint64]context.CancelFunc{},
	}
	s.init(conn, m.opts.MaxFrame+16<<20)
	s.ctx, s.cancel = context.WithCancel(m.ctx)
	defer s.cancel()
	// Owned by this connection; stops with its context, unblocked by drop.
	if !m.spawn(func() { s.writer(s.ctx.Done()) }) {
		return
	}
	m.mu.Lock()
	m.incoming[s] = struct{}{}
	m.mu.Unlock()
	m.nodeUp(s.node)
	err = s.read()
	m.mu.Lock()
	delete(m.incoming, s)
	m.mu.Unlock()
	if errors.Is(err, ErrProtocol) {
		m.log.Error("closing connection of peer", "node", s.node, "error", err)
	}
	conn.Close()
	m.nodeDown(s.node)
}

// welcome is the accepting end's part of the handshake.
func (m *Mux) welcome(conn net.Conn) (hello, error) {
	h, err := readHello(conn)
	if err != nil {
		return h, err
	}
	ours := hello{code: statusOK, cluster: m.cluster(), node: m.opts.NodeID}
	switch {
	case clustersDiffer(ours.cluster, h.cluster):
		ours.code = statusCluster
		err = fmt.Errorf("%w: ours %q, theirs %q", ErrCluster, ours.cluster, h.cluster)
	case h.code != purposeMux && h.code != purposeSnapshot:
		ours.code, ours.last = statusRefused, "unknown purpose of connection"
		err = fmt.Errorf("%w: purpose %d", ErrProtocol, h.code)
	case h.node == "":
		ours.code, ours.last = statusRefused, "no node id"
		err = fmt.Errorf("%w: no node id", ErrProtocol)
	}
	if _, werr := conn.Write(ours.append(nil)); werr != nil && err == nil {
		err = werr
	}
	return h, err
}

// linger waits until the other end has closed, but not for long.
func linger(conn net.Conn) {
	timer := time.AfterFunc(lingerLimit, func() { conn.Close() })
	defer timer.Stop()
	_, _ = io.Copy(io.Discard, conn) // whatever ends it: the connection is done with
}

// read serves frames until the connection breaks. Answers are flushed when no
// further request is at hand.
func (s *incoming) read() error {
	fr := newFrameReader(s.conn, readBuffer, s.m.opts.MaxFrame)
	for {
		f, err := fr.next()
		if err != nil {
			return err
		}
		if err := s.handle(f); err != nil {
			return err
		}
		if s.cluster != "" {
			fr.step = trustedStep
		}
		if !fr.more() {
			s.mu.Lock()
			s.flushLocked(true)
			s.mu.Unlock()
		}
	}
}

// handle serves one frame. An error is a broken protocol and ends the connection.
func (s *incoming) handle(f frame) error {
	switch f.kind {
	case kindGroup:
		return s.handleRaft(f)
	case kindService:
		return s.handleService(f)
	case kindCancel:
		s.mu.Lock()
		if cancel := s.running[f.id]; cancel != nil {
			cancel()
		}
		s.mu.Unlock()
		return nil
	case kindPing:
		s.answer(f.id, nil, false)
		return nil
	case kindHello:
		theirs := string(f.body)
		if theirs != "" && !validName(theirs) {
			return fmt.Errorf("%w: malformed cluster id", ErrProtocol)
		}
		ours := s.m.cluster()
		if clustersDiffer(ours, theirs) {
			s.refuse(f.id, fmt.Errorf("%w: ours %q, theirs %q", ErrCluster, ours, theirs))
			return nil
		}
		s.cluster = theirs
		s.answer(f.id, []byte(ours), false)
		return nil
	}
	return fmt.Errorf("%w: frame kind %d from the dialling end", ErrProtocol, f.kind)
}

// answer queues a successful answer; body must not change any more. The reader
// flushes by itself, everybody else passes flush.
func (s *incoming) answer(id uint64, body []byte, flush bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.roomLocked(len(body)) {
		return
	}
	if len(body) < bulkSize {
		start := len(s.small)
		s.small = beginFrame(s.small, kindOK, id)
		s.small = append(s.small, body...)
		endFrame(s.small, start, 0)
		s.queued += len(s.small) - start
	} else {
		head := beginFrame(make([]byte, 0, headerLen), kindOK, id)
		endFrame(head, 0, len(body))
		s.addBulkLocked(bulkFrame{pieces: appendPieces(net.Buffers{head}, body), size: headerLen + len(body)})
	}
	if flush {
		s.flushLocked(true)
	}
}

// answerRaft queues the answer to a Raft RPC.
func (s *incoming) answerRaft(id uint64, r raft.RPCResponse, flush bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.roomLocked(0) {
		return
	}
	start := len(s.small)
	switch {
	case r.Error != nil:
		s.small = appendErrorFrame(s.small, id, codeHandler, r.Error.Error())
	case !isResponse(r.Response):
		s.small = appendErrorFrame(s.small, id, codeHandler, fmt.Sprintf("peer: Raft answered with %T", r.Response))
	default:
		s.small = beginFrame(s.small, kindOK, id)
		s.small = appendResponse(s.small, r.Response)
		endFrame(s.small, start, 0)
	}
	s.queued += len(s.small) - start
	if flush {
		s.flushLocked(true)
	}
}

// answerError queues an error; the reader flushes by itself.
func (s *incoming) answerError(id uint64, code byte, err error, flush bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.roomLocked(0) {
		return
	}
	start := len(s.small)
	s.small = appendErrorFrame(s.small, id, code, err.Error())
	s.queued += len(s.small) - start
	if flush {
		s.flushLocked(true)
	}
}

// refuse answers, on behalf of the reader, that the request reached no handler.
func (s *incoming) refuse(id uint64, err error) { s.answerError(id, codeRefused, err, false) }

// roomLocked says whether an answer may be queued. An end that sends requests and
// does not read the answers loses its connection.
func (s *incoming) roomLocked(size int) bool {
	if s.broken {
		return false
	}
	if err := s.overflowLocked(size); err != nil {
		s.m.log.Warn("closing connection of peer", "node", s.node, "error", err)
		s.broken = true
		s.conn.Close()
		return false
	}
	return true
}

// tick is called by the monitor and breaks a connection whose writes are stuck.
func (s *incoming) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.writing || s.beats != s.seenBeat {
		s.seenBeat, s.stuck = s.beats, 0
		return
	}
	if s.stuck++; s.stuck >= monitorTicks {
		s.conn.Close()
	}
}
