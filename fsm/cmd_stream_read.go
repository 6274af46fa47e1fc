package fsm

import (
	"github.com/quorate/quorate/fsm/keyspace"
)

const (
	errReadUnbalanced = "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified."
	errReadGroupOnly  = "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead."
	errReadNoAckOnly  = "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."
	errReadNoGroup    = "ERR Missing GROUP option for XREADGROUP"
	errReadDollar     = "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set."
	errReadNew        = "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
	errReadGroupGone  = "NOGROUP the consumer group this client was blocked on no longer exists"
	errReadKeyGone    = "UNBLOCKED the stream key no longer exists"
	errTimeoutNumber  = "ERR timeout is not an integer or out of range"
	errTimeoutSign    = "ERR timeout is negative"
)

// streamRead is what XREAD and XREADGROUP ask for.
type streamRead struct {
	grouped         bool   // GROUP is given
	group, consumer []byte // in XREADGROUP
	noAck           bool
	count           int64 // most entries of a stream; 0: all
	block           int64 // how long to wait if there is nothing, ms; 0: for ever; noBlock: not at all
	mayBlock        bool  // BLOCK was met, also if its number or what follows is wrong

	keys [][]byte
	ids  [][]byte // as the client wrote them, one for each key

	// Set by resolve, one for each key: the entries behind this ID are wanted,
	// which in XREADGROUP is newEntries for those that no consumer was given.
	after   []keyspace.StreamID
	streams []*keyspace.Stream // nil: no such key
	groups  []*keyspace.StreamGroup
}

// noBlock is streamRead.block without BLOCK.
const noBlock = -1

// newEntries is what XREADGROUP's ">" becomes. As in Redis 7.0, writing this ID
// is writing ">".
var newEntries = keyspace.MaxStreamID

// errScriptBlock is the reply to BLOCK in a script, whatever follows it.
func errScriptBlock(args [][]byte) string {
	return "ERR " + string(args[0]) + " command is not allowed with BLOCK option from scripts"
}

// parseStreamRead parses the arguments of XREAD or XREADGROUP up to what can be told
// without the data, or returns the text of an error.
//
// Source: Redis 7.0 docs for XREAD and XREADGROUP.
func parseStreamRead(args [][]byte, grouped bool) (r streamRead, errText string) {
	r.block = noBlock
	ok := true
	for i := 1; i < len(args) && r.keys == nil; i++ {
		more := len(args) - 1 - i
		switch arg := args[i]; {
		case more > 0 && isWord(arg, "BLOCK"):
			i++
			r.mayBlock = true
			if r.block, ok = keyspace.ParseInt(args[i]); !ok {
				return r, errTimeoutNumber
			}
			if r.block < 0 {
				return r, errTimeoutSign
			}
		case more > 0 && isWord(arg, "COUNT"):
			i++
			if r.count, ok = keyspace.ParseInt(args[i]); !ok {
				return r, errNotInteger
			}
			r.count = max(r.count, 0)
		case more > 0 && isWord(arg, "STREAMS"):
			if more%2 != 0 {
				return r, errReadUnbalanced
			}
			r.keys, r.ids = args[i+1:i+1+more/2], args[i+1+more/2:]
		case more >= 2 && isWord(arg, "GROUP"):
			if !grouped {
				return r, errReadGroupOnly
			}
			r.grouped, r.group, r.consumer = true, args[i+1], args[i+2]
			i += 2
		case isWord(arg, "NOACK"):
			if !grouped {
				return r, errReadNoAckOnly
			}
			r.noAck = true
		default:
			return r, errSyntax
		}
	}
	switch {
	case r.keys == nil:
		return r, errSyntax
	case grouped && !r.grouped:
		return r, errReadNoGroup
	}
	return r, ""
}

// resolve finds the streams, the groups and the IDs behind which to read, with "$"
// as the last ID now, or writes the error and reports false. lookup finds a
// stream as findStream does.
func (r *streamRead) resolve(c *ReadCall, lookup func(key []byte) (*keyspace.Stream, bool)) bool {
	for i, key := range r.keys {
		s, ok := lookup(key)
		if !ok {
			return false
		}
		r.streams = append(r.streams, s)
		if r.grouped {
			var g *keyspace.StreamGroup
			if s != nil {
				g = s.Group(r.group)
			}
			if g == nil && s != nil && c.retried() {
				c.Error(errReadGroupGone)
				return false
			}
			if g == nil {
				c.errNoGroup(key, r.group, " in XREADGROUP with GROUP option")
				return false
			}
			r.groups = append(r.groups, g)
		}
		after, errText := r.startID(r.ids[i], s)
		if errText != "" {
			c.Error(errText)
			return false
		}
		r.after = append(r.after, after)
	}
	return true
}

func (r *streamRead) startID(arg []byte, s *keyspace.Stream) (id keyspace.StreamID, errText string) {
	switch text := cString(arg); {
	case text == "$" && r.grouped:
		return id, errReadDollar
	case text == "$" && s != nil:
		return s.LastID(), ""
	case text == "$":
		return id, ""
	case text == ">" && !r.grouped:
		return id, errReadNew
	case text == ">":
		return newEntries, ""
	}
	id, ok := strictStreamID(arg)
	if !ok {
		return id, errStreamID
	}
	return id, ""
}

// xread implements XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...]
// id [id ...]. Reply: the streams that have entries behind their ID, with
// these; null if there is none.
//
// Source: Redis 7.0 docs for XREAD.
func xread(c *ReadCall) {
	r, errText := parseStreamRead(c.Args, false)
	if c.scripted && r.mayBlock {
		errText = errScriptBlock(c.Args)
	}
	if errText != "" {
		c.Error(errText)
		return
	}
	if r.resolve(c, c.findStream) && !c.replyStreams(&r) && !c.awaitStreams(&r) {
		c.NullArray()
	}
}

