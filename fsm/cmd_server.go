package fsm

import (
	"strconv"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
)

// serverCommands are the commands on whole databases.
var serverCommands = []*Command{
	{Read: dbsize, Spec: command.Spec{
		Name: "DBSIZE", Arity: 1, Flags: command.ReadOnly | command.Fast, ACL: command.Keyspace,
		Group: "server", Since: "1.0.0", Complexity: "O(1)",
		Summary: "Returns the number of keys in the database.",
		Tips:    []string{"request_policy:all_shards", "response_policy:agg_sum"},
	}},
	{Write: flushall, Spec: command.Spec{
		Name: "FLUSHALL", Arity: -1, Flags: command.Write, ACL: command.Keyspace | command.Dangerous,
		Group: "server", Since: "1.0.0", Complexity: "O(N) where N is the number of keys in all databases",
		Syntax:  "[ASYNC | SYNC]",
		Summary: "Deletes all keys of all databases.",
		Tips:    []string{"request_policy:all_shards", "response_policy:all_succeeded"},
	}},
	{Write: flushdb, Spec: command.Spec{
		Name: "FLUSHDB", Arity: -1, Flags: command.Write, ACL: command.Keyspace | command.Dangerous,
		Group: "server", Since: "1.0.0", Complexity: "O(N) where N is the number of keys in the database",
		Syntax:  "[ASYNC | SYNC]",
		Summary: "Deletes all keys of the database.",
		Tips:    []string{"request_policy:all_shards", "response_policy:all_succeeded"},
	}},
	{Write: swapdb, Spec: command.Spec{
		Name: "SWAPDB", Arity: 3, Flags: command.Write | command.Fast, ACL: command.Keyspace | command.Dangerous,
		Group: "server", Since: "4.0.0", Complexity: "O(N) where N is the number of keys with an expiry, plus a constant for every hash slot",
		Syntax:  "index1 index2",
		Summary: "Exchanges the contents of two databases.",
	}},
}

// dbsize implements DBSIZE. Keys count until they are deleted, as in Redis:
// expired ones may be among them.
func dbsize(c *ReadCall) { c.Int(int64(c.db().Len())) }

// flushdb implements FLUSHDB [ASYNC | SYNC].
//
// Source: Redis 7.0 docs for FLUSHDB. Memory is the garbage collector's
// business, so the two modes are the same.
func flushdb(c *WriteCall) {
	if c.flushMode() {
		c.flush(c.DB)
		c.m.tellReplaced()
		c.propagateAlways()
		c.OK()
	}
}

// flushall implements FLUSHALL [ASYNC | SYNC]; see flushdb.
func flushall(c *WriteCall) {
	if !c.flushMode() {
		return
	}
	for db := range c.m.ks.Databases() {
		c.flush(db)
	}
	if c.m.flushed != nil {
		*c.m.flushed = true
	}
	c.m.tellReplaced()
	c.propagateAlways()
	c.OK()
}

// flushMode checks the option, or writes the error.
func (c *WriteCall) flushMode() bool {
	if len(c.Args) == 1 || len(c.Args) == 2 && (isWord(c.Args[1], "ASYNC") || isWord(c.Args[1], "SYNC")) {
		return true
	}
	c.Error(errSyntax)
	return false
}

// flush empties a database and touches the watches of the keys it held. There
// are no keyspace events for that.
func (c *WriteCall) flush(db int) {
	old := c.m.ks.DB(db)
	if old.Len() == 0 {
		return
	}
	c.m.watches.touchDB(db, old, &keyspace.DB{}, c.now)
	c.m.changed += int64(old.Len())
	if len(c.Args) == 2 && isWord(c.Args[1], "ASYNC") {
		c.m.Stats.LazyFreed.Add(int64(old.Len()))
	}
	c.m.mix(strconv.AppendInt([]byte("flush "), int64(db)<<32|int64(old.Len()), 10))
	c.m.ks.Flush(db)
	c.m.waiters.touchDB(db, c.m.ks.DB(db))
}

// swapdb implements SWAPDB index1 index2.
//
// Source: Redis 7.0 docs for SWAPDB. Sessions keep the number of their database
// and see the other's content from now on.
func swapdb(c *WriteCall) {
	if c.clustered() {
		c.Error(errSwapCluster)
		return
	}
	var n [2]int64
	for i, errText := range [...]string{errSwapFirst, errSwapSecond} {
		var ok bool
		n[i], ok = keyspace.ParseInt(c.Args[1+i])
		if !ok || n[i] != int64(int32(n[i])) {
			c.Error(errText)
			return
		}
	}
	for _, i := range n {
		if i < 0 || i >= int64(c.m.ks.Databases()) {
			c.Error(errDBIndex)
			return
		}
	}
	if a, b := int(n[0]), int(n[1]); a != b {
		dbA, dbB := c.m.ks.DB(a), c.m.ks.DB(b)
		c.m.watches.touchDB(a, dbA, dbB, c.now)
		c.m.watches.touchDB(b, dbB, dbA, c.now)
		c.m.ks.Swap(a, b)
		c.m.waiters.touchDB(a, dbB)
		c.m.waiters.touchDB(b, dbA)
		c.m.tellReplaced()
	}
	c.m.changed++
	c.OK()
}
