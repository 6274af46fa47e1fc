package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
)

// listCommands are the commands on lists that don't wait for elements. The
// handlers stand in the other cmd_list files: cmd_list_ends.go has what works
// on the ends of a list, cmd_list_inside.go and cmd_list_pos.go the rest.
var listCommands = []*Command{
	{Write: lpush, Spec: command.Spec{
		Name: "LPUSH", Arity: -3, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.List,
		Keys:  command.FirstArg(command.KeyRW | command.KeyInsert),
		Group: "list", Since: "1.0.0", Complexity: "O(N) where N is the number of elements given",
		Syntax:  "key element [element ...]",
		Summary: "Puts elements in front of a list, one after the other, and creates the list if it is missing.",
	}},
	{Write: rpush, Spec: command.Spec{
		Name: "RPUSH", Arity: -3, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.List,
		Keys:  command.FirstArg(command.KeyRW | command.KeyInsert),
		Group: "list", Since: "1.0.0", Complexity: "O(N) where N is the number of elements given",
		Syntax:  "key element [element ...]",
		Summary: "Puts elements behind a list and creates the list if it is missing.",
	}},
	{Write: lpushx, Spec: command.Spec{
		Name: "LPUSHX", Arity: -3, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.List,
		Keys:  command.FirstArg(command.KeyRW | command.KeyInsert),
		Group: "list", Since: "2.2.0", Complexity: "O(N) where N is the number of elements given",
		Syntax:  "key element [element ...]",
		Summary: "Puts elements in front of a list if there is one.",
	}},
	{Write: rpushx, Spec: command.Spec{
		Name: "RPUSHX", Arity: -3, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.List,
		Keys:  command.FirstArg(command.KeyRW | command.KeyInsert),
		Group: "list", Since: "2.2.0", Complexity: "O(N) where N is the number of elements given",
		Syntax:  "key element [element ...]",
		Summary: "Puts elements behind a list if there is one.",
	}},
	{Write: lpop, Spec: command.Spec{
		Name: "LPOP", Arity: -2, Flags: command.Write | command.Fast, ACL: command.List,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyDelete),
		Group: "list", Since: "1.0.0", Complexity: "O(N) where N is the number of elements returned",
		Syntax:  "key [count]",
		Summary: "Takes the first element of a list, or the first few, and returns them.",
	}},
	{Write: rpop, Spec: command.Spec{
		Name: "RPOP", Arity: -2, Flags: command.Write | command.Fast, ACL: command.List,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyDelete),
		Group: "list", Since: "1.0.0", Complexity: "O(N) where N is the number of elements returned",
		Syntax:  "key [count]",
		Summary: "Takes the last element of a list, or the last few, and returns them from the last on.",
	}},
	{Write: rpoplpush, Spec: command.Spec{
		Name: "RPOPLPUSH", Arity: 3, Flags: command.Write | command.DenyOOM, ACL: command.List,
		Keys:  moveKeys,
		Group: "list", Since: "1.2.0", Complexity: "O(1)",
		Syntax:  "source destination",
		Summary: "Takes the last element of a list, puts it in front of another and returns it. LMOVE replaces it.",
	}},
	{Write: lmove, Spec: command.Spec{
		Name: "LMOVE", Arity: 5, Flags: command.Write | command.DenyOOM, ACL: command.List,
		Keys:  moveKeys,
		Group: "list", Since: "6.2.0", Complexity: "O(1)",
		Syntax:  "source destination <LEFT | RIGHT> <LEFT | RIGHT>",
		Summary: "Takes an element from one end of a list, puts it at one end of another and returns it.",
	}},
	{Write: lmpop, Spec: command.Spec{
		Name: "LMPOP", Arity: -4, Flags: command.Write | command.MovableKeys, ACL: command.List,
		Keys: []command.KeySpec{{Flags: command.KeyRW | command.KeyAccess | command.KeyDelete,
			Pos: 1, NumKeys: true, NumPos: 0, FirstKey: 1, Step: 1}},
		Group: "list", Since: "7.0.0", Complexity: "O(N+M) where N is the number of keys and M that of the elements returned",
		Syntax:  "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
		Summary: "Takes elements from one end of the first of several lists that has any.",
	}},
	{Read: llen, Spec: command.Spec{
		Name: "LLEN", Arity: 2, Flags: command.ReadOnly | command.Fast, ACL: command.List,
		Keys:  command.FirstArg(command.KeyRO),
		Group: "list", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Returns the number of elements of a list.",
	}},
	{Read: lindex, Spec: command.Spec{
		Name: "LINDEX", Arity: 3, Flags: command.ReadOnly, ACL: command.List,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "list", Since: "1.0.0", Complexity: "O(N) where N is how far the element is from the nearer end",
		Syntax:  "key index",
		Summary: "Returns the element of a list at an index.",
	}},
	{Read: lrange, Spec: command.Spec{
		Name: "LRANGE", Arity: 4, Flags: command.ReadOnly, ACL: command.List,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "list", Since: "1.0.0", Complexity: "O(S+N) where S is how far the first element is from the nearer end and N the number of elements returned",
		Syntax:  "key start stop",
		Summary: "Returns the elements of a list between two indexes.",
	}},
	{Read: lpos, Spec: command.Spec{
		Name: "LPOS", Arity: -3, Flags: command.ReadOnly, ACL: command.List,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "list", Since: "6.0.6", Complexity: "O(N) where N is the number of elements compared, at most MAXLEN",
		Syntax:  "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
		Summary: "Returns at which indexes of a list an element stands.",
	}},
	{Write: lset, Spec: command.Spec{
		Name: "LSET", Arity: 4, Flags: command.Write | command.DenyOOM, ACL: command.List,
		Keys:  command.FirstArg(command.KeyRW | command.KeyUpdate),
		Group: "list", Since: "1.0.0", Complexity: "O(N) where N is how far the element is from the nearer end",
		Syntax:  "key index element",
		Summary: "Replaces the element of a list at an index.",
	}},
	{Write: linsert, Spec: command.Spec{
		Name: "LINSERT", Arity: 5, Flags: command.Write | command.DenyOOM, ACL: command.List,
		Keys:  command.FirstArg(command.KeyRW | command.KeyInsert),
		Group: "list", Since: "2.2.0", Complexity: "O(N) where N is the number of elements up to the pivot",
		Syntax:  "key <BEFORE | AFTER> pivot element",
		Summary: "Puts an element into a list, before or after the first that equals a pivot.",
	}},
	{Write: lrem, Spec: command.Spec{
		Name: "LREM", Arity: 4, Flags: command.Write, ACL: command.List,
		Keys:  command.FirstArg(command.KeyRW | command.KeyDelete),
		Group: "list", Since: "1.0.0", Complexity: "O(N+M) where N is the length of the list and M the number of elements removed",
		Syntax:  "key count element",
		Summary: "Removes elements of a list that equal a value: the first few, the last few, or all.",
	}},
	{Write: ltrim, Spec: command.Spec{
		Name: "LTRIM", Arity: 4, Flags: command.Write, ACL: command.List,
		Keys:  command.FirstArg(command.KeyRW | command.KeyDelete),
		Group: "list", Since: "1.0.0", Complexity: "O(N) where N is the number of elements removed",
		Syntax:  "key start stop",
		Summary: "Keeps the elements of a list between two indexes and removes all others.",
	}},
}

// moveKeys are the keys of commands that move an element from list to list.
var moveKeys = []command.KeySpec{
	{Flags: command.KeyRW | command.KeyAccess | command.KeyDelete, Pos: 1, Step: 1},
	{Flags: command.KeyRW | command.KeyInsert, Pos: 2, Step: 1},
}

// findList is findKind for a list; it returns nil, true for a missing key.
func (c *ReadCall) findList(key []byte) (*keyspace.List, bool) {
	return listOf(c.findKind(key, keyspace.KindList))
}

// modifyList is modifyKind for a list. Unlike an entry, the list stays valid
// while other keys change.
func (c *WriteCall) modifyList(key []byte) (*keyspace.List, bool) {
	return listOf(c.modifyKind(key, keyspace.KindList))
}

func listOf(e *keyspace.Entry, ok bool) (*keyspace.List, bool) {
	if e == nil {
		return nil, ok
	}
	return e.List(), ok
}

// createList puts an empty list at a key. The caller fills it.
func (c *WriteCall) createList(key []byte) *keyspace.List {
	l := &keyspace.List{}
	c.put(key, keyspace.NewListValue(l))
	return l
}
