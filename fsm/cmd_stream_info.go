package fsm

import (
	"github.com/quorate/quorate/fsm/keyspace"
)

// xpending implements XPENDING key group [[IDLE min-idle-time] start end count
// [consumer]]. Reply: the number of pending entries, the first and last of them
// and how many each consumer has; or with a range, of each entry ID, consumer,
// ms since it was delivered and number of deliveries.
//
// Source: Redis 7.0 docs for XPENDING.
func xpending(c *ReadCall) {
	if len(c.Args) != 3 && (len(c.Args) < 6 || len(c.Args) > 9) {
		c.Error(errSyntax)
		return
	}
	q := pendingQuery{}
	if len(c.Args) > 3 && !c.pendingArgs(&q) {
		return
	}
	s, ok := c.findStream(c.Args[1])
	if !ok {
		return
	}
	var g *keyspace.StreamGroup
	if s != nil {
		g = s.Group(c.Args[2])
	}
	switch {
	case g == nil:
		c.errNoGroup(c.Args[1], c.Args[2], "")
	case len(c.Args) == 3:
		c.replyPendingSummary(g)
	default:
		c.replyPending(g, &q)
	}
}

// pendingQuery is what XPENDING with a range asks for.
type pendingQuery struct {
	start, end     keyspace.StreamID
	count, minIdle int64
	consumer       []byte // nil: all
}

// pendingArgs parses the arguments of XPENDING behind the group, or writes the error.
func (c *ReadCall) pendingArgs(q *pendingQuery) (ok bool) {
	at := 3
	if isWord(c.Args[3], "IDLE") {
		if q.minIdle, ok = c.intArg(4); !ok {
			return false
		}
		if len(c.Args) < 8 {
			c.Error(errSyntax)
			return false
		}
		at = 5
	}
	if q.count, ok = c.intArg(at + 2); !ok {
		return false
	}
	if q.start, ok = c.boundArg(at, false); !ok {
		return false
	}
	if q.end, ok = c.boundArg(at+1, true); !ok {
		return false
	}
	if at+3 < len(c.Args) {
		q.consumer = c.Args[at+3]
	}
	return true
}

func (c *ReadCall) replyPendingSummary(g *keyspace.StreamGroup) {
	c.Array(4)
	c.Int(int64(g.Pending()))
	if g.Pending() == 0 {
		c.Null()
		c.Null()
		c.NullArray()
		return
	}
	first, last := g.PendingRange()
	c.replyID(first)
	c.replyID(last)
	mark, n := c.Mark(), 0
	for _, consumer := range g.Consumers() {
		if consumer.Pending() > 0 {
			c.Array(2)
			c.BulkString(consumer.Name())
			c.BulkInt(int64(consumer.Pending()))
			n++
		}
	}
	c.InsertArray(mark, n)
}

func (c *ReadCall) replyPending(g *keyspace.StreamGroup, q *pendingQuery) {
	var consumer *keyspace.StreamConsumer
	if q.consumer != nil {
		if consumer = g.Consumer(q.consumer); consumer == nil {
			c.Array(0)
			return
		}
	}
	mark, n := c.Mark(), int64(0)
	if q.count > 0 {
		g.Each(q.start, q.end, consumer, func(id keyspace.StreamID, p *keyspace.StreamPending) bool {
			idle := c.now - p.Time
			if q.minIdle != 0 && idle < q.minIdle {
				return true
			}
			c.Array(4)
			c.replyID(id)
			c.BulkString(p.Consumer().Name())
			c.Int(max(idle, 0))
			c.Int(p.Count)
			n++
			return n != q.count
		})
	}
	c.InsertArray(mark, int(n))
}

// infoStream finds the stream that a subcommand of XINFO is about, or writes the error.
func (c *ReadCall) infoStream() (*keyspace.Stream, bool) {
	s, ok := c.findStream(c.Args[2])
	if ok && s == nil {
		c.Error(errNoSuchKey)
	}
	return s, ok && s != nil
}

// xinfoConsumers implements XINFO CONSUMERS key groupname.
//
// Source: Redis 7.0 docs for XINFO CONSUMERS.
func xinfoConsumers(c *ReadCall) {
	s, ok := c.infoStream()
	if !ok {
		return
	}
	g := s.Group(c.Args[3])
	if g == nil {
		c.errNoSuchGroup(c.Args[2], c.Args[3])
		return
	}
	c.Array(len(g.Consumers()))
	for _, consumer := range g.Consumers() {
		c.Map(3)
		c.BulkString("name")
		c.BulkString(consumer.Name())
		c.BulkString("pending")
		c.Int(int64(consumer.Pending()))
		c.BulkString("idle")
		c.Int(max(c.now-consumer.Seen, 0))
	}
}

// xinfoGroups implements XINFO GROUPS key.
//
// Source: Redis 7.0 docs for XINFO GROUPS.
func xinfoGroups(c *ReadCall) {
	s, ok := c.infoStream()
	if !ok {
		return
	}
	c.Array(len(s.Groups()))
	for _, g := range s.Groups() {
		c.Map(6)
		c.BulkString("name")
		c.BulkString(g.Name())
		c.BulkString("consumers")
		c.Int(int64(len(g.Consumers())))
		c.BulkString("pending")
		c.Int(int64(g.Pending()))
		c.replyProgress(s, g)
	}
}

