package keyspace

import (
	"strings"
)

// bigZSet is the large form of a sorted set: a dictionary that owns the
// members and scores, and a tree that orders the dictionary's positions.
type bigZSet struct {
	dict        Dense[zsetElement]
	root        *treeNode // never nil; an empty leaf when there are no members
	memberBytes int64     // the sum of the members' lengths
	epoch       uint32    // nodes of an earlier one belong to somebody else, too
}

type zsetElement struct {
	Name
	score float64
}

func newBigZSet() *bigZSet { return &bigZSet{root: &treeNode{}} }

// set gives member the score and reports whether it is new. A score that
// compares equal to the present one changes nothing, as in Redis: a zero keeps
// its sign.
func (z *bigZSet) set(member []byte, score float64) (added bool) {
	i := z.dict.Find(member)
	if i < 0 {
		z.memberBytes += int64(len(member))
		z.treeInsert(z.dict.Add(zsetElement{NewName(member), score}))
		return true
	}
	if e := &z.dict.items[i]; e.score != score {
		z.treeDelete(i)
		z.dict.keep(i)
		e.score = score
		z.treeInsert(i)
	}
	return false
}

// remove deletes the element at dictionary position i.
func (z *bigZSet) remove(i int) {
	z.treeDelete(i)
	if last := z.dict.Len() - 1; last != i {
		z.treeMove(last, i)
	}
	z.memberBytes -= int64(z.dict.items[i].n)
	z.dict.Delete(i)
}

// uniform tells whether all scores are equal.
func (z *bigZSet) uniform() bool {
	n := z.dict.Len()
	return n == 0 || z.dict.items[z.treeAt(0)].score == z.dict.items[z.treeAt(n-1)].score
}

// compare compares the member at dictionary position pos with b.
func (z *bigZSet) compare(pos uint32, b string) int {
	return strings.Compare(z.dict.items[pos].Key(), b)
}

func (z *bigZSet) clone() *bigZSet {
	return &bigZSet{
		dict:        *z.dict.clone(),
		root:        z.root.clone(z.epoch),
		memberBytes: z.memberBytes,
		epoch:       z.epoch,
	}
}
