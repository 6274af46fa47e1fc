package lua

import (
	"sync/atomic"

	glua "github.com/yuin/gopher-lua"

	"github.com/quorate/quorate/resp"
)

// Interpreter runs scripts. The zero value is ready. Its methods may run beside
// each other; it holds nothing that a run could depend on.
type Interpreter struct {
	pool pool

	steps, bytes int64 // of a run, for tests; 0: the bounds of env.go
}

// Call is a run of a script or function.
type Call struct {
	Host       Host
	Keys, Args [][]byte
	Seed       uint64       // of math.random until the script seeds it
	Stop       *atomic.Bool // ends the run when it becomes true; nil: it can't be ended
	Patient    bool         // the run may take much longer than one that all replicas repeat
}

// budget returns what the run may use up.
func (c *Call) budget() (steps, bytes int64) {
	if c.Patient {
		return patientSteps, patientBytes
	}
	return maxSteps, maxBytes
}

// Run runs a script and writes its reply. What the script has done when it
// fails or runs out of its budget stays done.
//
// It reports false if the host has abandoned the run: there is no reply then.
// It panics with what a command has panicked with.
func (in *Interpreter) Run(s *Script, c *Call, w *resp.Writer) (finished bool) {
	e := in.pool.take()
	e.begin(c)
	if in.steps > 0 {
		e.budget.Reset(in.steps, in.bytes)
	}
	all := e.L.G.Global
	all.RawSetString("KEYS", e.list(c.Keys))
	all.RawSetString("ARGV", e.list(c.Args))
	e.L.Push(e.L.NewFunctionFromProto(s.proto))
	finished = e.finish(0, "@user_script", s.SHA, w)
	in.pool.give(e)
	return finished
}

// finish calls the function and arguments on the stack and writes the reply.
func (e *env) finish(nargs int, source, name string, w *resp.Writer) (finished bool) {
	handler := e.ofScript
	if source != "@user_script" {
		handler = e.ofFunction
	}
	raised := e.call(e.L, nargs, handler)
	var result glua.LValue = glua.LNil
	if raised == nil && e.L.GetTop() > 0 {
		result = e.L.Get(1)
	}
	if t, ok := raised.(*glua.LTable); ok && e.killed {
		t.RawSetString("err", glua.LString("ERR "+errKilled.Error())) // whatever it said about it
	}
	panicked, abandoned := e.panicked, e.abandoned
	if !abandoned {
		e.reply(w, raised, result, source, name)
	}
	e.end()
	if panicked != nil {
		panic(panicked)
	}
	return !abandoned
}

// reply writes what has come of a run.
func (e *env) reply(w *resp.Writer, raised, result glua.LValue, source, name string) {
	if w.Discard {
		return
	}
	if raised != nil {
		w.Error(cutNUL(errorText(raised, name)))
		return
	}
	mark, errors := w.Mark(), w.Errors
	if !e.toReply(w, result, 0) {
		w.Buf, w.Errors = w.Buf[:mark], errors
		w.Error("ERR " + e.budget.Err().Error() + " script: " + name + ", on " + source + ".")
	}
}

// list returns arguments as a table.
func (e *env) list(args [][]byte) *glua.LTable {
	t := e.L.CreateTable(len(args), 0)
	size := tableBytes
	for _, a := range args {
		t.Append(glua.LString(a))
		size += len(a) + slotBytes
	}
	e.budget.TakeBytes(int64(size))
	return t
}
