package lua

import (
	"crypto/sha1"
	"encoding/hex"
	"strings"

	glua "github.com/yuin/gopher-lua"
)

// Host is what a script runs on.
type Host interface {
	// Call runs a command and returns its reply in the given version of RESP,
	// valid until the next call, as the arguments are, or why a script may not run it. Abandon as the
	// reason ends the run, whatever the script does about errors.
	Call(args [][]byte, proto int) (reply []byte, refused string)

	// Cost returns how many steps a call is worth beyond those of its
	// arguments and its reply. It is asked before Call.
	Cost(args [][]byte) int64

	// Known reports whether there is such a command, and Permitted whether the
	// user may run it.
	Known(args [][]byte) bool
	Permitted(args [][]byte) bool

	// Log writes to the server's log; levels are those of redis.LOG_DEBUG (0)
	// to redis.LOG_WARNING (3).
	Log(level int, text string)
}

// Abandon is what Host.Call refuses a command with to end the run for good.
const Abandon = "abandoned"

// replAll is all propagation flags. They have no effect: every replica runs the
// script.
const replAll = 3

// Version of Redis that scripts see.
const (
	redisVersion    = "7.0.15"
	redisVersionNum = 7<<16 | 0<<8 | 15
)

// openRedis sets the redis table and what Redis replaces in math.
func (e *env) openRedis() {
	L := e.L
	t := L.NewTable()
	set := func(name string, f glua.LGFunction) { t.RawSetString(name, L.NewFunction(f)) }
	set("call", func(L *glua.LState) int { return e.command(L, true) })
	set("pcall", func(L *glua.LState) int { return e.command(L, false) })
	set("log", e.log)
	set("setresp", e.setResp)
	set("sha1hex", e.sha1hex)
	set("error_reply", e.errorReply)
	set("status_reply", e.statusReply)
	set("set_repl", e.setRepl)
	set("acl_check_cmd", e.aclCheck)
	set("breakpoint", func(L *glua.LState) int {
		L.Push(glua.LFalse)
		return 1
	})
	set("debug", func(*glua.LState) int { return 0 })
	set("replicate_commands", func(L *glua.LState) int {
		L.Push(glua.LTrue)
		return 1
	})
	setConstants(t)
	t.RawSetString("REPL_NONE", glua.LNumber(0))
	t.RawSetString("REPL_AOF", glua.LNumber(1))
	t.RawSetString("REPL_SLAVE", glua.LNumber(2))
	t.RawSetString("REPL_REPLICA", glua.LNumber(2))
	t.RawSetString("REPL_ALL", glua.LNumber(replAll))
	e.redis = t
	L.G.Global.RawSetString("redis", t)
	if m, ok := L.G.Global.RawGetString("math").(*glua.LTable); ok {
		m.RawSetString("random", L.NewFunction(e.random))
		m.RawSetString("randomseed", L.NewFunction(e.randomSeed))
	}
}

// setConstants sets the version and the log levels, which libraries see also
// while they are loaded.
func setConstants(t *glua.LTable) {
	t.RawSetString("REDIS_VERSION", glua.LString(redisVersion))
	t.RawSetString("REDIS_VERSION_NUM", glua.LNumber(redisVersionNum))
	for i, name := range []string{"LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"} {
		t.RawSetString(name, glua.LNumber(i))
	}
}

// Steps that calls cost: of a call, and bytes of arguments and reply a step.
const (
	callSteps = 20
	callBytes = 32
)

// command implements redis.call and redis.pcall.
func (e *env) command(L *glua.LState, raise bool) int {
	e.inRun(L, "redis.call/pcall")
	fail := func(t *glua.LTable) int {
		L.Push(t)
		if raise {
			L.Panic(L)
		}
		return 1
	}
	args, problem := e.arguments(L)
	if problem != "" {
		return fail(e.errorTable(L, "ERR "+problem))
	}
	e.budget.Spend(L, callSteps+e.host.Cost(args))
	reply, refused := e.safely(L, args)
	if refused == Abandon {
		e.abandoned = true
		e.budget.Exhaust()
	}
	if refused != "" {
		if refused[0] == '-' {
			refused = refused[1:]
		} else {
			refused = "ERR " + refused
		}
		t := e.errorTable(L, refused)
		t.RawSetString("ignore_error_stats_update", glua.LTrue)
		return fail(t)
	}
	e.budget.Spend(L, int64(len(reply)/callBytes))
	e.budget.Grow(L, int64(len(reply)))
	v, _ := e.fromReply(L, reply)
	if len(reply) > 0 && reply[0] == '-' {
		return fail(v.(*glua.LTable))
	}
	L.Push(v)
	return 1
}

// safely runs a command. One that panics has perhaps done half its work: the
// script ends, and the panic goes on behind it to where panics of commands are
// dealt with.
func (e *env) safely(L *glua.LState, args [][]byte) (reply []byte, refused string) {
	defer func() {
		if v := recover(); v != nil {
			e.panicked, e.dirty = v, true
			e.budget.Take(maxSteps + 1)
			refused = "internal error"
		}
	}()
	return e.host.Call(args, e.proto)
}

