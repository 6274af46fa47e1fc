package transport

import (
	"errors"
	"os"
	"time"

	"github.com/quorate/quorate/fsm"
)

const (
	errUnblocked = "UNBLOCKED client unblocked via CLIENT UNBLOCK"
	errDeposed   = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
)

// blockage is what a session waits for. Safe for concurrent use.
type blockage interface {
	// End ends the wait and reports true, unless it has ended by itself.
	End(fsm.End) bool
	// Ended reports whether the wait has ended.
	Ended() bool
}

// addBlocking puts a command that may wait behind what the unit holds and sends
// the unit: what the client sends behind it has to wait, too.
func (s *Session) addBlocking(op fsm.Op, size int, g Group, stale bool) {
	if len(s.unit.Ops) > 0 && (s.group != g || s.stale != stale) {
		s.flush()
	}
	s.separate(&op)
	s.group, s.stale = g, stale
	s.unit.Ops = append(s.unit.Ops, op)
	s.unitBytes += size
	s.unit.Waiter = &fsm.Waiter{Wake: s.interrupt, Before: op.Before, Found: s.holdBack, Client: s.id}
	s.flush()
}

// interrupt makes the session's read return, from any goroutine.
func (s *Session) interrupt() { s.conn.SetReadDeadline(time.Unix(1, 0)) }

// waited lets a command wait and reports it when that is over, as Redis does:
// with the time that its first attempt took, as failed if it ended in an error,
// and to the slow log only if it was served.
func (s *Session) waited(op fsm.Op, took time.Duration, w *fsm.Waiter, g Group) {
	args := make([][]byte, len(op.Args)) // reading on moves the input buffer
	for i, a := range op.Args {
		args[i] = append([]byte(nil), a...)
	}
	before := s.errors
	if !s.block(w, w.Timeout()) {
		return
	}
	end, reply, err := w.Result()
	s.answerWait(w, g, end, reply, err)
	spec := s.srv.specOf(&op)
	s.observe(spec, 1, took, s.errors != before)
	if o, took := s.srv.opts.Slow, time.Duration(op.Took()); o != nil && end == fsm.Served && o.Wants(took) {
		o.Slow(SlowCommand{spec, args, took, s.addr, s.name})
	}
}

// answerWait writes the reply of a blocking command.
func (s *Session) answerWait(w *fsm.Waiter, g Group, end fsm.End, reply []byte, err error) {
	router := s.srv.opts.Router
	redirect := func() string { return router.Redirect(w.Slot()) }
	switch end {
	case fsm.Served:
		if len(reply) > 0 && reply[0] == '-' {
			s.errors++
			s.srv.stats.countError(errorCode(reply[1:]))
		}
		if !s.out.Discard {
			s.out.Raw(reply)
		}
		if i := w.Index(); i > 0 {
			s.wrote = written{g, i}
		}
	case fsm.Failed:
		s.Error(replyFor(err, router.Cluster(), redirect))
	case fsm.TimedOut:
		s.NullArray()
	case fsm.Unblocked:
		s.Error(errUnblocked)
	case fsm.Deposed:
		if router.Cluster() {
			s.Error(redirect())
			return
		}
		s.Error(errDeposed)
		s.ending = true // as Redis does
	}
}

// block lets the session wait for b, for timeout ms at the most (0: for ever).
// Meanwhile messages go out, and it reads on, within the limit of the query
// buffer, so that it sees when the client goes. It returns false when the session has to end.
func (s *Session) block(b blockage, timeout int64) bool {
	if !s.write() { // what was answered before
		b.End(fsm.Left)
		s.killed.Store(true)
		return false
	}
	var deadline time.Time
	if timeout > 0 {
		s.srv.timed.Add(1)
		defer s.srv.timed.Add(-1)
		deadline = time.Now().Add(time.Duration(min(timeout, maxTimeout)) * time.Millisecond)
	}
	s.srv.blocked.Add(1)
	s.blocked.Store(&b)
	s.publish(false)
	alive := s.blockedRead(b, deadline)
	s.begin()
	s.blocked.Store(nil)
	s.srv.blocked.Add(-1)
	s.conn.SetReadDeadline(time.Time{})
	if !alive {
		b.End(fsm.Left)
		s.killed.Store(true)
	}
	return alive
}

// maxTimeout is longer than any process runs, and fits into a time.Duration.
const maxTimeout = int64(100*365*24*time.Hour) / int64(time.Millisecond)

// blockedRead reads until b has ended. Everybody who ends it, the deadline
// included, interrupts the read.
func (s *Session) blockedRead(b blockage, deadline time.Time) (alive bool) {
	lim := s.srv.opts.Limits
	for {
		// In this order: what happens after the checks finds the read to interrupt.
		s.conn.SetReadDeadline(deadline)
		s.rest()
		switch {
		case b.Ended():
			return true
		case s.killed.Load(), s.srv.closing.Load():
			return false
		case !deadline.IsZero() && !time.Now().Before(deadline):
			if b.End(fsm.TimedOut) {
				return true
			}
			deadline = time.Time{} // it is being served
			continue
		}
		n, err := s.in.fill(s.conn, lim.QueryBuffer.Load(), lim.TotalInput.Load())
		s.srv.stats.input.Add(int64(n))
		switch {
		case n > 0, err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, errInputLimit), errors.Is(err, errTotalInput):
			s.srv.log.Warn("closing client", "client", s.addr, "reason", err)
			s.srv.stats.limited.Add(1)
			return false
		default:
			return false
		}
	}
}

// clientUnblock implements CLIENT UNBLOCK client-id [TIMEOUT | ERROR].
func clientUnblock(s *Session, args [][]byte) {
	end := fsm.TimedOut
	switch len(args) {
	case 3:
	case 4:
		switch {
		case equalFold(args[3], "TIMEOUT"):
		case equalFold(args[3], "ERROR"):
			end = fsm.Unblocked
		default:
			s.Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
			return
		}
	default:
		s.Error("ERR unknown subcommand or wrong number of arguments for '" + cString(args[1], 128) + "'. Try CLIENT HELP.")
		return
	}
	id, ok := parseLength(args[2])
	if !ok {
		s.Error(errNotInteger)
		return
	}
	c := s.srv.sessions.find(id)
	if c == nil {
		s.Int(0)
		return
	}
	if b := c.blocked.Load(); b != nil && (*b).End(end) {
		s.Int(1)
		return
	}
	s.Int(0)
}
