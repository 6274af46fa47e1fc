package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/listpack"
)

// hashCommands are the commands on hashes. Handlers that need room of their own
// stand in the other cmd_hash files.
var hashCommands = []*Command{
	{Write: hset, Spec: command.Spec{
		Name: "HSET", Arity: -4, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRW | command.KeyUpdate),
		Group: "hash", Since: "2.0.0", Complexity: "O(N) where N is the number of fields given",
		Syntax:  "key field value [field value ...]",
		Summary: "Sets fields of a hash and returns how many of them are new.",
	}},
	{Write: hsetnx, Spec: command.Spec{
		Name: "HSETNX", Arity: 4, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRW | command.KeyInsert),
		Group: "hash", Since: "2.0.0", Complexity: "O(1)",
		Syntax:  "key field value",
		Summary: "Sets a field of a hash unless the field exists.",
	}},
	{Write: hmset, Spec: command.Spec{
		Name: "HMSET", Arity: -4, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRW | command.KeyUpdate),
		Group: "hash", Since: "2.0.0", Complexity: "O(N) where N is the number of fields given",
		Syntax:  "key field value [field value ...]",
		Summary: "Sets fields of a hash: HSET with an older reply.",
	}},
	{Read: hget, Spec: command.Spec{
		Name: "HGET", Arity: 3, Flags: command.ReadOnly | command.Fast, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "hash", Since: "2.0.0", Complexity: "O(1)",
		Syntax:  "key field",
		Summary: "Returns the value of a field of a hash.",
	}},
	{Read: hmget, Spec: command.Spec{
		Name: "HMGET", Arity: -3, Flags: command.ReadOnly | command.Fast, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "hash", Since: "2.0.0", Complexity: "O(N) where N is the number of fields given",
		Syntax:  "key field [field ...]",
		Summary: "Returns the values of several fields of a hash.",
	}},
	{Read: hgetall, Spec: command.Spec{
		Name: "HGETALL", Arity: 2, Flags: command.ReadOnly, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "hash", Since: "2.0.0", Complexity: "O(N) where N is the number of fields of the hash",
		Syntax:  "key",
		Summary: "Returns all fields of a hash with their values.",
		Tips:    []string{"nondeterministic_output_order"},
	}},
	{Read: hkeys, Spec: command.Spec{
		Name: "HKEYS", Arity: 2, Flags: command.ReadOnly, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "hash", Since: "2.0.0", Complexity: "O(N) where N is the number of fields of the hash",
		Syntax:  "key",
		Summary: "Returns all fields of a hash.",
		Tips:    []string{"nondeterministic_output_order"},
	}},
	{Read: hvals, Spec: command.Spec{
		Name: "HVALS", Arity: 2, Flags: command.ReadOnly, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "hash", Since: "2.0.0", Complexity: "O(N) where N is the number of fields of the hash",
		Syntax:  "key",
		Summary: "Returns the values of all fields of a hash.",
		Tips:    []string{"nondeterministic_output_order"},
	}},
	{Read: hlen, Spec: command.Spec{
		Name: "HLEN", Arity: 2, Flags: command.ReadOnly | command.Fast, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRO),
		Group: "hash", Since: "2.0.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Counts the fields of a hash.",
	}},
	{Read: hstrlen, Spec: command.Spec{
		Name: "HSTRLEN", Arity: 3, Flags: command.ReadOnly | command.Fast, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRO),
		Group: "hash", Since: "3.2.0", Complexity: "O(1)",
		Syntax:  "key field",
		Summary: "Returns the length in bytes of the value of a field of a hash.",
	}},
	{Read: hexists, Spec: command.Spec{
		Name: "HEXISTS", Arity: 3, Flags: command.ReadOnly | command.Fast, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRO),
		Group: "hash", Since: "2.0.0", Complexity: "O(1)",
		Syntax:  "key field",
		Summary: "Tells whether a hash has a field.",
	}},
	{Write: hdel, Spec: command.Spec{
		Name: "HDEL", Arity: -3, Flags: command.Write | command.Fast, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRW | command.KeyDelete),
		Group: "hash", Since: "2.0.0", Complexity: "O(N) where N is the number of fields given",
		Syntax:  "key field [field ...]",
		Summary: "Deletes fields of a hash, and the key with the last of them.",
	}},
	{Write: hincrby, Spec: command.Spec{
		Name: "HINCRBY", Arity: 4, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyUpdate),
		Group: "hash", Since: "2.0.0", Complexity: "O(1)",
		Syntax:  "key field increment",
		Summary: "Adds a number to the integer in a field of a hash; a missing field counts as 0.",
	}},
	{Write: hincrbyfloat, Spec: command.Spec{
		Name: "HINCRBYFLOAT", Arity: 4, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyUpdate),
		Group: "hash", Since: "2.6.0", Complexity: "O(1)",
		Syntax:  "key field increment",
		Summary: "Adds a number to the floating point number in a field of a hash; a missing field counts as 0.",
	}},
	{Read: hrandfield, Spec: command.Spec{
		Name: "HRANDFIELD", Arity: -2, Flags: command.ReadOnly, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "hash", Since: "6.2.0", Complexity: "O(N) where N is the number of fields returned",
		Syntax:  "key [count [WITHVALUES]]",
		Summary: "Returns fields of a hash drawn at random.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Read: hscan, Spec: command.Spec{
		Name: "HSCAN", Arity: -3, Flags: command.ReadOnly, ACL: command.Hash,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "hash", Since: "2.8.0", Complexity: "O(1) a call, O(N) for a whole walk where N is the number of fields of the hash",
		Syntax:  "key cursor [MATCH pattern] [COUNT count]",
		Summary: "Walks the fields and values of a hash, some at every call.",
		Tips:    []string{"nondeterministic_output"},
	}},
}

