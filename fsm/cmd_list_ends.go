package fsm

import (
	"strconv"

	"github.com/quorate/quorate/fsm/keyspace"
)

// listEnd is one end of a list.
type listEnd bool

const (
	leftEnd  listEnd = false
	rightEnd listEnd = true
)

// endArg parses argument i as LEFT or RIGHT, or writes the error.
func (c *ReadCall) endArg(i int) (end listEnd, ok bool) {
	switch {
	case isWord(c.Args[i], "LEFT"):
		return leftEnd, true
	case isWord(c.Args[i], "RIGHT"):
		return rightEnd, true
	}
	c.Error(errSyntax)
	return leftEnd, false
}

func (e listEnd) push(l *keyspace.List, value []byte, lim *keyspace.Limits) {
	if e == leftEnd {
		l.PushLeft(value, lim)
	} else {
		l.PushRight(value, lim)
	}
}

// pop takes the element at the end of a list that has one, and appends it to dst.
func (e listEnd) pop(l *keyspace.List, dst []byte) []byte {
	if e == leftEnd {
		dst, _ = l.PopLeft(dst)
	} else {
		dst, _ = l.PopRight(dst)
	}
	return dst
}

func (e listEnd) pushEvent() string {
	if e == leftEnd {
		return "lpush"
	}
	return "rpush"
}

func (e listEnd) popEvent() string {
	if e == leftEnd {
		return "lpop"
	}
	return "rpop"
}

func (e listEnd) popName() []byte {
	if e == leftEnd {
		return []byte("LPOP")
	}
	return []byte("RPOP")
}

// lpush implements LPUSH key element [element ...]: the last one given ends up
// first. Reply: the new length.
func lpush(c *WriteCall) { c.pushAll(leftEnd, true) }

// rpush implements RPUSH key element [element ...]. Reply: the new length.
func rpush(c *WriteCall) { c.pushAll(rightEnd, true) }

// lpushx implements LPUSHX key element [element ...]. Reply: the new length, 0
// if there is no list.
func lpushx(c *WriteCall) { c.pushAll(leftEnd, false) }

// rpushx implements RPUSHX key element [element ...]. Reply: as LPUSHX.
func rpushx(c *WriteCall) { c.pushAll(rightEnd, false) }

// pushAll is what the four have in common. Source: Redis 7.0 docs for LPUSH.
func (c *WriteCall) pushAll(end listEnd, create bool) {
	key := c.Args[1]
	l, ok := c.modifyList(key)
	if !ok {
		return
	}
	if l == nil {
		if !create {
			c.Int(0)
			return
		}
		l = c.createList(key)
	}
	for _, value := range c.Args[2:] {
		end.push(l, value, c.Limits())
	}
	c.changed('l', end.pushEvent(), key)
	c.also(len(c.Args) - 2 - 1)
	c.Int(int64(l.Len()))
}

// lpop implements LPOP key [count].
func lpop(c *WriteCall) { c.popEnd(leftEnd, "lpop") }

// rpop implements RPOP key [count].
func rpop(c *WriteCall) { c.popEnd(rightEnd, "rpop") }

// popEnd is what the two have in common.
//
// Source: Redis 7.0 docs for LPOP. Reply: one element, or with a count, even
// of 1, an array; for a missing key the null of the same kind. A count of 0
// takes nothing from a list that is there.
func (c *WriteCall) popEnd(end listEnd, name string) {
	if len(c.Args) > 3 {
		c.Error(errArity(name))
		return
	}
	key, counted, count := c.Args[1], len(c.Args) == 3, int64(1)
	if counted {
		var ok bool
		if count, ok = c.naturalArg(2, errMustPositive); !ok {
			return
		}
	}
	l, ok := c.modifyList(key)
	switch {
	case !ok:
	case l == nil && counted:
		c.NullArray()
	case l == nil:
		c.Null()
	case !counted:
		var buf [64]byte
		c.Bulk(end.pop(l, buf[:0]))
		c.shrunk('l', end.popEvent(), key, l.Len())
	case count == 0:
		c.Array(0)
	default:
		c.popMany(end, key, l, count)
	}
}

// naturalArg parses argument i as a number from 0 on, or writes errText, also
// for something that is no integer.
func (c *ReadCall) naturalArg(i int, errText string) (int64, bool) {
	n, ok := keyspace.ParseInt(c.Args[i])
	if !ok || n < 0 {
		c.Error(errText)
		return 0, false
	}
	return n, true
}

