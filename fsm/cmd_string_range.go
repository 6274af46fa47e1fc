package fsm

import "github.com/quorate/quorate/fsm/keyspace"

// fitsString reports whether a string of length bytes may grow by more, or
// writes the error.
func (c *ReadCall) fitsString(length, more int64) bool {
	limit := min(int64(c.Limits().ProtoMaxBulkLen), keyspace.MaxString)
	if length > limit || more > limit-length {
		c.Error(errStringLimit)
		return false
	}
	return true
}

// appendTo implements APPEND key value. Reply: the new length.
//
// Source: Redis 7.0 docs for APPEND. A missing key is set like by SET.
func appendTo(c *WriteCall) {
	key, value := c.Args[1], c.Args[2]
	e, ok := c.modifyKind(key, keyspace.KindString)
	if !ok {
		return
	}
	length := len(value)
	if e == nil {
		c.put(key, keyspace.NewString(value))
	} else {
		if !c.fitsString(int64(e.StrLen()), int64(len(value))) {
			return
		}
		length = e.Append(value)
	}
	c.changed('$', "append", key)
	c.Int(int64(length))
}

// setrange implements SETRANGE key offset value. Reply: the new length.
//
// Source: Redis 7.0 docs for SETRANGE. The gap before the offset is filled with
// zero bytes. An empty value changes nothing and doesn't create the key.
func setrange(c *WriteCall) {
	key, value := c.Args[1], c.Args[3]
	offset, ok := c.intArg(2)
	if !ok {
		return
	}
	if offset < 0 {
		c.Error(errOffset)
		return
	}
	e, ok := c.modifyKind(key, keyspace.KindString)
	if !ok {
		return
	}
	if len(value) == 0 {
		if e == nil {
			c.Int(0)
		} else {
			c.Int(int64(e.StrLen()))
		}
		return
	}
	if !c.fitsString(offset, int64(len(value))) {
		return
	}
	var length int
	if e == nil {
		v := keyspace.NewRawString(nil)
		length = v.SetRange(int(offset), value)
		c.put(key, v)
	} else {
		length = e.SetRange(int(offset), value)
	}
	c.changed('$', "setrange", key)
	c.Int(int64(length))
}

// getrange implements GETRANGE key start end, and SUBSTR, its old name.
//
// Source: Redis 7.0 docs for GETRANGE. Both ends are inclusive; negative ones
// count from the end of the string.
func getrange(c *ReadCall) {
	start, ok := c.intArg(2)
	if !ok {
		return
	}
	end, ok := c.intArg(3)
	if !ok {
		return
	}
	e, ok := c.findKind(c.Args[1], keyspace.KindString)
	if !ok {
		return
	}
	if e == nil || start < 0 && end < 0 && start > end {
		c.BulkString("")
		return
	}
	var buf [20]byte
	s := e.Str(buf[:])
	n := int64(len(s))
	if start < 0 {
		start = max(start+n, 0)
	}
	if end < 0 {
		end = max(end+n, 0)
	}
	end = min(end, n-1)
	if start > end {
		c.BulkString("")
		return
	}
	c.Bulk(s[start : end+1])
}
