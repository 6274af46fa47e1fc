package lua

import glua "github.com/yuin/gopher-lua"

// openCoroutine sets the coroutine library: the interpreter's, with a meter in
// every new thread and a bound on how deep they wait for each other.
func (e *env) openCoroutine() {
	L := e.L
	glua.OpenCoroutine(L)
	lib := L.Get(-1).(*glua.LTable)
	L.Pop(1)
	own := func(name string) glua.LGFunction { return lib.RawGetString(name).(*glua.LFunction).GFunction }
	// The interpreter enters them in an order that is not always the same, and
	// pairs shows it.
	old := lib
	lib = L.NewTable()
	for _, name := range []string{"create", "resume", "running", "status", "wrap", "yield"} {
		lib.RawSetString(name, old.RawGetString(name))
	}
	L.G.Global.RawSetString("coroutine", lib)
	create, wrap, resume, yield := own("create"), own("wrap"), own("resume"), own("yield")
	lib.RawSetString("create", L.NewFunction(func(L *glua.LState) int {
		e.newThread(L, create)
		e.meterFor(L.Get(-1).(*glua.LState))
		return 1
	}))
	lib.RawSetString("wrap", L.NewFunction(func(L *glua.LState) int {
		e.newThread(L, wrap)
		f := L.Get(-1).(*glua.LFunction)
		th := f.Upvalues[0].Value().(*glua.LState)
		e.meterFor(th)
		next := f.GFunction
		f.GFunction = func(L *glua.LState) int { return e.resume(L, th, next) }
		return 1
	}))
	lib.RawSetString("resume", L.NewFunction(func(L *glua.LState) int {
		return e.resume(L, L.CheckThread(1), resume)
	}))
	lib.RawSetString("yield", L.NewFunction(func(L *glua.LState) int {
		if m := L.Context().(*meter); m.nested > 0 || L == L.G.MainThread {
			L.RaiseError("attempt to yield across metamethod/C-call boundary")
		}
		return yield(L)
	}))
}

// newThread calls create or wrap of the interpreter. Without a context on L the
// new thread gets none either, and no goroutine is started to watch one.
func (e *env) newThread(L *glua.LState, create glua.LGFunction) {
	e.dirty = true
	if f := L.CheckFunction(1); f.IsG {
		L.ArgError(1, "Lua function expected")
	}
	e.budget.Grow(L, coroutineCost)
	ctx := L.RemoveContext()
	create(L)
	L.SetContext(ctx)
}

func (e *env) meterFor(th *glua.LState) { th.SetContext(&meter{env: e, thread: th}) }

func (e *env) resume(L, th *glua.LState, resume glua.LGFunction) int {
	if e.depth >= maxResumes {
		L.RaiseError("C stack overflow")
	}
	e.depth++
	e.budget.Spend(L, 10)
	done := false
	defer func() {
		e.depth--
		if !done {
			L.G.CurrentThread = L // th has failed and left itself there
		}
	}()
	n := resume(L)
	done = true
	return n
}