// popMany takes up to count elements, at least one, from the end of a list and
// replies them as an array, the outermost first.
func (c *WriteCall) popMany(end listEnd, key []byte, l *keyspace.List, count int64) {
	n := int(min(count, int64(l.Len())))
	c.Array(n)
	if end == leftEnd {
		l.Range(0, n-1, func(value []byte) bool {
			c.Bulk(value)
			return true
		})
		l.Trim(n, -1)
	} else {
		left := n
		l.EachReverse(func(_ int, value []byte) bool {
			c.Bulk(value)
			left--
			return left > 0
		})
		l.Trim(0, -1-n)
	}
	c.shrunk('l', end.popEvent(), key, l.Len())
	c.also(n - 1)
}

// rpoplpush implements RPOPLPUSH source destination.
func rpoplpush(c *WriteCall) { c.moveElement(rightEnd, leftEnd) }

// lmove implements LMOVE source destination LEFT|RIGHT LEFT|RIGHT.
func lmove(c *WriteCall) {
	from, ok := c.endArg(3)
	if !ok {
		return
	}
	to, ok := c.endArg(4)
	if !ok {
		return
	}
	c.moveElement(from, to)
}

// moveElement is what the two have in common.
//
// Source: Redis 7.0 docs for LMOVE. Source and destination may be the same
// list, which it rotates. Reply: the element, or null if there is no source. It
// reports whether there was something to move.
func (c *WriteCall) moveElement(from, to listEnd) bool {
	source, destination := c.Args[1], c.Args[2]
	src, ok := c.modifyList(source)
	if !ok {
		return false
	}
	if src == nil {
		c.Null()
		return false
	}
	dst, ok := c.modifyList(destination)
	if !ok {
		return false
	}
	if dst == nil {
		dst = c.createList(destination)
	}
	var buf [64]byte
	value := from.pop(src, buf[:0])
	to.push(dst, value, c.Limits())
	c.changed('l', to.pushEvent(), destination)
	c.Bulk(value)
	c.shrunk('l', from.popEvent(), source, src.Len())
	c.also(-1) // two were announced
	return true
}

// lmpop implements LMPOP numkeys key [key ...] LEFT|RIGHT [COUNT count].
//
// Source: Redis 7.0 docs for LMPOP. Reply: the key of the first list that is
// there and an array of its elements, or a null array. A key of another type
// is an error, unless a list stands before it.
func lmpop(c *WriteCall) {
	if p, ok := c.manyPopArgs(1); ok && !c.popFirst(p) {
		c.NullArray()
	}
}

// manyPop is what LMPOP and BLMPOP are told.
type manyPop struct {
	keys  [][]byte
	end   listEnd
	count int64
}

// manyPopArgs parses numkeys key [key ...] LEFT|RIGHT [COUNT count], which
// begin at argument at, or writes the error.
func (c *ReadCall) manyPopArgs(at int) (p manyPop, ok bool) {
	numKeys, ok := c.positiveArg(at, errNumKeys)
	if !ok {
		return p, false
	}
	if numKeys > int64(len(c.Args)-at-2) {
		c.Error(errSyntax)
		return p, false
	}
	where := at + 1 + int(numKeys)
	p.keys, p.count = c.Args[at+1:where], 1
	if p.end, ok = c.endArg(where); !ok {
		return p, false
	}
	next := where + 1
	if next+1 < len(c.Args) && isWord(c.Args[next], "COUNT") {
		if p.count, ok = c.positiveArg(next+1, errCount); !ok {
			return p, false
		}
		next += 2
	}
	if next < len(c.Args) {
		c.Error(errSyntax)
		return p, false
	}
	return p, true
}

// popFirst takes elements from the first list that is there and reports true,
// also when it has replied an error.
func (c *WriteCall) popFirst(p manyPop) bool {
	for _, key := range p.keys {
		l, ok := c.modifyList(key)
		if !ok {
			return true
		}
		if l != nil {
			c.Array(2)
			c.Bulk(key)
			n := min(p.count, int64(l.Len()))
			c.popMany(p.end, key, l, p.count)
			if c.feeding() {
				c.propagate(p.end.popName(), key, strconv.AppendInt(nil, n, 10))
			}
			return true
		}
	}
	return false
}
