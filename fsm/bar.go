package fsm

import (
	"strings"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/lua"
)

// Bar is why writes are refused while reads are not. What it depends on is known to
// the leader only, so it says it in the entry, as a line in front of the commands
// (compare #maxmemory in evict.go).
//
// Source: processCommand, scriptPrepareForRun and scriptCall of Redis 7.0.
type Bar uint8

// The bars, the one that counts first.
const (
	NoBar       Bar = iota
	NotSaved        // stop-writes-on-bgsave-error: the last RDB file couldn't be written
	FewReplicas     // min-replicas-to-write: too few other replicas answer
)

var bars = [...]struct{ line, reply, script string }{
	NotSaved:    {"#notsaved", errNotSaved, errScriptNotSaved},
	FewReplicas: {"#fewreplicas", errNoReplicas, errNoReplicas},
}

// Step returns the step that has writes refused in the rest of its entry.
func (b Bar) Step() Op {
	return Op{Cmd: writesByName[strings.ToUpper(bars[b].line)], Slot: -1, Args: [][]byte{[]byte(bars[b].line)}}
}

// Reply returns the text of the error that a write gets, "" with NoBar.
func (b Bar) Reply() string { return bars[b].reply }

// replyInTx is what a script in a transaction gets that might write.
func (b Bar) replyInTx() string { return bars[b].script }

// barred returns the handler of a bar's line.
func barred(b Bar) func(*WriteCall) { return func(c *WriteCall) { c.m.bar = b } }

// barsStep reports whether a step is a write, or runs a script whose flags
// don't say that it isn't. Of a script without flags the writes are refused one
// by one, until the first that is done: see scriptHost.Call.
func (m *Machine) barsStep(op *Op) bool {
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

// barsTx reports whether a transaction has a write. Redis doesn't ask
// what the scripts in it do.
func barsTx(tx []Op) bool {
	for i := range tx {
		if tx[i].Cmd != nil && tx[i].Cmd.Flags.Has(command.Write) {
			return true
		}
	}
	return false
}
