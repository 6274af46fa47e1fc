package lua

import (
	"errors"
	"strings"
	"sync/atomic"

	glua "github.com/yuin/gopher-lua"

	"github.com/quorate/quorate/resp"
)

// Engine is the only engine of libraries.
const Engine = "LUA"

// Library is a loaded library of functions. It is never changed.
type Library struct {
	Name      string
	Code      string // with its first line
	Functions []*Function
	proto     *glua.FunctionProto

	// stateless says that nothing that a call does is there for the next one,
	// so that an interpreter with the library in it can be used again.
	stateless bool
	loaded    [2]atomic.Pointer[env]
}

// Function is one that a library has registered.
type Function struct {
	Name        string
	Description string
	Described   bool
	Flags       Flags
	Library     *Library
	Wrote       atomic.Bool // in its last run, as Script.Wrote
}

const errNames = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"

// LoadLibrary compiles a library and runs it, so that it registers its
// functions. Before that, allowed says whether there may be a library of the
// name. The error's text is the error reply.
func (in *Interpreter) LoadLibrary(code string, log func(level int, text string), allowed func(name string) error) (*Library, error) {
	lib, skip, problem := libraryShebang(code)
	if problem == "" && !validName(lib.Name) {
		problem = errNames
	}
	if problem == "" && !strings.EqualFold(lib.engine, Engine) {
		problem = "Engine '" + lib.engine + "' not found"
	}
	if problem != "" {
		return nil, errors.New("ERR " + problem)
	}
	l := &lib.Library
	if err := allowed(l.Name); err != nil {
		return nil, err
	}
	l.Code = code
	proto, err := compile(code[skip:], "user_function")
	if err != nil {
		return nil, errors.New("ERR Error compiling function: " + err.Error())
	}
	l.proto = proto
	e := in.pool.take()
	defer in.pool.give(e)
	defer e.end()
	e.begin(&Call{Host: loadHost{log}})
	l.Functions, problem = e.load(l)
	switch {
	case problem != "":
		return nil, errors.New("ERR Error registering functions: " + problem)
	case len(l.Functions) == 0:
		return nil, errors.New("ERR No functions registered")
	}
	l.stateless = !e.dirty && e.stateless()
	e.callbacks = nil
	return l, nil
}

// metadata is what the first line of a library says.
type metadata struct {
	Library
	engine string
}

// libraryShebang reads the first line: "#!lua name=...". It returns its length
// without its end.
func libraryShebang(code string) (m *metadata, skip int, problem string) {
	if !strings.HasPrefix(code, "#!") {
		return nil, 0, "Missing library metadata"
	}
	line, _, ok := strings.Cut(code, "\n")
	if !ok || strings.Contains(line, "\x00") {
		return nil, 0, "Invalid library metadata"
	}
	parts, ok := splitArgs(line)
	if !ok || len(parts) == 0 {
		return nil, 0, "Invalid library metadata"
	}
	m = &metadata{engine: parts[0][2:]}
	named := false
	for _, p := range parts[1:] {
		if len(p) < 5 || !strings.EqualFold(p[:5], "name=") {
			return nil, 0, "Invalid metadata value given: " + p
		}
		if named {
			return nil, 0, "Invalid metadata value, name argument was given multiple times"
		}
		m.Name, named = p[5:], true
	}
	if !named {
		return nil, 0, "Library name was not given"
	}
	return m, len(line), ""
}

// validName reports whether a library or function may have the name.
func validName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return name != ""
}

// loadHost is the host of a library that is being loaded: it can only log.
type loadHost struct{ log func(level int, text string) }

func (loadHost) Call([][]byte, int) ([]byte, string) { return nil, "no script is running" }
func (loadHost) Cost([][]byte) int64                 { return 0 }
func (loadHost) Known([][]byte) bool                 { return false }
func (loadHost) Permitted([][]byte) bool             { return false }
func (h loadHost) Log(level int, text string) {
	if h.log != nil {
		h.log(level, text)
	}
}

// CallFunction runs a function and writes its reply; see Run.
func (in *Interpreter) CallFunction(f *Function, c *Call, w *resp.Writer) (finished bool) {
	lib := f.Library
	var e *env
	for i := range lib.loaded {
		if e = lib.loaded[i].Swap(nil); e != nil {
			break
		}
	}
	if e == nil {
		e = in.pool.take()
		e.begin(&Call{Host: loadHost{}})
		if _, problem := e.load(lib); problem != "" {
			// It has been loaded before; only a run that costs more than it may
			// by a hair could get here.
			w.Error("ERR Error registering functions: " + problem)
			e.end()
			return true
		}
	}
	// Whether it had to be loaded first must make no difference.
	e.begin(c)
	e.useFunctions(e.runGlobals)
	e.L.Push(e.callbacks[f.Name])
	e.L.Push(e.list(c.Keys))
	e.L.Push(e.list(c.Args))
	finished = e.finish(2, "@user_function", f.Name, w)
	if lib.stateless && !e.dirty {
		for i := range lib.loaded {
			if lib.loaded[i].CompareAndSwap(nil, e) {
				return finished
			}
		}
	}
	e.callbacks = nil
	in.pool.give(e)
	return finished
}

