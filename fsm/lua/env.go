package lua

import (
	"sync/atomic"

	glua "github.com/yuin/gopher-lua"

	"github.com/quorate/quorate/fsm/lua/lualib"
)

// Bounds of one run. A step is about 20 ns, so a script ends within one or two
// seconds, on every replica at the same instruction. Bytes count garbage, too.
const (
	maxSteps = 40_000_000
	maxBytes = 256 << 20

	// Of a run that isn't repeated and that SCRIPT KILL can end: half a minute
	// or so. Not so much memory, since nobody frees what the script holds on to.
	patientSteps = 1_000_000_000
	patientBytes = 1 << 30

	maxFrames     = 4_000     // nested calls of the main thread
	maxFramesCo   = 1_000     // and of a coroutine
	maxResumes    = 100       // coroutines that wait for each other
	maxValues     = 256 << 10 // in the registers of a thread
	coroutineCost = 24 << 10
)

const errReadOnly = "Attempt to modify a readonly table"

// env is an interpreter with the libraries and the globals of scripts. Nothing
// that a script does to it survives the run: what it could change for the next
// one is read-only, or marks the env as dirty, and it is thrown away.
type env struct {
	L      *glua.LState
	budget *lualib.Budget
	dirty  bool

	asItIs               *glua.LFunction // an error handler that changes nothing
	ofScript, ofFunction *glua.LFunction // those that say where an error was raised
	guard                *glua.LTable    // metatable of tables that are read-only
	globals              *glua.LTable    // and of the globals
	strict               *glua.LTable    // and of the redis table that functions see
	redis                *glua.LTable    // the redis table of scripts

	// Of functions, see openFunctions.
	loadGlobals, runGlobals   *glua.LTable
	functionEnv, functionMeta *glua.LTable
	callbacks                 map[string]*glua.LFunction // of the library that is in this env

	// Of the run.
	host      Host
	proto     int // RESP version of what redis.call returns
	rand      drand48
	stop      *atomic.Bool // set by SCRIPT KILL
	ids       map[glua.LValue]int
	depth     int      // coroutines that wait for each other
	panicked  any      // what a command panicked with
	args      [][]byte // room for the arguments of a command
	argText   []byte
	killed    bool // SCRIPT KILL has ended it
	abandoned bool // the host wants no more of it
	loading   *loading
	current   *glua.LTable // the environment of code that is loaded at run time
}

// newEnv builds an interpreter.
func newEnv() *env {
	e := &env{budget: lualib.NewBudget(maxSteps, maxBytes)}
	e.L = glua.NewState(glua.Options{
		SkipOpenLibs: true, CallStackSize: maxFrames, MinimizeStackMemory: true,
		RegistrySize: 1024, RegistryMaxSize: maxValues, RegistryGrowStep: 1024,
	})
	L := e.L
	// Coroutines take the options of the state they are made by.
	L.Options.CallStackSize = maxFramesCo
	L.Options.RegistrySize = 256
	L.SetContext(&meter{env: e, thread: L})

	e.asItIs = L.NewFunction(func(*glua.LState) int { return 1 })
	e.ofScript, e.ofFunction = L.NewFunction(e.errorHandler("@user_script")), L.NewFunction(e.errorHandler("@user_function"))
	e.guard = L.NewTable()
	e.globals, e.strict = L.NewTable(), L.NewTable()
	for _, t := range []*glua.LTable{e.globals, e.strict} {
		t.RawSetString("__index", L.NewFunction(e.missingGlobal))
	}
	for _, t := range []*glua.LTable{e.guard, e.globals, e.strict} {
		t.Metatable = e.guard
	}

	lualib.Open(L, e.budget)
	e.openBase()
	e.openCoroutine()
	e.openRedis()
	e.protect()
	e.openFunctions()
	return e
}

