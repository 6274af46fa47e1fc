package lua

import glua "github.com/yuin/gopher-lua"

// openFunctions makes the globals of functions: an empty table, which is the
// environment of a library's code, in front of another one. While a library is
// loaded that holds nothing but a redis table of few functions, and while a
// function runs what scripts have, without the functions that belong to EVAL.
func (e *env) openFunctions() {
	L := e.L
	all := L.G.Global

	load := L.NewTable()
	load.RawSetString("register_function", L.NewFunction(e.registerFunction))
	load.RawSetString("log", e.redis.RawGetString("log"))
	setConstants(load)
	load.Metatable = e.strict
	e.loadGlobals = L.NewTable()
	e.loadGlobals.RawSetString("redis", load)
	e.loadGlobals.Metatable = e.globals

	run := L.NewTable()
	copyTable(run, e.redis, "breakpoint", "debug", "replicate_commands")
	run.Metatable = e.guard
	e.runGlobals = L.NewTable()
	copyTable(e.runGlobals, all)
	e.runGlobals.RawSetString("redis", run)
	e.runGlobals.RawSetString("_G", e.runGlobals)
	e.runGlobals.Metatable = e.globals

	e.functionMeta = L.NewTable()
	e.functionMeta.Metatable = e.guard
	e.functionEnv = L.NewTable()
	e.functionEnv.Metatable = e.functionMeta
}

// copyTable copies the fields of a table, in their order, without some.
func copyTable(to, from *glua.LTable, without ...string) {
	t := inside(from)
	k, v, _, _ := t.next(glua.LNil)
next:
	for ; k != glua.LNil; k, v, _, _ = t.next(k) {
		for _, name := range without {
			if k == glua.LString(name) {
				continue next
			}
		}
		to.RawSet(k, v)
	}
}

// useFunctions makes code that is run from now on that of a library, with the
// given globals.
func (e *env) useFunctions(globals *glua.LTable) {
	e.functionMeta.RawSetString("__index", globals)
	e.current = e.functionEnv
}

// stateless reports whether nothing that the callbacks can reach can be changed
// by a call: no table but the server's own, no thread, and no variable outside
// of a function that the function assigns to.
func (e *env) stateless() bool {
	seen := map[*glua.LFunction]bool{}
	var work []*glua.LFunction
	for _, f := range e.callbacks {
		work = append(work, f)
	}
	for len(work) > 0 {
		f := work[len(work)-1]
		work = work[:len(work)-1]
		if f.IsG || seen[f] {
			continue
		}
		seen[f] = true
		if assigns(f.Proto) {
			return false
		}
		for _, u := range f.Upvalues {
			switch v := u.Value().(type) {
			case *glua.LFunction:
				work = append(work, v)
			case *glua.LTable:
				if !e.guarded(v) {
					return false
				}
			case *glua.LState, *glua.LUserData:
				return false
			}
		}
	}
	return true
}

// assigns reports whether a function or one inside it assigns to a variable
// outside of itself.
func assigns(p *glua.FunctionProto) bool {
	for _, inst := range p.Code {
		if int(inst>>26) == glua.OP_SETUPVAL {
			return true
		}
	}
	for _, inner := range p.FunctionPrototypes {
		if assigns(inner) {
			return true
		}
	}
	return false
}
