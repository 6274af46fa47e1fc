package fsm

import (
	"math"

	"github.com/quorate/quorate/fsm/keyspace"
)

// incr implements INCR key.
func incr(c *WriteCall) { c.addInt(1) }

// decr implements DECR key.
func decr(c *WriteCall) { c.addInt(-1) }

// incrby implements INCRBY key increment.
func incrby(c *WriteCall) {
	if n, ok := c.intArg(2); ok {
		c.addInt(n)
	}
}

// decrby implements DECRBY key decrement.
func decrby(c *WriteCall) {
	n, ok := c.intArg(2)
	if !ok {
		return
	}
	if n == math.MinInt64 {
		c.Error(errDecrement)
		return
	}
	c.addInt(-n)
}

// addInt adds n to the integer at the first key, which counts as 0 if it is
// missing, and replies the sum. The expiry stays.
func (c *WriteCall) addInt(n int64) {
	key := c.Args[1]
	e, ok := c.modifyKind(key, keyspace.KindString)
	if !ok {
		return
	}
	old := int64(0)
	if e != nil {
		if old, ok = stringInt(e); !ok {
			c.Error(errNotInteger)
			return
		}
	}
	if n > 0 && old > math.MaxInt64-n || n < 0 && old < math.MinInt64-n {
		c.Error(errOverflow)
		return
	}
	if e == nil {
		c.put(key, keyspace.NewInt(old+n))
	} else {
		e.SetValue(keyspace.NewInt(old + n))
	}
	c.changed('$', "incrby", key)
	c.Int(old + n)
}

// stringInt returns the integer that a string is the text of.
func stringInt(e *keyspace.Entry) (int64, bool) {
	if n, ok := e.Int(); ok {
		return n, true
	}
	return keyspace.ParseInt(e.Str(nil))
}

// incrbyfloat implements INCRBYFLOAT key increment. Reply: the sum as text, which
// is also the new value.
//
// Source: Redis 7.0 docs for INCRBYFLOAT. The sum is computed and printed as
// Redis on x86 does it (keyspace.Extended), so it is the same on every replica.
func incrbyfloat(c *WriteCall) {
	key := c.Args[1]
	e, ok := c.modifyKind(key, keyspace.KindString)
	if !ok {
		return
	}
	var old keyspace.Extended
	if e != nil {
		var buf [20]byte
		if old, ok = keyspace.ParseExtended(e.Str(buf[:])); !ok {
			c.Error(errNotFloat)
			return
		}
	}
	incr, ok := keyspace.ParseExtended(c.Args[2])
	if !ok {
		c.Error(errNotFloat)
		return
	}
	var buf [64]byte
	sum, ok := keyspace.AppendIncrFloat(buf[:0], &old, &incr)
	if !ok {
		c.Error(errNaNOrInf)
		return
	}
	if e == nil {
		c.put(key, keyspace.NewText(sum))
	} else {
		e.SetValue(keyspace.NewText(sum))
	}
	c.changed('$', "incrbyfloat", key)
	c.propagate([]byte("SET"), key, sum, []byte("KEEPTTL"))
	c.Bulk(sum)
}
