package lua

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	glua "github.com/yuin/gopher-lua"
)

// openBase sets the base functions that scripts of Redis 7.0 have. Those of the
// interpreter show addresses, read files or can't be charged for.
func (e *env) openBase() {
	all := e.L.G.Global
	set := func(name string, f glua.LGFunction) { all.RawSetString(name, e.L.NewFunction(f)) }
	all.RawSetString("_G", all)
	all.RawSetString("_VERSION", glua.LString("Lua 5.1"))
	set("assert", baseAssert)
	set("collectgarbage", e.collectGarbage)
	set("gcinfo", func(L *glua.LState) int {
		L.Push(glua.LNumber(e.used()))
		return 1
	})
	set("error", baseError)
	set("getmetatable", e.getMetatable)
	set("setmetatable", e.setMetatable)
	set("ipairs", e.ipairs())
	set("load", e.loadFunc)
	set("loadstring", e.loadString)
	set("next", e.next)
	set("pairs", e.pairs())
	set("pcall", e.pcall)
	set("xpcall", e.xpcall)
	set("rawequal", baseRawEqual)
	set("rawget", baseRawGet)
	set("rawset", e.rawSet)
	set("select", baseSelect)
	set("tonumber", baseToNumber)
	set("tostring", e.toString)
	set("type", func(L *glua.LState) int {
		L.Push(glua.LString(L.CheckAny(1).Type().String()))
		return 1
	})
}

func baseAssert(L *glua.LState) int {
	L.CheckAny(1)
	if !L.ToBool(1) {
		L.Error(glua.LString(L.OptString(2, "assertion failed!")), 0)
	}
	return L.GetTop()
}

func baseError(L *glua.LState) int {
	v, level := L.Get(1), L.OptInt(2, 1)
	if glua.LVCanConvToString(v) && level > 0 {
		s := text(v) // also of a number: it becomes one text with the place
		// A function of the server has no place.
		if where := L.Where(level); where != "" && !strings.HasPrefix(where, "[G]") {
			s = where + " " + s
		}
		v = glua.LString(s)
	}
	L.Push(v)
	L.Panic(L)
	return 0
}

// used returns the kilobytes that the run has allocated: the same everywhere.
func (e *env) used() float64 { return math.Floor(float64(maxBytes-e.budget.Bytes()) / 1024) }

// collectGarbage implements collectgarbage, whose modes do nothing: memory is
// the process's business.
func (e *env) collectGarbage(L *glua.LState) int {
	switch L.OptString(1, "collect") {
	case "count":
		L.Push(glua.LNumber(e.used()))
	case "collect", "stop", "restart", "step", "setpause", "setstepmul":
		L.Push(glua.LNumber(0))
	default:
		L.ArgError(1, "invalid option '"+L.CheckString(1)+"'")
	}
	return 1
}

func (e *env) getMetatable(L *glua.LState) int {
	v := L.CheckAny(1)
	if t, ok := v.(*glua.LTable); ok && e.guarded(t) && t.Metatable != e.globals && t.Metatable != e.strict {
		L.Push(glua.LNil)
		return 1
	}
	mt := L.GetMetatable(v)
	if t, ok := mt.(*glua.LTable); ok {
		if hidden := t.RawGetString("__metatable"); hidden != glua.LNil {
			mt = hidden
		}
	}
	L.Push(mt)
	return 1
}

func (e *env) setMetatable(L *glua.LState) int {
	t := L.CheckTable(1)
	mt := L.Get(2)
	if mt != glua.LNil && mt.Type() != glua.LTTable || L.GetTop() < 2 {
		L.ArgError(2, "nil or table expected")
	}
	if e.guarded(t) {
		raisePlain(L, errReadOnly)
	}
	if old, ok := t.Metatable.(*glua.LTable); ok && old.RawGetString("__metatable") != glua.LNil {
		raisePlain(L, "cannot change a protected metatable")
	}
	if m, ok := mt.(*glua.LTable); ok && (m == e.guard || m == e.globals || m == e.strict || m == e.functionMeta) {
		// As a plain metatable, without the marking.
		plain := L.NewTable()
		plain.RawSetString("__index", m.RawGetString("__index"))
		mt = plain
	}
	t.Metatable = mt
	L.SetTop(1)
	return 1
}

func (e *env) rawSet(L *glua.LState) int {
	t, key, value := L.CheckTable(1), L.CheckAny(2), L.CheckAny(3)
	if e.guarded(t) {
		raisePlain(L, errReadOnly)
	}
	if problem := e.grow(t, key); problem != "" {
		raisePlain(L, problem)
	}
	e.check(L)
	t.RawSet(key, value)
	L.SetTop(1)
	return 1
}

// check raises the error of a budget that has run out.
func (e *env) check(L *glua.LState) { e.budget.Spend(L, 0) }

func baseRawEqual(L *glua.LState) int {
	L.Push(glua.LBool(L.CheckAny(1) == L.CheckAny(2)))
	return 1
}

func baseRawGet(L *glua.LState) int {
	L.Push(L.CheckTable(1).RawGet(L.CheckAny(2)))
	return 1
}

func baseSelect(L *glua.LState) int {
	n := L.GetTop()
	if s, ok := L.Get(1).(glua.LString); ok && s == "#" {
		L.Push(glua.LNumber(n - 1))
		return 1
	}
	i := checkInt(L, 1)
	switch {
	case i < 0:
		i += int32(n)
	case int(i) > n:
		i = int32(n)
	}
	if i < 1 {
		L.ArgError(1, "index out of range")
	}
	return n - int(i)
}

