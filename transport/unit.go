package transport

import (
	"bytes"
	"errors"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/store"
)

// add puts a data command behind what the unit holds, and sends the unit when
// it is for another group or full.
func (s *Session) add(node *Node, args [][]byte, slot int, g Group, stale bool) {
	size := 0
	for _, a := range args {
		size += len(a)
	}
	op := fsm.Op{Cmd: node.Item.Data.For(args), Args: args, DB: s.db, Slot: slot}
	if s.track != nil {
		op.Before = s.remember(node, args)
	}
	op.Nested, op.As = s.nestedOf(node, args), s.as(node)
	if op.Cmd.Aside != nil {
		// Alone, so that it need not wait for what others hold up.
		s.flush()
		s.addOp(op, size, g, stale)
		s.flush()
		return
	}
	if op.Cmd.RunsScript() {
		if w, ok := g.(interface {
			WorthTrying(cmd *fsm.Command, args [][]byte) bool
		}); ok && !stale {
			op.Try = w.WorthTrying(op.Cmd, args)
		}
	}
	if op.Cmd.MayWait(args) {
		s.addBlocking(op, size, g, stale)
		return
	}
	s.addOp(op, size, g, stale)
}

func (s *Session) addOp(op fsm.Op, size int, g Group, stale bool) {
	if len(s.unit.Ops) > 0 && (s.group != g || s.stale != stale) {
		s.flush()
	}
	s.separate(&op)
	s.group, s.stale = g, stale
	s.unit.Ops = append(s.unit.Ops, op)
	s.unitBytes += size
	s.flushFull()
}

// separate sends the unit if it must not go together with op: scripts that are
// tried as reads and what is to be logged don't mix, or the scripts would be logged, too.
func (s *Session) separate(op *fsm.Op) {
	logged := !op.Try && (op.Tx != nil || op.Writes())
	if len(s.unit.Ops) > 0 && (s.unitTries && logged || s.unitLogs && op.Try) {
		s.flush()
	}
	s.unitTries, s.unitLogs = s.unitTries || op.Try, s.unitLogs || logged
}

// unitReply is how many bytes of replies a unit should lead to at the most, as
// far as the units before it tell. A session's first has at most firstUnit steps.
const (
	unitReply = 4 << 20
	firstUnit = 64
)

// flushFull sends the unit if it is large enough.
func (s *Session) flushFull() {
	lim := s.srv.opts.Limits
	n := len(s.unit.Ops)
	if int64(n) >= lim.UnitOps.Load() || int64(s.unitBytes) >= lim.UnitBytes.Load() || n*s.perOp >= unitReply {
		s.flush()
	}
}

// beginSide redirects replies to the side if a unit is waiting: they take their
// place among its replies.
func (s *Session) beginSide() {
	if len(s.unit.Ops) > 0 {
		s.Writer = &s.side
		s.sideMark = len(s.side.Buf)
	}
}

// endSide puts what was written on the side into the unit.
func (s *Session) endSide() {
	if s.Writer == &s.out {
		return
	}
	s.Writer = &s.out
	raw := s.side.Buf[s.sideMark:len(s.side.Buf):len(s.side.Buf)]
	if len(raw) == 0 {
		return // replies are off
	}
	s.unit.Ops = append(s.unit.Ops, fsm.Op{Raw: raw, Slot: -1})
	s.unitBytes += len(raw)
	s.flushFull()
}

// direct writes a reply that is known already in its place.
func (s *Session) direct(write func()) {
	s.beginSide()
	write()
	s.endSide()
}

// roomMaker is a group that can be short of memory. A write makes room itself.
type roomMaker interface {
	Short() bool
	MakeRoom()
}

// flush sends the unit to its group, waits for the replies and empties it.
func (s *Session) flush() {
	if len(s.unit.Ops) == 0 {
		return
	}
	if m, ok := s.group.(roomMaker); ok && !s.stale && m.Short() && !s.unit.Writes() {
		m.MakeRoom()
		s.drain() // the client hears what is evicted before the replies
	}
	mark := len(s.out.Buf)
	s.out.Errors = 0
	s.nestedError = s.nestedError[:0]
	s.unit.Reply, s.unit.Client, s.unit.Index, s.unit.Flushed = &s.out, s.id, 0, &s.flushed
	start := time.Now()
	s.used = start
	s.publish(false)
	var err error
	if s.stale {
		err = s.group.DoStale(&s.unit)
	} else {
		err = s.group.Do(&s.unit)
	}
	took := time.Since(start)
	// A command that waits is reported when its wait is over, as in Redis.
	waits := s.unit.Waiter != nil && err == nil && s.unit.Waiter.Blocked()
	ops := s.unit.Ops
	var last fsm.Op
	if waits {
		last = ops[len(ops)-1]
		s.unit.Ops = ops[:len(ops)-1]
	}
	if err == nil {
		s.tellUnit()
	}
	if err == nil && s.unit.Index > 0 {
		s.wrote = written{s.group, s.unit.Index}
	}
	if err != nil {
		s.out.Buf = s.out.Buf[:mark]
		s.answerAll(err, took)
	} else if s.out.Errors > 0 && !s.out.Discard {
		s.countErrors(s.out.Buf[mark:], took)
	} else {
		s.observeRuns(took)
	}
	s.perOp = max((len(s.out.Buf)-mark)/len(ops), s.perOp/4*3)
	if s.out.Discard {
		s.out.Buf = s.out.Buf[:mark]
	}
	w, g := s.unit.Waiter, s.group
	clear(ops)
	s.unit.Ops, s.unit.Waiter = ops[:0], nil
	s.side.Buf = s.side.Buf[:0]
	s.unitBytes = 0
	s.unitTries, s.unitLogs = false, false
	s.group = nil
	if s.flushed {
		s.flushed = false
		if f := s.srv.opts.Flushed; f != nil {
			f()
		}
	}
	if s.naps > 0 {
		time.Sleep(s.naps)
		s.naps = 0
	}
	if waits {
		s.waited(last, took, w, g)
	}
}