// noHash stands for a missing key in reads. It is never written to.
var noHash keyspace.Hash

// readHash returns the hash at key, an empty one if the key is missing, or
// false after it has written WRONGTYPE.
func (c *ReadCall) readHash(key []byte) (*keyspace.Hash, bool) {
	e, ok := c.findKind(key, keyspace.KindHash)
	if e == nil {
		return &noHash, ok
	}
	return e.Hash(), true
}

// growHash returns the hash at key to put something into. A missing one is
// created: whoever calls it goes on to set a field. It returns false after it
// has written WRONGTYPE.
func (c *WriteCall) growHash(key []byte) (*keyspace.Hash, bool) {
	e, ok := c.modifyKind(key, keyspace.KindHash)
	if !ok {
		return nil, false
	}
	if e != nil {
		return e.Hash(), true
	}
	return c.put(key, keyspace.NewHashValue(&keyspace.Hash{})).Hash(), true
}

// hset implements HSET key field value [field value ...]. Reply: the number of
// fields that are new.
//
// Source: Redis 7.0 docs for HSET.
func hset(c *WriteCall) {
	if added, ok := c.setFields("hset"); ok {
		c.Int(int64(added))
	}
}

// hmset implements HMSET key field value [field value ...].
func hmset(c *WriteCall) {
	if _, ok := c.setFields("hmset"); ok {
		c.OK()
	}
}

// setFields sets the fields that the arguments name and counts the new ones,
// or writes an error. All arguments together decide about the encoding.
func (c *WriteCall) setFields(name string) (added int, ok bool) {
	if len(c.Args)%2 != 0 {
		c.Error(errArity(name))
		return 0, false
	}
	h, ok := c.growHash(c.Args[1])
	if !ok {
		return 0, false
	}
	h.TryConvert(c.Args[2:], c.Limits())
	for i := 2; i < len(c.Args); i += 2 {
		if h.Set(c.Args[i], c.Args[i+1], c.Limits()) {
			added++
		}
	}
	c.changed('h', "hset", c.Args[1])
	c.also((len(c.Args)-2)/2 - 1)
	return added, true
}

// hsetnx implements HSETNX key field value. Reply: 1 if it was set, 0 if the
// field exists.
func hsetnx(c *WriteCall) {
	h, ok := c.growHash(c.Args[1])
	if !ok {
		return
	}
	if h.Has(c.Args[2]) {
		c.Int(0)
		return
	}
	h.TryConvert(c.Args[2:4], c.Limits())
	h.Set(c.Args[2], c.Args[3], c.Limits())
	c.changed('h', "hset", c.Args[1])
	c.Int(1)
}

// hget implements HGET key field. Reply: the value, or null if the key or the
// field is missing.
func hget(c *ReadCall) {
	if h, ok := c.readHash(c.Args[1]); ok {
		c.replyField(h, c.Args[2])
	}
}

// hmget implements HMGET key field [field ...]. A missing field replies null in
// its place.
func hmget(c *ReadCall) {
	h, ok := c.readHash(c.Args[1])
	if !ok {
		return
	}
	c.Array(len(c.Args) - 2)
	for _, field := range c.Args[2:] {
		c.replyField(h, field)
	}
}

// replyField replies the value of a field, or null.
func (c *ReadCall) replyField(h *keyspace.Hash, field []byte) {
	var scratch listpack.Scratch
	if value, ok := h.Get(field, &scratch); ok {
		c.Bulk(value)
	} else {
		c.Null()
	}
}

// hgetall implements HGETALL key. Reply: a map, which RESP2 has flat.
func hgetall(c *ReadCall) {
	h, ok := c.readHash(c.Args[1])
	if !ok {
		return
	}
	c.Map(h.Len())
	h.Each(func(field, value []byte) bool {
		c.Bulk(field)
		c.Bulk(value)
		return true
	})
}

// hkeys implements HKEYS key.
func hkeys(c *ReadCall) {
	h, ok := c.readHash(c.Args[1])
	if !ok {
		return
	}
	c.Array(h.Len())
	h.Each(func(field, _ []byte) bool {
		c.Bulk(field)
		return true
	})
}

// hvals implements HVALS key.
func hvals(c *ReadCall) {
	h, ok := c.readHash(c.Args[1])
	if !ok {
		return
	}
	c.Array(h.Len())
	h.Each(func(_, value []byte) bool {
		c.Bulk(value)
		return true
	})
}

// hlen implements HLEN key. A missing key has no fields.
func hlen(c *ReadCall) {
	if h, ok := c.readHash(c.Args[1]); ok {
		c.Int(int64(h.Len()))
	}
}

// hstrlen implements HSTRLEN key field. A missing field has length 0.
func hstrlen(c *ReadCall) {
	if h, ok := c.readHash(c.Args[1]); ok {
		var scratch listpack.Scratch
		value, _ := h.Get(c.Args[2], &scratch)
		c.Int(int64(len(value)))
	}
}

// hexists implements HEXISTS key field.
func hexists(c *ReadCall) {
	if h, ok := c.readHash(c.Args[1]); ok {
		c.Bool(h.Has(c.Args[2]))
	}
}

// hdel implements HDEL key field [field ...]. Reply: the number of fields that
// were there.
func hdel(c *WriteCall) {
	key := c.Args[1]
	e, ok := c.modifyKind(key, keyspace.KindHash)
	if !ok {
		return
	}
	deleted := 0
	if e != nil {
		h := e.Hash()
		for _, field := range c.Args[2:] {
			if h.Delete(field) {
				deleted++
			}
		}
		if deleted > 0 {
			c.shrunk('h', "hdel", key, h.Len())
			c.also(deleted - 1)
		}
	}
	c.Int(int64(deleted))
}
