package keyspace

import (
	"bytes"

	"github.com/quorate/quorate/fsm/listpack"
)

// ZSet is a sorted set: members ordered by score, then by bytes. Scores are
// never NaN; members are all different.
//
// A small one is a listpack of member, score, member, score ... in order, as
// in Redis 7.0. A large one is a dictionary from member to score beside a
// counted tree (zset_tree.go). Which it is follows from the operations and the
// limits as in Redis: see Add.
//
// Ranks count from zero in ascending order, and a span of ranks is half open:
// from start to end-1. Everything about ranges works on spans: ScoreSpan and
// LexSpan find one, Range visits it, RemoveSpan deletes it.
//
// In the large form Add, Remove, Rank, ByRank, ScoreSpan and LexSpan are
// O(log n) and Score is O(1). The zero value is empty and ready. Not safe for
// concurrent use with a writer; the apply goroutine owns every ZSet.
type ZSet struct{ packed[bigZSet] }

// NewBigZSet returns an empty set that is in the large form already, with
// room for n members: what a loader fills that restores a large set. n must
// not come unchecked from outside.
func NewBigZSet(n int) *ZSet {
	big := newBigZSet()
	big.dict.Reserve(n)
	z := new(ZSet)
	z.setBig(big)
	return z
}

// Encoding returns what OBJECT ENCODING answers: "listpack" or "skiplist".
// The second name is Redis's; here it stands for the large form.
func (z *ZSet) Encoding() string {
	if z.big() != nil {
		return "skiplist"
	}
	return "listpack"
}

// Len returns the number of members.
func (z *ZSet) Len() int {
	if z.big() != nil {
		return z.big().dict.Len()
	}
	return z.packLen()
}

// Score returns the score of member. The second result is false when it isn't
// there.
func (z *ZSet) Score(member []byte) (float64, bool) {
	if z.big() != nil {
		i := z.big().dict.Find(member)
		if i < 0 {
			return 0, false
		}
		return z.big().dict.items[i].score, true
	}
	p := z.packFind(member)
	if p < 0 {
		return 0, false
	}
	return z.packScore(z.lp().Next(p)), true
}

// Add sets the score of member, which is copied, and reports whether the
// member is new. The score must not be NaN: that panics, the caller has
// refused it. member must not be a slice that this set handed out.
//
// A new member that is longer than lim allows, or one too many, first turns a
// small set into a large one (Redis 7.0's zsetAdd). A large set ignores lim.
func (z *ZSet) Add(member []byte, score float64, lim *Limits) (added bool) {
	if score != score {
		panic("keyspace: a score that is not a number")
	}
	if z.big() == nil {
		if p := z.packFind(member); p >= 0 {
			z.packSetScore(p, member, score)
			return false
		}
		if z.packLen() < lim.ZsetMaxListpackEntries && len(member) <= lim.ZsetMaxListpackValue && z.packFits(len(member)) {
			z.packInsert(member, score)
			return true
		}
		z.unpack()
	}
	return z.big().set(member, score)
}

// Remove deletes member and reports whether it was there.
func (z *ZSet) Remove(member []byte) bool {
	if z.big() != nil {
		i := z.big().dict.Find(member)
		if i < 0 {
			return false
		}
		z.big().remove(i)
		return true
	}
	p := z.packFind(member)
	if p < 0 {
		return false
	}
	z.setLP(z.lp().Delete(p, 2))
	return true
}

// Rank returns the rank of member. The second result is false when it isn't
// there. Its rank from the other end is Len()-1-rank.
func (z *ZSet) Rank(member []byte) (int, bool) {
	if z.big() != nil {
		i := z.big().dict.Find(member)
		if i < 0 {
			return 0, false
		}
		return z.big().treeRank(i), true
	}
	return z.packRank(member)
}

// ByRank returns the member of rank i, 0 <= i < Len, and its score. The member
// must not be changed, and is valid until the set is.
func (z *ZSet) ByRank(i int) (member []byte, score float64) {
	if z.big() != nil {
		e := &z.big().dict.items[z.big().treeAt(i)]
		return keyBytes(e.Key()), e.score
	}
	p := z.lp().Seek(2 * i)
	return z.lp().Get(p, new(listpack.Scratch)), z.packScore(z.lp().Next(p))
}