// loading is a library that is being loaded.
type loading struct {
	lib       *Library
	functions []*Function
}

// load runs the library's chunk and returns what it has registered, with the
// callbacks in e, or an error.
func (e *env) load(lib *Library) (functions []*Function, problem string) {
	e.loading = &loading{lib: lib}
	e.callbacks = map[string]*glua.LFunction{}
	e.useFunctions(e.loadGlobals)
	defer func() { e.loading = nil }()
	f := e.L.NewFunctionFromProto(lib.proto)
	f.Env = e.functionEnv
	e.L.Push(f)
	if raised := e.call(e.L, 0, nil); raised != nil {
		if e.budget.Err() != nil {
			return nil, "ERR FUNCTION LOAD timeout"
		}
		if t, ok := raised.(*glua.LTable); ok {
			return nil, text(t.RawGetString("err"))
		}
		return nil, "ERR " + text(raised)
	}
	e.L.SetTop(0)
	return e.loading.functions, ""
}

// registerFunction implements redis.register_function(name, callback) and
// redis.register_function{function_name=..., callback=..., flags=..., description=...}.
func (e *env) registerFunction(L *glua.LState) int {
	if e.loading == nil {
		e.raise(L, "redis.register_function can only be called on FUNCTION LOAD command")
	}
	f := &Function{Library: e.loading.lib}
	var callback *glua.LFunction
	var problem string
	switch L.GetTop() {
	case 1:
		callback, problem = e.namedArguments(L.Get(1), f)
	case 2:
		name, fn := L.Get(1), L.Get(2)
		callback, _ = fn.(*glua.LFunction)
		switch {
		case !glua.LVCanConvToString(name):
			problem = "first argument to redis.register_function must be a string"
		case callback == nil:
			problem = "second argument to redis.register_function must be a function"
		}
		f.Name = text(name)
	default:
		problem = "wrong number of arguments to redis.register_function"
	}
	if problem == "" && !validName(f.Name) {
		problem = errNames
	}
	if problem == "" && e.callbacks[f.Name] != nil {
		problem = "Function already exists in the library"
	}
	if problem != "" {
		e.raise(L, problem)
	}
	e.budget.Grow(L, tableBytes)
	e.callbacks[f.Name] = callback
	e.loading.functions = append(e.loading.functions, f)
	return 0
}

func (e *env) namedArguments(v glua.LValue, f *Function) (callback *glua.LFunction, problem string) {
	t, ok := v.(*glua.LTable)
	if !ok {
		return nil, "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments)."
	}
	named := false
	e.eachPair(t, func(k, v glua.LValue) bool {
		if !glua.LVCanConvToString(k) {
			problem = "named argument key given to redis.register_function is not a string"
			return false
		}
		switch strings.ToLower(text(k)) {
		case "function_name":
			if !glua.LVCanConvToString(v) {
				problem = "function_name argument given to redis.register_function must be a string"
			}
			f.Name, named = text(v), true
		case "description":
			if !glua.LVCanConvToString(v) {
				problem = "description argument given to redis.register_function must be a string"
			}
			f.Description, f.Described = text(v), true
		case "callback":
			if callback, ok = v.(*glua.LFunction); !ok {
				problem = "callback argument given to redis.register_function must be a function"
			}
		case "flags":
			problem = readFlags(v, f)
		default:
			problem = "unknown argument given to redis.register_function"
		}
		return problem == ""
	})
	switch {
	case problem != "":
	case !named:
		problem = "redis.register_function must get a function name argument"
	case callback == nil:
		problem = "redis.register_function must get a callback argument"
	}
	return callback, problem
}

func readFlags(v glua.LValue, f *Function) (problem string) {
	t, ok := v.(*glua.LTable)
	if !ok {
		return "flags argument to redis.register_function must be a table representing function flags"
	}
	for i := 1; ; i++ {
		name := t.RawGetInt(i)
		if name == glua.LNil {
			return ""
		}
		flag, known := flagNamed(strings.ToLower(text(name)))
		if !glua.LVCanConvToString(name) || !known {
			return "unknown flag given"
		}
		f.Flags |= flag
	}
}
