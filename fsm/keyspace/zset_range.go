package keyspace

import (
	"bytes"
	"errors"
	"sort"

	"github.com/quorate/quorate/fsm/listpack"
)

// Errors of the range parsers, in Redis's words.
var (
	ErrScoreRange = errors.New("min or max is not a float")
	ErrLexRange   = errors.New("min or max not valid string range item")
)

// ScoreRange is an interval of scores. The bounds are never NaN.
type ScoreRange struct {
	Min, Max         float64
	MinExcl, MaxExcl bool
}

// ParseScoreRange reads the bounds of ZRANGEBYSCORE: numbers, "(" in front of
// an exclusive one. The error is ErrScoreRange.
//
// Redis 7.0 reads them more generously than scores (zslParseRange): white
// space in front, an empty text for zero, a value beyond the largest for
// infinity, and anything behind a zero byte.
func ParseScoreRange(min, max []byte) (ScoreRange, error) {
	var r ScoreRange
	var okMin, okMax bool
	r.Min, r.MinExcl, okMin = parseScoreBound(min)
	r.Max, r.MaxExcl, okMax = parseScoreBound(max)
	if !okMin || !okMax {
		return ScoreRange{}, ErrScoreRange
	}
	return r, nil
}

func parseScoreBound(b []byte) (f float64, exclusive, ok bool) {
	if len(b) > 0 && b[0] == '(' {
		exclusive, b = true, b[1:]
	}
	n := scanNumeral(b)
	if n.kind == nanNumeral || n.to < len(b) && b[n.to] != 0 {
		return 0, false, false
	}
	if n.kind != notNumeral {
		f, _ = n.double(b)
	}
	return f, exclusive, true
}

// Empty tells whether no score lies in the range.
func (r *ScoreRange) Empty() bool {
	return r.Min > r.Max || r.Min == r.Max && (r.MinExcl || r.MaxExcl)
}

func (r *ScoreRange) below(score float64) bool {
	return score < r.Min || r.MinExcl && score == r.Min
}

func (r *ScoreRange) above(score float64) bool {
	return score > r.Max || r.MaxExcl && score == r.Max
}

// Contains tells whether score lies in the range.
func (r *ScoreRange) Contains(score float64) bool { return !r.below(score) && !r.above(score) }

// ScoreSpan returns the span of the members whose scores lie in r.
func (z *ZSet) ScoreSpan(r ScoreRange) (start, end int) {
	if r.Empty() || z.Len() == 0 {
		return 0, 0
	}
	if z.big() != nil {
		start = z.big().treeBound(func(score float64, _ uint32) bool { return r.below(score) })
		end = z.big().treeBound(func(score float64, _ uint32) bool { return !r.above(score) })
		return start, end
	}
	z.packRange(0, z.packLen(), false, func(_ []byte, score float64) bool {
		if r.above(score) {
			return false
		}
		if r.below(score) {
			start++
		}
		end++
		return true
	})
	return start, end
}

// LexRange is an interval of members in byte order.
type LexRange struct{ Min, Max LexBound }

// LexBound is one end of a LexRange.
type LexBound struct {
	Kind   LexBoundKind
	Member string // for LexInclusive and LexExclusive
}

// LexBoundKind says what a LexBound is. The zero value is LexInclusive.
type LexBoundKind uint8

const (
	LexInclusive LexBoundKind = iota // "[member"
	LexExclusive                     // "(member"
	LexLowest                        // "-", before every member
	LexHighest                       // "+", after every member
)

// ParseLexRange reads the bounds of ZRANGEBYLEX: "[" or "(" and a member, "-"
// or "+". The error is ErrLexRange.
func ParseLexRange(min, max []byte) (LexRange, error) {
	var r LexRange
	var okMin, okMax bool
	r.Min, okMin = parseLexBound(min)
	r.Max, okMax = parseLexBound(max)
	if !okMin || !okMax {
		return LexRange{}, ErrLexRange
	}
	return r, nil
}

