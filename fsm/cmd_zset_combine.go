package fsm

import (
	"cmp"
	"math"
	"slices"

	"github.com/quorate/quorate/fsm/keyspace"
)

// zoperation is what is done with several sets.
type zoperation uint8

const (
	zUnion zoperation = iota
	zInter
	zDiff
)

// zinput is a sorted set, or a set whose members all have the score 1, or a key
// that is missing.
type zinput struct {
	zset   *keyspace.ZSet
	set    *keyspace.Set
	weight float64
}

func (in *zinput) len() int {
	switch {
	case in.zset != nil:
		return in.zset.Len()
	case in.set != nil:
		return in.set.Len()
	}
	return 0
}

// score returns the score of member, not weighted, and whether it is there.
func (in *zinput) score(member []byte) (float64, bool) {
	switch {
	case in.zset != nil:
		return in.zset.Score(member)
	case in.set != nil:
		return 1, in.set.Contains(member)
	}
	return 0, false
}

// each calls fn for every member until it returns false.
func (in *zinput) each(fn func(member []byte, score float64) bool) {
	switch {
	case in.zset != nil:
		in.zset.Range(0, in.zset.Len(), false, fn)
	case in.set != nil:
		in.set.Each(func(member []byte) bool { return fn(member, 1) })
	}
}

// weighted returns a score times the input's weight, rounded: the product must
// not be fused with a sum that follows. Zero times infinity is 0 to begin with.
func (in *zinput) weighted(score float64) float64 {
	p := float64(in.weight * score)
	if math.IsNaN(p) {
		return 0
	}
	return p
}

// zcombination is an operation with its inputs and options.
type zcombination struct {
	op         zoperation
	inputs     []zinput
	aggregate  func(a, b float64) float64
	withScores bool
	limit      int64 // for a count: where to stop; 0 for none
}

// The aggregates. In a sum infinities that cancel each other out leave 0; in
// the others the first argument is the one that stays unless b is beyond it,
// which decides about NaN and the sign of zero as in Redis.
var aggregates = []struct {
	name string
	of   func(a, b float64) float64
}{
	{"SUM", func(a, b float64) float64 {
		if s := a + b; !math.IsNaN(s) {
			return s
		}
		return 0
	}},
	{"MIN", func(a, b float64) float64 {
		if b < a {
			return b
		}
		return a
	}},
	{"MAX", func(a, b float64) float64 {
		if b > a {
			return b
		}
		return a
	}},
}

// zform says what becomes of the result of a combination, and with it which
// options there are.
type zform uint8

const (
	zReply zform = iota
	zStore
	zCount
)

// zcombination parses a combination, the number of keys being argument i, or
// writes the error. name is the command's in lower case; find looks a key up.
func (c *ReadCall) zcombination(name string, i int, op zoperation, form zform, find func(key []byte) *keyspace.Entry) (*zcombination, bool) {
	numKeys, ok := c.intArg(i)
	if !ok {
		return nil, false
	}
	keys := c.Args[i+1:]
	switch {
	case numKeys < 1:
		c.Error(errNoInput(name))
		return nil, false
	case numKeys > int64(len(keys)):
		c.Error(errSyntax)
		return nil, false
	}
	keys = keys[:numKeys]
	z := &zcombination{op: op, inputs: make([]zinput, len(keys)), aggregate: aggregates[0].of}
	for n, key := range keys {
		in := &z.inputs[n]
		in.weight = 1
		e := find(key)
		switch {
		case e == nil:
		case e.Kind() == keyspace.KindZSet:
			zset := *e.ZSet() // to look for another key may move the entry
			in.zset = &zset
		case e.Kind() == keyspace.KindSet:
			in.set = e.Set()
		default:
			c.Error(errWrongType)
			return nil, false
		}
	}
	if !c.combinationOptions(z, i+1+len(keys), form) {
		return nil, false
	}
	if op != zDiff {
		// As in Redis: small inputs first, which also is the order of sums.
		slices.SortStableFunc(z.inputs, func(a, b zinput) int { return cmp.Compare(a.len(), b.len()) })
	}
	return z, true
}

