package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
)

// stringCommands are the commands on strings. Handlers that need room of their
// own stand in the other cmd_string files.
var stringCommands = []*Command{
	{Read: get, Spec: command.Spec{
		Name: "GET", Arity: 2, Flags: command.ReadOnly | command.Fast, ACL: command.String,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "string", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Returns the string at a key.",
	}},
	{Write: set, Log: logSet, Spec: command.Spec{
		Name: "SET", Arity: -3, Flags: command.Write | command.DenyOOM, ACL: command.String,
		Keys: []command.KeySpec{
			{Flags: command.KeyRW | command.KeyAccess | command.KeyUpdate | command.KeyVariableFlags, Notes: "with GET the old value is read and returned", Pos: 1, Step: 1},
		},
		Group: "string", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
		Summary: "Gives a key a string value, whatever it held, with conditions and an expiry on request.",
	}},
	{Write: setnx, Spec: command.Spec{
		Name: "SETNX", Arity: 3, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.String,
		Keys:  command.FirstArg(command.KeyOW | command.KeyInsert),
		Group: "string", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key value",
		Summary: "Gives a key a string value unless the key exists.",
	}},
	{Write: setex, Log: logSetex, Spec: command.Spec{
		Name: "SETEX", Arity: 4, Flags: command.Write | command.DenyOOM, ACL: command.String,
		Keys:  command.FirstArg(command.KeyOW | command.KeyUpdate),
		Group: "string", Since: "2.0.0", Complexity: "O(1)",
		Syntax:  "key seconds value",
		Summary: "Gives a key a string value that expires after some seconds.",
	}},
	{Write: psetex, Log: logSetex, Spec: command.Spec{
		Name: "PSETEX", Arity: 4, Flags: command.Write | command.DenyOOM, ACL: command.String,
		Keys:  command.FirstArg(command.KeyOW | command.KeyUpdate),
		Group: "string", Since: "2.6.0", Complexity: "O(1)",
		Syntax:  "key milliseconds value",
		Summary: "Gives a key a string value that expires after some milliseconds.",
	}},
	{Write: getset, Spec: command.Spec{
		Name: "GETSET", Arity: 3, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.String,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyUpdate),
		Group: "string", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key value",
		Summary: "Gives a key a string value and returns the one it had.",
	}},
	{Write: getdel, Spec: command.Spec{
		Name: "GETDEL", Arity: 2, Flags: command.Write | command.Fast, ACL: command.String,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyDelete),
		Group: "string", Since: "6.2.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Returns the string at a key and deletes the key.",
	}},
	{Write: getex, Log: logGetex, Spec: command.Spec{
		Name: "GETEX", Arity: -2, Flags: command.Write | command.Fast, ACL: command.String,
		Keys: []command.KeySpec{
			{Flags: command.KeyRW | command.KeyAccess | command.KeyUpdate, Notes: "the expiry may change", Pos: 1, Step: 1},
		},
		Group: "string", Since: "6.2.0", Complexity: "O(1)",
		Syntax:  "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
		Summary: "Returns the string at a key and sets or removes its expiry on request.",
	}},
	{Write: appendTo, Spec: command.Spec{
		Name: "APPEND", Arity: 3, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.String,
		Keys:  command.FirstArg(command.KeyRW | command.KeyInsert),
		Group: "string", Since: "2.0.0", Complexity: "O(N) where N is the length of what is added, amortised",
		Syntax:  "key value",
		Summary: "Adds bytes to the end of the string at a key, which is created if it is missing.",
	}},
	{Read: strlen, Spec: command.Spec{
		Name: "STRLEN", Arity: 2, Flags: command.ReadOnly | command.Fast, ACL: command.String,
		Keys:  command.FirstArg(command.KeyRO),
		Group: "string", Since: "2.2.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Returns the length in bytes of the string at a key.",
	}},
	{Write: setrange, Spec: command.Spec{
		Name: "SETRANGE", Arity: 4, Flags: command.Write | command.DenyOOM, ACL: command.String,
		Keys:  command.FirstArg(command.KeyRW | command.KeyUpdate),
		Group: "string", Since: "2.2.0", Complexity: "O(N) where N is the length of the value, plus the padding with zero bytes",
		Syntax:  "key offset value",
		Summary: "Overwrites a part of the string at a key from an offset on.",
	}},
	{Read: getrange, Spec: command.Spec{
		Name: "GETRANGE", Arity: 4, Flags: command.ReadOnly, ACL: command.String,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "string", Since: "2.4.0", Complexity: "O(N) where N is the length of the part",
		Syntax:  "key start end",
		Summary: "Returns the part of the string at a key between two offsets.",
	}},
	{Read: getrange, Spec: command.Spec{
		Name: "SUBSTR", Arity: 4, Flags: command.ReadOnly, ACL: command.String,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "string", Since: "1.0.0", Complexity: "O(N) where N is the length of the part",
		Syntax:  "key start end",
		Summary: "Returns the part of the string at a key between two offsets, under the name that GETRANGE had before.",
	}},
	{Write: incr, Spec: command.Spec{
		Name: "INCR", Arity: 2, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.String,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyUpdate),
		Group: "string", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Adds one to the integer at a key; a missing key counts as 0.",
	}},
	{Write: decr, Spec: command.Spec{
		Name: "DECR", Arity: 2, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.String,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyUpdate),
		Group: "string", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Subtracts one from the integer at a key; a missing key counts as 0.",
	}},
	{Write: incrby, Spec: command.Spec{
		Name: "INCRBY", Arity: 3, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.String,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyUpdate),
		Group: "string", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key increment",
		Summary: "Adds a number to the integer at a key; a missing key counts as 0.",
	}},
	{Write: decrby, Spec: command.Spec{
		Name: "DECRBY", Arity: 3, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.String,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyUpdate),
		Group: "string", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key decrement",
		Summary: "Subtracts a number from the integer at a key; a missing key counts as 0.",
	}},
	{Write: incrbyfloat, Spec: command.Spec{
		Name: "INCRBYFLOAT", Arity: 3, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.String,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyUpdate),
		Group: "string", Since: "2.6.0", Complexity: "O(1)",
		Syntax:  "key increment",
		Summary: "Adds a number to the floating point number at a key; a missing key counts as 0.",
	}},
	{Read: mget, Spec: command.Spec{
		Name: "MGET", Arity: -2, Flags: command.ReadOnly | command.Fast, ACL: command.String,
		Keys:  command.AllArgs(command.KeyRO | command.KeyAccess),
		Group: "string", Since: "1.0.0", Complexity: "O(N) where N is the number of keys",
		Syntax:  "key [key ...]",
		Summary: "Returns the strings at several keys.",
		Tips:    []string{"request_policy:multi_shard"},
	}},
	{Write: mset, Spec: command.Spec{
		Name: "MSET", Arity: -3, Flags: command.Write | command.DenyOOM, ACL: command.String,
		Keys:  []command.KeySpec{{Flags: command.KeyOW | command.KeyUpdate, Pos: 1, Last: -1, Step: 2}},
		Group: "string", Since: "1.0.1", Complexity: "O(N) where N is the number of keys",
		Syntax:  "key value [key value ...]",
		Summary: "Gives several keys string values in one step.",
		Tips:    []string{"request_policy:multi_shard", "response_policy:all_succeeded"},
	}},
	{Write: msetnx, Spec: command.Spec{
		Name: "MSETNX", Arity: -3, Flags: command.Write | command.DenyOOM, ACL: command.String,
		Keys:  []command.KeySpec{{Flags: command.KeyOW | command.KeyInsert, Pos: 1, Last: -1, Step: 2}},
		Group: "string", Since: "1.0.1", Complexity: "O(N) where N is the number of keys",
		Syntax:  "key value [key value ...]",
		Summary: "Gives several keys string values in one step, unless one of them exists.",
		Tips:    []string{"request_policy:multi_shard", "response_policy:agg_min"},
	}},
	{Read: lcs, Spec: command.Spec{
		Name: "LCS", Arity: -3, Flags: command.ReadOnly, ACL: command.String,
		Keys:  []command.KeySpec{{Flags: command.KeyRO | command.KeyAccess, Pos: 1, Last: 1, Step: 1}},
		Group: "string", Since: "7.0.0", Complexity: "O(N*M) where N and M are the lengths of the two strings",
		Syntax:  "key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]",
		Summary: "Finds the longest common subsequence of the strings at two keys.",
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
	c.replyString(e)
}

// replyString replies the string of an entry, or null for none.
func (c *ReadCall) replyString(e *keyspace.Entry) {
	if e == nil {
		c.Null()
		return
	}
	var buf [20]byte
	c.Bulk(e.Str(buf[:]))
}

// strlen implements STRLEN key. A missing key has length 0.
func strlen(c *ReadCall) {
	e, ok := c.findKind(c.Args[1], keyspace.KindString)
	if !ok {
		return
	}
	if e == nil {
		c.Int(0)
		return
	}
	c.Int(int64(e.StrLen()))
}

// setnx implements SETNX key value. Reply: 1 if it was set, 0 if the key exists.
func setnx(c *WriteCall) {
	key := c.Args[1]
	if c.modify(key) != nil {
		c.Int(0)
		return
	}
	c.putString(key, c.Args[2], false)
	c.changed('$', "set", key)
	c.Int(1)
}

// getset implements GETSET key value. Reply: the old string, or null.
func getset(c *WriteCall) {
	key := c.Args[1]
	e, ok := c.take(key, keyspace.KindString)
	if !ok {
		return
	}
	c.replyString(e)
	c.putString(key, c.Args[2], false)
	c.changed('$', "set", key)
	c.propagate([]byte("SET"), key, c.Args[2])
}

// getdel implements GETDEL key. Reply: the string, or null if the key is missing.
func getdel(c *WriteCall) {
	key := c.Args[1]
	e, ok := c.take(key, keyspace.KindString)
	if !ok {
		return
	}
	c.replyString(e)
	if e != nil {
		c.remove(key)
		c.changed('g', "del", key)
		c.propagate([]byte("DEL"), key)
	}
}

// mget implements MGET key [key ...]. A key that is missing or no string
// replies null in its place.
func mget(c *ReadCall) {
	c.Array(len(c.Args) - 1)
	for _, key := range c.Args[1:] {
		e := c.find(key)
		if e != nil && e.Kind() != keyspace.KindString {
			e = nil
		}
		c.replyString(e)
	}
}

// mset implements MSET key value [key value ...].
func mset(c *WriteCall) {
	if c.paired("mset") {
		c.setAll()
		c.OK()
	}
}

// msetnx implements MSETNX key value [key value ...]. Reply: 1 if all were set,
// 0 if none was because a key exists.
func msetnx(c *WriteCall) {
	if !c.paired("msetnx") {
		return
	}
	for i := 1; i < len(c.Args); i += 2 {
		if c.modify(c.Args[i]) != nil {
			c.Int(0)
			return
		}
	}
	c.setAll()
	c.Int(1)
}

// paired reports whether every key has a value, or writes the error.
func (c *WriteCall) paired(name string) bool {
	if len(c.Args)%2 == 0 {
		c.Error(errArity(name))
		return false
	}
	return true
}

// setAll sets each key to the value behind it.
func (c *WriteCall) setAll() {
	for i := 1; i < len(c.Args); i += 2 {
		c.putString(c.Args[i], c.Args[i+1], false)
		c.changed('$', "set", c.Args[i])
	}
}
