package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/lua"
	"github.com/quorate/quorate/slots/hashslot"
)

const scriptComplexity = "Depends on the script that is executed."

// scriptKeys is the key specification of the commands that run scripts.
func scriptKeys(flags command.KeyFlags, notes string) []command.KeySpec {
	return []command.KeySpec{{Flags: flags, Notes: notes, Pos: 2, NumKeys: true, FirstKey: 1, Step: 1}}
}

const (
	evalFlags   = command.NoScript | command.Stale | command.SkipMonitor | command.NoMandatoryKeys | command.MovableKeys
	evalRW      = command.KeyRW | command.KeyAccess | command.KeyUpdate
	evalRO      = command.KeyRO | command.KeyAccess
	evalNotesRW = "What the script does with the keys isn't known: anything is possible."
	evalNotesRO = "What the script does with the keys isn't known: any read is possible."
)

// scriptCommands are EVAL and its variants, and SCRIPT.
//
// EVAL and EVALSHA run on every replica from the log, unless a first attempt has
// shown that the script only reads (script_try.go).
// The read-only variants run on the read path, where nothing can be kept: a
// script that EVAL_RO brings is not added to the cache (SCRIPT LOAD does that).
var scriptCommands = []*Command{
	{Write: eval, script: evalFlagsOf, try: evalTried, wrote: evalWrote, Spec: command.Spec{
		Name: "EVAL", Arity: -3, Flags: evalFlags | command.MayReplicate, ACL: command.Scripting, Keys: scriptKeys(evalRW, evalNotesRW),
		Group: "scripting", Since: "2.6.0", Complexity: scriptComplexity,
		Syntax:  "script numkeys [key ...] [arg ...]",
		Summary: "Runs a Lua script.",
	}},
	{Read: evalReadOnly, Spec: command.Spec{
		Name: "EVAL_RO", Arity: -3, Flags: evalFlags | command.ReadOnly, ACL: command.Scripting, Keys: scriptKeys(evalRO, evalNotesRO),
		Group: "scripting", Since: "7.0.0", Complexity: scriptComplexity,
		Syntax:  "script numkeys [key ...] [arg ...]",
		Summary: "Runs a Lua script that only reads.",
	}},
	{Write: evalsha, script: evalshaFlagsOf, try: evalshaTried, wrote: evalshaWrote, Spec: command.Spec{
		Name: "EVALSHA", Arity: -3, Flags: evalFlags | command.MayReplicate, ACL: command.Scripting, Keys: scriptKeys(evalRW, ""),
		Group: "scripting", Since: "2.6.0", Complexity: scriptComplexity,
		Syntax:  "sha1 numkeys [key ...] [arg ...]",
		Summary: "Runs a cached Lua script.",
	}},
	{Read: evalshaRO, Spec: command.Spec{
		Name: "EVALSHA_RO", Arity: -3, Flags: evalFlags | command.ReadOnly, ACL: command.Scripting, Keys: scriptKeys(evalRO, ""),
		Group: "scripting", Since: "7.0.0", Complexity: scriptComplexity,
		Syntax:  "sha1 numkeys [key ...] [arg ...]",
		Summary: "Runs a cached Lua script that only reads.",
	}},
	scriptContainer,
}

const errNoScript = "NOSCRIPT No matching script. Please use EVAL."

// eval implements EVAL script numkeys [key ...] [arg ...].
//
// Source: Redis 7.0 docs for EVAL.
func eval(c *WriteCall) {
	nkeys, ok := c.scriptNumKeys()
	if !ok {
		return
	}
	s, known := c.scriptOf(c.Args[1])
	if s == nil {
		return
	}
	if !known {
		c.m.scripts.add(s) // where there is no room, it runs all the same
	}
	c.runScript(s, nkeys)
}

// evalsha implements EVALSHA sha1 numkeys [key ...] [arg ...].
func evalsha(c *WriteCall) {
	if s, nkeys, ok := c.cachedScript(); ok {
		c.runScript(s, nkeys)
	}
}

// evalReadOnly implements EVAL_RO script numkeys [key ...] [arg ...].
func evalReadOnly(c *ReadCall) {
	nkeys, ok := c.scriptNumKeys()
	if !ok {
		return
	}
	if s, _ := c.scriptOf(c.Args[1]); s != nil {
		c.readScript(s, nkeys)
	}
}

// scriptOf returns a script by its text, and whether it is cached; nil: it can't
// be compiled and the error is written.
func (c *ReadCall) scriptOf(body []byte) (s *lua.Script, known bool) {
	if s = c.m.scripts.byBody[string(body)]; s != nil {
		return s, true
	}
	if c.attempt != nil {
		if s = c.attempt.loads.byBody[string(body)]; s != nil {
			return s, true // it will be
		}
	}
	s, err := lua.NewScript(string(body))
	if err != nil {
		c.Error(err.Error())
		return nil, false
	}
	return s, false
}

