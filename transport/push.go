package transport

import (
	"sync"
	"time"

	"github.com/quorate/quorate/resp"
)

// Messages that a session did not ask for at that moment (pub/sub, invalidated
// keys, MONITOR) are queued by other goroutines and never make those wait. See
// docs/decisions/0011-push.md.
//
// While the session runs commands it writes what is queued itself, behind the
// replies of the commands that are done; while it waits for input, a goroutine
// that lives as long as there is something to write does. So a message never
// stands inside a reply, and one that was caused by a change after a read is
// never written before the reply to that read.

// pushes are the messages of one session. Safe for concurrent use.
type pushes struct {
	mu       sync.Mutex
	idle     sync.Cond // signalled when sending ends; its lock is mu
	proto    int       // the session's protocol
	waiting  []byte
	spare    []byte
	inflight int       // bytes that send is writing
	running  bool      // the session runs commands: it writes what waits
	held     bool      // it doesn't yet, but a command that waited has its reply
	sending  bool      // send runs
	closed   bool      // nothing is taken any more
	since    time.Time // over the soft limit since then; zero: not over it
}

// message is a push in the two protocols, encoded when first needed. Not safe
// for concurrent use.
type message struct {
	write   func(w *resp.Writer) // writes nothing if the protocol has no such message
	encoded [4][]byte            // by protocol
}

func (m *message) in(proto int) []byte {
	if m.encoded[proto] == nil {
		w := resp.Writer{Proto: proto, Buf: make([]byte, 0, 64)}
		m.write(&w)
		m.encoded[proto] = w.Buf
	}
	return m.encoded[proto]
}

// ownPushes returns the session's queue, made if need be. Only the session's own
// goroutine may call it.
func (s *Session) ownPushes() *pushes {
	if q := s.push.Load(); q != nil {
		return q
	}
	return s.makePushes(s.out.Proto)
}

// makePushes makes the queue of a session that is taken to be running commands.
func (s *Session) makePushes(proto int) *pushes {
	q := &pushes{running: true, proto: proto}
	q.idle.L = &q.mu
	if !s.push.CompareAndSwap(nil, q) {
		return s.push.Load()
	}
	return q
}

// foreignPushes is ownPushes for other goroutines. Whether a session without a
// queue runs commands is not known outside: it is woken up and tells.
func (s *Session) foreignPushes() *pushes {
	if q := s.push.Load(); q != nil {
		return q
	}
	s.mu.Lock()
	proto := s.info.resp
	s.mu.Unlock()
	q := s.makePushes(proto)
	s.conn.SetReadDeadline(time.Unix(1, 0))
	return q
}

// tell queues a message for the session. It never blocks: a session that lets
// too much pile up is closed.
func (s *Session) tell(m *message) {
	q := s.foreignPushes()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	b := m.in(q.proto)
	if len(b) == 0 {
		return
	}
	q.waiting = append(q.waiting, b...)
	s.backlog.Store(int64(len(q.waiting)))
	if reason := s.overLimit(q, time.Now); reason != "" {
		q.closed = true
		q.waiting = nil
		s.backlog.Store(0)
		s.srv.evict(s, reason)
		return
	}
	s.startSending(q)
}

// startSending has what waits written if the session doesn't do it. The caller
// holds q.mu.
func (s *Session) startSending(q *pushes) {
	if len(q.waiting) > 0 && !q.running && !q.held && !q.sending && !q.closed {
		q.sending = true
		// Owned by the session. Stops when nothing waits, the session runs
		// commands or its connection is closed; close waits for that.
		go s.send(q)
	}
}

// send writes what waits until nothing does.
func (s *Session) send(q *pushes) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 && !q.running && !q.held && !q.closed {
		b := q.waiting
		q.waiting, q.spare = q.spare[:0], nil
		q.inflight = len(b)
		s.backlog.Store(0)
		q.mu.Unlock()
		ok := s.transmit(b)
		q.mu.Lock()
		q.inflight = 0
		if cap(b) <= keepOutput {
			q.spare = b
		}
		if !ok {
			q.closed = true
			s.kill()
		}
	}
	q.sending = false
	q.idle.Broadcast()
}