// combinationOptions parses the options from argument i on, or writes the error.
func (c *ReadCall) combinationOptions(z *zcombination, i int, form zform) bool {
	scored := z.op != zDiff && form != zCount // scores are computed
	for i < len(c.Args) {
		a, left := c.Args[i], len(c.Args)-i-1
		switch {
		case scored && left >= len(z.inputs) && isWord(a, "WEIGHTS"):
			for n := range z.inputs {
				i++
				var ok bool
				if z.inputs[n].weight, ok = keyspace.ParseFloat(c.Args[i]); !ok {
					c.Error(errWeight)
					return false
				}
			}
		case scored && left >= 1 && isWord(a, "AGGREGATE"):
			i++
			n := 0
			for n < len(aggregates) && !isWord(c.Args[i], aggregates[n].name) {
				n++
			}
			if n == len(aggregates) {
				c.Error(errSyntax)
				return false
			}
			z.aggregate = aggregates[n].of
		case form == zReply && isWord(a, "WITHSCORES"):
			z.withScores = true
		case form == zCount && left >= 1 && isWord(a, "LIMIT"):
			i++
			n, ok := keyspace.ParseInt(c.Args[i])
			if !ok || n < 0 {
				c.Error(errLimit)
				return false
			}
			z.limit = n
		default:
			c.Error(errSyntax)
			return false
		}
		i++
	}
	return true
}

// result returns the combination as a new sorted set in the large form, in
// which scores are what they are computed to be, down to the sign of zero.
func (z *zcombination) result() *keyspace.ZSet {
	out := keyspace.NewBigZSet(0)
	add := func(member []byte, score float64) { out.Add(member, score, nil) }
	switch z.op {
	case zUnion:
		z.union(add)
	case zInter:
		z.inter(func(member []byte, score float64) bool {
			add(member, score)
			return true
		})
	case zDiff:
		z.diff(add)
	}
	return out
}

// zsum is a member of a union with what its score has come to.
type zsum struct {
	keyspace.Name
	score float64
}

func (z *zcombination) union(add func(member []byte, score float64)) {
	var sums keyspace.Dense[zsum]
	for i := range z.inputs {
		in := &z.inputs[i]
		in.each(func(member []byte, score float64) bool {
			score = in.weighted(score)
			if at := sums.Find(member); at >= 0 {
				s := sums.At(at)
				s.score = z.aggregate(s.score, score)
			} else {
				sums.Add(zsum{keyspace.NewName(member), score})
			}
			return true
		})
	}
	for i := range sums.Len() {
		s := sums.At(i)
		add([]byte(s.Key()), s.score)
	}
}

// inter calls fn for the members of all inputs until it returns false.
func (z *zcombination) inter(fn func(member []byte, score float64) bool) {
	first, rest := &z.inputs[0], z.inputs[1:]
	first.each(func(member []byte, score float64) bool {
		score = first.weighted(score)
		for i := range rest {
			other, ok := rest[i].score(member)
			if !ok {
				return true
			}
			// Not made a number first: the aggregate sees a NaN, as in Redis.
			score = z.aggregate(score, float64(rest[i].weight*other))
		}
		return fn(member, score)
	})
}

func (z *zcombination) diff(add func(member []byte, score float64)) {
	z.inputs[0].each(func(member []byte, score float64) bool {
		for i := range z.inputs[1:] {
			if _, ok := z.inputs[1+i].score(member); ok {
				return true
			}
		}
		add(member, score)
		return true
	})
}

// zunion implements ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]]
// [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES].
//
// Source: Redis 7.0 docs for ZUNION. Reply: the members in order, with scores on
// request.
func zunion(c *ReadCall) { c.replyCombination("zunion", zUnion) }

// zinter implements ZINTER, with the arguments of ZUNION.
func zinter(c *ReadCall) { c.replyCombination("zinter", zInter) }

// zdiff implements ZDIFF numkeys key [key ...] [WITHSCORES]. The scores are
// those of the first input.
func zdiff(c *ReadCall) { c.replyCombination("zdiff", zDiff) }

func (c *ReadCall) replyCombination(name string, op zoperation) {
	z, ok := c.zcombination(name, 1, op, zReply, c.find)
	if !ok {
		return
	}
	result := z.result()
	c.memberArray(result.Len(), z.withScores)
	result.Range(0, result.Len(), false, func(member []byte, score float64) bool {
		c.replyMember(member, score, z.withScores)
		return true
	})
}

// zintercard implements ZINTERCARD numkeys key [key ...] [LIMIT limit]. Reply:
// the size of the intersection, or the limit if that is less and not 0.
func zintercard(c *ReadCall) {
	z, ok := c.zcombination("zintercard", 1, zInter, zCount, c.find)
	if !ok {
		return
	}
	n := int64(0)
	z.inter(func([]byte, float64) bool {
		n++
		return n != z.limit
	})
	c.Int(n)
}
