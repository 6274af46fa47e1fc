package fsm

import (
	"math"
	"strconv"

	"github.com/quorate/quorate/fsm/keyspace"
)

const (
	errClaimIdle      = "ERR Invalid min-idle-time argument for XCLAIM"
	errClaimIdleOpt   = "ERR Invalid IDLE option argument for XCLAIM"
	errClaimTime      = "ERR Invalid TIME option argument for XCLAIM"
	errClaimRetry     = "ERR Invalid RETRYCOUNT option argument for XCLAIM"
	errAutoClaimIdle  = "ERR Invalid min-idle-time argument for XAUTOCLAIM"
	errAutoClaimCount = "ERR COUNT must be > 0"
	errAutoClaimRoom  = "ERR Insufficient memory, failed allocating transient memory, COUNT too high."
)

// claim is what XCLAIM and XAUTOCLAIM do with an entry.
type claim struct {
	s        *keyspace.Stream
	g        *keyspace.StreamGroup
	consumer *keyspace.StreamConsumer // nil until the first entry is claimed

	minIdle int64 // ms
	time    int64 // of the delivery, Unix ms
	retries int64 // number of deliveries; -1: one more, with justID as many as before
	justID  bool
	force   bool
}

// claimGroup finds the group that XCLAIM and XAUTOCLAIM name, or writes the error.
func (c *WriteCall) claimGroup() (cl claim, ok bool) {
	cl.s, ok = c.takeStream(c.Args[1])
	if !ok {
		return cl, false
	}
	if cl.s != nil {
		cl.g = cl.s.Group(c.Args[2])
	}
	if cl.g == nil {
		c.errNoGroup(c.Args[1], c.Args[2], "")
	}
	return cl, cl.g != nil
}

// numberArg parses argument i as an integer, or writes errText.
func (c *ReadCall) numberArg(i int, errText string) (int64, bool) {
	n, ok := keyspace.ParseInt(c.Args[i])
	if !ok {
		c.Error(errText)
	}
	return n, ok
}

// xclaim implements XCLAIM key group consumer min-idle-time id [id ...] [IDLE
// ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID
// id]. Reply: the entries that the consumer has now, or their IDs. Those that are
// no longer in the stream are no longer pending either.
//
// Source: Redis 7.0 docs for XCLAIM.
func xclaim(c *WriteCall) {
	cl, ok := c.claimGroup()
	if !ok {
		return
	}
	if cl.minIdle, ok = c.numberArg(4, errClaimIdle); !ok {
		return
	}
	cl.minIdle = max(cl.minIdle, 0)
	var ids []keyspace.StreamID
	at := 5
	for ; at < len(c.Args); at++ {
		id, ok := strictStreamID(c.Args[at])
		if !ok {
			break // an option, or wrong as such
		}
		ids = append(ids, id)
	}
	lastID, ok := c.claimOptions(&cl, at)
	if !ok {
		return
	}
	c.propagateNothing()
	further := cl.g.LastID.Less(lastID)
	if further {
		cl.g.LastID = lastID
		c.changedQuietly(c.Args[1])
	}
	mark, n, counted := c.Mark(), 0, c.m.changed
	for _, id := range ids {
		if c.claimOne(&cl, id) {
			n++
		}
	}
	if further && n == 0 {
		c.propagateGroupID(c.Args[1], cl.g)
	}
	if further && c.m.changed > counted {
		c.also(-1) // as in Redis a claim stands for it
	}
	c.InsertArray(mark, n)
}

// propagateClaim notes that an entry is pending for a consumer, or with one that
// has been deleted that it isn't pending any more.
func (c *WriteCall) propagateClaim(key []byte, g *keyspace.StreamGroup, consumer string, id keyspace.StreamID, p *keyspace.StreamPending) {
	if !c.feeding() {
		return
	}
	c.propagate([]byte("XCLAIM"), key, []byte(g.Name()), []byte(consumer), []byte("0"), id.Append(nil),
		[]byte("TIME"), strconv.AppendInt(nil, p.Time, 10), []byte("RETRYCOUNT"), strconv.AppendInt(nil, p.Count, 10),
		[]byte("FORCE"), []byte("JUSTID"), []byte("LASTID"), g.LastID.Append(nil))
}

// propagateGroupID notes how far a group has read.
func (c *WriteCall) propagateGroupID(key []byte, g *keyspace.StreamGroup) {
	if c.feeding() {
		c.propagate([]byte("XGROUP"), []byte("SETID"), key, []byte(g.Name()), g.LastID.Append(nil),
			[]byte("ENTRIESREAD"), strconv.AppendInt(nil, g.Read, 10))
	}
}

