package transport

import (
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
)

// SlowCommand is a command that took long.
type SlowCommand struct {
	Spec *command.Spec
	Args [][]byte // valid during the call
	Took time.Duration
	Addr string // of the client, as CLIENT LIST prints it
	Name string // of the connection, "" for none
}

// SlowObserver is told about slow commands. Safe for concurrent use.
type SlowObserver interface {
	// Wants is asked after every unit of commands and must be quick.
	Wants(took time.Duration) bool
	// Slow notes a command for which Wants said yes. What it took is its
	// execution, as in Redis, not what its client waited for.
	Slow(c SlowCommand)
}

// tellUnit reports the unit's commands that were slow. Those of a transaction
// share its time.
func (s *Session) tellUnit() {
	o := s.srv.opts.Slow
	if o == nil {
		return
	}
	longest := int64(0)
	for i := range s.unit.Ops {
		longest = max(longest, s.unit.Ops[i].Took())
	}
	if !o.Wants(time.Duration(longest)) {
		return
	}
	for i := range s.unit.Ops {
		op := &s.unit.Ops[i]
		took := time.Duration(op.Took())
		if !o.Wants(took) {
			continue
		}
		s.tellOp(op, took)
		for j := range op.Tx {
			s.tellOp(&op.Tx[j], took)
		}
	}
}

func (s *Session) tellOp(op *fsm.Op, took time.Duration) {
	if op.Cmd != nil {
		s.srv.opts.Slow.Slow(SlowCommand{s.srv.specOf(op), op.Args, took, s.addr, s.name})
	}
}

// timed runs a command of the session and reports it if it was slow.
func (s *Session) timed(spec *command.Spec, args [][]byte, run func()) {
	o := s.srv.opts.Slow
	if o == nil {
		run()
		return
	}
	start := time.Now()
	run()
	if took := time.Since(start); o.Wants(took) {
		o.Slow(SlowCommand{spec, args, took, s.addr, s.name})
	}
}
