package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/resp"
)

var scriptContainer = &Command{Spec: command.Spec{
	Name: "SCRIPT", Arity: -2,
	Group: "scripting", Since: "2.6.0", Complexity: "That of the subcommand.",
	Summary: "Manages the script cache.",
}, Sub: []*Command{
	{Read: scriptDebug, Spec: command.Spec{
		Name: "DEBUG", Arity: 3, Flags: command.NoScript, ACL: command.Scripting,
		Group: "scripting", Since: "3.2.0", Complexity: "O(1)", Syntax: "<YES | SYNC | NO>",
		Summary: "Switches the debugger on or off; there is none.",
	}},
	{Read: scriptExists, Spec: command.Spec{
		Name: "EXISTS", Arity: -3, Flags: command.NoScript, ACL: command.Scripting,
		Group: "scripting", Since: "2.6.0", Complexity: "O(N), N being the number of names.", Syntax: "sha1 [sha1 ...]",
		Summary: "Tells which scripts are cached.",
		Tips:    []string{"request_policy:all_shards", "response_policy:agg_logical_and"},
	}},
	{Write: scriptFlush, Spec: command.Spec{
		Name: "FLUSH", Arity: -2, Flags: command.NoScript, ACL: command.Scripting,
		Group: "scripting", Since: "2.6.0", Complexity: "O(1)", Syntax: "[ASYNC | SYNC]",
		Summary: "Empties the script cache.",
		Tips:    []string{"request_policy:all_nodes", "response_policy:all_succeeded"},
	}},
	{Read: scriptKill, Aside: scriptKillAside, Spec: command.Spec{
		Name: "KILL", Arity: 2, Flags: command.NoScript | command.AllowBusy, ACL: command.Scripting,
		Group: "scripting", Since: "2.6.0", Complexity: "O(1)",
		Summary: "Ends the read-only script that is running.",
		Tips:    []string{"request_policy:all_shards", "response_policy:one_succeeded"},
	}},
	{Write: scriptLoad, Spec: command.Spec{
		Name: "LOAD", Arity: 3, Flags: command.NoScript | command.Stale, ACL: command.Scripting,
		Group: "scripting", Since: "2.6.0", Complexity: "O(N), N being the length of the script.", Syntax: "script",
		Summary: "Puts a script into the cache without running it.",
		Tips:    []string{"request_policy:all_nodes", "response_policy:all_succeeded"},
	}},
	{Read: scriptHelp, Spec: command.Spec{
		Name: "HELP", Arity: 2, Flags: command.Loading | command.Stale, ACL: command.Scripting,
		Group: "scripting", Since: "5.0.0", Complexity: "O(1)",
		Summary: "Lists the subcommands.",
	}},
}}

// scriptLoad implements SCRIPT LOAD script. Reply: its SHA1.
func scriptLoad(c *WriteCall) {
	s, known := c.scriptOf(c.Args[2])
	if s == nil {
		return
	}
	if !known && !c.m.scripts.add(s) {
		c.Error("ERR the script cache is full: see SCRIPT FLUSH")
		return
	}
	c.BulkString(s.SHA)
}

// scriptExists implements SCRIPT EXISTS sha1 [sha1 ...].
func scriptExists(c *ReadCall) {
	c.Array(len(c.Args) - 2)
	for _, sha := range c.Args[2:] {
		s := c.findScript(sha)
		c.Bool(s != nil && s.SHA == string(sha)) // in lower case, as in Redis
	}
}

// scriptFlush implements SCRIPT FLUSH [ASYNC | SYNC].
func scriptFlush(c *WriteCall) {
	if len(c.Args) > 3 || len(c.Args) == 3 && !isWord(c.Args[2], "ASYNC") && !isWord(c.Args[2], "SYNC") {
		c.Error("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
		return
	}
	c.m.scripts = scriptCache{}
	c.OK()
}

const (
	errBusyScript   = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
	errBusyFunction = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
	errNotBusy      = "NOTBUSY No scripts in execution right now."
	errUnkillable   = "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
)

// scriptKill implements SCRIPT KILL. Scripts in the log can't be ended: they end
// by themselves, at the same place on all replicas.
func scriptKill(c *ReadCall) { c.aside(scriptKillAside) }

func scriptKillAside(c *AsideCall) { c.kill(false) }

// AsideCall is a run of a command that needs no lock: see Command.Aside.
type AsideCall struct {
	*resp.Writer
	Running *Running
	Stats   *Stats
	Now     int64 // Unix ms
}

func (c *ReadCall) aside(run func(*AsideCall)) {
	run(&AsideCall{c.Writer, c.m.running, c.m.Stats, c.now})
}

func (c *AsideCall) kill(function bool) {
	if problem := c.Running.kill(function); problem != "" {
		c.Error(problem)
		return
	}
	c.OK()
}

// scriptDebug implements SCRIPT DEBUG YES | SYNC | NO. There is no debugger: a
// script that waits for someone to look at it would hold up all replicas.
func scriptDebug(c *ReadCall) {
	switch {
	case isWord(c.Args[2], "NO"):
		c.OK()
	case isWord(c.Args[2], "YES"), isWord(c.Args[2], "SYNC"):
		c.Error("ERR this server has no debugger for scripts")
	default:
		c.Error("ERR Use SCRIPT DEBUG YES/SYNC/NO")
	}
}

// scriptHelp implements SCRIPT HELP.
func scriptHelp(c *ReadCall) {
	c.help("SCRIPT",
		"DEBUG (YES|SYNC|NO)", "There is no debugger: NO is accepted.",
		"EXISTS <sha1> [<sha1> ...]", "Tell which scripts are in the script cache.",
		"FLUSH [ASYNC|SYNC]", "Empty the script cache. The two modes are the same.",
		"KILL", "End the read-only script that is running.",
		"LOAD <script>", "Put a script into the script cache without running it.",
	)
}
