package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
)

// streamCommands are the commands on streams. The handlers stand in the other
// cmd_stream files.
//
// An ID that the server gives an entry comes from the time of the log entry and
// the stream's last ID, and so do the times of deliveries: every replica has
// the same.
var streamCommands = []*Command{
	{Write: xadd, Spec: command.Spec{
		Name: "XADD", Arity: -5, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.Stream,
		Keys:  streamKey(command.KeyRW|command.KeyUpdate, "UPDATE instead of INSERT because of the optional trimming feature"),
		Group: "stream", Since: "5.0.0", Complexity: "O(1), and O(N) for trimming where N is the number of entries removed",
		Syntax:  "key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]",
		Summary: "Adds an entry to a stream and returns its ID.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Write: xtrim, Spec: command.Spec{
		Name: "XTRIM", Arity: -4, Flags: command.Write, ACL: command.Stream,
		Keys:  streamKey(command.KeyRW|command.KeyDelete, ""),
		Group: "stream", Since: "5.0.0", Complexity: "O(N) where N is the number of entries removed",
		Syntax:  "key <MAXLEN | MINID> [= | ~] threshold [LIMIT count]",
		Summary: "Removes the oldest entries of a stream and returns how many.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Write: xdel, Spec: command.Spec{
		Name: "XDEL", Arity: -3, Flags: command.Write | command.Fast, ACL: command.Stream,
		Keys:  streamKey(command.KeyRW|command.KeyDelete, ""),
		Group: "stream", Since: "5.0.0", Complexity: "O(log N) for each ID where N is the number of entries",
		Syntax:  "key id [id ...]",
		Summary: "Removes entries of a stream and returns how many there were.",
	}},
	{Write: xsetid, Spec: command.Spec{
		Name: "XSETID", Arity: -3, Flags: command.Write | command.DenyOOM | command.Fast, ACL: command.Stream,
		Keys:  streamKey(command.KeyRW|command.KeyUpdate, ""),
		Group: "stream", Since: "5.0.0", Complexity: "O(1)",
		Syntax:  "key last-id [ENTRIESADDED entries_added] [MAXDELETEDID max_deleted_entry_id]",
		Summary: "Sets the last ID of a stream and its counters.",
	}},
	{Read: xlen, Spec: command.Spec{
		Name: "XLEN", Arity: 2, Flags: command.ReadOnly | command.Fast, ACL: command.Stream,
		Keys:  streamKey(command.KeyRO, ""),
		Group: "stream", Since: "5.0.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Counts the entries of a stream.",
	}},
	{Read: xrange, Spec: command.Spec{
		Name: "XRANGE", Arity: -4, Flags: command.ReadOnly, ACL: command.Stream,
		Keys:  streamKey(command.KeyRO|command.KeyAccess, ""),
		Group: "stream", Since: "5.0.0", Complexity: "O(log N + M) where N is the number of entries and M how many are returned",
		Syntax:  "key start end [COUNT count]",
		Summary: "Returns the entries of a stream between two IDs.",
	}},
	{Read: xrevrange, Spec: command.Spec{
		Name: "XREVRANGE", Arity: -4, Flags: command.ReadOnly, ACL: command.Stream,
		Keys:  streamKey(command.KeyRO|command.KeyAccess, ""),
		Group: "stream", Since: "5.0.0", Complexity: "O(log N + M) where N is the number of entries and M how many are returned",
		Syntax:  "key end start [COUNT count]",
		Summary: "Returns the entries of a stream between two IDs, the last first.",
	}},
	{Read: xread, Blocks: xreadBlocks, Spec: command.Spec{
		Name: "XREAD", Arity: -4, Flags: command.ReadOnly | command.Blocking | command.MovableKeys, ACL: command.Stream,
		Keys:  streamsKeys(1),
		Group: "stream", Since: "5.0.0", Complexity: "O(log N + M) for each stream where N is the number of its entries and M how many are returned",
		Syntax:  "[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
		Summary: "Returns the entries of streams behind given IDs.",
	}},
	{Write: xreadgroup, Blocks: xreadgroupBlocks, Spec: command.Spec{
		Name: "XREADGROUP", Arity: -7, Flags: command.Write | command.Blocking | command.MovableKeys, ACL: command.Stream,
		Keys:  streamsKeys(4),
		Group: "stream", Since: "5.0.0", Complexity: "O(log N + M) for each stream where N is the number of its entries and M how many are returned",
		Syntax:  "GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]",
		Summary: "Delivers new entries of streams to a consumer of a group, or returns those that it has not acknowledged.",
	}},
	{Write: xack, Spec: command.Spec{
		Name: "XACK", Arity: -4, Flags: command.Write | command.Fast, ACL: command.Stream,
		Keys:  streamKey(command.KeyRW|command.KeyUpdate, ""),
		Group: "stream", Since: "5.0.0", Complexity: "O(log N) for each ID where N is the number of pending entries",
		Syntax:  "key group id [id ...]",
		Summary: "Acknowledges entries that were delivered to consumers of a group and returns how many were pending.",
	}},
	{Write: xclaim, Spec: command.Spec{
		Name: "XCLAIM", Arity: -6, Flags: command.Write | command.Fast, ACL: command.Stream,
		Keys:  streamKey(command.KeyRW|command.KeyUpdate, ""),
		Group: "stream", Since: "5.0.0", Complexity: "O(log N) for each ID where N is the number of pending entries",
		Syntax:  "key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id]",
		Summary: "Hands pending entries to another consumer.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Write: xautoclaim, Spec: command.Spec{
		Name: "XAUTOCLAIM", Arity: -6, Flags: command.Write | command.Fast, ACL: command.Stream,
		Keys:  streamKey(command.KeyRW|command.KeyDelete, ""),
		Group: "stream", Since: "6.2.0", Complexity: "O(log N) for each entry looked at where N is the number of pending entries",
		Syntax:  "key group consumer min-idle-time start [COUNT count] [JUSTID]",
		Summary: "Hands the pending entries that were idle for some time to another consumer.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Read: xpending, Spec: command.Spec{
		Name: "XPENDING", Arity: -3, Flags: command.ReadOnly, ACL: command.Stream,
		Keys:  streamKey(command.KeyRO|command.KeyAccess, ""),
		Group: "stream", Since: "5.0.0", Complexity: "O(N) where N is the number of entries returned, or looked at with IDLE, or of consumers",
		Syntax:  "key group [[IDLE min-idle-time] start end count [consumer]]",
		Summary: "Tells about the entries that were delivered and not acknowledged.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Spec: command.Spec{
		Name: "XGROUP", Arity: -2,
		Group: "stream", Since: "5.0.0", Complexity: "That of the subcommand.",
		Summary: "Makes, changes and removes consumer groups.",
	}, Sub: xgroupCommands},
	{Spec: command.Spec{
		Name: "XINFO", Arity: -2,
		Group: "stream", Since: "5.0.0", Complexity: "That of the subcommand.",
		Summary: "Tells about streams, consumer groups and consumers.",
	}, Sub: xinfoCommands},
}

