package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/resp"
)

// setCommands are the commands on sets. Random choice stands in
// cmd_set_random.go, operations on several sets in cmd_set_algebra.go.
var setCommands = []*Command{
	{Write: sadd, Spec: command.Spec{
		Name: "SADD", Arity: -3, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.Set,
		Keys:  command.FirstArg(command.KeyRW | command.KeyInsert),
		Group: "set", Since: "1.0.0", Complexity: "O(N) where N is the number of members given",
		Syntax:  "key member [member ...]",
		Summary: "Adds members to a set.",
	}},
	{Write: srem, Spec: command.Spec{
		Name: "SREM", Arity: -3, Flags: command.Write | command.Fast, ACL: command.Set,
		Keys:  command.FirstArg(command.KeyRW | command.KeyDelete),
		Group: "set", Since: "1.0.0", Complexity: "O(N) where N is the number of members given",
		Syntax:  "key member [member ...]",
		Summary: "Removes members from a set, and the key with the last of them.",
	}},
	{Read: sismember, Spec: command.Spec{
		Name: "SISMEMBER", Arity: 3, Flags: command.ReadOnly | command.Fast, ACL: command.Set,
		Keys:  command.FirstArg(command.KeyRO),
		Group: "set", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key member",
		Summary: "Tells whether something is a member of a set.",
	}},
	{Read: smismember, Spec: command.Spec{
		Name: "SMISMEMBER", Arity: -3, Flags: command.ReadOnly | command.Fast, ACL: command.Set,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "set", Since: "6.2.0", Complexity: "O(N) where N is the number of members asked about",
		Syntax:  "key member [member ...]",
		Summary: "Tells of several things whether they are members of a set.",
	}},
	{Read: scard, Spec: command.Spec{
		Name: "SCARD", Arity: 2, Flags: command.ReadOnly | command.Fast, ACL: command.Set,
		Keys:  command.FirstArg(command.KeyRO),
		Group: "set", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Counts the members of a set.",
	}},
	{Read: smembers, Spec: command.Spec{
		Name: "SMEMBERS", Arity: 2, Flags: command.ReadOnly, ACL: command.Set,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "set", Since: "1.0.0", Complexity: "O(N) where N is the number of members of the set",
		Syntax:  "key",
		Summary: "Returns all members of a set.",
		Tips:    []string{"nondeterministic_output_order"},
	}},
	{Write: smove, Spec: command.Spec{
		Name: "SMOVE", Arity: 4, Flags: command.Write | command.Fast, ACL: command.Set,
		Keys: []command.KeySpec{
			{Flags: command.KeyRW | command.KeyAccess | command.KeyDelete, Pos: 1, Step: 1},
			{Flags: command.KeyRW | command.KeyInsert, Pos: 2, Step: 1},
		},
		Group: "set", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "source destination member",
		Summary: "Takes a member out of one set and puts it into another.",
	}},
	{Write: spop, Spec: command.Spec{
		Name: "SPOP", Arity: -2, Flags: command.Write | command.Fast, ACL: command.Set,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyDelete),
		Group: "set", Since: "1.0.0", Complexity: "O(1), with a count O(N) where N is the count",
		Syntax:  "key [count]",
		Summary: "Removes members drawn at random from a set and returns them.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Read: srandmember, Spec: command.Spec{
		Name: "SRANDMEMBER", Arity: -2, Flags: command.ReadOnly, ACL: command.Set,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "set", Since: "1.0.0", Complexity: "O(1), with a count O(N) where N is the count without its sign",
		Syntax:  "key [count]",
		Summary: "Returns members of a set drawn at random.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Read: sscan, Spec: command.Spec{
		Name: "SSCAN", Arity: -3, Flags: command.ReadOnly, ACL: command.Set,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "set", Since: "2.8.0", Complexity: "O(1) a call, O(N) for a whole walk where N is the number of members of the set",
		Syntax:  "key cursor [MATCH pattern] [COUNT count]",
		Summary: "Walks the members of a set, some at every call.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Read: sinter, Spec: command.Spec{
		Name: "SINTER", Arity: -2, Flags: command.ReadOnly, ACL: command.Set,
		Keys:  command.AllArgs(command.KeyRO | command.KeyAccess),
		Group: "set", Since: "1.0.0", Complexity: "O(N*M) where N is the size of the smallest set and M the number of sets",
		Syntax:  "key [key ...]",
		Summary: "Returns what is in all of several sets.",
		Tips:    []string{"nondeterministic_output_order"},
	}},
	{Read: sunion, Spec: command.Spec{
		Name: "SUNION", Arity: -2, Flags: command.ReadOnly, ACL: command.Set,
		Keys:  command.AllArgs(command.KeyRO | command.KeyAccess),
		Group: "set", Since: "1.0.0", Complexity: "O(N) where N is the size of all sets together",
		Syntax:  "key [key ...]",
		Summary: "Returns what is in at least one of several sets.",
		Tips:    []string{"nondeterministic_output_order"},
	}},
	{Read: sdiff, Spec: command.Spec{
		Name: "SDIFF", Arity: -2, Flags: command.ReadOnly, ACL: command.Set,
		Keys:  command.AllArgs(command.KeyRO | command.KeyAccess),
		Group: "set", Since: "1.0.0", Complexity: "O(N) where N is the size of all sets together",
		Syntax:  "key [key ...]",
		Summary: "Returns what is in the first of several sets and in no other.",
		Tips:    []string{"nondeterministic_output_order"},
	}},
	{Write: sinterstore, Spec: command.Spec{
		Name: "SINTERSTORE", Arity: -3, Flags: command.Write | command.DenyOOM, ACL: command.Set,
		Keys: []command.KeySpec{
			{Flags: command.KeyRW | command.KeyUpdate, Pos: 1, Step: 1},
			{Flags: command.KeyRO | command.KeyAccess, Pos: 2, Last: -1, Step: 1},
		},
		Group: "set", Since: "1.0.0", Complexity: "O(N*M) where N is the size of the smallest set and M the number of sets",
		Syntax:  "destination key [key ...]",
		Summary: "Stores what is in all of several sets.",
	}},
	{Write: sunionstore, Spec: command.Spec{
		Name: "SUNIONSTORE", Arity: -3, Flags: command.Write | command.DenyOOM, ACL: command.Set,
		Keys: []command.KeySpec{
			{Flags: command.KeyOW | command.KeyUpdate, Pos: 1, Step: 1},
			{Flags: command.KeyRO | command.KeyAccess, Pos: 2, Last: -1, Step: 1},
		},
		Group: "set", Since: "1.0.0", Complexity: "O(N) where N is the size of all sets together",
		Syntax:  "destination key [key ...]",
		Summary: "Stores what is in at least one of several sets.",
	}},
	{Write: sdiffstore, Spec: command.Spec{
		Name: "SDIFFSTORE", Arity: -3, Flags: command.Write | command.DenyOOM, ACL: command.Set,
		Keys: []command.KeySpec{
			{Flags: command.KeyOW | command.KeyUpdate, Pos: 1, Step: 1},
			{Flags: command.KeyRO | command.KeyAccess, Pos: 2, Last: -1, Step: 1},
		},
		Group: "set", Since: "1.0.0", Complexity: "O(N) where N is the size of all sets together",
		Syntax:  "destination key [key ...]",
		Summary: "Stores what is in the first of several sets and in no other.",
	}},
	{Read: sintercard, Spec: command.Spec{
		Name: "SINTERCARD", Arity: -3, Flags: command.ReadOnly | command.MovableKeys, ACL: command.Set,
		Keys: []command.KeySpec{
			{Flags: command.KeyRO | command.KeyAccess, Pos: 1, NumKeys: true, FirstKey: 1, Step: 1},
		},
		Group: "set", Since: "7.0.0", Complexity: "O(N*M) where N is the size of the smallest set and M the number of sets",
		Syntax:  "numkeys key [key ...] [LIMIT limit]",
		Summary: "Counts what is in all of several sets, up to a limit on request.",
	}},
}

