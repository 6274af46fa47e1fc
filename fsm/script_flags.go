package fsm

import (
	"strings"

	"github.com/quorate/quorate/fsm/lua"
)

// A script that says what it does, by a first line "#!lua", or a function is
// refused as a whole when memory is short, unless its flags say that it needs
// none. Of other scripts those commands are refused that may need memory, until
// the first write: see scriptHost.Call.
//
// Source: "Scripting with Lua", script flags, in the Redis 7.0 docs, and script.c.

// scriptNeedsMemory reports whether the step runs a script that may need memory,
// by its flags.
func (m *Machine) scriptNeedsMemory(op *Op) bool {
	if len(op.Args) < 2 {
		return false
	}
	f, ok := op.Cmd.script(m, op.Args)
	return ok && f&(lua.Compat|lua.AllowOOM|lua.NoWrites) == 0
}

// OnlyReads reports whether a command runs a script whose flags say that it
// doesn't write. The number of arguments must fit the command.
func (m *Machine) OnlyReads(cmd *Command, args [][]byte) bool {
	if cmd.script == nil {
		return false
	}
	f, ok := cmd.script(m, args)
	return ok && f&lua.NoWrites != 0
}

func evalFlagsOf(_ *Machine, args [][]byte) (lua.Flags, bool) {
	return lua.ScriptFlags(string(args[1]))
}

func evalshaFlagsOf(m *Machine, args [][]byte) (lua.Flags, bool) {
	if s := m.scripts.find(args[1]); s != nil {
		return s.Flags, true
	}
	return 0, false
}

func fcallFlagsOf(m *Machine, args [][]byte) (lua.Flags, bool) {
	if f := m.libraries.functions[strings.ToLower(string(args[1]))]; f != nil {
		return f.Flags, true
	}
	return 0, false
}