var xgroupCommands = []*Command{
	{Write: xgroupCreate, Spec: command.Spec{
		Name: "CREATE", Arity: -5, Flags: command.Write | command.DenyOOM, ACL: command.Stream,
		Keys:  streamSubKey(command.KeyRW | command.KeyInsert),
		Group: "stream", Since: "5.0.0", Complexity: "O(1)",
		Syntax:  "key groupname <id | $> [MKSTREAM] [ENTRIESREAD entries_read]",
		Summary: "Makes a consumer group.",
	}},
	{Write: xgroupCreateConsumer, Spec: command.Spec{
		Name: "CREATECONSUMER", Arity: 5, Flags: command.Write | command.DenyOOM, ACL: command.Stream,
		Keys:  streamSubKey(command.KeyRW | command.KeyInsert),
		Group: "stream", Since: "6.2.0", Complexity: "O(1)",
		Syntax:  "key groupname consumername",
		Summary: "Makes a consumer of a group.",
	}},
	{Write: xgroupDelConsumer, Spec: command.Spec{
		Name: "DELCONSUMER", Arity: 5, Flags: command.Write, ACL: command.Stream,
		Keys:  streamSubKey(command.KeyRW | command.KeyDelete),
		Group: "stream", Since: "5.0.0", Complexity: "O(N) where N is the number of the consumer's pending entries",
		Syntax:  "key groupname consumername",
		Summary: "Removes a consumer of a group and returns how many entries were pending for it.",
	}},
	{Write: xgroupDestroy, Spec: command.Spec{
		Name: "DESTROY", Arity: 4, Flags: command.Write, ACL: command.Stream,
		Keys:  streamSubKey(command.KeyRW | command.KeyDelete),
		Group: "stream", Since: "5.0.0", Complexity: "O(1)",
		Syntax:  "key groupname",
		Summary: "Removes a consumer group.",
	}},
	{Write: xgroupSetID, Spec: command.Spec{
		Name: "SETID", Arity: -5, Flags: command.Write, ACL: command.Stream,
		Keys:  streamSubKey(command.KeyRW | command.KeyUpdate),
		Group: "stream", Since: "5.0.0", Complexity: "O(1)",
		Syntax:  "key groupname <id | $> [ENTRIESREAD entries_read]",
		Summary: "Sets the ID of the last entry that a group was given.",
	}},
	{Read: xgroupHelp, Spec: command.Spec{
		Name: "HELP", Arity: 2, Flags: command.Loading | command.Stale, ACL: command.Stream,
		Group: "stream", Since: "5.0.0", Complexity: "O(1)",
		Summary: "Lists the subcommands.",
	}},
}