// replyStreams replies what XREAD finds, or reports false if that is nothing.
func (c *ReadCall) replyStreams(r *streamRead) bool {
	mark, served := c.Mark(), 0
	for i, s := range r.streams {
		if s == nil || !c.waitedFor(s, r.after[i]) && (s.Len() == 0 || !r.after[i].Less(s.TopID())) {
			continue
		}
		served++
		c.streamHead(r.keys[i])
		start, _ := r.after[i].Next()
		c.replyEntries(s, start, keyspace.MaxStreamID, false, r.count)
	}
	if served == 0 {
		return false
	}
	c.insertStreams(mark, served)
	return true
}

// waitedFor reports whether a command that has waited for what is behind an ID has its reply: as in
// Redis also if it was added and is deleted by now.
func (c *ReadCall) waitedFor(s *keyspace.Stream, id keyspace.StreamID) bool {
	return c.retried() && id.Less(s.LastID())
}

// streamHead begins the reply about one stream: a pair in a map, which RESP2 has
// as an array of two.
func (c *ReadCall) streamHead(key []byte) {
	if c.Proto < 3 {
		c.Array(2)
	}
	c.Bulk(key)
}

// xreadgroup implements XREADGROUP GROUP group consumer [COUNT count] [BLOCK
// milliseconds] [NOACK] STREAMS key [key ...] id [id ...]. Reply: like XREAD's;
// the history of a consumer comes also if it is empty.
//
// Source: Redis 7.0 docs for XREADGROUP.
func xreadgroup(c *WriteCall) {
	r, errText := parseStreamRead(c.Args, true)
	if c.scripted && r.mayBlock {
		errText = errScriptBlock(c.Args)
	}
	if errText != "" {
		c.Error(errText)
		return
	}
	if r.resolve(&c.ReadCall, c.takeStream) && !c.deliverStreams(&r) && !c.awaitStreams(&r) {
		c.NullArray()
	}
}

// deliverStreams delivers and replies what XREADGROUP finds, or reports false if
// that is nothing.
func (c *WriteCall) deliverStreams(r *streamRead) bool {
	c.propagateNothing()
	mark, served := c.Mark(), 0
	for i, s := range r.streams {
		g, after := r.groups[i], r.after[i]
		history := after != newEntries
		if !history {
			if s.Len() == 0 || !g.LastID.Less(s.TopID()) {
				// Nothing but the reply may depend on it that the command has waited.
				if c.waitedFor(s, g.LastID) {
					served++
					c.streamHead(r.keys[i])
					c.Array(0)
				}
				continue
			}
			after = g.LastID
		}
		served++
		c.streamHead(r.keys[i])
		if c.feeding() && (r.noAck || history) && g.Consumer(r.consumer) == nil {
			c.propagate([]byte("XGROUP"), []byte("CREATECONSUMER"), r.keys[i], r.group, r.consumer)
		}
		consumer := c.consumer(g, r.keys[i], r.consumer)
		start, _ := after.Next()
		if history {
			c.replyHistory(s, g, consumer, start, r.count)
		} else {
			c.deliver(r.keys[i], s, g, consumer, start, r)
			if r.noAck {
				c.propagateGroupID(r.keys[i], g)
			}
		}
		c.changedQuietly(r.keys[i])
	}
	if served == 0 {
		return false
	}
	c.insertStreams(mark, served)
	return true
}

// consumer returns a consumer of a group, who is seen now, and makes it if need be.
func (c *WriteCall) consumer(g *keyspace.StreamGroup, key, name []byte) *keyspace.StreamConsumer {
	if consumer := g.Consumer(name); consumer != nil {
		consumer.Seen = c.now
		return consumer
	}
	c.changedQuietly(key)
	c.notify('t', "xgroup-createconsumer", key)
	return g.CreateConsumer(name, c.now)
}

// deliver replies the entries from start on as delivered to the consumer: unless NOACK
// is given they are pending for it then, whoever had them before.
func (c *WriteCall) deliver(key []byte, s *keyspace.Stream, g *keyspace.StreamGroup, consumer *keyspace.StreamConsumer, start keyspace.StreamID, r *streamRead) {
	mark, n := c.Mark(), int64(0)
	s.Walk(start, keyspace.MaxStreamID, false, func(e *keyspace.StreamEntry) bool {
		s.Advance(g, e.ID)
		c.replyEntry(e)
		if !r.noAck {
			p := g.Assign(e.ID, consumer)
			p.Time, p.Count = c.now, 1
			c.propagateClaim(key, g, consumer.Name(), e.ID, p)
		}
		n++
		return n != r.count
	})
	c.InsertArray(mark, int(n))
}

// replyHistory replies the consumer's pending entries from start on as delivered once
// more. One that is no longer in the stream comes with null for its fields.
func (c *WriteCall) replyHistory(s *keyspace.Stream, g *keyspace.StreamGroup, consumer *keyspace.StreamConsumer, start keyspace.StreamID, count int64) {
	mark, n := c.Mark(), int64(0)
	g.Each(start, keyspace.MaxStreamID, consumer, func(id keyspace.StreamID, p *keyspace.StreamPending) bool {
		if c.replyOne(s, id) {
			p.Time = c.now
			p.Count++
		} else {
			c.Array(2)
			c.replyID(id)
			c.NullArray()
		}
		n++
		return n != count
	})
	c.InsertArray(mark, int(n))
}

// insertStreams puts the header of the reply about n streams in front of it.
func (c *ReadCall) insertStreams(mark, n int) {
	if c.Proto >= 3 {
		c.InsertMap(mark, n)
	} else {
		c.InsertArray(mark, n)
	}
}
