package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/hyperloglog"
	"github.com/quorate/quorate/fsm/keyspace"
)

// hyperloglogCommands are the commands on strings as HyperLogLogs.
var hyperloglogCommands = []*Command{
	{Write: pfadd, Spec: command.Spec{
		Name: "PFADD", Arity: -2, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.HyperLogLog,
		Keys:  command.FirstArg(command.KeyRW | command.KeyInsert),
		Group: "hyperloglog", Since: "2.8.9", Complexity: "O(1) for each element",
		Syntax:  "key [element [element ...]]",
		Summary: "Adds elements to the HyperLogLog at a key, which is created if it is missing.",
	}},
	{Read: pfcount, Logged: &Command{Write: pfcountLogged, Spec: pfcountSpec}, Spec: pfcountSpec},
	{Write: pfmerge, Spec: command.Spec{
		Name: "PFMERGE", Arity: -2, Flags: command.Write | command.DenyOOM, ACL: command.HyperLogLog,
		Keys: []command.KeySpec{
			{Flags: command.KeyRW | command.KeyAccess | command.KeyInsert, Pos: 1, Step: 1},
			{Flags: command.KeyRO | command.KeyAccess, Pos: 2, Last: -1, Step: 1},
		},
		Group: "hyperloglog", Since: "2.8.9", Complexity: "O(N) where N is the number of keys, with a large constant",
		Syntax:  "destkey [sourcekey [sourcekey ...]]",
		Summary: "Merges HyperLogLogs into the one at the first key.",
	}},
	{Write: pfdebug, Spec: command.Spec{
		Name: "PFDEBUG", Arity: 3, Flags: command.Write | command.DenyOOM | command.Admin, ACL: command.HyperLogLog,
		Keys:  []command.KeySpec{{Flags: command.KeyRW | command.KeyAccess, Pos: 2, Step: 1}},
		Group: "hyperloglog", Since: "2.8.9", Complexity: "O(1), with a large constant",
		Syntax:  "subcommand key",
		Summary: "Shows how the HyperLogLog at a key is held, or makes it dense.",
	}},
}

var pfcountSpec = command.Spec{
	Name: "PFCOUNT", Arity: -2, Flags: command.ReadOnly | command.MayReplicate, ACL: command.HyperLogLog,
	Keys: []command.KeySpec{
		{Flags: command.KeyRW | command.KeyAccess, Notes: "the estimate is kept in the value", Pos: 1, Last: -1, Step: 1},
	},
	Group: "hyperloglog", Since: "2.8.9", Complexity: "O(1) for one key, O(N) where N is the number of keys otherwise, with a large constant",
	Syntax:  "key [key ...]",
	Summary: "Estimates how many different elements were added to HyperLogLogs together.",
}

// sketch returns the bytes of the HyperLogLog that e is, which must not be
// changed, or nil after it has written an error.
func (c *ReadCall) sketch(e *keyspace.Entry) []byte {
	if e.Kind() != keyspace.KindString {
		c.Error(errWrongType)
		return nil
	}
	var buf [20]byte
	if b := e.Str(buf[:]); hyperloglog.Valid(b) {
		return b
	}
	c.Error(errHLLType)
	return nil
}

// sparseMax is the length in bytes up to which a sparse HyperLogLog may grow.
func (c *ReadCall) sparseMax() int {
	return min(c.Limits().HLLSparseMaxBytes, keyspace.MaxString)
}

// pfadd implements PFADD key [element [element ...]]. Reply: 1 if the key was created or a
// register changed, else 0.
//
// Source: Redis 7.0 docs for PFADD. What the elements before a corrupt place
// changed stays, as in Redis.
func pfadd(c *WriteCall) {
	key := c.Args[1]
	e := c.modify(key)
	var b []byte
	changes := 0 // as Redis counts them: the key and each register
	if e == nil {
		changes++
		b = hyperloglog.New()
	} else {
		if c.sketch(e) == nil {
			return
		}
		b = e.Raw(0)
	}
	var err error
	for _, element := range c.Args[2:] {
		var raised bool
		if b, raised, err = hyperloglog.Add(b, element, c.sparseMax()); err != nil {
			break
		}
		if raised {
			changes++
		}
	}
	if changes > 0 && err == nil {
		hyperloglog.Invalidate(b)
	}
	if e == nil {
		c.put(key, keyspace.NewOwnedString(b))
	} else {
		e.SetValue(keyspace.NewOwnedString(b))
	}
	switch {
	case err != nil:
		if changes > 0 {
			c.modified(key)
		}
		c.Error(errHLLCorrupt)
	case changes > 0:
		c.changed('$', "pfadd", key)
		c.also(changes - 1)
		c.Int(1)
	default:
		c.Int(0)
	}
}

