package admin

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/transport"
)

func lolwutCommand() *transport.Command {
	return &transport.Command{Run: lolwut, Pure: true, Spec: command.Spec{
		Name: "LOLWUT", Arity: -1, Flags: command.ReadOnly | command.Fast,
		Group: "server", Since: "5.0.0", Complexity: "O(1)",
		Syntax:  "[VERSION version]",
		Summary: "Returns the version of Redis whose commands the server answers.",
	}}
}

// lolwut implements LOLWUT [VERSION version] ... There is no art here: the reply
// is the one of Redis for a version without.
func lolwut(s *transport.Session, args [][]byte) {
	if len(args) >= 3 && word(args[1], "VERSION") {
		if _, ok := keyspace.ParseInt(args[2]); !ok {
			s.Error("ERR value is not an integer or out of range")
			return
		}
	}
	s.Verbatim("txt", "Redis ver. "+RedisVersion+"\n")
}
