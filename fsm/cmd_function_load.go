package fsm

import (
	"errors"
	"strings"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/lua"
	"github.com/quorate/quorate/fsm/rdb"
)

var functionContainer = &Command{Spec: command.Spec{
	Name: "FUNCTION", Arity: -2,
	Group: "scripting", Since: "7.0.0", Complexity: "That of the subcommand.",
	Summary: "Manages functions.",
}, Sub: []*Command{
	functionSub("DELETE", 3, command.Write, "O(1)", "library-name", "Deletes a library.", nil, functionDelete),
	functionSub("DUMP", 2, 0, "O(N), N being the number of functions.", "", "Returns a payload of all libraries.", functionDump, nil),
	functionSub("FLUSH", -2, command.Write, "O(N), N being the number of functions.", "[ASYNC | SYNC]", "Deletes all libraries.", nil, functionFlush),
	functionSub("HELP", 2, command.Loading|command.Stale, "O(1)", "", "Lists the subcommands.", functionHelp, nil),
	aside(functionSub("KILL", 2, command.AllowBusy, "O(1)", "", "Ends the function that is running, unless it writes.", functionKill, nil), functionKillAside),
	functionSub("LIST", -2, 0, "O(N), N being the number of functions.", "[LIBRARYNAME library-name-pattern] [WITHCODE]",
		"Tells about the libraries and their functions.", functionList, nil),
	functionSub("LOAD", -3, command.Write|command.DenyOOM, "O(1), beside the time to compile the library.", "[REPLACE] function-code",
		"Loads a library.", nil, functionLoad),
	functionSub("RESTORE", -3, command.Write|command.DenyOOM, "O(N), N being the number of functions.",
		"serialized-value [FLUSH | APPEND | REPLACE]", "Loads the libraries of a payload.", nil, functionRestore),
	aside(functionSub("STATS", 2, command.AllowBusy, "O(1)", "", "Tells which function runs, and how many there are.", functionStats, nil), functionStatsAside),
}}

func aside(c *Command, run func(*AsideCall)) *Command {
	c.Aside = run
	return c
}

// functionTips are the tips of the subcommands.
var functionTips = map[string][]string{
	"DELETE":  {"request_policy:all_shards", "response_policy:all_succeeded"},
	"FLUSH":   {"request_policy:all_shards", "response_policy:all_succeeded"},
	"KILL":    {"request_policy:all_shards", "response_policy:one_succeeded"},
	"LIST":    {"nondeterministic_output_order"},
	"LOAD":    {"request_policy:all_shards", "response_policy:all_succeeded"},
	"RESTORE": {"request_policy:all_shards", "response_policy:all_succeeded"},
	"STATS":   {"nondeterministic_output", "request_policy:all_shards", "response_policy:special"},
}

func functionSub(name string, arity int, flags command.Flags, complexity, syntax, summary string, read func(*ReadCall), write func(*WriteCall)) *Command {
	if name != "HELP" {
		flags |= command.NoScript
	}
	return &Command{Read: read, Write: write, Spec: command.Spec{
		Name: name, Arity: arity, Flags: flags, ACL: command.Scripting, Group: "scripting", Since: "7.0.0",
		Complexity: complexity, Syntax: syntax, Summary: summary, Tips: functionTips[name],
	}}
}

// functionLoad implements FUNCTION LOAD [REPLACE] function-code. Reply: the
// library's name.
func functionLoad(c *WriteCall) {
	last := len(c.Args) - 1
	replace := false
	for _, arg := range c.Args[2:last] {
		if !isWord(arg, "REPLACE") {
			c.Error(errFormat("ERR Unknown option given: " + cString(arg)))
			return
		}
		replace = true
	}
	lib, err := c.m.libraries.load(c.m.interp, string(c.Args[last]), replace, c.logScript)
	if err != nil {
		c.Error(err.Error())
		return
	}
	c.m.changed++
	c.BulkString(lib.Name)
}

// logScript passes on what a library writes to the log while it is loaded.
func (c *ReadCall) logScript(level int, text string) {
	if f := c.m.ScriptLog; f != nil && !c.Discard {
		f(level, text)
	}
}

// subcommandArity writes the error for arguments that the arity can't refuse.
func (c *ReadCall) subcommandArity(container string) {
	name := string(c.Args[1])
	c.Error("ERR unknown subcommand or wrong number of arguments for '" + name[:min(len(name), 128)] + "'. Try " + container + " HELP.")
}

// functionDelete implements FUNCTION DELETE library-name.
func functionDelete(c *WriteCall) {
	if !c.m.libraries.remove(string(c.Args[2])) {
		c.Error("ERR Library not found")
		return
	}
	c.m.changed++
	c.OK()
}

// functionFlush implements FUNCTION FLUSH [ASYNC | SYNC].
func functionFlush(c *WriteCall) {
	if len(c.Args) > 3 {
		c.subcommandArity("FUNCTION")
		return
	}
	if len(c.Args) == 3 && !isWord(c.Args[2], "ASYNC") && !isWord(c.Args[2], "SYNC") {
		c.Error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
		return
	}
	c.m.libraries = libraries{}
	c.m.changed++
	c.OK()
}

// functionDump implements FUNCTION DUMP.
func functionDump(c *ReadCall) { c.Bulk(rdb.AppendFunctions(nil, c.m.libraries.codes())) }

// functionRestore implements FUNCTION RESTORE payload [FLUSH | APPEND | REPLACE].
// Either all libraries of the payload are loaded or none.
func functionRestore(c *WriteCall) {
	if len(c.Args) > 4 {
		c.subcommandArity("FUNCTION")
		return
	}
	policy := "APPEND"
	if len(c.Args) == 4 {
		policy = strings.ToUpper(string(c.Args[3]))
		if policy != "APPEND" && policy != "REPLACE" && policy != "FLUSH" {
			c.Error("ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.")
			return
		}
	}
	codes, err := rdb.ParseFunctions(c.Args[2])
	switch {
	case errors.Is(err, rdb.ErrDump):
		c.Error("ERR DUMP payload version or checksum are wrong")
		return
	case errors.Is(err, rdb.ErrNotFunction):
		c.Error("ERR given type is not a function")
		return
	case err != nil:
		c.Error("ERR failed loading the given functions payload")
		return
	}
	var brought libraries
	for _, code := range codes {
		if _, err := brought.load(c.m.interp, code, false, c.logScript); err != nil {
			c.Error(err.Error())
			return
		}
	}
	if problem := c.m.libraries.join(&brought, policy); problem != "" {
		c.Error(problem)
		return
	}
	c.m.changed++
	c.OK()
}

// join adds libraries by a policy of FUNCTION RESTORE. On an error, which it
// returns, it has changed nothing.
func (l *libraries) join(brought *libraries, policy string) (problem string) {
	if policy == "FLUSH" {
		*l = *brought
		return ""
	}
	joined := libraries{list: append([]*lua.Library(nil), l.list...), functions: map[string]*lua.Function{}}
	for name, f := range l.functions {
		joined.functions[name] = f
	}
	for _, lib := range brought.list {
		if joined.remove(lib.Name) && policy != "REPLACE" {
			return "ERR Library " + lib.Name + " already exists"
		}
	}
	for _, lib := range brought.list {
		if name := joined.collision(lib); name != "" {
			return "ERR Function " + name + " already exists"
		}
		joined.add(lib)
	}
	*l = joined
	return ""
}
