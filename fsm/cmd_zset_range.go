package fsm

import "github.com/quorate/quorate/fsm/keyspace"

// zrangeKind says what the bounds of a range are.
type zrangeKind uint8

const (
	byAny zrangeKind = iota // the options say
	byRank
	byScore
	byLex
)

// zrangeOrder says from which end a range is met.
type zrangeOrder uint8

const (
	anyOrder zrangeOrder = iota // the options say
	ascending
	descending
)

// zrangeQuery is a range of a sorted set as a command asks for it.
type zrangeQuery struct {
	kind       zrangeKind
	reverse    bool
	withScores bool
	offset     int64 // members to leave out; negative: all of them
	limit      int64 // members at most; negative: no limit

	first, last int64 // byRank
	scores      keyspace.ScoreRange
	lex         keyspace.LexRange
}

// zrange implements ZRANGE key min max [BYSCORE | BYLEX] [REV] [LIMIT offset
// count] [WITHSCORES].
//
// Source: Redis 7.0 docs for ZRANGE. Reply: members in order, with scores on
// request; an empty array for a missing key.
func zrange(c *ReadCall) { c.replyRange(byAny, anyOrder) }

// zrevrange implements ZREVRANGE key start stop [WITHSCORES].
func zrevrange(c *ReadCall) { c.replyRange(byRank, descending) }

// zrangebyscore implements ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset
// count].
func zrangebyscore(c *ReadCall) { c.replyRange(byScore, ascending) }

// zrevrangebyscore implements ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT
// offset count].
func zrevrangebyscore(c *ReadCall) { c.replyRange(byScore, descending) }

// zrangebylex implements ZRANGEBYLEX key min max [LIMIT offset count].
func zrangebylex(c *ReadCall) { c.replyRange(byLex, ascending) }

// zrevrangebylex implements ZREVRANGEBYLEX key max min [LIMIT offset count].
func zrevrangebylex(c *ReadCall) { c.replyRange(byLex, descending) }

func (c *ReadCall) replyRange(kind zrangeKind, order zrangeOrder) {
	q, ok := c.zrangeQuery(1, kind, order, false)
	if !ok {
		return
	}
	z, ok := c.zset(c.Args[1])
	if !ok {
		return
	}
	if z == nil {
		c.Array(0)
		return
	}
	start, end := q.span(z)
	c.memberArray(end-start, q.withScores)
	z.Range(start, end, q.reverse, func(member []byte, score float64) bool {
		c.replyMember(member, score, q.withScores)
		return true
	})
}

// zrangestore implements ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV]
// [LIMIT offset count]. Reply: how many members were stored.
//
// Source: Redis 7.0 docs for ZRANGESTORE. The result begins as small and grows,
// unless a range of ranks is known to be too long.
func zrangestore(c *WriteCall) {
	q, ok := c.zrangeQuery(2, byAny, anyOrder, true)
	if !ok {
		return
	}
	e, ok := c.take(c.Args[2], keyspace.KindZSet)
	if !ok {
		return
	}
	result := new(keyspace.ZSet)
	if e != nil {
		start, end := q.span(e.ZSet())
		if q.kind == byRank && end-start > c.Limits().ZsetMaxListpackEntries {
			result = keyspace.NewBigZSet(end - start)
		}
		e.ZSet().Range(start, end, q.reverse, func(member []byte, score float64) bool {
			result.Add(member, score, c.Limits())
			return true
		})
	}
	c.storeZSet(c.Args[1], result, "zrangestore")
}

// zrangeQuery parses a range and its options, or writes the error. The key is
// argument i; kind and order are those of the command's name.
func (c *ReadCall) zrangeQuery(i int, kind zrangeKind, order zrangeOrder, store bool) (q zrangeQuery, ok bool) {
	q.limit = -1
	min, max := i+1, i+2
	for i += 3; i < len(c.Args); i++ {
		switch a := c.Args[i]; {
		case !store && isWord(a, "WITHSCORES"):
			q.withScores = true
		case isWord(a, "LIMIT") && i+2 < len(c.Args):
			if q.offset, ok = c.intArg(i + 1); !ok {
				return q, false
			}
			if q.limit, ok = c.intArg(i + 2); !ok {
				return q, false
			}
			i += 2
		case order == anyOrder && isWord(a, "REV"):
			order = descending
		case kind == byAny && isWord(a, "BYLEX"):
			kind = byLex
		case kind == byAny && isWord(a, "BYSCORE"):
			kind = byScore
		default:
			c.Error(errSyntax)
			return q, false
		}
	}
	if kind == byAny {
		kind = byRank
	}
	q.kind, q.reverse = kind, order == descending
	switch {
	case q.limit != -1 && kind == byRank:
		c.Error(errRangeLimit)
		return q, false
	case q.withScores && kind == byLex:
		c.Error(errRangeScores)
		return q, false
	}
	if q.reverse && kind != byRank {
		min, max = max, min
	}
	return q, c.zrangeBounds(&q, min, max)
}

// zrangeBounds parses arguments min and max as bounds of q's kind, or writes
// the error.
func (c *ReadCall) zrangeBounds(q *zrangeQuery, min, max int) (ok bool) {
	var err error
	switch q.kind {
	case byScore:
		q.scores, err = keyspace.ParseScoreRange(c.Args[min], c.Args[max])
	case byLex:
		q.lex, err = keyspace.ParseLexRange(c.Args[min], c.Args[max])
	default:
		if q.first, ok = c.intArg(min); !ok {
			return false
		}
		q.last, ok = c.intArg(max)
		return ok
	}
	if err != nil {
		c.Error(rangeError(err))
	}
	return err == nil
}

// span returns the ranks in z that q asks for.
func (q *zrangeQuery) span(z *keyspace.ZSet) (start, end int) {
	switch q.kind {
	case byScore:
		start, end = z.ScoreSpan(q.scores)
	case byLex:
		start, end = z.LexSpan(q.lex, q.reverse)
	default:
		return q.rankSpan(z.Len())
	}
	n := int64(end - start)
	if q.offset < 0 || q.offset >= n {
		return 0, 0
	}
	n -= q.offset
	if q.limit >= 0 {
		n = min(n, q.limit)
	}
	if q.reverse {
		end -= int(q.offset)
		return end - int(n), end
	}
	start += int(q.offset)
	return start, start + int(n)
}

// rankSpan returns the ranks for the bounds of a range byRank in a set of size
// members. Negative bounds count from the end.
func (q *zrangeQuery) rankSpan(size int) (start, end int) {
	n := int64(size)
	first, last := q.first, q.last
	if first < 0 {
		first = max(first+n, 0)
	}
	if last < 0 {
		last += n
	}
	last = min(last, n-1)
	if first > last {
		return 0, 0
	}
	if q.reverse {
		first, last = n-1-last, n-1-first
	}
	return int(first), int(last + 1)
}
