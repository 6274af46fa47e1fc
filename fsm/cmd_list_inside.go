package fsm

import "github.com/quorate/quorate/fsm/listpack"

// llen implements LLEN key. A missing key has length 0.
func llen(c *ReadCall) {
	l, ok := c.findList(c.Args[1])
	switch {
	case !ok:
	case l == nil:
		c.Int(0)
	default:
		c.Int(int64(l.Len()))
	}
}

// lindex implements LINDEX key index.
//
// Source: Redis 7.0 docs for LINDEX. Negative indexes count from the end.
// Reply: the element, or null. The index of a missing key isn't looked at.
func lindex(c *ReadCall) {
	l, ok := c.findList(c.Args[1])
	if !ok {
		return
	}
	if l == nil {
		c.Null()
		return
	}
	index, ok := c.intArg(2)
	if !ok {
		return
	}
	var scratch listpack.Scratch
	if value, ok := l.Index(int(index), &scratch); ok {
		c.Bulk(value)
	} else {
		c.Null()
	}
}

// lset implements LSET key index element.
//
// Source: Redis 7.0 docs for LSET. Reply: OK, or an error if there is no such
// key or index.
func lset(c *WriteCall) {
	key := c.Args[1]
	l, ok := c.modifyList(key)
	if !ok {
		return
	}
	if l == nil {
		c.Error(errNoSuchKey)
		return
	}
	index, ok := c.intArg(2)
	if !ok {
		return
	}
	if !l.Set(int(index), c.Args[3], c.Limits()) {
		c.Error(errOutOfRange)
		return
	}
	c.changed('l', "lset", key)
	c.OK()
}

// linsert implements LINSERT key BEFORE|AFTER pivot element.
//
// Source: Redis 7.0 docs for LINSERT. Reply: the new length, 0 if there is no
// list, -1 if there is no pivot in it.
func linsert(c *WriteCall) {
	after := isWord(c.Args[2], "AFTER")
	if !after && !isWord(c.Args[2], "BEFORE") {
		c.Error(errSyntax)
		return
	}
	key, pivot, value := c.Args[1], c.Args[3], c.Args[4]
	l, ok := c.modifyList(key)
	if !ok {
		return
	}
	if l == nil {
		c.Int(0)
		return
	}
	insert := l.InsertBefore
	if after {
		insert = l.InsertAfter
	}
	if !insert(pivot, value, c.Limits()) {
		c.Int(-1)
		return
	}
	c.changed('l', "linsert", key)
	c.Int(int64(l.Len()))
}

// lrange implements LRANGE key start stop.
//
// Source: Redis 7.0 docs for LRANGE. Both ends are inclusive; negative ones
// count from the end of the list.
func lrange(c *ReadCall) {
	start, ok := c.intArg(2)
	if !ok {
		return
	}
	stop, ok := c.intArg(3)
	if !ok {
		return
	}
	l, ok := c.findList(c.Args[1])
	if !ok {
		return
	}
	if l == nil {
		c.Array(0)
		return
	}
	mark, n := c.Mark(), 0
	l.Range(int(start), int(stop), func(value []byte) bool {
		c.Bulk(value)
		n++
		return true
	})
	c.InsertArray(mark, n)
}

// lrem implements LREM key count element.
//
// Source: Redis 7.0 docs for LREM. Reply: how many elements were removed.
func lrem(c *WriteCall) {
	count, ok := c.intArg(2)
	if !ok {
		return
	}
	key := c.Args[1]
	l, ok := c.modifyList(key)
	if !ok {
		return
	}
	if l == nil {
		c.Int(0)
		return
	}
	removed := l.Remove(int(count), c.Args[3])
	if removed > 0 {
		c.shrunk('l', "lrem", key, l.Len())
		c.also(removed - 1)
	}
	c.Int(int64(removed))
}

// ltrim implements LTRIM key start stop.
//
// Source: Redis 7.0 docs for LTRIM. Reply: OK, even for a missing key. The
// event comes even if nothing was removed.
func ltrim(c *WriteCall) {
	start, ok := c.intArg(2)
	if !ok {
		return
	}
	stop, ok := c.intArg(3)
	if !ok {
		return
	}
	key := c.Args[1]
	l, ok := c.modifyList(key)
	if !ok {
		return
	}
	if l != nil {
		before := l.Len()
		l.Trim(int(start), int(stop))
		c.shrunk('l', "ltrim", key, l.Len())
		c.also(before - l.Len() - 1)
	}
	c.OK()
}