// Range calls fn for the members of the span from start to end, which is
// clipped to the set, until fn returns false: in ascending order, or in
// descending order, beginning at rank end-1, with reverse. The member is valid
// until fn returns and must not be changed, nor may the set. O(log n) and the
// members visited.
func (z *ZSet) Range(start, end int, reverse bool, fn func(member []byte, score float64) bool) {
	start, end = max(start, 0), min(end, z.Len())
	if start >= end {
		return
	}
	if z.big() == nil {
		z.packRange(start, end, reverse, fn)
		return
	}
	visit := func(pos uint32) bool {
		e := &z.big().dict.items[pos]
		return fn(keyBytes(e.Key()), e.score)
	}
	if reverse {
		z.big().root.descend(start, end, visit)
	} else {
		z.big().root.ascend(start, end, visit)
	}
}

// RemoveSpan deletes the members of the span from start to end, which is
// clipped to the set, and returns their number.
func (z *ZSet) RemoveSpan(start, end int) int {
	start, end = max(start, 0), min(end, z.Len())
	if start >= end {
		return 0
	}
	if z.big() == nil {
		z.setLP(z.lp().Delete(z.lp().Seek(2*start), 2*(end-start)))
		return end - start
	}
	for range end - start {
		z.big().remove(z.big().treeAt(start))
	}
	return end - start
}

// PopMin removes and returns the first member. The member is the caller's. The
// last result is false when the set is empty.
func (z *ZSet) PopMin() (member []byte, score float64, ok bool) { return z.pop(0) }

// PopMax removes and returns the last member, like PopMin.
func (z *ZSet) PopMax() (member []byte, score float64, ok bool) { return z.pop(z.Len() - 1) }

func (z *ZSet) pop(rank int) (member []byte, score float64, ok bool) {
	if z.Len() == 0 {
		return nil, 0, false
	}
	member, score = z.ByRank(rank)
	member = bytes.Clone(member)
	z.RemoveSpan(rank, rank+1)
	return member, score, true
}

// Scan continues a scan at cursor, zero to begin: it calls fn for about count
// members and returns the cursor to continue at, zero at the end. Every member
// that was there from the beginning of a scan to its end is met, whatever is
// added and removed meanwhile; a member can be met twice. A small set is
// visited as a whole. fn's member is as in Range. Any cursor is safe.
func (z *ZSet) Scan(cursor uint64, count int, fn func(member []byte, score float64)) (next uint64) {
	if z.big() == nil {
		z.packRange(0, z.packLen(), false, func(member []byte, score float64) bool {
			fn(member, score)
			return true
		})
		return 0
	}
	// The cursor is the number of positions not yet visited, from the front.
	left := uint64(z.big().dict.Len())
	if cursor != 0 {
		left = min(cursor, left)
	}
	for ; left > 0 && count > 0; count-- {
		left--
		e := &z.big().dict.items[left]
		fn(keyBytes(e.Key()), e.score)
	}
	return left
}

// EachStored calls fn for all members in the order in which they lie in
// memory: ascending in a small set, the dictionary's order in a large one.
// Adding them to an empty set of the same form in this order makes a set that
// can't be told from this one, in Scan neither: a snapshot writes this order.
func (z *ZSet) EachStored(fn func(member []byte, score float64)) {
	if z.big() == nil {
		z.Scan(0, 0, fn)
		return
	}
	for i := range z.big().dict.items {
		e := &z.big().dict.items[i]
		fn(keyBytes(e.Key()), e.score)
	}
}

// Clone returns a deep copy. Member strings, which never change, are shared.
func (z *ZSet) Clone() *ZSet {
	c := new(ZSet)
	switch big, lp := z.big(), z.lp(); {
	case big != nil:
		c.setBig(big.clone())
	case lp != nil:
		c.setLP(lp.Clone())
	}
	return c
}

// MemUsage estimates the bytes of memory the set occupies. It depends on the
// contents and the encoding only, so that replicas agree on it.
func (z *ZSet) MemUsage() int64 {
	if z.big() == nil {
		return int64(allocated(len(z.lp())))
	}
	const header = 16
	// Each member: its place in the dictionary with the spare room of growth,
	// its cell of the index at two thirds full or less, its entry in a tree
	// that is seven tenths full, and its bytes with the allocator's rounding.
	const perMember = 28 + 14 + 18 + 6
	return header + int64(z.Len())*perMember + z.big().memberBytes
}
