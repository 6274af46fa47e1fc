package lua

import (
	"strings"

	glua "github.com/yuin/gopher-lua"
)

// call runs the function and arguments on the stack, protected. It returns what
// was raised, or nil, and leaves the results on the stack if nothing was. With
// handle, an error passes through errorHandler where it is raised.
func (e *env) call(L *glua.LState, nargs int, handle *glua.LFunction) (raised glua.LValue) {
	if handle == nil {
		// Without a handler the interpreter writes a trace of the whole stack, in
		// time quadratic in its depth.
		handle = e.asItIs
	}
	m, _ := L.Context().(*meter)
	m.nested++
	err := L.PCall(nargs, glua.MultRet, handle)
	m.nested--
	if err == nil {
		return nil
	}
	if L.G.CurrentThread != L && L == L.G.MainThread {
		L.G.CurrentThread = L // a coroutine that failed has left itself there
		e.dirty = true
	}
	if a, ok := err.(*glua.ApiError); ok {
		raised = a.Object
	}
	if raised == nil {
		raised = glua.LString(err.Error())
	}
	if s, ok := raised.(glua.LString); ok {
		if strings.HasPrefix(string(s), "runtime error") {
			e.dirty = true // the interpreter itself has stumbled
		}
		if strings.Contains(string(s), "stack overflow") {
			// The handler didn't fit on the stack, and the trace was written.
			e.budget.Take(maxFrames * maxFrames / 16)
		}
	}
	return raised
}

// pcall implements pcall of Redis 7.0: of an error that is a table with a text
// in "err", it returns the text.
func (e *env) pcall(L *glua.LState) int {
	L.CheckAny(1)
	raised := e.call(L, L.GetTop()-1, nil)
	if raised == nil {
		L.Insert(glua.LTrue, 1)
		return L.GetTop()
	}
	if t, ok := raised.(*glua.LTable); ok {
		if msg := t.RawGetString("err"); glua.LVCanConvToString(msg) {
			raised = msg
		}
	}
	L.SetTop(0)
	L.Push(glua.LFalse)
	L.Push(raised)
	return 2
}

// xpcall implements xpcall(f, err).
func (e *env) xpcall(L *glua.LState) int {
	f, handler := L.CheckAny(1), L.CheckFunction(2)
	L.SetTop(0)
	L.Push(f)
	raised := e.call(L, 0, handler)
	if raised == nil {
		L.Insert(glua.LTrue, 1)
		return L.GetTop()
	}
	L.SetTop(0)
	L.Push(glua.LFalse)
	L.Push(raised)
	return 2
}

// errorHandler makes of whatever was raised a table with the text and the place.
// It runs on top of the function that has failed; a function of the server is
// not named, but the one that called it.
func (e *env) errorHandler(source string) glua.LGFunction {
	return func(L *glua.LState) int {
		v := L.Get(1)
		t, ok := v.(*glua.LTable)
		if !ok {
			t = L.NewTable()
			t.RawSetString("err", glua.LString("ERR "+e.show(v)))
		}
		if e.guarded(t) {
			L.Push(t)
			return 1
		}
		for level := 1; level <= 2; level++ {
			d, found := L.GetStack(level)
			if !found {
				break
			}
			line, isLua := currentLine(L, d)
			if !isLua && level == 1 {
				continue
			}
			if isLua {
				t.RawSetString("source", glua.LString(source))
			} else {
				t.RawSetString("source", glua.LString("=[C]"))
			}
			t.RawSetString("line", glua.LNumber(line))
			break
		}
		L.Push(t)
		return 1
	}
}

// currentLine returns the line that a function on the stack is at, and whether
// it is one of a script.
func currentLine(L *glua.LState, d *glua.Debug) (line int, isLua bool) {
	f, err := L.GetInfo("fl", d, glua.LNil)
	fn, ok := f.(*glua.LFunction)
	if err != nil || !ok || fn.IsG {
		return -1, false
	}
	return d.CurrentLine, true
}

// raise raises an error as redis.call does: a table with the text.
func (e *env) raise(L *glua.LState, msg string) {
	L.Push(e.errorTable(L, "ERR "+msg))
	L.Panic(L)
}

func (e *env) errorTable(L *glua.LState, msg string) *glua.LTable {
	t := L.NewTable()
	t.RawSetString("err", glua.LString(msg))
	e.budget.TakeBytes(int64(tableBytes + len(msg)))
	return t
}

// errorText returns the reply for what a script has raised; name is the
// script's SHA1 or the function's name.
func errorText(raised glua.LValue, name string) string {
	t, ok := raised.(*glua.LTable)
	if !ok {
		msg := "execution failure"
		if glua.LVCanConvToString(raised) {
			msg, _, _ = strings.Cut(text(raised), "\x00")
		}
		return "ERR Error running script " + name + ", " + msg[:min(len(msg), 100)]
	}
	msg := ""
	if v := t.RawGetString("err"); glua.LVCanConvToString(v) {
		msg, _, _ = strings.Cut(text(v), "\x00") // a text of C in Redis
	}
	source, line := t.RawGetString("source"), t.RawGetString("line")
	if glua.LVCanConvToString(source) && glua.LVCanConvToString(line) {
		msg += " script: " + name + ", on " + text(source) + ":" + text(line) + "."
	}
	return msg
}