// keptArguments bounds the room for arguments that is kept for the next call, in bytes.
const keptArguments = 64 << 10

// arguments returns the arguments of redis.call as a command, valid until the
// next call.
func (e *env) arguments(L *glua.LState) (args [][]byte, problem string) {
	n := L.GetTop()
	if n == 0 {
		return nil, "Please specify at least one argument for this redis lib call"
	}
	// The room of the last call is used again: commands keep none of their arguments.
	args, text := e.args[:0], e.argText[:0]
	for i := range n {
		from := len(text)
		switch v := L.Get(i + 1).(type) {
		case glua.LString:
			text = append(text, v...)
		case glua.LNumber:
			// Redis writes them with 17 digits here, not with 14.
			text = append(text, formatArgument(float64(v))...)
		default:
			return nil, "Lua redis lib command arguments must be strings or integers"
		}
		args = append(args, text[from:len(text):len(text)])
	}
	size := len(text)
	if len(text) <= keptArguments && n <= keptArguments/24 {
		e.args, e.argText = args, text
	}
	e.budget.Spend(L, int64(size/callBytes))
	e.budget.Grow(L, int64(size))
	return args, ""
}

func (e *env) sha1hex(L *glua.LState) int {
	if L.GetTop() != 1 {
		e.raise(L, "wrong number of arguments")
	}
	s := ""
	if v := L.Get(1); glua.LVCanConvToString(v) {
		s = text(v)
	}
	e.budget.Spend(L, int64(len(s)/4))
	sum := sha1.Sum([]byte(s))
	L.Push(glua.LString(hex.EncodeToString(sum[:])))
	return 1
}

// errorReply implements redis.error_reply(text): the first word is the code,
// unless the text has one word only.
func (e *env) errorReply(L *glua.LState) int {
	s, ok := L.Get(1).(glua.LString)
	if L.GetTop() != 1 || !ok {
		L.Push(e.errorTable(L, "ERR wrong number or type of arguments"))
		return 1
	}
	msg := cutNUL(string(s))
	L.Push(e.errorTable(L, errorWithCode("-"+strings.TrimPrefix(msg, "-"))))
	return 1
}

// errorWithCode turns "-CODE text" into "CODE text", and "-text" into "ERR text".
func errorWithCode(line string) string {
	code, msg, two := strings.Cut(line[1:], " ")
	if !two {
		code, msg = "ERR", line[1:]
	}
	return code + " " + strings.Trim(msg, "\r\n")
}

// cutNUL returns what C sees of a string.
func cutNUL(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

func (e *env) statusReply(L *glua.LState) int {
	s, ok := L.Get(1).(glua.LString)
	if L.GetTop() != 1 || !ok {
		L.Push(e.errorTable(L, "ERR wrong number or type of arguments"))
		return 1
	}
	t := L.NewTable()
	t.RawSetString("ok", s)
	L.Push(t)
	return 1
}

func (e *env) setRepl(L *glua.LState) int {
	e.inRun(L, "redis.set_repl")
	if L.GetTop() != 1 {
		e.raise(L, "redis.set_repl() requires two arguments.")
	}
	if toInteger(float64(glua.LVAsNumber(L.Get(1))))&^replAll != 0 {
		e.raise(L, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
	}
	return 0
}

func (e *env) aclCheck(L *glua.LState) int {
	e.inRun(L, "redis.acl_check_cmd")
	args, problem := e.arguments(L)
	if problem != "" {
		e.raise(L, problem)
	}
	if !e.host.Known(args) {
		e.raise(L, "Invalid command passed to redis.acl_check_cmd()")
	}
	L.Push(glua.LBool(e.host.Permitted(args)))
	return 1
}

func (e *env) log(L *glua.LState) int {
	n := L.GetTop()
	if n < 2 {
		e.raise(L, "redis.log() requires two arguments or more.")
	}
	if !numeric(L.Get(1)) {
		e.raise(L, "First argument must be a number (log level).")
	}
	level := toInteger(float64(glua.LVAsNumber(L.Get(1))))
	if level < 0 || level > 3 {
		e.raise(L, "Invalid debug level.")
	}
	if e.host == nil {
		return 0
	}
	var words []string
	size := 0
	for i := 2; i <= n; i++ {
		if v := L.Get(i); glua.LVCanConvToString(v) {
			words = append(words, text(v))
			size += len(words[len(words)-1])
		}
	}
	e.budget.Spend(L, int64(size/callBytes)+callSteps)
	e.host.Log(int(level), strings.Join(words, " "))
	return 0
}

func (e *env) setResp(L *glua.LState) int {
	e.inRun(L, "redis.setresp")
	if L.GetTop() != 1 {
		e.raise(L, "redis.setresp() requires one argument.")
	}
	n := toInteger(float64(glua.LVAsNumber(L.Get(1))))
	if n != 2 && n != 3 {
		e.raise(L, "RESP version must be 2 or 3.")
	}
	e.proto = int(n)
	return 0
}
