package fsm

import (
	"math"
	"strconv"
	"strings"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/glob"
	"github.com/quorate/quorate/resp"
)

// keys implements KEYS pattern.
//
// Source: Redis 7.0 docs for KEYS. Reply: the keys that match, in the order of
// the dictionaries.
func keys(c *ReadCall) {
	all := string(c.Args[1]) == "*"
	mark, n := c.Mark(), 0
	var buf []byte
	c.db().Scan(0, math.MaxInt, func(e *keyspace.Entry) {
		if c.alive(e) == nil {
			return
		}
		buf = append(buf[:0], e.Key()...)
		if all || glob.Match(c.Args[1], buf, false) {
			c.Bulk(buf)
			n++
		}
	})
	c.InsertArray(mark, n)
}

// scanOptions are the options of SCAN and of the scans of collections.
type scanOptions struct {
	match []byte // nil: everything
	count int    // how many elements to visit, at least 1
	kind  []byte // nil: any type
}

// scanCursor parses argument i as a cursor like C's strtoul, or writes the error.
func (c *ReadCall) scanCursor(i int) (uint64, bool) {
	// strtoul stops at a zero byte, and takes nothing at all for zero.
	digits, negative := cString(c.Args[i]), false
	if len(digits) > 1 && (digits[0] == '-' || digits[0] == '+') {
		negative = digits[0] == '-'
		digits = digits[1:]
	}
	n := uint64(0)
	for _, d := range []byte(digits) {
		if d < '0' || d > '9' || n > (math.MaxUint64-uint64(d-'0'))/10 {
			c.Error(errCursor)
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// scanOptions parses the options from argument i on, or writes the error. TYPE
// is only for SCAN itself.
func (c *ReadCall) scanOptions(i int, withType bool) (o scanOptions, ok bool) {
	o.count = 10
	for ; i < len(c.Args); i += 2 {
		a, has := c.Args[i], i+1 < len(c.Args)
		switch {
		case has && isWord(a, "COUNT"):
			n, ok := c.intArg(i + 1)
			if !ok {
				return o, false
			}
			if n < 1 {
				c.Error(errSyntax)
				return o, false
			}
			o.count = int(min(n, math.MaxInt))
		case has && isWord(a, "MATCH"):
			if o.match = c.Args[i+1]; string(o.match) == "*" {
				o.match = nil
			}
		case has && withType && isWord(a, "TYPE"):
			o.kind = c.Args[i+1]
		default:
			c.Error(errSyntax)
			return o, false
		}
	}
	return o, true
}

// matches reports whether an element passes MATCH.
func (o *scanOptions) matches(element []byte) bool {
	return o.match == nil || glob.Match(o.match, element, false)
}

// scan implements SCAN cursor [MATCH pattern] [COUNT count] [TYPE type].
//
// Source: Redis 7.0 docs for SCAN. Reply: the next cursor, and keys. The cursor
// is that of keyspace.DB.Scan.
func scan(c *ReadCall) {
	cursor, ok := c.scanCursor(1)
	if !ok {
		return
	}
	o, ok := c.scanOptions(2, true)
	if !ok {
		return
	}
	found := resp.Writer{Proto: c.Proto}
	n := 0
	var buf []byte
	next := c.db().Scan(cursor, o.count, func(e *keyspace.Entry) {
		if c.alive(e) == nil || o.kind != nil && !strings.EqualFold(string(o.kind), e.Kind().String()) {
			return
		}
		buf = append(buf[:0], e.Key()...)
		if o.matches(buf) {
			found.Bulk(buf)
			n++
		}
	})
	c.replyScan(next, n, &found)
}

// replyScan replies the next cursor and the n elements that were written to
// found.
func (c *ReadCall) replyScan(next uint64, n int, found *resp.Writer) {
	var digits [20]byte
	c.Array(2)
	c.Bulk(strconv.AppendUint(digits[:0], next, 10))
	c.Array(n)
	c.Raw(found.Buf)
}