func (e *env) next(L *glua.LState) int {
	k, v, looked, ok := inside(L.CheckTable(1)).next(L.Get(2))
	e.budget.Spend(L, int64(3*looked))
	if !ok {
		L.RaiseError("invalid key to 'next'")
	}
	if k == glua.LNil {
		L.Push(glua.LNil)
		return 1
	}
	L.Push(k)
	L.Push(v)
	return 2
}

func (e *env) pairs() glua.LGFunction {
	next := e.L.NewFunction(e.next)
	return func(L *glua.LState) int {
		t := L.CheckTable(1)
		L.Push(next)
		L.Push(t)
		L.Push(glua.LNil)
		return 3
	}
}

func (e *env) ipairs() glua.LGFunction {
	step := e.L.NewFunction(func(L *glua.LState) int {
		i := L.CheckInt(2) + 1
		v := L.CheckTable(1).RawGet(glua.LNumber(i))
		if v == glua.LNil {
			return 0
		}
		L.Push(glua.LNumber(i))
		L.Push(v)
		return 2
	})
	return func(L *glua.LState) int {
		t := L.CheckTable(1)
		L.Push(step)
		L.Push(t)
		L.Push(glua.LNumber(0))
		return 3
	}
}

// load implements load(func [, chunkname]).
func (e *env) loadFunc(L *glua.LState) int {
	f, name := L.CheckFunction(1), L.OptString(2, "=(load)")
	var chunk strings.Builder
	for {
		L.Push(f)
		L.Call(0, 1)
		piece := L.Get(-1)
		L.Pop(1)
		if piece == glua.LNil {
			break
		}
		if !glua.LVCanConvToString(piece) {
			L.Push(glua.LNil)
			L.Push(glua.LString("reader function must return a string"))
			return 2
		}
		s := text(piece)
		if s == "" {
			break
		}
		e.budget.Spend(L, 10)
		e.budget.Grow(L, int64(len(s)))
		chunk.WriteString(s)
	}
	return e.chunk(L, chunk.String(), name)
}

func (e *env) loadString(L *glua.LState) int {
	s := L.CheckString(1)
	return e.chunk(L, s, L.OptString(2, s))
}

// chunk compiles text and returns a function, or nil and an error.
func (e *env) chunk(L *glua.LState, code, name string) int {
	e.budget.Spend(L, int64(4*len(code)))
	e.budget.Grow(L, int64(100*len(code)))
	proto, err := compile(code, shortSource(name))
	if err != nil {
		L.Push(glua.LNil)
		L.Push(glua.LString(err.Error()))
		return 2
	}
	f := L.NewFunctionFromProto(proto)
	f.Env = e.current
	L.Push(f)
	return 1
}

// shortSource names a chunk in errors as Lua 5.1 does.
func shortSource(name string) string {
	const most = 59
	if name != "" && (name[0] == '=' || name[0] == '@') {
		return name[1:min(len(name), most+1)]
	}
	line, _, cut := strings.Cut(name, "\n")
	const room = most - len(`[string "..."]`)
	if cut || len(line) > room {
		line = line[:min(len(line), room)] + "..."
	}
	return `[string "` + line + `"]`
}

func baseToNumber(L *glua.LState) int {
	base := L.OptInt(2, 10)
	v := L.CheckAny(1)
	if base != 10 {
		if base < 2 || base > 36 {
			L.ArgError(2, "base out of range")
		}
		s := strings.Trim(L.CheckString(1), " \t\n\v\f\r")
		negative := strings.HasPrefix(s, "-")
		s = strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+")
		if base == 16 {
			s = strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X")
		}
		n, err := strconv.ParseUint(s, base, 64)
		switch {
		case err != nil && n == 0:
			L.Push(glua.LNil)
		case negative:
			L.Push(glua.LNumber(-n)) // strtoul wraps around
		default:
			L.Push(glua.LNumber(n))
		}
		return 1
	}
	switch v := v.(type) {
	case glua.LNumber:
		L.Push(v)
	case glua.LString:
		if f, ok := parseNumber(string(v)); ok {
			L.Push(glua.LNumber(f))
		} else {
			L.Push(glua.LNil)
		}
	default:
		L.Push(glua.LNil)
	}
	return 1
}

func (e *env) toString(L *glua.LState) int {
	v := L.CheckAny(1)
	if f := L.GetMetaField(v, "__tostring"); f != glua.LNil {
		L.Push(f)
		L.Push(v)
		L.Call(1, 1)
		return 1
	}
	L.Push(glua.LString(e.show(v)))
	return 1
}

// show returns a value as tostring does. Objects have numbers instead of
// addresses: the first that is shown is number 1, on every replica.
func (e *env) show(v glua.LValue) string {
	switch v := v.(type) {
	case glua.LNumber:
		return formatNumber(float64(v))
	case *glua.LTable, *glua.LFunction, *glua.LState, *glua.LUserData:
		if e.ids == nil {
			e.ids = map[glua.LValue]int{}
		}
		id, ok := e.ids[v]
		if !ok {
			id = len(e.ids) + 1
			e.ids[v] = id
			e.budget.TakeBytes(pairBytes)
		}
		return fmt.Sprintf("%s: 0x%012x", v.Type(), id)
	}
	return v.String()
}

// raisePlain raises a text without the place in front of it, as Lua does for
// errors inside its own functions.
func raisePlain(L *glua.LState, msg string) {
	L.Push(glua.LString(msg))
	L.Panic(L)
}