// noSet stands for a missing key in reads. It is never written to.
var noSet keyspace.Set

// readSet returns the set at key, an empty one if the key is missing, or false
// after it has written WRONGTYPE.
func (c *ReadCall) readSet(key []byte) (*keyspace.Set, bool) {
	e, ok := c.findKind(key, keyspace.KindSet)
	if e == nil {
		return &noSet, ok
	}
	return e.Set(), true
}

// replySet replies all members: a set, which RESP2 has as an array.
func (c *ReadCall) replySet(s *keyspace.Set) {
	c.Set(s.Len())
	s.Each(func(member []byte) bool {
		c.Bulk(member)
		return true
	})
}

// sadd implements SADD key member [member ...]. Reply: the number of members
// that are new.
//
// Source: Redis 7.0 docs for SADD.
func sadd(c *WriteCall) {
	key := c.Args[1]
	e, ok := c.modifyKind(key, keyspace.KindSet)
	if !ok {
		return
	}
	s := &keyspace.Set{}
	if e != nil {
		s = e.Set()
	} else {
		c.put(key, keyspace.NewSetValue(s))
	}
	added := 0
	for _, member := range c.Args[2:] {
		if s.Add(member, c.Limits()) {
			added++
		}
	}
	if added > 0 {
		c.changed('s', "sadd", key)
		c.also(added - 1)
	}
	c.Int(int64(added))
}

