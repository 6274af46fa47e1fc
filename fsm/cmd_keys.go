package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
)

// keyCommands are the commands that work on a key whatever its value is.
// Handlers that need room of their own stand in the other cmd_keys files and
// in cmd_scan.go.
var keyCommands = []*Command{
	{Write: del, Spec: command.Spec{
		Name: "DEL", Arity: -2, Flags: command.Write, ACL: command.Keyspace,
		Keys:  command.AllArgs(command.KeyRM | command.KeyDelete),
		Group: "generic", Since: "1.0.0", Complexity: "O(N) where N is the number of keys",
		Syntax:  "key [key ...]",
		Summary: "Deletes keys.",
		Tips:    []string{"request_policy:multi_shard", "response_policy:agg_sum"},
	}},
	{Write: unlink, Spec: command.Spec{
		Name: "UNLINK", Arity: -2, Flags: command.Write | command.Fast, ACL: command.Keyspace,
		Keys:  command.AllArgs(command.KeyRM | command.KeyDelete),
		Group: "generic", Since: "4.0.0", Complexity: "O(N) where N is the number of keys",
		Syntax:  "key [key ...]",
		Summary: "Deletes keys and leaves it to the memory manager to free their values later.",
		Tips:    []string{"request_policy:multi_shard", "response_policy:agg_sum"},
	}},
	{Read: exists, Spec: command.Spec{
		Name: "EXISTS", Arity: -2, Flags: command.ReadOnly | command.Fast, ACL: command.Keyspace,
		Keys:  command.AllArgs(command.KeyRO),
		Group: "generic", Since: "1.0.0", Complexity: "O(N) where N is the number of keys",
		Syntax:  "key [key ...]",
		Summary: "Counts how many of the given keys exist; a key given twice counts twice.",
		Tips:    []string{"request_policy:multi_shard", "response_policy:agg_sum"},
	}},
	{Read: typeOf, Spec: command.Spec{
		Name: "TYPE", Arity: 2, Flags: command.ReadOnly | command.Fast, ACL: command.Keyspace,
		Keys:  command.FirstArg(command.KeyRO),
		Group: "generic", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Returns the type of the value at a key.",
	}},
	{Read: touch, Spec: command.Spec{
		Name: "TOUCH", Arity: -2, Flags: command.ReadOnly | command.Fast, ACL: command.Keyspace,
		Keys:  command.AllArgs(command.KeyRO),
		Group: "generic", Since: "3.2.1", Complexity: "O(N) where N is the number of keys",
		Syntax:  "key [key ...]",
		Summary: "Counts how many of the given keys exist and takes note of the access.",
		Tips:    []string{"request_policy:multi_shard", "response_policy:agg_sum"},
	}},
	{Read: keys, Spec: command.Spec{
		Name: "KEYS", Arity: 2, Flags: command.ReadOnly, ACL: command.Keyspace | command.Dangerous,
		Group: "generic", Since: "1.0.0", Complexity: "O(N) where N is the number of keys in the database",
		Syntax:  "pattern",
		Summary: "Returns all keys of the database that match a pattern.",
		Tips:    []string{"request_policy:all_shards", "nondeterministic_output_order"},
	}},
	{Read: scan, Spec: command.Spec{
		Name: "SCAN", Arity: -2, Flags: command.ReadOnly, ACL: command.Keyspace,
		Group: "generic", Since: "2.8.0", Complexity: "O(1) a call, O(N) for a whole walk where N is the number of keys in the database",
		Syntax:  "cursor [MATCH pattern] [COUNT count] [TYPE type]",
		Summary: "Walks the keys of the database, some at every call.",
		Tips:    []string{"nondeterministic_output", "request_policy:special"},
	}},
	{Read: randomkey, Spec: command.Spec{
		Name: "RANDOMKEY", Arity: 1, Flags: command.ReadOnly, ACL: command.Keyspace,
		Group: "generic", Since: "1.0.0", Complexity: "O(1)",
		Summary: "Returns a key of the database drawn at random.",
		Tips:    []string{"request_policy:all_shards", "nondeterministic_output"},
	}},
	{Write: rename, Spec: command.Spec{
		Name: "RENAME", Arity: 3, Flags: command.Write, ACL: command.Keyspace,
		Keys: []command.KeySpec{
			{Flags: command.KeyRW | command.KeyAccess | command.KeyDelete, Pos: 1, Step: 1},
			{Flags: command.KeyOW | command.KeyUpdate, Pos: 2, Step: 1},
		},
		Group: "generic", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key newkey",
		Summary: "Gives a key another name and overwrites what the name held.",
	}},
	{Write: renamenx, Spec: command.Spec{
		Name: "RENAMENX", Arity: 3, Flags: command.Write | command.Fast, ACL: command.Keyspace,
		Keys: []command.KeySpec{
			{Flags: command.KeyRW | command.KeyAccess | command.KeyDelete, Pos: 1, Step: 1},
			{Flags: command.KeyOW | command.KeyInsert, Pos: 2, Step: 1},
		},
		Group: "generic", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key newkey",
		Summary: "Gives a key another name unless that name exists.",
	}},
	{Write: copyKey, Spec: command.Spec{
		Name: "COPY", Arity: -3, Flags: command.Write | command.DenyOOM, ACL: command.Keyspace,
		Keys: []command.KeySpec{
			{Flags: command.KeyRO | command.KeyAccess, Pos: 1, Step: 1},
			{Flags: command.KeyOW | command.KeyUpdate, Pos: 2, Step: 1},
		},
		Group: "generic", Since: "6.2.0", Complexity: "O(N) where N is the number of elements of the value, O(1) for a string",
		Syntax:  "source destination [DB destination-db] [REPLACE]",
		Summary: "Copies a value and its expiry to another key or database.",
	}},
	{Write: move, Spec: command.Spec{
		Name: "MOVE", Arity: 3, Flags: command.Write | command.Fast, ACL: command.Keyspace,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyUpdate),
		Group: "generic", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key db",
		Summary: "Moves a key to another database unless it exists there.",
	}},
	{Spec: command.Spec{
		Name: "OBJECT", Arity: -2,
		Group: "generic", Since: "2.2.3", Complexity: "That of the subcommand.",
		Summary: "Tells how the value at a key is held.",
	}, Sub: []*Command{
		{Read: objectIdletime, Spec: command.Spec{
			Name: "IDLETIME", Arity: 3, Flags: command.ReadOnly, ACL: command.Keyspace,
			Keys:  []command.KeySpec{{Flags: command.KeyRO, Pos: 2, Step: 1}},
			Group: "generic", Since: "2.2.3", Complexity: "O(1)",
			Syntax:  "key",
			Summary: "Returns for how many seconds a key has not been accessed.",
			Tips:    []string{"nondeterministic_output"},
		}},
		{Read: objectHelp, Spec: command.Spec{
			Name: "HELP", Arity: 2, Flags: command.Loading | command.Stale, ACL: command.Keyspace,
			Group: "generic", Since: "6.2.0", Complexity: "O(1)",
			Summary: "Lists the subcommands.",
		}},
		{Read: objectFreq, Spec: command.Spec{
			Name: "FREQ", Arity: 3, Flags: command.ReadOnly, ACL: command.Keyspace,
			Keys:  []command.KeySpec{{Flags: command.KeyRO, Pos: 2, Step: 1}},
			Group: "generic", Since: "4.0.0", Complexity: "O(1)",
			Syntax:  "key",
			Summary: "Returns how often a key is accessed, on a logarithmic scale.",
			Tips:    []string{"nondeterministic_output"},
		}},
		{Read: objectEncoding, Spec: command.Spec{
			Name: "ENCODING", Arity: 3, Flags: command.ReadOnly, ACL: command.Keyspace,
			Keys:  []command.KeySpec{{Flags: command.KeyRO, Pos: 2, Step: 1}},
			Group: "generic", Since: "2.2.3", Complexity: "O(1)",
			Syntax:  "key",
			Summary: "Returns the name of the encoding that the value at a key has.",
			Tips:    []string{"nondeterministic_output"},
		}},
		{Read: objectRefcount, Spec: command.Spec{
			Name: "REFCOUNT", Arity: 3, Flags: command.ReadOnly, ACL: command.Keyspace,
			Keys:  []command.KeySpec{{Flags: command.KeyRO, Pos: 2, Step: 1}},
			Group: "generic", Since: "2.2.3", Complexity: "O(1)",
			Syntax:  "key",
			Summary: "Returns how many references to the value at a key there are.",
			Tips:    []string{"nondeterministic_output"},
		}},
	}},
}