// claimOptions parses the options of XCLAIM from argument i on, or writes the error.
func (c *WriteCall) claimOptions(cl *claim, i int) (lastID keyspace.StreamID, ok bool) {
	cl.retries, cl.time = -1, c.now
	for ; i < len(c.Args); i++ {
		more := i+1 < len(c.Args)
		switch arg := c.Args[i]; {
		case isWord(arg, "FORCE"):
			cl.force = true
			continue
		case isWord(arg, "JUSTID"):
			cl.justID = true
			continue
		case isWord(arg, "IDLE") && more:
			cl.time, ok = c.numberArg(i+1, errClaimIdleOpt)
			cl.time = c.now - cl.time
		case isWord(arg, "TIME") && more:
			cl.time, ok = c.numberArg(i+1, errClaimTime)
		case isWord(arg, "RETRYCOUNT") && more:
			cl.retries, ok = c.numberArg(i+1, errClaimRetry)
		case isWord(arg, "LASTID") && more:
			lastID, ok = c.idArg(i + 1)
		default:
			c.Error(errFormat("ERR Unrecognized XCLAIM option '" + cString(arg) + "'"))
			ok = false
		}
		if !ok {
			return lastID, false
		}
		i++
	}
	// What can't be is taken as now: clients compute these times by clocks of
	// their own.
	if cl.time < 0 || cl.time > c.now {
		cl.time = c.now
	}
	return lastID, true
}

// claimOne hands one entry to the consumer, replies it and reports true, or reports
// false if there is nothing to hand over.
func (c *WriteCall) claimOne(cl *claim, id keyspace.StreamID) bool {
	p := cl.g.Find(id)
	if !cl.s.Has(id) {
		if p != nil {
			c.propagateClaim(c.Args[1], cl.g, p.Consumer().Name(), id, p)
			cl.g.Ack(id)
			c.changedQuietly(c.Args[1])
		}
		return false
	}
	switch {
	case p == nil && !cl.force:
		return false
	case p != nil && cl.minIdle > 0 && c.now-p.Time < cl.minIdle:
		return false
	}
	if cl.consumer == nil {
		cl.consumer = c.consumer(cl.g, c.Args[1], c.Args[3])
	}
	if p == nil {
		p = cl.g.Assign(id, cl.consumer)
		p.Count = 1
	} else {
		p = cl.g.Assign(id, cl.consumer)
	}
	p.Time = cl.time
	switch {
	case cl.retries >= 0:
		p.Count = cl.retries
	case !cl.justID:
		p.Count++
	}
	if cl.justID {
		c.replyID(id)
	} else {
		c.replyOne(cl.s, id)
	}
	c.propagateClaim(c.Args[1], cl.g, cl.consumer.Name(), id, p)
	c.changedQuietly(c.Args[1])
	return true
}

// xautoclaim implements XAUTOCLAIM key group consumer min-idle-time start [COUNT
// count] [JUSTID]. Reply: the ID to go on with, 0-0 at the end; the entries that
// the consumer has now, or their IDs; the IDs of those that were pending but are no
// longer in the stream.
//
// Source: Redis 7.0 docs for XAUTOCLAIM.
func xautoclaim(c *WriteCall) {
	minIdle, ok := c.numberArg(4, errAutoClaimIdle)
	if !ok {
		return
	}
	start, ok := c.boundArg(5, false)
	if !ok {
		return
	}
	const attemptsEach = 10
	count, justID := int64(100), false
	for i := 6; i < len(c.Args); i++ {
		switch {
		case isWord(c.Args[i], "COUNT") && i+1 < len(c.Args):
			i++
			const idSize = 16
			if count, ok = c.numberArg(i, errAutoClaimCount); !ok {
				return
			}
			if count < 1 || count > math.MaxInt64/idSize {
				c.Error(errAutoClaimCount)
				return
			}
		case isWord(c.Args[i], "JUSTID"):
			justID = true
		default:
			c.Error(errSyntax)
			return
		}
	}
	cl, ok := c.claimGroup()
	if !ok {
		return
	}
	// Redis makes room for so many IDs beforehand and fails where that is more
	// than a process can have. Here nothing depends on it but the reply.
	const addressable = 1 << 43 // IDs in 47 bits
	if count > addressable {
		c.Error(errAutoClaimRoom)
		return
	}
	cl.minIdle, cl.justID, cl.retries, cl.time = max(minIdle, 0), justID, -1, c.now

	c.propagateNothing()
	c.Array(3)
	head, n := c.Mark(), 0
	var gone []keyspace.StreamID
	id, p, more := cl.g.Next(start)
	for attempts := count * attemptsEach; more && attempts > 0 && count > 0; attempts-- {
		switch {
		case !cl.s.Has(id):
			c.propagateClaim(c.Args[1], cl.g, p.Consumer().Name(), id, p)
			cl.g.Ack(id)
			c.changedQuietly(c.Args[1])
			gone = append(gone, id)
			count--
		case c.claimOne(&cl, id):
			n++
			count--
		}
		if id, more = id.Next(); more {
			id, p, more = cl.g.Next(id)
		}
	}
	c.InsertArray(head, n)
	if !more {
		id = keyspace.StreamID{}
	}
	c.insertID(head, id)
	c.Array(len(gone))
	for _, id := range gone {
		c.replyID(id)
	}
}

// insertID replies an ID in front of what was written since the mark.
func (c *ReadCall) insertID(mark int, id keyspace.StreamID) {
	if c.Discard {
		return
	}
	end := len(c.Buf)
	c.replyID(id)
	head := append([]byte(nil), c.Buf[end:]...)
	copy(c.Buf[mark+len(head):], c.Buf[mark:end])
	copy(c.Buf[mark:], head)
}
