package store

import (
	"math/rand/v2"

	"github.com/quorate/quorate/fsm"
)

// WorthTrying reports whether a step that runs a script should be tried as a read:
// see fsm.Op.Try. While writes are refused, what a script's flags make of that is
// decided where its entry is applied.
func (g *Group) WorthTrying(cmd *fsm.Command, args [][]byte) bool {
	if g.Bar() != fsm.NoBar {
		return false
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.unusable == nil && g.machine.WorthTrying(cmd, args)
}

// try runs a unit of scripts as a read. False without an error: it has to go
// through the log (docs/decisions/0014-scripts-that-read.md).
func (g *Group) try(u *fsm.Unit) (answered bool, err error) {
	mark := len(u.Reply.Buf)
	for {
		if err := g.Confirm(); err != nil {
			return false, err
		}
		now := g.now()
		g.mu.RLock()
		if err := g.unusable; err != nil {
			g.mu.RUnlock()
			return false, err
		}
		if g.waiters.Due() { // see Do
			g.mu.RUnlock()
			if err := g.propose(&fsm.Unit{}); err != nil {
				return false, err
			}
			continue
		}
		tried, loads := g.machine.Try(u, now, rand.Uint64())
		g.mu.RUnlock()
		if g.Serving() == 0 { // the script may have been ended for that
			u.Reply.Buf = u.Reply.Buf[:mark]
			return false, ErrNotLeader
		}
		switch tried {
		case fsm.TriedWrite:
			return false, nil
		case fsm.TriedAged:
			if err := g.propose(&fsm.Unit{}); err != nil {
				return false, err
			}
			continue
		}
		if len(loads) > 0 {
			if err := g.propose(&fsm.Unit{Ops: loads}); err != nil {
				u.Reply.Buf = u.Reply.Buf[:mark]
				return false, err
			}
		}
		return true, nil
	}
}

// doAside runs a unit of one command that needs neither the state nor the lock,
// which a script may hold.
func (g *Group) doAside(u *fsm.Unit) bool {
	if len(u.Ops) != 1 || u.Ops[0].Cmd == nil || u.Ops[0].Cmd.Aside == nil {
		return false
	}
	u.Ops[0].Cmd.Aside(&fsm.AsideCall{Writer: u.Reply, Running: g.opt.Machine.Running, Stats: g.stats, Now: g.opt.Wall()})
	return true
}

// endScripts ends the scripts that run on the group's state, but for those from
// the log.
func (g *Group) endScripts() { g.opt.Machine.Running.EndAll(g.stats) }
