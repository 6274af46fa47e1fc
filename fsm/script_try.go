package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/lua"
)

// A script may write, so EVAL, EVALSHA and FCALL are writes. Most don't, though,
// and one that never ends must not get into the log. So the leader tries them
// first, as a read: the script runs on the state as it is, up to the first
// command that would change it. If it ends without one, that was its run.
// Otherwise the attempt has never been: whatever others would have seen of it is
// held back till its end, and the unit goes through the log
// (docs/decisions/0014-scripts-that-read.md).

// attempt is what a unit that is tried as a read has come to.
type attempt struct {
	wrote bool        // a script has reached a write
	loads scriptCache // scripts that aren't cached and have run
	held  []func()    // what others see of it
	bytes int
}

// maxHeld bounds what is held back. An attempt that has more to tell has run for
// long, and tells it at once.
const maxHeld = 1 << 20

// hold keeps what others see of an attempt until it is known to count.
func (a *attempt) hold(bytes int, tell func()) {
	if a.bytes += bytes + 64; a.bytes > maxHeld {
		a.tell()
	}
	a.held = append(a.held, tell)
}

func (a *attempt) tell() {
	for i, f := range a.held {
		f()
		a.held[i] = nil
	}
	a.held, a.bytes = a.held[:0], 0
}

// Tries reports whether the unit is to be tried as a read: but for steps that are to
// be tried it only reads.
func (u *Unit) Tries() bool {
	tries := false
	for i := range u.Ops {
		op := &u.Ops[i]
		switch {
		case op.Tx != nil:
			return false
		case op.Cmd == nil || op.Cmd.Write == nil:
		case !op.Try || op.Cmd.try == nil:
			return false
		default:
			tries = true
		}
	}
	return tries && u.Waiter == nil
}

// WorthTrying reports whether a command runs a script that didn't write the last
// time. Where memory is short the log decides what may run. The number of
// arguments must fit the command.
func (m *Machine) WorthTrying(cmd *Command, args [][]byte) bool {
	return cmd.try != nil && !cmd.wrote(m, args) && !m.OutOfMemory(m.memory.Load())
}

// RunsScript reports whether the command runs a script that may write.
func (c *Command) RunsScript() bool { return c.try != nil }

// Tried is what came of an attempt.
type Tried int

const (
	TriedRead  Tried = iota // the unit is answered
	TriedAged               // as where Read returns false: commit the time and try again
	TriedWrite              // the unit writes
)

// Try runs a unit that Tries as Read would. With TriedRead come the steps that
// must be committed before the answer is given: scripts for the cache.
func (m *Machine) Try(u *Unit, now int64, seed uint64) (Tried, []Op) {
	a := &attempt{}
	if !m.read(u, now, seed, a) {
		if a.wrote || u.storesReads() {
			return TriedWrite, nil
		}
		return TriedAged, nil
	}
	a.tell()
	var loads []Op
	for _, s := range a.loads.order {
		loads = append(loads, Op{Cmd: writesByName["SCRIPT LOAD"], Args: [][]byte{[]byte("SCRIPT"), []byte("LOAD"), []byte(s.Body)}, Slot: -1})
	}
	return TriedRead, loads
}

// storesReads reports whether a read of the unit has become a write.
func (u *Unit) storesReads() bool {
	for i := range u.Ops {
		if c := u.Ops[i].Cmd; c != nil && c.Write != nil && c.try == nil {
			return true
		}
	}
	return false
}

func evalTried(c *ReadCall) {
	nkeys, ok := c.scriptNumKeys()
	if !ok {
		return
	}
	s, known := c.scriptOf(c.Args[1])
	if s == nil {
		return
	}
	if !known && c.m.scripts.room(s) {
		c.attempt.loads.add(s)
	}
	c.tryScript(s, nkeys)
}

func evalshaTried(c *ReadCall) {
	if s, nkeys, ok := c.cachedScript(); ok {
		c.tryScript(s, nkeys)
	}
}

func (c *ReadCall) tryScript(s *lua.Script, nkeys int) {
	if !c.checkFlags(s.Flags, false) {
		return
	}
	finished := c.runRead(c.scriptCall(c.host(s.Flags, nkeys, false), nkeys), &runningScript{command: c.Args}, func(call *lua.Call) bool {
		return c.m.interp.Run(s, call, c.Writer)
	})
	if !finished {
		s.Wrote.Store(true)
	}
}

func fcallTried(c *ReadCall) {
	f, nkeys, ok := c.function()
	if !ok || !c.checkFlags(f.Flags, false) {
		return
	}
	if !c.readFunction(f, c.scriptCall(c.host(f.Flags, nkeys, false), nkeys)) {
		f.Wrote.Store(true)
	}
}

func evalWrote(m *Machine, args [][]byte) bool {
	s := m.scripts.byBody[string(args[1])]
	return s != nil && s.Wrote.Load()
}

func evalshaWrote(m *Machine, args [][]byte) bool {
	s := m.scripts.find(args[1])
	return s != nil && s.Wrote.Load()
}

func fcallWrote(m *Machine, args [][]byte) bool {
	f := m.libraries.byName(args[1])
	return f != nil && f.Wrote.Load()
}

// mustLog reports whether a command that a tried script calls has to go through
// the log. One that may need memory does where that is limited: whether there is
// some, the log decides.
func (h *scriptHost) mustLog(args [][]byte) bool {
	return h.cmd.For(args).Write != nil || h.cmd.Flags.Has(command.DenyOOM) && h.read.m.memory.Load().Max > 0
}