// protect makes everything that scripts share read-only.
func (e *env) protect() {
	all := e.L.G.Global
	if t, ok := all.RawGetString("string").(*glua.LTable); ok {
		t.RawSetString("dump", e.L.NewFunction(dump))
	}
	for _, name := range []string{"string", "table", "math", "bit", "cjson", "cmsgpack", "struct", "coroutine", "redis"} {
		if t, ok := all.RawGetString(name).(*glua.LTable); ok {
			t.Metatable = e.guard
		}
	}
	if mt, ok := e.L.GetMetatable(glua.LString("")).(*glua.LTable); ok {
		mt.Metatable = e.guard
	}
	all.Metatable = e.globals
	e.protectArguments()
}

// binaryMark begins compiled code, which nothing loads.
const binaryMark = "\x1bLua"

// dump implements string.dump. What it returns can be kept but not loaded, as in
// Redis 7.0.15.
func dump(L *glua.LState) int {
	if f := L.CheckFunction(1); f.IsG {
		raisePlain(L, "unable to dump given function")
	}
	L.Push(glua.LString(binaryMark))
	return 1
}

// protectArguments lets the functions that change tables refuse those that are
// read-only.
func (e *env) protectArguments() {
	lib := e.L.G.Global.RawGetString("table").(*glua.LTable)
	for _, name := range []string{"insert", "remove", "sort"} {
		f := lib.RawGetString(name).(*glua.LFunction)
		inner := f.GFunction
		f.GFunction = func(L *glua.LState) int {
			if t, ok := L.Get(1).(*glua.LTable); ok && e.guarded(t) {
				raisePlain(L, errReadOnly)
			}
			return inner(L)
		}
	}
}

// guarded reports whether a script may not change t.
func (e *env) guarded(t *glua.LTable) bool {
	mt, ok := t.Metatable.(*glua.LTable)
	return ok && (mt == e.guard || mt == e.globals || mt == e.strict || mt == e.functionMeta)
}

// missingGlobal is what reading a global that isn't there calls.
func (e *env) missingGlobal(L *glua.LState) int {
	if L.GetTop() != 2 {
		L.RaiseError("Wrong number of arguments to luaProtectedTableError")
	}
	name := L.Get(2)
	if !glua.LVCanConvToString(name) {
		L.RaiseError("Second argument to luaProtectedTableError must be a string or number")
	}
	L.RaiseError("%s", "Script attempted to access nonexistent global variable '"+text(name)+"'")
	return 0
}

// text returns a string or a number as Lua 5.1 writes it.
func text(v glua.LValue) string {
	if n, ok := v.(glua.LNumber); ok {
		return formatNumber(float64(n))
	}
	return glua.LVAsString(v)
}

// begin prepares the env for a run.
func (e *env) begin(c *Call) {
	e.budget.Reset(c.budget())
	e.host, e.proto, e.stop = c.Host, 2, c.Stop
	e.rand = drand48(c.Seed & mask48)
	e.ids, e.depth, e.panicked, e.abandoned, e.killed = nil, 0, nil, false, false
	e.current = e.L.G.Global
	e.L.SetTop(0)
}

// end forgets what belonged to the run.
func (e *env) end() {
	e.host, e.stop, e.ids, e.loading = nil, nil, nil, nil
	all := e.L.G.Global
	all.RawSetString("KEYS", glua.LNil)
	all.RawSetString("ARGV", glua.LNil)
	e.L.SetTop(0)
}

// inRun raises an error if no script is running: a library is being loaded.
func (e *env) inRun(L *glua.LState, name string) {
	if e.host == nil || e.loading != nil {
		e.raise(L, name+" can only be called inside a script invocation")
	}
}

// pool keeps interpreters that can be used again. Its users run beside each
// other. It holds no state: an env is as good as any other.
type pool [4]atomic.Pointer[env]

func (p *pool) take() *env {
	for i := range p {
		if e := p[i].Swap(nil); e != nil {
			return e
		}
	}
	return newEnv()
}

func (p *pool) give(e *env) {
	if e.dirty {
		return
	}
	for i := range p {
		if p[i].CompareAndSwap(nil, e) {
			return
		}
	}
}