func parseLexBound(b []byte) (LexBound, bool) {
	if len(b) == 0 {
		return LexBound{}, false
	}
	// Redis looks at the signs as at C strings: a zero byte ends them.
	alone := len(b) == 1 || b[1] == 0
	switch {
	case b[0] == '[':
		return LexBound{LexInclusive, string(b[1:])}, true
	case b[0] == '(':
		return LexBound{LexExclusive, string(b[1:])}, true
	case b[0] == '-' && alone:
		return LexBound{Kind: LexLowest}, true
	case b[0] == '+' && alone:
		return LexBound{Kind: LexHighest}, true
	}
	return LexBound{}, false
}

// Empty tells whether no member can lie in the range.
func (r *LexRange) Empty() bool {
	switch {
	case r.Min.Kind == LexHighest || r.Max.Kind == LexLowest:
		return true
	case r.Min.Kind == LexLowest || r.Max.Kind == LexHighest:
		return false
	case r.Min.Member == r.Max.Member:
		return r.Min.Kind == LexExclusive || r.Max.Kind == LexExclusive
	}
	return r.Min.Member > r.Max.Member
}

// below tells whether a member lies before the range; cmp compares it with a
// string. The range must not be Empty.
func (r *LexRange) below(cmp func(string) int) bool {
	if r.Min.Kind == LexLowest {
		return false
	}
	c := cmp(r.Min.Member)
	return c < 0 || c == 0 && r.Min.Kind == LexExclusive
}

// above tells whether a member lies behind the range, which must not be Empty.
func (r *LexRange) above(cmp func(string) int) bool {
	if r.Max.Kind == LexHighest {
		return false
	}
	c := cmp(r.Max.Member)
	return c > 0 || c == 0 && r.Max.Kind == LexExclusive
}

// LexSpan returns the span of the members that lie in r, in a set whose scores
// are all equal.
//
// For other sets Redis leaves the result open. Here a small set answers what
// Redis's does: walking forward, or backward with reverse, the span begins at
// the first member that is not before the range and ends before the first one
// behind it. A large set answers something that depends on its contents only.
func (z *ZSet) LexSpan(r LexRange, reverse bool) (start, end int) {
	n := z.Len()
	if n == 0 || r.Empty() {
		return 0, 0
	}
	if z.big() == nil {
		return z.packLexSpan(&r, reverse)
	}
	below := func(pos uint32) bool {
		return r.below(func(b string) int { return z.big().compare(pos, b) })
	}
	above := func(pos uint32) bool {
		return r.above(func(b string) int { return z.big().compare(pos, b) })
	}
	if z.big().uniform() {
		start = z.big().treeBound(func(_ float64, pos uint32) bool { return below(pos) })
		end = z.big().treeBound(func(_ float64, pos uint32) bool { return !above(pos) })
		return start, end
	}
	// Members are not in byte order, and what a descent through the tree finds
	// would depend on the tree's shape. A search by rank doesn't.
	start = sort.Search(n, func(i int) bool { return !below(uint32(z.big().treeAt(i))) })
	end = sort.Search(n, func(i int) bool { return above(uint32(z.big().treeAt(i))) })
	return start, max(start, end)
}

// packLexSpan is LexSpan for the small form (Redis 7.0's zzlFirstInLexRange,
// zzlLastInLexRange and the loops that follow them).
func (z *ZSet) packLexSpan(r *LexRange, reverse bool) (start, end int) {
	var scratch listpack.Scratch
	at := func(p int) func(string) int {
		member := z.lp().Get(p, &scratch)
		return func(b string) int { return bytes.Compare(member, keyBytes(b)) }
	}
	if r.below(at(z.lp().Prev(z.lp().Last()))) || r.above(at(z.lp().First())) {
		return 0, 0
	}
	outside, beyond := r.below, r.above
	if reverse {
		outside, beyond = r.above, r.below
	}
	skipped, taken := 0, 0
	n := z.packLen()
	z.packRange(0, n, reverse, func(member []byte, _ float64) bool {
		cmp := func(b string) int { return bytes.Compare(member, keyBytes(b)) }
		switch {
		case taken == 0 && outside(cmp):
			skipped++
		case beyond(cmp):
			return false
		default:
			taken++
		}
		return true
	})
	if reverse {
		return n - skipped - taken, n - skipped
	}
	return skipped, skipped + taken
}
