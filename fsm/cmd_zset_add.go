package fsm

import (
	"math"

	"github.com/quorate/quorate/fsm/keyspace"
)

// zadd implements ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score
// member ...].
//
// Source: Redis 7.0 docs for ZADD. Reply: how many members are new, with CH how
// many are new or have another score than before; with INCR the new score, or
// null if a condition has ruled the operation out.
func zadd(c *WriteCall) { c.setScores(zaddOptions{}) }

// zincrby implements ZINCRBY key increment member. Reply: the new score. As in
// Redis it is ZADD with INCR and takes an option for what it is.
func zincrby(c *WriteCall) { c.setScores(zaddOptions{incr: true}) }

type zaddOptions struct{ nx, xx, gt, lt, ch, incr bool }

// zaddOptions parses the options into o and returns the index of the first
// score, or writes the error.
func (c *ReadCall) zaddOptions(o *zaddOptions) (first int, ok bool) {
	words := []struct {
		name string
		set  *bool
	}{{"NX", &o.nx}, {"XX", &o.xx}, {"CH", &o.ch}, {"INCR", &o.incr}, {"GT", &o.gt}, {"LT", &o.lt}}
	first = 2
options:
	for ; first < len(c.Args); first++ {
		for i := range words {
			if isWord(c.Args[first], words[i].name) {
				*words[i].set = true
				continue options
			}
		}
		break
	}
	n := len(c.Args) - first
	switch {
	case n == 0 || n%2 != 0:
		c.Error(errSyntax)
	case o.nx && o.xx:
		c.Error(errZaddNXXX)
	case o.gt && o.nx || o.lt && o.nx || o.gt && o.lt:
		c.Error(errZaddGTLTNX)
	case o.incr && n > 2:
		c.Error(errZaddIncr)
	default:
		return first, true
	}
	return 0, false
}

// setScores sets or raises scores. Nothing is changed unless all scores are
// numbers.
func (c *WriteCall) setScores(o zaddOptions) {
	first, ok := c.zaddOptions(&o)
	if !ok {
		return
	}
	pairs := c.Args[first:]
	scores := make([]float64, len(pairs)/2)
	for i := range scores {
		if scores[i], ok = keyspace.ParseFloat(pairs[2*i]); !ok {
			c.Error(errNotFloat)
			return
		}
	}
	key := c.Args[1]
	z, ok := c.modifyZSet(key)
	if !ok {
		return
	}
	if z == nil && !o.xx {
		z = new(keyspace.ZSet)
		z.Reserve(pairs, c.Limits())
		z = c.put(key, keyspace.NewZSetValue(z)).ZSet() // any option but XX adds at least one member
	}
	var done [zaddOutcomes]int64
	var score float64
	for i := 0; z != nil && i < len(scores); i++ {
		var what zaddOutcome
		score, what = o.apply(z, pairs[2*i+1], scores[i], c.Limits())
		done[what]++
	}
	c.replyScores(&o, &done, score)
	if done[zaddAdded]+done[zaddUpdated] == 0 {
		return
	}
	event := "zadd"
	if o.incr {
		event = "zincr"
	}
	c.changed('z', event, key)
	c.also(int(done[zaddAdded]+done[zaddUpdated]) - 1)
}

// replyScores replies what setScores has done, score being the last result.
func (c *WriteCall) replyScores(o *zaddOptions, done *[zaddOutcomes]int64, score float64) {
	switch {
	case done[zaddNaN] > 0:
		c.Error(errScoreNaN)
	case o.incr && done[zaddAdded]+done[zaddUpdated]+done[zaddSame] > 0:
		c.replyScore(score)
	case o.incr:
		c.Null()
	case o.ch:
		c.Int(done[zaddAdded] + done[zaddUpdated])
	default:
		c.Int(done[zaddAdded])
	}
}

// zaddOutcome is what became of one pair of ZADD.
type zaddOutcome int

const (
	zaddRefused zaddOutcome = iota // by a condition
	zaddSame                       // the score is what it was
	zaddUpdated
	zaddAdded
	zaddNaN // infinities that cancel each other out
	zaddOutcomes
)

// apply does with one member what the options ask for and returns its new score.
func (o *zaddOptions) apply(z *keyspace.ZSet, member []byte, score float64, lim *keyspace.Limits) (float64, zaddOutcome) {
	old, exists := z.Score(member)
	switch {
	case !exists && o.xx, exists && o.nx:
		return 0, zaddRefused
	case !exists:
		z.Add(member, score, lim)
		return score, zaddAdded
	case o.incr:
		score += old
	}
	switch {
	case math.IsNaN(score):
		return 0, zaddNaN
	case o.lt && score >= old, o.gt && score <= old:
		return 0, zaddRefused
	case score == old:
		return score, zaddSame
	}
	z.Add(member, score, lim)
	return score, zaddUpdated
}
