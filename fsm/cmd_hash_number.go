package fsm

import (
	"math"
	"strconv"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/listpack"
)

// hincrby implements HINCRBY key field increment. Reply: the sum.
//
// Source: Redis 7.0 docs for HINCRBY. What makes it fail is in a field that
// exists, so a hash that growHash created is never left empty.
func hincrby(c *WriteCall) {
	n, ok := c.intArg(3)
	if !ok {
		return
	}
	h, ok := c.growHash(c.Args[1])
	if !ok {
		return
	}
	old := int64(0)
	var scratch listpack.Scratch
	if value, found := h.Get(c.Args[2], &scratch); found {
		if old, ok = keyspace.ParseInt(value); !ok {
			c.Error(errHashNotInteger)
			return
		}
	}
	if n > 0 && old > math.MaxInt64-n || n < 0 && old < math.MinInt64-n {
		c.Error(errOverflow)
		return
	}
	var buf [20]byte
	h.Set(c.Args[2], strconv.AppendInt(buf[:0], old+n, 10), c.Limits())
	c.changed('h', "hincrby", c.Args[1])
	c.Int(old + n)
}

// hincrbyfloat implements HINCRBYFLOAT key field increment. Reply: the sum as
// text, which is also the new value.
//
// Source: Redis 7.0 docs for HINCRBYFLOAT; see incrbyfloat for the arithmetic
// and hincrby for when it fails.
func hincrbyfloat(c *WriteCall) {
	incr, ok := keyspace.ParseExtended(c.Args[3])
	if !ok {
		c.Error(errNotFloat)
		return
	}
	if incr.IsInf() {
		c.Error(errInfinite)
		return
	}
	h, ok := c.growHash(c.Args[1])
	if !ok {
		return
	}
	var old keyspace.Extended
	var scratch listpack.Scratch
	if value, found := h.Get(c.Args[2], &scratch); found {
		if old, ok = keyspace.ParseExtended(value); !ok {
			c.Error(errHashNotFloat)
			return
		}
	}
	var buf [64]byte
	sum, ok := keyspace.AppendIncrFloat(buf[:0], &old, &incr)
	if !ok {
		c.Error(errNaNOrInf)
		return
	}
	h.Set(c.Args[2], sum, c.Limits())
	c.changed('h', "hincrbyfloat", c.Args[1])
	c.propagate([]byte("HSET"), c.Args[1], c.Args[2], sum)
	c.Bulk(sum)
}