// lazyFreeEffort is the effort above which Redis leaves it to the background to
// free a value.
const lazyFreeEffort = 64

// unlink implements UNLINK key [key ...]: it is DEL, and counts what Redis frees
// in the background.
//
// Source: Redis 7.0 docs for UNLINK.
func unlink(c *WriteCall) {
	c.deleteKeys(func(v *keyspace.Value) {
		if v.FreeEffort() > lazyFreeEffort {
			c.m.Stats.LazyFreed.Add(1)
		}
	})
}

// del implements DEL key [key ...]. Reply: how many keys were there.
//
// Source: Redis 7.0 docs for DEL.
func del(c *WriteCall) { c.deleteKeys(nil) }

// deleteKeys deletes the keys of the arguments; before, if set, sees each value.
func (c *WriteCall) deleteKeys(before func(*keyspace.Value)) {
	n := int64(0)
	for _, key := range c.Args[1:] {
		if before != nil {
			if e := c.look(key); e != nil {
				before(&e.Value)
			}
		}
		if c.remove(key) {
			c.changed('g', "del", key)
			n++
		}
	}
	c.Int(n)
}

// exists implements EXISTS key [key ...]. Reply: how many of the keys are there,
// one given twice counted twice.
func exists(c *ReadCall) { c.countKeys(c.look) }

// touch implements TOUCH key [key ...], which is EXISTS and an access to the keys.
func touch(c *ReadCall) { c.countKeys(c.find) }

func (c *ReadCall) countKeys(lookup func(key []byte) *keyspace.Entry) {
	n := int64(0)
	for _, key := range c.Args[1:] {
		if lookup(key) != nil {
			n++
		}
	}
	c.Int(n)
}

// typeOf implements TYPE key. Reply: the type, or "none" if the key is missing.
func typeOf(c *ReadCall) {
	if e := c.look(c.Args[1]); e != nil {
		c.Simple(e.Kind().String())
		return
	}
	c.Simple("none")
}

// randomTries is how many keys RANDOMKEY draws before it gives up on luck: so
// many in a row have only expired if nearly all keys have.
const randomTries = 100

// randomkey implements RANDOMKEY. Reply: a key, or null if there is none.
func randomkey(c *ReadCall) {
	db := c.db()
	n := db.Len()
	if n == 0 {
		c.Null()
		return
	}
	for range randomTries {
		if e := c.alive(db.ByRank(c.rand.IntN(n))); e != nil {
			c.BulkString(e.Key())
			return
		}
	}
	from := c.rand.IntN(n)
	for i := range n {
		if e := c.alive(db.ByRank((from + i) % n)); e != nil {
			c.BulkString(e.Key())
			return
		}
	}
	c.Null()
}
