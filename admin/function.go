package admin

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/transport"
)

// functionCommand is the part of FUNCTION that is true of a server that has no
// functions yet: there are none to list, and deleting all of them deletes
// nothing. Loading one is an unknown subcommand.
func (a *Admin) functionCommand() *transport.Command {
	return &transport.Command{
		Spec: command.Spec{Name: "FUNCTION", Arity: -2, Group: "scripting", Since: "7.0.0", Complexity: "Depends on subcommand.",
			Summary: "A container of the commands about functions."},
		Sub: []*transport.Command{
			{Run: functionFlush, Spec: command.Spec{Name: "FLUSH", Arity: -2, Flags: command.Write | command.NoScript,
				ACL: command.Scripting, Group: "scripting", Since: "7.0.0", Complexity: "O(N)", Syntax: "[ASYNC | SYNC]",
				Summary: "Deletes all functions.", Tips: []string{"request_policy:all_shards", "response_policy:all_succeeded"}}},
			{Run: functionList, Spec: command.Spec{Name: "LIST", Arity: -2, Flags: command.NoScript,
				ACL: command.Scripting, Group: "scripting", Since: "7.0.0", Complexity: "O(N)",
				Syntax: "[LIBRARYNAME library-name-pattern] [WITHCODE]", Summary: "Lists the functions.",
				Tips: []string{"nondeterministic_output_order"}}},
		},
	}
}

func functionFlush(s *transport.Session, args [][]byte) {
	if len(args) > 3 || len(args) == 3 && !word(args[2], "ASYNC") && !word(args[2], "SYNC") {
		s.Error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
		return
	}
	s.OK()
}

func functionList(s *transport.Session, _ [][]byte) { s.Array(0) }
