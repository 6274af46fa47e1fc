package fsm

import (
	"strings"

	"github.com/quorate/quorate/command"
)

// memoryCommands is MEMORY. Of its subcommands only those are here that tell
// about one key; the others describe an allocator that this server doesn't have.
var memoryCommands = []*Command{
	{Spec: command.Spec{
		Name: "MEMORY", Arity: -2,
		Group: "server", Since: "4.0.0", Complexity: "That of the subcommand.",
		Summary: "Tells how much memory things take.",
	}, Sub: []*Command{
		{Read: memoryUsage, Spec: command.Spec{
			Name: "USAGE", Arity: -3, Flags: command.ReadOnly,
			Keys:  []command.KeySpec{{Flags: command.KeyRO, Pos: 2, Step: 1}},
			Group: "server", Since: "4.0.0", Complexity: "O(1)",
			Syntax:  "key [SAMPLES count]",
			Summary: "Estimates the memory that a key and its value take.",
		}},
		{Read: memoryHelp, Spec: command.Spec{
			Name: "HELP", Arity: 2, Flags: command.Loading | command.Stale,
			Group: "server", Since: "4.0.0", Complexity: "O(1)",
			Summary: "Lists the subcommands.",
		}},
	}},
}

// memoryUsage implements MEMORY USAGE key [SAMPLES count]. Reply: bytes, or null
// if the key is missing. Values know their size, so there is nothing to sample
// and count only has to be valid.
//
// Source: Redis 7.0 docs for MEMORY USAGE.
func memoryUsage(c *ReadCall) {
	for i := 3; i < len(c.Args); i += 2 {
		if !strings.EqualFold(string(c.Args[i]), "SAMPLES") || i+1 == len(c.Args) {
			c.Error(errSyntax)
			return
		}
		n, ok := c.intArg(i + 1)
		if !ok {
			return
		}
		if n < 0 {
			c.Error(errSyntax)
			return
		}
	}
	if e := c.peek(c.Args[2]); e != nil {
		c.Int(int64(e.MemUsage()))
		return
	}
	c.Null()
}

// memoryHelp implements MEMORY HELP.
func memoryHelp(c *ReadCall) {
	c.help("MEMORY",
		"USAGE <key> [SAMPLES <count>]", "Estimate of the bytes that a key and its value take. <count> changes nothing.",
	)
}
