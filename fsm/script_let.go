package fsm

import "github.com/quorate/quorate/command"

// DEBUG SET-DISABLE-DENY-SCRIPTS lets scripts call commands that are not for
// scripts. It is a switch of this process, but what a script does must not
// depend on whose replica runs it. So the leader says it in every entry, as a
// line "#letscripts" in front of the commands (compare #maxmemory in evict.go),
// and only scripts on the read path, which change nothing, look at the switch.

// LetScripts turns the switch on or off. Safe for concurrent use.
func (m *Machine) LetScripts(on bool) { m.letReads.Store(on) }

// Let returns the steps that must come first in the next entry to have the switch
// in force there: none if it is off.
func (m *Machine) Let() []Op {
	if !m.letReads.Load() {
		return nil
	}
	return []Op{{Cmd: writesByName["#LETSCRIPTS"], Slot: -1, Args: [][]byte{[]byte("#letscripts")}}}
}

// letScripts implements #letscripts.
func letScripts(c *WriteCall) { c.m.letAll = true }

// denies reports whether the command is not for scripts. Scripts never run
// scripts, whatever the switch says: Redis crashes then.
func (h *scriptHost) denies(flags command.Flags, group string) bool {
	if !flags.Has(command.NoScript) {
		return false
	}
	m := h.read.m
	let := h.write != nil && m.letAll || h.write == nil && m.letReads.Load()
	return !let || group == "scripting"
}

// debugInScript is DEBUG in a script, as far as its answer is the same on all
// replicas. Time stands still in scripts: SLEEP has nothing to wait for.
func debugInScript(h *scriptHost, args [][]byte) {
	switch {
	case len(args) == 3 && isWord(args[1], "PROTOCOL"):
		h.reply.Example(string(args[2]))
	case len(args) == 3 && isWord(args[1], "SLEEP"):
		h.reply.OK()
	default:
		h.reply.Error("ERR of DEBUG only PROTOCOL and SLEEP can be called from scripts")
	}
}
