package fsm

// xlen implements XLEN key. Reply: the number of entries.
//
// Source: Redis 7.0 docs for XLEN.
func xlen(c *ReadCall) {
	s, ok := c.findStream(c.Args[1])
	if !ok {
		return
	}
	if s == nil {
		c.Int(0)
		return
	}
	c.Int(int64(s.Len()))
}

// xrange implements XRANGE key start end [COUNT count]. Reply: the entries, each
// its ID and its fields and values; null if count is 0 or less.
//
// Source: Redis 7.0 docs for XRANGE.
func xrange(c *ReadCall) { c.streamRange(2, 3, false) }

// xrevrange implements XREVRANGE key end start [COUNT count]: XRANGE from the end.
func xrevrange(c *ReadCall) { c.streamRange(3, 2, true) }

// streamRange is XRANGE with the arguments startAt and endAt as ends.
func (c *ReadCall) streamRange(startAt, endAt int, backwards bool) {
	start, ok := c.boundArg(startAt, false)
	if !ok {
		return
	}
	end, ok := c.boundArg(endAt, true)
	if !ok {
		return
	}
	count, counted := int64(0), false
	for i := 4; i < len(c.Args); i += 2 {
		if !isWord(c.Args[i], "COUNT") || i+1 == len(c.Args) {
			c.Error(errSyntax)
			return
		}
		if count, ok = c.intArg(i + 1); !ok {
			return
		}
		counted = true
	}
	s, ok := c.findStream(c.Args[1])
	switch {
	case !ok:
	case s == nil:
		c.Array(0)
	case counted && count <= 0:
		c.NullArray()
	default:
		c.replyEntries(s, start, end, backwards, count)
	}
}
