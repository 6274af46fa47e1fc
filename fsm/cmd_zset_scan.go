package fsm

import (
	"math"
	"strconv"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/resp"
)

// zscan implements ZSCAN key cursor [MATCH pattern] [COUNT count].
//
// Source: Redis 7.0 docs for ZSCAN. Reply: the next cursor, and members and
// scores by turns, all of them strings in RESP3 too. The cursor is that of
// keyspace.ZSet.Scan. As in Redis the options of a missing key don't matter.
func zscan(c *ReadCall) {
	cursor, ok := c.scanCursor(2)
	if !ok {
		return
	}
	z, ok := c.zset(c.Args[1])
	if !ok {
		return
	}
	found := resp.Writer{Proto: c.Proto}
	if z == nil {
		c.replyScan(0, 0, &found)
		return
	}
	o, ok := c.scanOptions(3, false)
	if !ok {
		return
	}
	n := 0
	small := z.Encoding() == "listpack"
	var buf [32]byte
	next := z.Scan(cursor, o.count, func(member []byte, score float64) {
		if o.matches(member) {
			found.Bulk(member)
			found.Bulk(appendScanScore(buf[:0], score, small))
			n += 2
		}
	})
	c.replyScan(next, n, &found)
}

// appendScanScore appends a score as ZSCAN shows it. Of a small set Redis shows
// the text it holds, in which an integral score up to 2^62 has all its digits.
func appendScanScore(dst []byte, score float64, small bool) []byte {
	if small && math.Abs(score) <= 1<<62 && score == math.Trunc(score) {
		return strconv.AppendInt(dst, int64(score), 10)
	}
	return keyspace.AppendFloat(dst, score)
}

// maxRandomReply bounds the bytes of a reply whose length is the client's wish
// and not the data's: ZRANDMEMBER with a negative count.
const maxRandomReply = 64 << 20

// zrandmember implements ZRANDMEMBER key [count [WITHSCORES]]. Reply: without a
// count a member, or null if the key is missing; with a positive count so many
// different members, all of them from the highest score down if there are no
// more; with a negative count so many that may repeat.
//
// Source: Redis 7.0 docs for ZRANDMEMBER. Redis goes on without end for a huge
// negative count; here a reply above maxRandomReply is an error.
func zrandmember(c *ReadCall) {
	if len(c.Args) == 2 {
		if z, ok := c.zset(c.Args[1]); z != nil {
			member, _ := z.ByRank(c.rand.IntN(z.Len()))
			c.Bulk(member)
		} else if ok {
			c.Null()
		}
		return
	}
	count, ok := c.intArgIn(2, -math.MaxInt64, math.MaxInt64)
	if !ok {
		return
	}
	withScores := len(c.Args) == 4
	switch {
	case len(c.Args) > 4 || withScores && !isWord(c.Args[3], "WITHSCORES"):
		c.Error(errSyntax)
		return
	case withScores && (count < -math.MaxInt64/2 || count > math.MaxInt64/2):
		c.Error(errRange)
		return
	}
	z, ok := c.zset(c.Args[1])
	switch {
	case !ok:
	case z == nil || count == 0:
		c.Array(0)
	case count < 0:
		c.randomRepeating(z, -count, withScores)
	case count >= int64(z.Len()):
		c.memberArray(z.Len(), withScores)
		z.Range(0, z.Len(), true, func(member []byte, score float64) bool {
			c.replyMember(member, score, withScores)
			return true
		})
	default:
		c.randomDistinct(z, int(count), withScores)
	}
}

// randomRepeating replies count members drawn independently of each other.
func (c *ReadCall) randomRepeating(z *keyspace.ZSet, count int64, withScores bool) {
	const least = 6 // bytes that the shortest bulk string takes
	if count > maxRandomReply/least {
		c.Error(errRange)
		return
	}
	mark := c.Mark()
	c.memberArray(int(count), withScores)
	size := 0
	for range count {
		member, score := z.ByRank(c.rand.IntN(z.Len()))
		if size += least + len(member); size > maxRandomReply {
			c.Buf = c.Buf[:mark]
			c.Error(errRange)
			return
		}
		c.replyMember(member, score, withScores)
	}
}

// randomDistinct replies count different members, fewer than z has. They are
// the first ones of a shuffle of the ranks, of which only those that have
// changed places are kept.
func (c *ReadCall) randomDistinct(z *keyspace.ZSet, count int, withScores bool) {
	c.memberArray(count, withScores)
	moved := map[int]int{}
	at := func(i int) int {
		if rank, ok := moved[i]; ok {
			return rank
		}
		return i
	}
	for i := range count {
		j := i + c.rand.IntN(z.Len()-i)
		rank := at(j)
		moved[j] = at(i)
		member, score := z.ByRank(rank)
		c.replyMember(member, score, withScores)
	}
}