// pfcount implements PFCOUNT key [key ...].
//
// Source: Redis 7.0 docs for PFCOUNT. With one key Redis keeps the estimate in
// the value: pfcountLogged does, when this asks for it.
func pfcount(c *ReadCall) {
	if len(c.Args) > 2 {
		c.countUnion(c.find)
		return
	}
	e := c.find(c.Args[1])
	if e == nil {
		c.Int(0)
		return
	}
	b := c.sketch(e)
	if b == nil {
		return
	}
	cached, ok := hyperloglog.Cached(b)
	if ok {
		c.Int(int64(cached))
		return
	}
	n, err := hyperloglog.Count(b)
	if err != nil {
		c.Error(errHLLCorrupt)
		return
	}
	if n != cached { // an impossible estimate looks like one that is out of date
		c.stores = true
	}
	c.Int(int64(n))
}

// pfcountLogged is PFCOUNT within an entry: it keeps the estimate in the value.
func pfcountLogged(c *WriteCall) {
	if len(c.Args) > 2 {
		c.countUnion(c.takeAny)
		return
	}
	key := c.Args[1]
	e := c.takeAny(key)
	if e == nil {
		c.Int(0)
		return
	}
	b := c.sketch(e)
	if b == nil {
		return
	}
	b = e.Raw(0)
	n, ok := hyperloglog.Cached(b)
	if !ok {
		var err error
		if n, err = hyperloglog.Count(b); err != nil {
			c.Error(errHLLCorrupt)
			return
		}
		hyperloglog.Cache(b, n)
		c.modified(key) // without an event, as in Redis
	}
	c.Int(int64(n))
}

// takeAny is take for values of any type.
func (c *WriteCall) takeAny(key []byte) *keyspace.Entry {
	e := c.modify(key)
	if e == nil {
		c.misses++
	} else {
		c.hits++
	}
	return e
}

// countUnion replies the estimate for all keys together.
func (c *ReadCall) countUnion(find func(key []byte) *keyspace.Entry) {
	var all [hyperloglog.Registers]byte
	if _, ok := c.union(&all, c.Args[1:], find); ok {
		c.Int(int64(hyperloglog.CountAll(&all)))
	}
}

// union merges the HyperLogLogs at keys and reports whether one is dense. It
// returns false at the end after it has written an error.
func (c *ReadCall) union(all *[hyperloglog.Registers]byte, keys [][]byte, find func(key []byte) *keyspace.Entry) (dense, ok bool) {
	for _, key := range keys {
		e := find(key)
		if e == nil {
			continue
		}
		b := c.sketch(e)
		if b == nil {
			return false, false
		}
		dense = dense || hyperloglog.EncodingOf(b) == hyperloglog.Dense
		if hyperloglog.Merge(all, b) != nil {
			c.Error(errHLLCorrupt)
			return false, false
		}
	}
	return dense, true
}

// pfmerge implements PFMERGE destkey [sourcekey [sourcekey ...]].
//
// Source: Redis 7.0 docs for PFMERGE. The event is PFADD's. The result is dense
// if one of the HyperLogLogs is, the destination's old value included.
func pfmerge(c *WriteCall) {
	var all [hyperloglog.Registers]byte
	dense, ok := c.union(&all, c.Args[1:], c.takeAny)
	if !ok {
		return
	}
	key := c.Args[1]
	e := c.modify(key)
	var b []byte
	if e == nil {
		b = hyperloglog.New()
	} else {
		b = e.Raw(0)
	}
	var err error
	if dense {
		b, err = hyperloglog.ToDense(b)
	}
	if err == nil {
		b, err = hyperloglog.RaiseAll(b, &all, c.sparseMax())
	}
	if err != nil { // not after the destination was merged like the others
		c.Error(errHLLCorrupt)
		return
	}
	if e == nil {
		c.put(key, keyspace.NewOwnedString(b))
	} else {
		e.SetValue(keyspace.NewOwnedString(b))
	}
	c.changed('$', "pfadd", key)
	c.OK()
}