// overLimit returns why a session that has so much unread must be closed, or "".
// Source: client-output-buffer-limit of Redis. The caller holds q.mu.
func (s *Session) overLimit(q *pushes, now func() time.Time) string {
	hard, soft, patience := s.outputLimits()
	n := int64(len(q.waiting)) + max(int64(q.inflight), s.pending.Load())
	switch {
	case hard > 0 && n > hard:
		return "output buffer limit"
	case soft == 0 || n <= soft:
		q.since = time.Time{}
	case q.since.IsZero():
		q.since = now()
	case now().Sub(q.since) > patience:
		return "output buffer soft limit"
	}
	return ""
}

// outputLimits returns the limits of the session's class: bytes that end it at
// once, and bytes that end it when they last. 0: none.
func (s *Session) outputLimits() (hard, soft int64, patience time.Duration) {
	l := s.srv.opts.Limits
	if s.following.Load() {
		return l.ReplicaHard.Load(), l.ReplicaSoft.Load(), time.Duration(l.ReplicaSoftSecs.Load()) * time.Second
	}
	if s.subs.any() {
		return l.PubSubHard.Load(), l.PubSubSoft.Load(), time.Duration(l.PubSubSoftSecs.Load()) * time.Second
	}
	return l.OutputHard.Load(), l.OutputSoft.Load(), time.Duration(l.OutputSoftSecs.Load()) * time.Second
}

// checkPushes closes the session if it has been over its soft limit for too
// long: the janitor's part of overLimit.
func (s *Session) checkPushes(now time.Time) {
	q := s.push.Load()
	if q == nil {
		return
	}
	q.mu.Lock()
	reason := ""
	if !q.closed {
		reason = s.overLimit(q, func() time.Time { return now })
	}
	if reason != "" {
		q.closed = true
		q.waiting = nil
		s.backlog.Store(0)
	}
	q.mu.Unlock()
	if reason != "" {
		s.srv.evict(s, reason)
	}
}

// begin tells that the session runs commands from now on.
func (s *Session) begin() {
	if q := s.push.Load(); q != nil {
		q.mu.Lock()
		q.running, q.held = true, false
		q.mu.Unlock()
	}
}

// holdBack, from any goroutine, tells that a command for which the session waits
// has its reply: messages from now on come behind it.
func (s *Session) holdBack() {
	if q := s.push.Load(); q != nil {
		q.mu.Lock()
		q.held = true
		q.mu.Unlock()
	}
}

// rest tells that the session has written all its replies and waits.
func (s *Session) rest() {
	if q := s.push.Load(); q != nil {
		q.mu.Lock()
		q.running = false
		s.startSending(q)
		q.mu.Unlock()
	}
}

// drain appends the messages that wait to the replies. The caller has made sure
// that the replies end with a complete one and that the unit is empty. It waits
// for a write that is under way, so no lock may be held.
func (s *Session) drain() {
	q := s.push.Load()
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.sending {
		q.idle.Wait()
	}
	s.out.Buf = append(s.out.Buf, q.waiting...)
	if cap(q.waiting) > keepOutput {
		q.waiting = nil
	}
	q.waiting = q.waiting[:0]
	s.backlog.Store(0)
}

// endPushes ends the queue: the connection is closed.
func (s *Session) endPushes() {
	q := s.push.Load()
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.waiting = nil
	s.backlog.Store(0)
	for q.sending {
		q.idle.Wait()
	}
}

// leaveAll ends everything for which others send messages to the session.
func (s *Session) leaveAll() {
	s.srv.hub.leave(s)
	s.stopTracking()
	s.stopMonitoring()
	s.stopFollowing()
}

// speak has messages written in another protocol from now on.
func (s *Session) speak(proto int) {
	if q := s.push.Load(); q != nil {
		q.mu.Lock()
		q.proto = proto
		q.mu.Unlock()
	}
}

// pushReply writes a reply that is a push to RESP3 clients: CLIENT REPLY OFF
// doesn't concern it.
func (s *Session) pushReply(write func(w *resp.Writer)) {
	muted := s.Writer.Discard
	s.Writer.Discard = false
	write(s.Writer)
	s.Writer.Discard = muted
}
