package lualib

import (
	"fmt"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// libs are the functions of one Open. Their receivers share the budget.
type libs struct {
	b *Budget
}

// maxStack is how many values Lua 5.1 lets a C function hold (LUAI_MAXCSTACK).
const maxStack = 8000

// where is the position that luaL_error puts before a message: the line of the
// Lua function that called the library, or nothing when a library function did.
func where(L *lua.LState) string {
	dbg, ok := L.GetStack(1)
	if !ok {
		return ""
	}
	if _, err := L.GetInfo("Sl", dbg, lua.LNil); err != nil || dbg.Source == "" || dbg.CurrentLine <= 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d: ", dbg.Source, dbg.CurrentLine)
}

// fail raises a message with the caller's position before it.
func fail(L *lua.LState, format string, args ...any) {
	raise(L, where(L)+fmt.Sprintf(format, args...))
}

// raise raises a message as it is.
func raise(L *lua.LState, message string) {
	L.Error(lua.LString(message), 0)
}

// calledAs is the name under which the running function was called, and
// whether with a colon. Lua's errors count arguments accordingly.
func calledAs(L *lua.LState) (name string, method bool) {
	dbg, ok := L.GetStack(0)
	if !ok {
		return "?", false
	}
	if _, err := L.GetInfo("n", dbg, lua.LNil); err != nil {
		return "?", false
	}
	switch dbg.Name {
	case "", "(anonymous)", "main chunk", "corountine":
		return "?", false
	}
	caller, ok := L.GetStack(1)
	if !ok {
		return dbg.Name, false
	}
	fn, err := L.GetInfo("lf", caller, lua.LNil)
	if f, ok := fn.(*lua.LFunction); err == nil && ok && !f.IsG {
		method = methodCall(f.Proto, dbg.Name, caller.CurrentLine)
	}
	return dbg.Name, method
}

// methodCall looks for the call on a line in a function's code: the
// interpreter does not tell which instruction is running, so with two calls of
// one name on one line the first decides.
func methodCall(p *lua.FunctionProto, name string, line int) bool {
	for _, call := range p.DbgCalls {
		if call.Name != name || call.Pc >= len(p.Code) || p.DbgSourcePositions[call.Pc] != line {
			continue
		}
		register := p.Code[call.Pc] >> 18 & 0xff
		for pc := call.Pc - 1; pc >= 0; pc-- {
			if op := int(p.Code[pc] >> 26); p.Code[pc]>>18&0xff == register && op == lua.OP_SELF {
				return true
			} else if p.Code[pc]>>18&0xff == register && (op == lua.OP_GETTABLEKS || op == lua.OP_GETGLOBAL || op == lua.OP_MOVE || op == lua.OP_GETUPVAL) {
				return false
			}
		}
	}
	return false
}

// argError raises what luaL_argerror raises.
func argError(L *lua.LState, n int, message string) {
	name, method := calledAs(L)
	if method {
		n--
		if n == 0 {
			fail(L, "calling '%s' on bad self (%s)", name, message)
		}
	}
	fail(L, "bad argument #%d to '%s' (%s)", n, name, message)
}

func typeError(L *lua.LState, n int, want string) {
	argError(L, n, want+" expected, got "+typeName(L, n))
}

func typeName(L *lua.LState, n int) string {
	if n > L.GetTop() {
		return "no value"
	}
	return L.Get(n).Type().String()
}

// none tells whether argument n is absent or nil.
func none(L *lua.LState, n int) bool {
	return n > L.GetTop() || L.Get(n) == lua.LNil
}

func checkAny(L *lua.LState, n int) lua.LValue {
	if n > L.GetTop() {
		argError(L, n, "value expected")
	}
	return L.Get(n)
}

func checkString(L *lua.LState, n int) string {
	s, ok := asString(L.Get(n))
	if !ok {
		typeError(L, n, "string")
	}
	return s
}

func optString(L *lua.LState, n int, def string) string {
	if none(L, n) {
		return def
	}
	return checkString(L, n)
}

func checkNumber(L *lua.LState, n int) float64 {
	f, ok := asNumber(L.Get(n))
	if !ok {
		typeError(L, n, "number")
	}
	return f
}

// checkInt64 is luaL_checkinteger where ptrdiff_t has 64 bits.
func checkInt64(L *lua.LState, n int) int64 {
	return toInt64(checkNumber(L, n))
}

func optInt64(L *lua.LState, n int, def int64) int64 {
	if none(L, n) {
		return def
	}
	return checkInt64(L, n)
}

// checkInt is luaL_checkint: the low 32 bits.
func checkInt(L *lua.LState, n int) int {
	return int(int32(checkInt64(L, n)))
}

func optInt(L *lua.LState, n, def int) int {
	if none(L, n) {
		return def
	}
	return checkInt(L, n)
}

func checkTable(L *lua.LState, n int) *lua.LTable {
	t, ok := L.Get(n).(*lua.LTable)
	if !ok {
		typeError(L, n, "table")
	}
	return t
}

func checkFunction(L *lua.LState, n int) *lua.LFunction {
	f, ok := L.Get(n).(*lua.LFunction)
	if !ok {
		typeError(L, n, "function")
	}
	return f
}

// asString is lua_tolstring: numbers are strings.
func asString(v lua.LValue) (string, bool) {
	switch v := v.(type) {
	case lua.LString:
		return string(v), true
	case lua.LNumber:
		return FormatNumber(float64(v)), true
	}
	return "", false
}

// asNumber is lua_tonumber: strings that look like a number are numbers.
func asNumber(v lua.LValue) (float64, bool) {
	switch v := v.(type) {
	case lua.LNumber:
		return float64(v), true
	case lua.LString:
		return ParseNumber(string(v))
	}
	return 0, false
}

// toInt64 is the conversion of a double to a 64-bit integer as x86 does it, on
// every architecture.
func toInt64(f float64) int64 {
	if f != f || f >= 1<<63 || f < -1<<63 {
		return math.MinInt64
	}
	return int64(f)
}

// toUint64 is the conversion to an unsigned integer as C compilers for x86-64
// do it: negative numbers wrap.
func toUint64(f float64) uint64 {
	if f >= 1<<63 {
		if f >= 1<<64 {
			return 0
		}
		return uint64(f-1<<63) + 1<<63
	}
	return uint64(toInt64(f))
}

// register sets functions into a table under their names.
func register(L *lua.LState, t *lua.LTable, names []string, fns []lua.LGFunction) {
	for i, name := range names {
		t.RawSetString(name, L.NewFunction(fns[i]))
	}
}