var xinfoCommands = []*Command{
	{Read: xinfoConsumers, Spec: command.Spec{
		Name: "CONSUMERS", Arity: 4, Flags: command.ReadOnly, ACL: command.Stream,
		Keys:  streamSubKey(command.KeyRO | command.KeyAccess),
		Group: "stream", Since: "5.0.0", Complexity: "O(N) where N is the number of consumers",
		Syntax:  "key groupname",
		Summary: "Lists the consumers of a group.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Read: xinfoGroups, Spec: command.Spec{
		Name: "GROUPS", Arity: 3, Flags: command.ReadOnly, ACL: command.Stream,
		Keys:  streamSubKey(command.KeyRO | command.KeyAccess),
		Group: "stream", Since: "5.0.0", Complexity: "O(N) where N is the number of groups",
		Syntax:  "key",
		Summary: "Lists the consumer groups of a stream.",
	}},
	{Read: xinfoStream, Spec: command.Spec{
		Name: "STREAM", Arity: -3, Flags: command.ReadOnly, ACL: command.Stream,
		Keys:  streamSubKey(command.KeyRO | command.KeyAccess),
		Group: "stream", Since: "5.0.0", Complexity: "O(N) where N is the number of the stream's nodes, or with FULL of what is returned",
		Syntax:  "key [FULL [COUNT count]]",
		Summary: "Tells about a stream.",
	}},
	{Read: xinfoHelp, Spec: command.Spec{
		Name: "HELP", Arity: 2, Flags: command.Loading | command.Stale, ACL: command.Stream,
		Group: "stream", Since: "5.0.0", Complexity: "O(1)",
		Summary: "Lists the subcommands.",
	}},
}

func streamKey(f command.KeyFlags, notes string) []command.KeySpec {
	return []command.KeySpec{{Flags: f, Notes: notes, Pos: 1, Step: 1}}
}

func streamSubKey(f command.KeyFlags) []command.KeySpec {
	return []command.KeySpec{{Flags: f, Pos: 2, Step: 1}}
}

// streamsKeys finds the keys behind STREAMS, which make up half of what follows;
// the word is searched from argument from on.
func streamsKeys(from int) []command.KeySpec {
	return []command.KeySpec{{Flags: command.KeyRO | command.KeyAccess, Keyword: "STREAMS", Pos: from, Last: -1, Step: 1, Limit: 2}}
}

// findStream looks a stream up for reading. It returns nil, true for a missing
// key, and nil, false after it has written WRONGTYPE.
func (c *ReadCall) findStream(key []byte) (*keyspace.Stream, bool) {
	return streamOf(c.findKind(key, keyspace.KindStream))
}

// modifyStream looks a stream up for a change, like findStream.
func (c *WriteCall) modifyStream(key []byte) (*keyspace.Stream, bool) {
	return streamOf(c.modifyKind(key, keyspace.KindStream))
}

// takeStream is modifyStream, counted in keyspace_hits and keyspace_misses.
func (c *WriteCall) takeStream(key []byte) (*keyspace.Stream, bool) {
	return streamOf(c.take(key, keyspace.KindStream))
}

func streamOf(e *keyspace.Entry, ok bool) (*keyspace.Stream, bool) {
	if e == nil {
		return nil, ok
	}
	return e.Stream(), ok
}

// newStream makes an empty stream.
func (c *WriteCall) newStream(key []byte) *keyspace.Stream {
	s := &keyspace.Stream{}
	c.put(key, keyspace.NewStreamValue(s))
	return s
}

// changedQuietly announces a change for INFO's changes counter and the digest
// but not for WATCH, for which in Redis 7.0 what happens to consumer groups and a
// stream's last ID doesn't count. Nobody who waits for the stream is woken by it.
func (c *WriteCall) changedQuietly(key []byte) {
	c.m.mix(key)
	c.m.changed++
}