// answerAll gives every step of the unit the reply for an error of its group.
func (s *Session) answerAll(err error, took time.Duration) {
	router := s.srv.opts.Router
	for i := range s.unit.Ops {
		op := &s.unit.Ops[i]
		if op.Raw != nil {
			s.out.Raw(op.Raw)
			continue
		}
		s.Error(replyFor(err, router.Cluster(), func() string { return router.Redirect(max(op.Slot, 0)) }))
		if errors.Is(err, store.ErrUncertain) {
			s.observe(s.srv.specOf(op), 1, took, true)
		} else {
			s.observeFailure(s.srv.specOf(op), false) // not executed
		}
	}
}

// observeRuns reports the unit's commands, equal neighbours together.
func (s *Session) observeRuns(took time.Duration) {
	if s.srv.opts.Observer == nil {
		return
	}
	ops := s.unit.Ops
	for i := 0; i < len(ops); {
		n := 1
		for ops[i].Cmd != nil && i+n < len(ops) && ops[i+n].Cmd == ops[i].Cmd {
			n++
		}
		s.observe(s.srv.specOf(&ops[i]), n, took, false)
		s.observeTx(ops[i].Tx, took)
		i += n
	}
}

// observeTx reports the commands of a transaction.
func (s *Session) observeTx(tx []fsm.Op, took time.Duration) {
	for i := range tx {
		if tx[i].Cmd != nil {
			s.observe(s.srv.specOf(&tx[i]), 1, took, false)
		}
	}
}

// countErrors looks into replies that contain errors: which commands failed,
// and with which codes. Replies without errors are never looked at.
func (s *Session) countErrors(replies []byte, took time.Duration) {
	for i := range s.unit.Ops {
		n := replyLen(replies)
		if n <= 0 {
			return
		}
		one := replies[:n]
		replies = replies[n:]
		if s.unit.Ops[i].Raw != nil {
			continue
		}
		if s.unit.Ops[i].Tx != nil && one[0] == '*' {
			s.countNested(one, s.unit.Ops[i].Tx, took)
		}
		s.observeReply(s.srv.specOf(&s.unit.Ops[i]), one, took)
	}
}

// countNested does the same for a transaction.
func (s *Session) countNested(array []byte, tx []fsm.Op, took time.Duration) {
	rest := array[headerLen(array):]
	for i := range tx {
		n := replyLen(rest)
		if n <= 0 {
			return
		}
		if tx[i].Cmd != nil {
			s.observeReply(s.srv.specOf(&tx[i]), rest[:n], took)
		} else if rest[0] == '-' {
			s.srv.stats.countError(errorCode(rest[1:n]))
		}
		rest = rest[n:]
	}
}

// observed runs a command of the session and reports it.
func (s *Session) observed(spec *command.Spec, run func()) {
	if s.srv.opts.Observer == nil {
		run()
		return
	}
	before := s.errors
	start := time.Now()
	run()
	s.observe(spec, 1, time.Since(start), s.errors != before)
}

func (s *Session) observeFailure(spec *command.Spec, ran bool) {
	if o := s.srv.opts.Observer; o != nil && spec != nil {
		o.Failure(spec, ran)
	}
}

// rejection reports whether an error that a group replied says that the command
// wasn't run for the state the server is in.
func rejection(reply []byte) bool {
	for _, code := range [...]string{"-OOM ", "-NOREPLICAS ", "-MOVED ", "-MISCONF "} {
		if bytes.HasPrefix(reply, []byte(code)) {
			return true
		}
	}
	return false
}

// observeReply reports a command with its reply. A script's error that was one
// of its commands' has been counted.
func (s *Session) observeReply(spec *command.Spec, reply []byte, took time.Duration) {
	failed := reply[0] == '-'
	script := spec != nil && spec.Group == "scripting"
	if failed && !(script && len(s.nestedError) > 0 && bytes.HasPrefix(reply[1:], s.nestedError)) {
		s.srv.stats.countError(errorCode(reply[1:]))
	}
	if failed && !script && rejection(reply) {
		s.observeFailure(spec, false)
		return
	}
	s.observe(spec, 1, took, failed)
}

func (s *Session) observe(spec *command.Spec, n int, took time.Duration, failed bool) {
	if o := s.srv.opts.Observer; o != nil && spec != nil {
		o.Commands(spec, n, took, failed)
	}
}
