package fsm

import "github.com/quorate/quorate/fsm/keyspace"

// zrem implements ZREM key member [member ...]. Reply: how many were there.
//
// Source: Redis 7.0 docs for ZREM.
func zrem(c *WriteCall) {
	z, ok := c.modifyZSet(c.Args[1])
	if !ok {
		return
	}
	n := 0
	if z != nil {
		for _, member := range c.Args[2:] {
			if z.Remove(member) {
				n++
			}
		}
	}
	c.replyRemoved(z, n, "zrem")
}

// zremrangebyrank implements ZREMRANGEBYRANK key start stop. Reply: how many
// members were removed.
func zremrangebyrank(c *WriteCall) { c.removeRange(byRank, "zremrangebyrank") }

// zremrangebyscore implements ZREMRANGEBYSCORE key min max. Reply: how many
// members were removed.
func zremrangebyscore(c *WriteCall) { c.removeRange(byScore, "zremrangebyscore") }

// zremrangebylex implements ZREMRANGEBYLEX key min max. Reply: how many members
// were removed.
func zremrangebylex(c *WriteCall) { c.removeRange(byLex, "zremrangebylex") }

func (c *WriteCall) removeRange(kind zrangeKind, event string) {
	q := zrangeQuery{kind: kind, limit: -1}
	if !c.zrangeBounds(&q, 2, 3) {
		return
	}
	z, ok := c.modifyZSet(c.Args[1])
	if !ok {
		return
	}
	n := 0
	if z != nil {
		n = z.RemoveSpan(q.span(z))
	}
	c.replyRemoved(z, n, event)
}

// replyRemoved announces and replies that n members were removed from z, the
// sorted set at the first key or nil. A set without members is no key.
func (c *WriteCall) replyRemoved(z *keyspace.ZSet, n int, event string) {
	if n > 0 {
		c.shrunk('z', event, c.Args[1], z.Len())
		c.also(n - 1)
	}
	c.Int(int64(n))
}
