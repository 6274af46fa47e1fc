package fsm

import "github.com/quorate/quorate/fsm/keyspace"

// zset returns the sorted set at key. It returns nil, true for a missing key,
// and nil, false after it has written WRONGTYPE.
func (c *ReadCall) zset(key []byte) (*keyspace.ZSet, bool) {
	e, ok := c.findKind(key, keyspace.KindZSet)
	if e == nil {
		return nil, ok
	}
	return e.ZSet(), true
}

// modifyZSet returns the sorted set at key, ready to be changed; see zset.
func (c *WriteCall) modifyZSet(key []byte) (*keyspace.ZSet, bool) {
	e, ok := c.modifyKind(key, keyspace.KindZSet)
	if e == nil {
		return nil, ok
	}
	return e.ZSet(), true
}

// replyScore replies a score: a double in RESP3, its text in RESP2.
func (c *ReadCall) replyScore(score float64) {
	var buf [32]byte
	c.Double(keyspace.AppendFloat(buf[:0], score))
}

// memberArray begins an array of n members, which replyMember adds. Members and
// scores take turns in RESP2; in RESP3 they are pairs.
func (c *ReadCall) memberArray(n int, withScores bool) {
	if withScores && c.Proto < 3 {
		n *= 2
	}
	c.Array(n)
}

// replyMember adds a member to what memberArray has begun.
func (c *ReadCall) replyMember(member []byte, score float64, withScore bool) {
	if withScore && c.Proto >= 3 {
		c.Array(2)
	}
	c.Bulk(member)
	if withScore {
		c.replyScore(score)
	}
}

// zcard implements ZCARD key. A missing key has no members.
func zcard(c *ReadCall) {
	z, ok := c.zset(c.Args[1])
	if !ok {
		return
	}
	if z == nil {
		c.Int(0)
		return
	}
	c.Int(int64(z.Len()))
}

// zscore implements ZSCORE key member. Reply: the score, or null if the key or
// the member is missing.
func zscore(c *ReadCall) {
	if z, ok := c.zset(c.Args[1]); ok {
		c.replyScoreOf(z, c.Args[2])
	}
}

// zmscore implements ZMSCORE key member [member ...]. Reply: what ZSCORE replies
// for each.
func zmscore(c *ReadCall) {
	z, ok := c.zset(c.Args[1])
	if !ok {
		return
	}
	c.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		c.replyScoreOf(z, member)
	}
}

// replyScoreOf replies the score of member, or null if it is missing or z nil.
func (c *ReadCall) replyScoreOf(z *keyspace.ZSet, member []byte) {
	if z != nil {
		if score, ok := z.Score(member); ok {
			c.replyScore(score)
			return
		}
	}
	c.Null()
}

// zrank implements ZRANK key member. Reply: the position from the lowest score
// on, from 0, or null if the key or the member is missing.
func zrank(c *ReadCall) { c.replyRank(false) }

// zrevrank implements ZREVRANK key member: ZRANK from the highest score on.
func zrevrank(c *ReadCall) { c.replyRank(true) }

func (c *ReadCall) replyRank(reverse bool) {
	z, ok := c.zset(c.Args[1])
	if !ok {
		return
	}
	if z != nil {
		if rank, ok := z.Rank(c.Args[2]); ok {
			if reverse {
				rank = z.Len() - 1 - rank
			}
			c.Int(int64(rank))
			return
		}
	}
	c.Null()
}

// zcount implements ZCOUNT key min max. Reply: how many scores lie in the range.
func zcount(c *ReadCall) {
	r, err := keyspace.ParseScoreRange(c.Args[2], c.Args[3])
	if err != nil {
		c.Error(rangeError(err))
		return
	}
	c.replySpan(func(z *keyspace.ZSet) (int, int) { return z.ScoreSpan(r) })
}

// zlexcount implements ZLEXCOUNT key min max. Reply: how many members lie in the
// range.
func zlexcount(c *ReadCall) {
	r, err := keyspace.ParseLexRange(c.Args[2], c.Args[3])
	if err != nil {
		c.Error(rangeError(err))
		return
	}
	c.replySpan(func(z *keyspace.ZSet) (int, int) { return z.LexSpan(r, false) })
}

// replySpan replies the length of a span of the sorted set at the first key.
func (c *ReadCall) replySpan(span func(*keyspace.ZSet) (start, end int)) {
	z, ok := c.zset(c.Args[1])
	if !ok {
		return
	}
	if z == nil {
		c.Int(0)
		return
	}
	start, end := span(z)
	c.Int(int64(end - start))
}

// rangeError is the reply to an error of the keyspace's range parsers.
func rangeError(err error) string { return "ERR " + err.Error() }
