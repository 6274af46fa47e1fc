package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
)

var stringCommands = []*Command{
	{Read: get, Spec: command.Spec{
		Name: "GET", Arity: 2, Flags: command.ReadOnly | command.Fast, ACL: command.String,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "string", Since: "1.0.0", Complexity: "O(1)", Syntax: "key",
		Summary: "Returns the string value of a key.",
	}},
	{Write: set, Spec: command.Spec{
		Name: "SET", Arity: -3, Flags: command.Write | command.DenyOOM, ACL: command.String,
		Keys:  command.FirstArg(command.KeyOW | command.KeyUpdate),
		Group: "string", Since: "1.0.0", Complexity: "O(1)", Syntax: "key value",
		Summary: "Sets the string value of a key.",
	}},
}

// get implements GET key.
//
// Source: Redis 7.0 docs for GET. Reply: bulk string, or null if the key is
// missing.
func get(c *ReadCall) {
	e, ok := c.findKind(c.Args[1], keyspace.KindString)
	if !ok {
		return
	}
	if e == nil {
		c.Null()
		return
	}
	var buf [20]byte
	c.Bulk(e.Str(buf[:]))
}

// set implements SET key value.
func set(c *WriteCall) {
	if len(c.Args) != 3 {
		c.Error(errSyntax)
		return
	}
	c.put(c.Args[1], keyspace.NewString(c.Args[2]))
	c.changed('$', "set", c.Args[1])
	c.OK()
}
