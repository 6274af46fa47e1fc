package fsm

import (
	"github.com/quorate/quorate/fsm/keyspace"
)

const (
	errGroupNoKey = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically."
	errBusyGroup  = "BUSYGROUP Consumer Group name already exists"
	errReadNumber = "ERR value for ENTRIESREAD must be positive or -1"
)

// groupOptions are the options of XGROUP CREATE and SETID.
type groupOptions struct {
	mkStream bool
	read     int64
}

// groupOptions parses the options from the sixth argument on, or writes the error.
func (c *ReadCall) groupOptions(create bool) (o groupOptions, ok bool) {
	o.read = keyspace.UnknownRead
	for i := 5; i < len(c.Args); i++ {
		switch {
		case create && isWord(c.Args[i], "MKSTREAM"):
			o.mkStream = true
		case isWord(c.Args[i], "ENTRIESREAD") && i+1 < len(c.Args):
			i++
			if o.read, ok = c.intArg(i); !ok {
				return o, false
			}
			if o.read < 0 && o.read != keyspace.UnknownRead {
				c.Error(errReadNumber)
				return o, false
			}
		default:
			c.errSubcommand()
			return o, false
		}
	}
	return o, true
}

// groupKey returns the stream that a subcommand of XGROUP is about, or writes
// the error if there is none.
func (c *WriteCall) groupKey() (*keyspace.Stream, bool) {
	s, ok := c.modifyStream(c.Args[2])
	if ok && s == nil {
		c.Error(errGroupNoKey)
		return nil, false
	}
	return s, ok
}

// group returns the stream and group that a subcommand of XGROUP is about, or
// writes the error.
func (c *WriteCall) group() (*keyspace.Stream, *keyspace.StreamGroup, bool) {
	s, ok := c.groupKey()
	if !ok {
		return nil, nil, false
	}
	g := s.Group(c.Args[3])
	if g == nil {
		c.errNoSuchGroup(c.Args[2], c.Args[3])
	}
	return s, g, g != nil
}

// xgroupCreate implements XGROUP CREATE key groupname <id | $> [MKSTREAM]
// [ENTRIESREAD entries_read].
//
// Source: Redis 7.0 docs for XGROUP CREATE.
func xgroupCreate(c *WriteCall) {
	o, ok := c.groupOptions(true)
	if !ok {
		return
	}
	key := c.Args[2]
	s, ok := c.modifyStream(key)
	if !ok {
		return
	}
	if s == nil && !o.mkStream {
		c.Error(errGroupNoKey)
		return
	}
	const mostArgs = 8
	if len(c.Args) > mostArgs {
		c.errSubcommand()
		return
	}
	id := keyspace.StreamID{}
	if cString(c.Args[4]) == "$" {
		if s != nil {
			id = s.LastID()
		}
	} else if id, ok = c.idArg(4); !ok {
		return
	}
	if s == nil {
		s = c.newStream(key)
		c.modified(key)
		c.also(-1) // the group counts
	}
	if s.CreateGroup(c.Args[3], id, o.read) == nil {
		c.Error(errBusyGroup)
		return
	}
	c.OK()
	c.changedQuietly(key)
	c.notify('t', "xgroup-create", key)
}

// xgroupSetID implements XGROUP SETID key groupname <id | $> [ENTRIESREAD
// entries_read].
//
// Source: Redis 7.0 docs for XGROUP SETID.
func xgroupSetID(c *WriteCall) {
	o, ok := c.groupOptions(false)
	if !ok {
		return
	}
	s, g, ok := c.group()
	if !ok {
		return
	}
	if len(c.Args) != 5 && len(c.Args) != 7 {
		c.errSubcommand()
		return
	}
	id := s.LastID()
	if cString(c.Args[4]) != "$" {
		parsed, ok := parseStreamID(c.Args[4], 0)
		if !ok || parsed.anySeq {
			c.Error(errStreamID)
			return
		}
		id = parsed.StreamID
	}
	g.LastID, g.Read = id, o.read
	c.OK()
	c.changedQuietly(c.Args[2])
	c.notify('t', "xgroup-setid", c.Args[2])
}

// xgroupDestroy implements XGROUP DESTROY key groupname. Reply: 1, or 0 if there
// is no such group.
//
// Source: Redis 7.0 docs for XGROUP DESTROY.
func xgroupDestroy(c *WriteCall) {
	s, ok := c.groupKey()
	if !ok {
		return
	}
	gone := s.DeleteGroup(c.Args[3])
	c.Bool(gone)
	if gone {
		c.m.waiters.touch(c.DB, c.Args[2]) // it ends the waits of its consumers
		c.changedQuietly(c.Args[2])
		c.notify('t', "xgroup-destroy", c.Args[2])
	}
}

// xgroupCreateConsumer implements XGROUP CREATECONSUMER key groupname
// consumername. Reply: 1, or 0 if there is such a consumer.
//
// Source: Redis 7.0 docs for XGROUP CREATECONSUMER.
func xgroupCreateConsumer(c *WriteCall) {
	_, g, ok := c.group()
	if !ok {
		return
	}
	made := g.CreateConsumer(c.Args[4], c.now) != nil
	if made {
		c.changedQuietly(c.Args[2])
		c.notify('t', "xgroup-createconsumer", c.Args[2])
	}
	c.Bool(made)
}

// xgroupDelConsumer implements XGROUP DELCONSUMER key groupname consumername.
// Reply: how many entries were pending for the consumer.
//
// Source: Redis 7.0 docs for XGROUP DELCONSUMER.
func xgroupDelConsumer(c *WriteCall) {
	_, g, ok := c.group()
	if !ok {
		return
	}
	pending := 0
	if consumer := g.Consumer(c.Args[4]); consumer != nil {
		pending = g.DeleteConsumer(consumer)
		c.changedQuietly(c.Args[2])
		c.notify('t', "xgroup-delconsumer", c.Args[2])
	}
	c.Int(int64(pending))
}

// xgroupHelp implements XGROUP HELP.
func xgroupHelp(c *ReadCall) {
	c.helpLines("XGROUP",
		"CREATE <key> <groupname> <id|$> [option]",
		"    Make a consumer group. Options are:",
		"    * MKSTREAM",
		"      Make an empty stream if there is none.",
		"    * ENTRIESREAD entries_read",
		"      How many entries the group counts as read.",
		"CREATECONSUMER <key> <groupname> <consumer>",
		"    Make a consumer of the group.",
		"DELCONSUMER <key> <groupname> <consumer>",
		"    Remove a consumer of the group.",
		"DESTROY <key> <groupname>",
		"    Remove the group.",
		"SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
		"    Set the last ID of the group and how many entries it has read.",
	)
}

// xack implements XACK key group id [id ...]. Reply: how many of the entries
// were pending.
//
// Source: Redis 7.0 docs for XACK.
func xack(c *WriteCall) {
	s, ok := c.takeStream(c.Args[1])
	if !ok {
		return
	}
	var g *keyspace.StreamGroup
	if s != nil {
		g = s.Group(c.Args[2])
	}
	if g == nil {
		c.Int(0)
		return
	}
	ids, ok := c.idArgs(3)
	if !ok {
		return
	}
	acked := int64(0)
	for _, id := range ids {
		if g.Ack(id) {
			acked++
		}
	}
	if acked > 0 {
		c.changedQuietly(c.Args[1])
		c.also(int(acked) - 1)
	}
	c.Int(acked)
}