// srem implements SREM key member [member ...]. Reply: the number of members
// that were there.
func srem(c *WriteCall) {
	key := c.Args[1]
	e, ok := c.modifyKind(key, keyspace.KindSet)
	if !ok {
		return
	}
	removed := 0
	if e != nil {
		s := e.Set()
		for _, member := range c.Args[2:] {
			if s.Remove(member) {
				removed++
			}
		}
		if removed > 0 {
			c.shrunk('s', "srem", key, s.Len())
			c.also(removed - 1)
		}
	}
	c.Int(int64(removed))
}

// sismember implements SISMEMBER key member.
func sismember(c *ReadCall) {
	if s, ok := c.readSet(c.Args[1]); ok {
		c.Bool(s.Contains(c.Args[2]))
	}
}

// smismember implements SMISMEMBER key member [member ...]. Reply: 1 or 0 for
// each.
func smismember(c *ReadCall) {
	s, ok := c.readSet(c.Args[1])
	if !ok {
		return
	}
	c.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		c.Bool(s.Contains(member))
	}
}

// scard implements SCARD key. A missing key has no members.
func scard(c *ReadCall) {
	if s, ok := c.readSet(c.Args[1]); ok {
		c.Int(int64(s.Len()))
	}
}

// smembers implements SMEMBERS key.
func smembers(c *ReadCall) {
	if s, ok := c.readSet(c.Args[1]); ok {
		c.replySet(s)
	}
}

// smove implements SMOVE source destination member. Reply: 1 if it was moved, 0
// if source doesn't have it.
//
// Source: Redis 7.0 docs for SMOVE. The member leaves source even if destination
// has it already; a destination of the wrong type only matters if source exists.
func smove(c *WriteCall) {
	from, to, member := c.Args[1], c.Args[2], c.Args[3]
	e := c.modify(from)
	if e == nil {
		c.modify(to) // deletes it if it has expired
		c.Int(0)
		return
	}
	v := e.Value // e itself may move when an expired destination is deleted
	dest := c.modify(to)
	if v.Kind() != keyspace.KindSet || dest != nil && dest.Kind() != keyspace.KindSet {
		c.Error(errWrongType)
		return
	}
	source, target := v.Set(), &keyspace.Set{}
	if dest != nil {
		target = dest.Set()
	}
	switch {
	case source == target:
		c.Bool(source.Contains(member))
		return
	case !source.Remove(member):
		c.Int(0)
		return
	}
	c.shrunk('s', "srem", from, source.Len())
	if dest == nil {
		c.put(to, keyspace.NewSetValue(target))
	}
	if target.Add(member, c.Limits()) {
		c.changed('s', "sadd", to)
	}
	c.Int(1)
}

// sscan implements SSCAN key cursor [MATCH pattern] [COUNT count]. A missing key
// replies an empty scan whatever the options.
//
// Source: Redis 7.0 docs for SCAN. Reply: the next cursor, and members. The
// cursor is that of keyspace.Set.Scan.
func sscan(c *ReadCall) {
	cursor, ok := c.scanCursor(2)
	if !ok {
		return
	}
	s, ok := c.readSet(c.Args[1])
	if !ok {
		return
	}
	found := resp.Writer{Proto: c.Proto}
	if s.Len() == 0 {
		c.replyScan(0, 0, &found)
		return
	}
	o, ok := c.scanOptions(3, false)
	if !ok {
		return
	}
	n := 0
	next := s.Scan(cursor, o.count, func(member []byte) {
		if o.matches(member) {
			found.Bulk(member)
			n++
		}
	})
	c.replyScan(next, n, &found)
}
