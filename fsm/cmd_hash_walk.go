package fsm

import (
	"bytes"
	"math"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/resp"
)

// hscan implements HSCAN key cursor [MATCH pattern] [COUNT count]. The pattern
// is for the fields. A missing key replies an empty scan whatever the options.
//
// Source: Redis 7.0 docs for SCAN. Reply: the next cursor, and fields and values
// by turns. The cursor is that of keyspace.Hash.Scan.
func hscan(c *ReadCall) {
	cursor, ok := c.scanCursor(2)
	if !ok {
		return
	}
	h, ok := c.readHash(c.Args[1])
	if !ok {
		return
	}
	found := resp.Writer{Proto: c.Proto}
	if h.Len() == 0 {
		c.replyScan(0, 0, &found)
		return
	}
	o, ok := c.scanOptions(3, false)
	if !ok {
		return
	}
	n := 0
	next := h.Scan(cursor, o.count, func(field, value []byte) {
		if o.matches(field) {
			found.Bulk(field)
			found.Bulk(value)
			n += 2
		}
	})
	c.replyScan(next, n, &found)
}

// hrandfield implements HRANDFIELD key [count [WITHVALUES]].
//
// Source: Redis 7.0 docs for HRANDFIELD. Reply: without a count one field or
// null; with a positive one so many different fields, at most all; with a
// negative one so many draws of any field. WITHVALUES puts the value behind
// each field, in RESP3 in an array of the two.
func hrandfield(c *ReadCall) {
	if len(c.Args) > 2 {
		c.randomFields()
		return
	}
	h, ok := c.readHash(c.Args[1])
	switch {
	case !ok:
	case h.Len() == 0:
		c.Null()
	default:
		var scratch keyspace.HashScratch
		field, _ := h.At(c.rand.IntN(h.Len()), &scratch)
		c.Bulk(field)
	}
}

// randomFields is hrandfield with a count.
func (c *ReadCall) randomFields() {
	count, ok := c.intArgIn(2, -math.MaxInt64, math.MaxInt64)
	if !ok {
		return
	}
	withValues := len(c.Args) == 4 && isWord(c.Args[3], "WITHVALUES")
	switch {
	case len(c.Args) > 3 && !withValues:
		c.Error(errSyntax)
		return
	case withValues && (count < -(math.MaxInt64/2) || count > math.MaxInt64/2):
		c.Error(errRange)
		return
	}
	h, ok := c.readHash(c.Args[1])
	if !ok {
		return
	}
	if h.Len() == 0 || count == 0 {
		c.Array(0)
		return
	}
	each := 1 // elements that a field adds to the reply's array
	if withValues && c.Proto < 3 {
		each = 2
	}
	reply := func(field, value []byte) {
		if withValues && c.Proto >= 3 {
			c.Array(2)
		}
		c.Bulk(field)
		if withValues {
			c.Bulk(value)
		}
	}
	if count >= int64(h.Len()) {
		c.Array(each * h.Len())
		h.Each(func(field, value []byte) bool {
			reply(field, value)
			return true
		})
		return
	}
	at := fieldsByPosition(h)
	if count < 0 {
		c.repeat(-count, each, func() { reply(at(c.rand.IntN(h.Len()))) })
		return
	}
	c.Array(each * int(count))
	c.rand.sample(h.Len(), int(count), func(i int) { reply(at(i)) })
}

// fieldsByPosition returns a function for many draws from h: Hash.At walks a
// listpack from its beginning, so its fields and values are copied out once.
func fieldsByPosition(h *keyspace.Hash) func(i int) (field, value []byte) {
	if _, packed := h.Packed(); !packed {
		var scratch keyspace.HashScratch
		return func(i int) (field, value []byte) { return h.At(i, &scratch) }
	}
	pairs := make([][2][]byte, 0, h.Len())
	h.Each(func(field, value []byte) bool {
		pairs = append(pairs, [2][]byte{bytes.Clone(field), bytes.Clone(value)})
		return true
	})
	return func(i int) (field, value []byte) { return pairs[i][0], pairs[i][1] }
}