// evalshaRO implements EVALSHA_RO sha1 numkeys [key ...] [arg ...].
func evalshaRO(c *ReadCall) {
	if s, nkeys, ok := c.cachedScript(); ok {
		c.readScript(s, nkeys)
	}
}

// cachedScript finds the script and the number of keys of EVALSHA, or writes
// the error.
func (c *ReadCall) cachedScript() (*lua.Script, int, bool) {
	if len(c.Args[1]) != 40 {
		c.Error(errNoScript)
		return nil, 0, false
	}
	nkeys, ok := c.scriptNumKeys()
	if !ok {
		return nil, 0, false
	}
	s := c.findScript(c.Args[1])
	if s == nil {
		c.Error(errNoScript)
		return nil, 0, false
	}
	return s, nkeys, true
}

// findScript returns a script by its SHA1 in any case, or nil: one that is cached, or
// that a step in front of this one brings, which isn't in the log yet.
func (c *ReadCall) findScript(sha []byte) *lua.Script {
	s := c.m.scripts.find(sha)
	if s == nil && c.attempt != nil {
		s = c.attempt.loads.find(sha)
	}
	return s
}

// scriptNumKeys reads the number of keys, or writes the error.
func (c *ReadCall) scriptNumKeys() (int, bool) {
	n, ok := c.intArg(2)
	switch {
	case !ok:
		return 0, false
	case n > int64(len(c.Args)-3):
		c.Error(errNumKeysArgs)
		return 0, false
	case n < 0:
		c.Error("ERR Number of keys can't be negative")
		return 0, false
	}
	return int(n), true
}

// checkFlags writes an error if a script's flags don't let it run.
func (c *ReadCall) checkFlags(f lua.Flags, readOnly bool) bool {
	if f.Has(lua.Compat) {
		return true
	}
	if f.Has(lua.NoCluster) && c.m.owned != nil {
		c.Error("ERR Can not run script on cluster, 'no-cluster' flag is set.")
		return false
	}
	if readOnly && !f.Has(lua.NoWrites) {
		c.Error("ERR Can not execute a script with write flag using *_ro command.")
		return false
	}
	return true
}

// host returns what a script of the given flags runs on.
func (c *ReadCall) host(f lua.Flags, nkeys int, readOnly bool) *scriptHost {
	h := &scriptHost{read: c, db: c.DB, slot: -1, readOnly: readOnly || !f.Has(lua.Compat) && f.Has(lua.NoWrites),
		crossSlot: f.Has(lua.Compat) || f.Has(lua.AllowCrossSlot)}
	if nkeys > 0 {
		h.slot = int(hashslot.Of(c.Args[3]))
	}
	return h
}

// writeHost is host for a script from the log.
func (c *WriteCall) writeHost(f lua.Flags, nkeys int) *scriptHost {
	h := c.host(f, nkeys, false)
	h.write = c
	h.full = !f.Has(lua.AllowOOM) && c.m.Full()
	return h
}

func (c *ReadCall) scriptCall(h *scriptHost, nkeys int) *lua.Call {
	return &lua.Call{Host: h, Keys: c.Args[3 : 3+nkeys], Args: c.Args[3+nkeys:], Seed: c.rand.Uint64()}
}

// runScript runs a script from the log.
func (c *WriteCall) runScript(s *lua.Script, nkeys int) {
	if !c.checkFlags(s.Flags, false) {
		return
	}
	h := c.writeHost(s.Flags, nkeys)
	run := &runningScript{command: c.Args, logged: true}
	defer c.enter(run)()
	c.m.interp.Run(s, c.scriptCall(h, nkeys), c.Writer)
	s.Wrote.Store(h.wrote)
}

// readScript runs a script that may only read.
func (c *ReadCall) readScript(s *lua.Script, nkeys int) {
	if !c.checkFlags(s.Flags, true) {
		return
	}
	c.runRead(c.scriptCall(c.host(s.Flags, nkeys, true), nkeys), &runningScript{command: c.Args}, func(call *lua.Call) bool {
		return c.m.interp.Run(s, call, c.Writer)
	})
}

// runRead runs a script or a function that can be ended.
func (c *ReadCall) runRead(call *lua.Call, s *runningScript, run func(*lua.Call) bool) (finished bool) {
	defer c.enter(s)()
	if c.patient && s.entered {
		call.Patient = c.m.running.long.CompareAndSwap(false, true)
		if call.Patient {
			defer c.m.running.long.Store(false)
		}
	}
	call.Stop = &s.stop
	return run(call)
}

// enter enters a script into those that run; what it returns removes it.
func (c *ReadCall) enter(s *runningScript) (leave func()) {
	if c.Discard && s.logged {
		return func() {} // of another replica, or of another time
	}
	s.group, s.since = c.m.Stats, c.now
	s.entered = c.m.running.begin(s)
	return func() {
		if s.entered {
			c.m.running.end(s)
		}
	}
}
