package fsm

import "github.com/quorate/quorate/fsm/keyspace"

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
}

// zmpop implements ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]. Reply:
// the first key that exists with the members removed from it, in pairs with
// their scores, or a null array.
//
// Source: Redis 7.0 docs for ZMPOP.
func zmpop(c *WriteCall) {
	numKeys, ok := c.positiveArg(1, errNumKeys)
	if !ok {
		return
	}
	if numKeys >= int64(len(c.Args)-2) {
		c.Error(errSyntax)
		return
	}
	where := 2 + int(numKeys)
	highest := isWord(c.Args[where], "MAX")
	if !highest && !isWord(c.Args[where], "MIN") {
		c.Error(errSyntax)
		return
	}
	count := int64(1)
	switch options := c.Args[where+1:]; {
	case len(options) == 0:
	case len(options) >= 2 && isWord(options[0], "COUNT"):
		if count, ok = c.positiveArg(where+2, errCount); !ok {
			return
		}
		if len(options) > 2 {
			c.Error(errSyntax)
			return
		}
	default:
		c.Error(errSyntax)
		return
	}
	for _, key := range c.Args[2:where] {
		z, ok := c.modifyZSet(key)
		if !ok {
			return
		}
		if z == nil {
			continue
		}
		n := int(min(count, int64(z.Len())))
		c.Array(2)
		c.Bulk(key)
		c.Array(n)
		c.popMembers(key, z, n, highest, true)
		return
	}
	c.NullArray()
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
