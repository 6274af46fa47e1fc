package fsm

import (
	"strings"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/lua"
	"github.com/quorate/quorate/glob"
)

// functionCommands are FCALL, FCALL_RO and FUNCTION.
//
// A library's variables outside of its functions are as its code has set them
// at each call: what a call does to them is gone with it, since it would be
// lost in a snapshot.
var functionCommands = []*Command{
	{Write: fcall, script: fcallFlagsOf, try: fcallTried, wrote: fcallWrote, Spec: command.Spec{
		Name: "FCALL", Arity: -3, Flags: evalFlags | command.MayReplicate, ACL: command.Scripting, Keys: scriptKeys(evalRW, evalNotesRW),
		Group: "scripting", Since: "7.0.0", Complexity: "Depends on the function that is executed.",
		Syntax:  "function numkeys [key ...] [arg ...]",
		Summary: "Calls a function.",
	}},
	{Read: fcallRO, Spec: command.Spec{
		Name: "FCALL_RO", Arity: -3, Flags: evalFlags | command.ReadOnly, ACL: command.Scripting, Keys: scriptKeys(evalRO, evalNotesRO),
		Group: "scripting", Since: "7.0.0", Complexity: "Depends on the function that is executed.",
		Syntax:  "function numkeys [key ...] [arg ...]",
		Summary: "Calls a function that only reads.",
	}},
	functionContainer,
}

// fcall implements FCALL function numkeys [key ...] [arg ...].
//
// Source: Redis 7.0 docs for FCALL.
func fcall(c *WriteCall) {
	f, nkeys, ok := c.function()
	if !ok || !c.checkFlags(f.Flags, false) {
		return
	}
	h := c.writeHost(f.Flags, nkeys)
	defer c.enter(&runningScript{function: true, name: f.Name, command: c.Args, logged: true})()
	c.m.interp.CallFunction(f, c.scriptCall(h, nkeys), c.Writer)
	f.Wrote.Store(h.wrote)
}

// fcallRO implements FCALL_RO function numkeys [key ...] [arg ...].
func fcallRO(c *ReadCall) {
	f, nkeys, ok := c.function()
	if !ok || !c.checkFlags(f.Flags, true) {
		return
	}
	c.readFunction(f, c.scriptCall(c.host(f.Flags, nkeys, true), nkeys))
}

// readFunction runs a function that may only read, or one that is tried.
func (c *ReadCall) readFunction(f *lua.Function, call *lua.Call) (finished bool) {
	return c.runRead(call, &runningScript{function: true, name: f.Name, command: c.Args}, func(call *lua.Call) bool {
		return c.m.interp.CallFunction(f, call, c.Writer)
	})
}

// function finds the function and the number of keys of FCALL, or writes the
// error.
func (c *ReadCall) function() (*lua.Function, int, bool) {
	f := c.m.libraries.functions[strings.ToLower(string(c.Args[1]))]
	if f == nil {
		c.Error("ERR Function not found")
		return nil, 0, false
	}
	n, ok := keyspace.ParseInt(c.Args[2])
	switch {
	case !ok:
		c.Error("ERR Bad number of keys provided")
	case n > int64(len(c.Args)-3):
		c.Error(errNumKeysArgs)
	case n < 0:
		c.Error("ERR Number of keys can't be negative")
	default:
		return f, int(n), true
	}
	return nil, 0, false
}

// functionList implements FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE].
func functionList(c *ReadCall) {
	withCode, pattern := false, []byte(nil)
	for i := 2; i < len(c.Args); i++ {
		switch arg := c.Args[i]; {
		case !withCode && isWord(arg, "WITHCODE"):
			withCode = true
		case pattern == nil && isWord(arg, "LIBRARYNAME"):
			i++
			if i == len(c.Args) {
				c.Error("ERR library name argument was not given")
				return
			}
			pattern = append([]byte{}, c.Args[i]...)
		default:
			c.Error("ERR Unknown argument " + cString(arg))
			return
		}
	}
	var found []*lua.Library
	for _, lib := range c.m.libraries.list {
		if pattern == nil || glob.Match(pattern, []byte(lib.Name), true) {
			found = append(found, lib)
		}
	}
	c.Array(len(found))
	for _, lib := range found {
		c.describeLibrary(lib, withCode)
	}
}

func (c *ReadCall) describeLibrary(lib *lua.Library, withCode bool) {
	if withCode {
		c.Map(4)
	} else {
		c.Map(3)
	}
	c.BulkString("library_name")
	c.BulkString(lib.Name)
	c.BulkString("engine")
	c.BulkString(lua.Engine)
	c.BulkString("functions")
	c.Array(len(lib.Functions))
	for _, f := range lib.Functions {
		c.Map(3)
		c.BulkString("name")
		c.BulkString(f.Name)
		c.BulkString("description")
		if f.Described {
			c.BulkString(f.Description)
		} else {
			c.Null()
		}
		c.BulkString("flags")
		names := f.Flags.Names()
		c.Set(len(names))
		for _, name := range names {
			c.Simple(name)
		}
	}
	if withCode {
		c.BulkString("library_code")
		c.BulkString(lib.Code)
	}
}

// functionStats implements FUNCTION STATS.
func functionStats(c *ReadCall) { c.aside(functionStatsAside) }

func functionStatsAside(c *AsideCall) {
	s := c.Running.oldest()
	if s != nil && !s.function {
		c.Error(errBusyScript)
		return
	}
	c.Map(2)
	c.BulkString("running_script")
	if s == nil {
		c.Null()
	} else {
		c.Map(3)
		c.BulkString("name")
		c.BulkString(s.name)
		c.BulkString("command")
		c.Array(len(s.command))
		for _, arg := range s.command {
			c.Bulk(arg)
		}
		c.BulkString("duration_ms")
		c.Int(max(c.Now-s.since, 0))
	}
	c.BulkString("engines")
	c.Map(1)
	c.BulkString(lua.Engine)
	c.Map(2)
	c.BulkString("libraries_count")
	c.Int(c.Stats.Libraries.Load())
	c.BulkString("functions_count")
	c.Int(c.Stats.Functions.Load())
}

// functionKill implements FUNCTION KILL; see scriptKill.
func functionKill(c *ReadCall) { c.aside(functionKillAside) }

func functionKillAside(c *AsideCall) { c.kill(true) }

// functionHelp implements FUNCTION HELP.
func functionHelp(c *ReadCall) {
	c.help("FUNCTION",
		"LOAD [REPLACE] <FUNCTION CODE>", "Load a library; its first line names it.",
		"DELETE <LIBRARY NAME>", "Delete a library.",
		"LIST [LIBRARYNAME PATTERN] [WITHCODE]", "Tell about the libraries and their functions.",
		"STATS", "Tell which function runs, and how many there are.",
		"KILL", "End the read-only function that is running.",
		"FLUSH [ASYNC|SYNC]", "Delete all libraries. The two modes are the same.",
		"DUMP", "Return a payload of all libraries.",
		"RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]", "Load the libraries of a payload.",
	)
}