// replyProgress replies how far a group has read, as three pairs of a map.
func (c *ReadCall) replyProgress(s *keyspace.Stream, g *keyspace.StreamGroup) {
	c.BulkString("last-delivered-id")
	c.replyID(g.LastID)
	c.BulkString("entries-read")
	if g.Read != keyspace.UnknownRead {
		c.Int(g.Read)
	} else {
		c.Null()
	}
	c.BulkString("lag")
	if lag, ok := s.Lag(g); ok {
		c.Int(lag)
	} else {
		c.Null()
	}
}

// xinfoStream implements XINFO STREAM key [FULL [COUNT count]].
//
// Source: Redis 7.0 docs for XINFO STREAM.
func xinfoStream(c *ReadCall) {
	s, ok := c.infoStream()
	if !ok {
		return
	}
	full, count := len(c.Args) > 3, int64(10)
	if full {
		if len(c.Args) != 4 && len(c.Args) != 6 || !isWord(c.Args[3], "FULL") || len(c.Args) == 6 && !isWord(c.Args[4], "COUNT") {
			c.errSubcommand()
			return
		}
		if len(c.Args) == 6 {
			if count, ok = c.intArg(5); !ok {
				return
			}
			if count < 0 {
				count = 10
			}
		}
		c.Map(9)
	} else {
		c.Map(10)
	}
	c.BulkString("length")
	c.Int(int64(s.Len()))
	c.BulkString("radix-tree-keys")
	c.Int(int64(s.Nodes()))
	c.BulkString("radix-tree-nodes")
	c.Int(int64(s.TreeNodes()))
	c.BulkString("last-generated-id")
	c.replyID(s.LastID())
	c.BulkString("max-deleted-entry-id")
	c.replyID(s.MaxDeletedID())
	c.BulkString("entries-added")
	c.Int(s.Added())
	c.BulkString("recorded-first-entry-id")
	c.replyID(s.FirstID())
	if full {
		c.BulkString("entries")
		c.replyEntries(s, keyspace.StreamID{}, keyspace.MaxStreamID, false, count)
		c.BulkString("groups")
		c.Array(len(s.Groups()))
		for _, g := range s.Groups() {
			c.replyGroup(s, g, count)
		}
		return
	}
	c.BulkString("groups")
	c.Int(int64(len(s.Groups())))
	c.BulkString("first-entry")
	c.replyEdge(s, false)
	c.BulkString("last-entry")
	c.replyEdge(s, true)
}

// replyEdge replies the first or last entry, or null.
func (c *ReadCall) replyEdge(s *keyspace.Stream, last bool) {
	found := false
	s.Walk(keyspace.StreamID{}, keyspace.MaxStreamID, last, func(e *keyspace.StreamEntry) bool {
		c.replyEntry(e)
		found = true
		return false
	})
	if !found {
		c.Null()
	}
}

// replyGroup replies all about a group; of pending entries at most count, 0: all.
func (c *ReadCall) replyGroup(s *keyspace.Stream, g *keyspace.StreamGroup, count int64) {
	c.Map(7)
	c.BulkString("name")
	c.BulkString(g.Name())
	c.replyProgress(s, g)
	c.BulkString("pel-count")
	c.Int(int64(g.Pending()))
	c.BulkString("pending")
	c.replyFirstPending(g, nil, count)
	c.BulkString("consumers")
	c.Array(len(g.Consumers()))
	for _, consumer := range g.Consumers() {
		c.Map(4)
		c.BulkString("name")
		c.BulkString(consumer.Name())
		c.BulkString("seen-time")
		c.Int(consumer.Seen)
		c.BulkString("pel-count")
		c.Int(int64(consumer.Pending()))
		c.BulkString("pending")
		c.replyFirstPending(g, consumer, count)
	}
}

// replyFirstPending replies the first pending entries of a group, with their
// consumers, or of one consumer.
func (c *ReadCall) replyFirstPending(g *keyspace.StreamGroup, consumer *keyspace.StreamConsumer, count int64) {
	mark, n := c.Mark(), int64(0)
	g.Each(keyspace.StreamID{}, keyspace.MaxStreamID, consumer, func(id keyspace.StreamID, p *keyspace.StreamPending) bool {
		if consumer == nil {
			c.Array(4)
			c.replyID(id)
			c.BulkString(p.Consumer().Name())
		} else {
			c.Array(3)
			c.replyID(id)
		}
		c.Int(p.Time)
		c.Int(p.Count)
		n++
		return n != count
	})
	c.InsertArray(mark, int(n))
}

// xinfoHelp implements XINFO HELP.
func xinfoHelp(c *ReadCall) {
	c.help("XINFO",
		"CONSUMERS <key> <groupname>", "List the consumers of a group.",
		"GROUPS <key>", "List the consumer groups of a stream.",
		"STREAM <key> [FULL [COUNT <count>]]", "Tell about a stream.",
	)
}
