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
	// Slow notes a command for which Wants said yes. What it took is what its
	// client waited for: the commands of a pipeline that went to a group
	// together all waited for the last.
	Slow(c SlowCommand)
}

// tellUnit reports the unit's commands.
func (s *Session) tellUnit(took time.Duration) {
	o := s.srv.opts.Slow
	if o == nil || !o.Wants(took) {
		return
	}
	s.tellOps(s.unit.Ops, took)
}

func (s *Session) tellOps(ops []fsm.Op, took time.Duration) {
	for i := range ops {
		op := &ops[i]
		if op.Cmd != nil {
			s.srv.opts.Slow.Slow(SlowCommand{s.srv.specOf(op), op.Args, took, s.addr, s.name})
		}
		s.tellOps(op.Tx, took)
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
