package keyspace

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/quorate/quorate/fsm/listpack"
)

// The small form of a sorted set. Its bytes are those of Redis 7.0: a score
// that is integral and not beyond 2^62 is an integer element, any other one
// the text "%.17g". The sign of a negative zero is lost on the way, as there.

// ErrCorruptZSet is returned, with details, for a listpack that is not a
// sorted set.
var ErrCorruptZSet = errors.New("corrupt sorted set")

// ZSetFromListpack makes a set of the listpack b of an RDB file, which it
// takes over. b may come from anywhere: it is checked to be a listpack of
// pairs in ascending order, without NaN and without a member twice. A set of
// more members than lim allows becomes a large one at once, as in Redis.
func ZSetFromListpack(b []byte, lim *Limits) (*ZSet, error) {
	if err := listpack.Valid(b); err != nil {
		return nil, err
	}
	z := new(ZSet)
	z.setLP(b)
	if err := z.packCheck(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorruptZSet, err)
	}
	if z.packLen() > lim.ZsetMaxListpackEntries {
		z.unpack()
	}
	return z, nil
}

// Packed returns the listpack of a small set, as it goes into an RDB file. The
// slice is the set's own memory. The second result is false for a large set.
func (z *ZSet) Packed() ([]byte, bool) {
	if z.big() != nil {
		return nil, false
	}
	if z.lp() == nil {
		return listpack.New(), true
	}
	return z.lp().Bytes(), true
}

// ConvertToListpackIfNeeded turns a large set into a small one if lim allows
// it. Redis does so with the results of ZUNIONSTORE and its relatives and
// after loading (zsetConvertToListpackIfNeeded), and at no other time.
func (z *ZSet) ConvertToListpackIfNeeded(lim *Limits) {
	if z.big() == nil || z.Len() > lim.ZsetMaxListpackEntries {
		return
	}
	for i := range z.big().dict.items {
		if int(z.big().dict.items[i].n) > lim.ZsetMaxListpackValue {
			return
		}
	}
	if !listpack.New().Fits(int(z.big().memberBytes)) {
		return
	}
	var small ZSet
	small.setLP(listpack.New())
	z.Range(0, z.Len(), false, func(member []byte, score float64) bool {
		small.packPut(small.lp().End(), member, score)
		return true
	})
	*z = small
}

// Unpack turns a small set into a large one; a large one stays as it is. SORT
// does so with what it sorts (Redis 7.0's sortCommand).
func (z *ZSet) Unpack() {
	if z.big() == nil {
		z.unpack()
	}
}

// unpack turns a small set into a large one. Members come into the dictionary
// in ascending order.
func (z *ZSet) unpack() {
	big := newBigZSet()
	z.packRange(0, z.packLen(), false, func(member []byte, score float64) bool {
		big.set(member, score)
		return true
	})
	z.setBig(big)
}

// Reserve makes room in a new set for pairs of score and member, which are going to
// be added.
func (z *ZSet) Reserve(pairs [][]byte, lim *Limits) {
	if z.lp() == nil && z.big() == nil && len(pairs)/2 <= lim.ZsetMaxListpackEntries {
		z.setLP(listpack.NewFor(pairs))
	}
}

// packCheck checks everything but the listpack's own structure.
func (z *ZSet) packCheck() error {
	if z.lp().Len()%2 != 0 {
		return errors.New("a member without a score")
	}
	members := make([]string, 0, z.packLen())
	var lastScore float64
	var scratch listpack.Scratch
	for p := z.lp().First(); p >= 0; {
		member := string(z.lp().Get(p, &scratch))
		p = z.lp().Next(p)
		score, ok := ParseFloat(z.lp().Get(p, &scratch))
		if !ok {
			return errors.New("a score that is not a number")
		}
		if n := len(members); n > 0 && (score < lastScore || score == lastScore && member < members[n-1]) {
			return errors.New("members out of order")
		}
		members, lastScore = append(members, member), score
		p = z.lp().Next(p)
	}
	slices.Sort(members)
	if len(slices.Compact(members)) != z.packLen() {
		return errors.New("a member twice")
	}
	return nil
}

func (z *ZSet) packLen() int {
	if z.lp() == nil {
		return 0
	}
	return z.lp().Len() / 2
}

// packFits tells whether a member of n bytes and its score have room.
func (z *ZSet) packFits(n int) bool { return z.lp() == nil || z.lp().Fits(n+64) }

// packFind returns the offset of member, or -1.
func (z *ZSet) packFind(member []byte) int {
	if z.lp() == nil {
		return -1
	}
	return z.lp().Find(member, z.lp().First(), 1)
}

// packScore reads the score at offset p.
func (z *ZSet) packScore(p int) float64 {
	s, n, isInt := z.lp().Element(p)
	if isInt {
		return float64(n)
	}
	f, ok := ParseFloat(s)
	if !ok {
		panic("keyspace: a listpack with a score that is not a number")
	}
	return f
}

// packSetScore changes the score of member, which is at offset p. Equal scores
// stay as they are: a zero keeps its sign.
func (z *ZSet) packSetScore(p int, member []byte, score float64) {
	if z.packScore(z.lp().Next(p)) != score {
		z.setLP(z.lp().Delete(p, 2))
		z.packInsert(member, score)
	}
}

// packInsert adds a member that isn't there.
func (z *ZSet) packInsert(member []byte, score float64) {
	if z.lp() == nil {
		z.setLP(listpack.New())
	}
	var scratch listpack.Scratch
	for p := z.lp().First(); p >= 0; {
		at := p
		p = z.lp().Next(p)
		s := z.packScore(p)
		if s > score || s == score && bytes.Compare(z.lp().Get(at, &scratch), member) > 0 {
			z.packPut(at, member, score)
			return
		}
		p = z.lp().Next(p)
	}
	z.packPut(z.lp().End(), member, score)
}

// packPut writes a pair in front of offset p.
func (z *ZSet) packPut(p int, member []byte, score float64) {
	const integers = 1 << 62 // up to here Redis stores an integral score as an integer
	var buf [32]byte
	text := buf[:0]
	if score >= -integers && score <= integers && score == float64(int64(score)) {
		text = strconv.AppendInt(text, int64(score), 10)
	} else {
		text = AppendFloat(text, score)
	}
	z.setLP(z.lp().InsertBefore(p, text).InsertBefore(p, member))
}

func (z *ZSet) packRank(member []byte) (int, bool) {
	if z.lp() == nil {
		return 0, false
	}
	rank := 0
	for p := z.lp().First(); p >= 0; rank++ {
		if z.lp().Equal(p, member) {
			return rank, true
		}
		p = z.lp().Next(z.lp().Next(p))
	}
	return 0, false
}

// packRange is Range for a span that lies within the set.
func (z *ZSet) packRange(start, end int, reverse bool, fn func(member []byte, score float64) bool) {
	if start >= end {
		return
	}
	first := start
	if reverse {
		first = end - 1
	}
	var scratch listpack.Scratch
	for p := z.lp().Seek(2 * first); start < end; start++ {
		at := z.lp().Next(p)
		if !fn(z.lp().Get(p, &scratch), z.packScore(at)) || start == end-1 {
			return
		}
		if reverse {
			p = z.lp().Prev(z.lp().Prev(p))
		} else {
			p = z.lp().Next(at)
		}
	}
}
