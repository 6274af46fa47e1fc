package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/lua"
)

// min-replicas-to-write has writes refused while too few other replicas answer.
// Who answers is known to the leader only, so it says it in the entry, as a line
// "#fewreplicas" in front of the commands (compare #maxmemory in evict.go).
//
// Source: processCommand, scriptPrepareForRun and scriptCall of Redis 7.0.

// FewReplicas returns the step that has writes refused in the rest of its entry.
func FewReplicas() Op {
	return Op{Cmd: writesByName["#FEWREPLICAS"], Slot: -1, Args: [][]byte{[]byte("#fewreplicas")}}
}

// fewReplicas implements #fewreplicas.
func fewReplicas(c *WriteCall) { c.m.few = true }

// wantsReplicas reports whether a step is a write, or runs a script whose flags
// don't say that it isn't. Of a script without flags the writes are refused one
// by one, until the first that is done: see scriptHost.Call.
func (m *Machine) wantsReplicas(op *Op) bool {
	switch {
	case op.Cmd == nil:
		return false
	case op.Cmd.script == nil:
		return op.Cmd.Flags.Has(command.Write)
	case op.Cmd.Write == nil || len(op.Args) < 2:
		return false
	}
	f, ok := op.Cmd.script(m, op.Args)
	return ok && f&(lua.Compat|lua.NoWrites) == 0
}

// txWantsReplicas reports whether a transaction has a write. Redis doesn't ask
// what the scripts in it do.
func txWantsReplicas(tx []Op) bool {
	for i := range tx {
		if tx[i].Cmd != nil && tx[i].Cmd.Flags.Has(command.Write) {
			return true
		}
	}
	return false
}
