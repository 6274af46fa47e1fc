package fsm

import (
	"strconv"

	"github.com/quorate/quorate/fsm/keyspace"
)

// zpopmin implements ZPOPMIN key [count]. Reply: the removed members and their
// scores, which are pairs in RESP3 if there is a count.
//
// Source: Redis 7.0 docs for ZPOPMIN.
func zpopmin(c *WriteCall) { c.popOne(false) }

// zpopmax implements ZPOPMAX key [count]: ZPOPMIN from the other end.
func zpopmax(c *WriteCall) { c.popOne(true) }

func (c *WriteCall) popOne(highest bool) {
	if len(c.Args) > 3 {
		c.Error(errSyntax)
		return
	}
	count, counted := int64(1), len(c.Args) == 3
	if counted {
		n, ok := keyspace.ParseInt(c.Args[2])
		if !ok || n < 0 {
			c.Error(errMustPositive)
			return
		}
		count = n
	}
	z, ok := c.modifyZSet(c.Args[1])
	if !ok {
		return
	}
	if z == nil || count == 0 {
		c.Array(0)
		return
	}
	n := int(min(count, int64(z.Len())))
	if counted {
		c.memberArray(n, true)
	} else {
		c.Array(2)
	}
	c.popMembers(c.Args[1], z, n, highest, counted && c.Proto >= 3)
}

// popMembers removes n members of z, at least one and at most all, from one end
// and replies them, with their scores behind them or in pairs.
func (c *WriteCall) popMembers(key []byte, z *keyspace.ZSet, n int, highest, inPairs bool) {
	start, event := 0, "zpopmin"
	if highest {
		start, event = z.Len()-n, "zpopmax"
	}
	z.Range(start, start+n, highest, func(member []byte, score float64) bool {
		if inPairs {
			c.Array(2)
		}
		c.Bulk(member)
		c.replyScore(score)
		return true
	})
	z.RemoveSpan(start, start+n)
	c.shrunk('z', event, key, z.Len())
	c.also(n - 1)
}

func zpopName(highest bool) []byte {
	if highest {
		return []byte("ZPOPMAX")
	}
	return []byte("ZPOPMIN")
}

// zmpop implements ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]. Reply:
// the first key that exists with the members removed from it, in pairs with
// their scores, or a null array.
//
// Source: Redis 7.0 docs for ZMPOP.
func zmpop(c *WriteCall) {
	if p, ok := c.manyZPopArgs(1); ok && !c.zpopFirst(p) {
		c.NullArray()
	}
}

// manyZPop is what ZMPOP and BZMPOP are told.
type manyZPop struct {
	keys    [][]byte
	highest bool
	count   int64
}

// manyZPopArgs parses numkeys key [key ...] MIN|MAX [COUNT count], which begin
// at argument at, or writes the error.
func (c *ReadCall) manyZPopArgs(at int) (p manyZPop, ok bool) {
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
	p.highest = isWord(c.Args[where], "MAX")
	if !p.highest && !isWord(c.Args[where], "MIN") {
		c.Error(errSyntax)
		return p, false
	}
	switch options := c.Args[where+1:]; {
	case len(options) == 0:
	case len(options) >= 2 && isWord(options[0], "COUNT"):
		if p.count, ok = c.positiveArg(where+2, errCount); !ok {
			return p, false
		}
		if len(options) > 2 {
			c.Error(errSyntax)
			return p, false
		}
	default:
		c.Error(errSyntax)
		return p, false
	}
	return p, true
}

// zpopFirst takes members from the first sorted set that is there and reports
// true, also when it has replied an error.
func (c *WriteCall) zpopFirst(p manyZPop) bool {
	for _, key := range p.keys {
		z, ok := c.modifyZSet(key)
		if !ok {
			return true
		}
		if z == nil {
			continue
		}
		n := int(min(p.count, int64(z.Len())))
		c.Array(2)
		c.Bulk(key)
		c.Array(n)
		c.popMembers(key, z, n, p.highest, true)
		if c.feeding() {
			c.propagate(zpopName(p.highest), key, strconv.AppendInt(nil, int64(n), 10))
		}
		return true
	}
	return false
}

// positiveArg parses argument i as a number from 1 on, or writes errText.
func (c *ReadCall) positiveArg(i int, errText string) (int64, bool) {
	n, ok := keyspace.ParseInt(c.Args[i])
	if !ok || n < 1 {
		c.Error(errText)
		return 0, false
	}
	return n, true
}
