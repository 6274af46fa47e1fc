package keyspace

// The ordered half of a large sorted set: a counted B+ tree.
//
// A leaf holds up to treeFan entries, each a score and the position of its
// member in the dictionary: 12 bytes without a pointer, so the garbage
// collector has nothing to follow and the member's bytes exist once. An inner
// node repeats, for each child, the child's first entry and the number of
// entries below it; that makes every question about order or rank one descent.
//
// Nodes other than those at the right edge keep at least treeMin entries. At
// the right edge a full node is not halved but left full, because scores that
// only grow (times, counters) are common and would leave every node half empty.
//
// Comparisons go by score first and look a member up only where scores are
// equal. The tree's shape follows from the order of the operations; nothing
// depends on the shape.

const (
	treeFan = 62 // makes a node 760 bytes, which the allocator rounds to 768
	treeMin = treeFan / 3
)

// treeNode is a leaf when kids is nil.
type treeNode struct {
	kids  *treeKids
	score [treeFan]float64
	pos   [treeFan]uint32
	n     uint16
	epoch uint32 // of the set when the node was made
}

type treeKids struct {
	node  [treeFan]*treeNode
	count [treeFan]uint32 // entries in the leaves below
}

// slot is one place of a node: an entry, or a child and its first entry.
type slot struct {
	score float64
	pos   uint32
	count uint32
	kid   *treeNode
}

// upper returns the number of places in nd whose entry is at or before
// (score, member).
func (z *bigZSet) upper(nd *treeNode, score float64, member string) int {
	lo, hi := 0, int(nd.n)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		s := nd.score[mid]
		if s < score || s == score && z.dict.items[nd.pos[mid]].Key() <= member {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// treeInsert puts the dictionary's element at pos into the tree.
func (z *bigZSet) treeInsert(pos int) {
	e := &z.dict.items[pos]
	z.root = z.own(z.root)
	right := z.insertBelow(z.root, true, e.score, e.Key(), uint32(pos))
	if right == nil {
		return
	}
	left := z.root
	z.root = &treeNode{kids: &treeKids{}, n: 2, epoch: z.epoch}
	z.root.put(0, left.asSlot())
	z.root.put(1, right.asSlot())
}

// own returns nd, or a copy of it in its place if it has been frozen: nodes that
// somebody else has don't change.
func (z *bigZSet) own(nd *treeNode) *treeNode {
	if nd.epoch == z.epoch {
		return nd
	}
	c := *nd
	c.epoch = z.epoch
	if nd.kids != nil {
		kids := *nd.kids
		c.kids = &kids
	}
	return &c
}

// ownKid owns the i-th child of nd, which is owned itself.
func (z *bigZSet) ownKid(nd *treeNode, i int) *treeNode {
	kid := z.own(nd.kids.node[i])
	nd.kids.node[i] = kid
	return kid
}

// insertBelow inserts below nd and returns the new right neighbour of nd if
// it had to be split. edge says that nd is the last node of its level.
func (z *bigZSet) insertBelow(nd *treeNode, edge bool, score float64, member string, pos uint32) *treeNode {
	i := z.upper(nd, score, member)
	if nd.kids == nil {
		return nd.insertAt(i, slot{score: score, pos: pos}, edge)
	}
	i = max(i-1, 0)
	kid := z.ownKid(nd, i)
	right := z.insertBelow(kid, edge && i == int(nd.n)-1, score, member, pos)
	if right == nil {
		nd.score[i], nd.pos[i] = kid.score[0], kid.pos[0]
		nd.kids.count[i]++
		return nil
	}
	nd.put(i, kid.asSlot())
	return nd.insertAt(i+1, right.asSlot(), edge)
}

// treeDelete takes the dictionary's element at pos, which still is there, out
// of the tree.
func (z *bigZSet) treeDelete(pos int) {
	e := &z.dict.items[pos]
	z.root = z.own(z.root)
	z.deleteBelow(z.root, e.score, e.Key())
	for z.root.kids != nil && z.root.n == 1 {
		z.root = z.root.kids.node[0]
	}
	if z.root.n == 0 {
		z.root = &treeNode{epoch: z.epoch}
	}
}

func (z *bigZSet) deleteBelow(nd *treeNode, score float64, member string) {
	i := max(z.upper(nd, score, member)-1, 0)
	if nd.kids == nil {
		nd.removeAt(i)
		return
	}
	kid := z.ownKid(nd, i)
	z.deleteBelow(kid, score, member)
	if kid.n == 0 {
		nd.removeAt(i)
		return
	}
	nd.score[i], nd.pos[i] = kid.score[0], kid.pos[0]
	nd.kids.count[i]--
	if kid.n < treeMin && nd.n > 1 {
		i = max(i-1, 0)
		z.ownKid(nd, i)
		z.ownKid(nd, i+1)
		nd.balance(i)
	}
}

// treeMove notes that the dictionary's element at from is about to be at to.
func (z *bigZSet) treeMove(from, to int) {
	e := &z.dict.items[from]
	z.root = z.own(z.root)
	for nd := z.root; ; {
		i := max(z.upper(nd, e.score, e.Key())-1, 0)
		if nd.pos[i] == uint32(from) {
			nd.pos[i] = uint32(to)
		}
		if nd.kids == nil {
			return
		}
		nd = z.ownKid(nd, i)
	}
}

// treeRank returns the rank of the dictionary's element at pos.
func (z *bigZSet) treeRank(pos int) int {
	e := &z.dict.items[pos]
	rank := 0
	for nd := z.root; ; {
		i := z.upper(nd, e.score, e.Key()) - 1
		if nd.kids == nil {
			return rank + i
		}
		rank += nd.countBefore(i)
		nd = nd.kids.node[i]
	}
}

// treeBound returns the number of entries for which before holds. before must
// hold for a prefix of the order.
func (z *bigZSet) treeBound(before func(score float64, pos uint32) bool) int {
	rank := 0
	for nd := z.root; ; {
		lo, hi := 0, int(nd.n)
		for lo < hi {
			mid := int(uint(lo+hi) / 2)
			if before(nd.score[mid], nd.pos[mid]) {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		if nd.kids == nil || lo == 0 {
			return rank + lo
		}
		rank += nd.countBefore(lo - 1)
		nd = nd.kids.node[lo-1]
	}
}

// treeAt returns the dictionary position of the entry of the given rank.
func (z *bigZSet) treeAt(rank int) int {
	nd := z.root
	for nd.kids != nil {
		i := 0
		for rank >= int(nd.kids.count[i]) {
			rank -= int(nd.kids.count[i])
			i++
		}
		nd = nd.kids.node[i]
	}
	return int(nd.pos[rank])
}

// ascend calls fn with the dictionary positions of ranks from..to-1, counted
// below nd, until fn returns false; it reports whether fn never did.
func (nd *treeNode) ascend(from, to int, fn func(pos uint32) bool) bool {
	if nd.kids == nil {
		for _, pos := range nd.pos[max(from, 0):min(to, int(nd.n))] {
			if !fn(pos) {
				return false
			}
		}
		return true
	}
	for i := 0; i < int(nd.n) && to > 0; i++ {
		count := int(nd.kids.count[i])
		if from < count && !nd.kids.node[i].ascend(from, to, fn) {
			return false
		}
		from, to = from-count, to-count
	}
	return true
}

// descend is ascend in the opposite order.
func (nd *treeNode) descend(from, to int, fn func(pos uint32) bool) bool {
	if nd.kids == nil {
		for i := min(to, int(nd.n)) - 1; i >= max(from, 0); i-- {
			if !fn(nd.pos[i]) {
				return false
			}
		}
		return true
	}
	first := nd.total()
	for i := int(nd.n) - 1; i >= 0 && first > from; i-- {
		first -= int(nd.kids.count[i])
		if first < to && !nd.kids.node[i].descend(from-first, to-first, fn) {
			return false
		}
	}
	return true
}

// countBefore returns the number of entries below the first i children.
func (nd *treeNode) countBefore(i int) int {
	sum := 0
	for _, c := range nd.kids.count[:i] {
		sum += int(c)
	}
	return sum
}

// total returns the number of entries in and below nd.
func (nd *treeNode) total() int {
	if nd.kids == nil {
		return int(nd.n)
	}
	return nd.countBefore(int(nd.n))
}

// asSlot describes nd, which isn't empty, to its parent.
func (nd *treeNode) asSlot() slot {
	return slot{score: nd.score[0], pos: nd.pos[0], count: uint32(nd.total()), kid: nd}
}

func (nd *treeNode) put(i int, s slot) {
	nd.score[i], nd.pos[i] = s.score, s.pos
	if nd.kids != nil {
		nd.kids.node[i], nd.kids.count[i] = s.kid, s.count
	}
}

// insertAt makes s the i-th place of nd. A full node is split first, and its
// new right neighbour returned.
func (nd *treeNode) insertAt(i int, s slot, edge bool) (right *treeNode) {
	if nd.n == treeFan {
		cut := treeFan / 2
		if edge && i == treeFan {
			cut = treeFan
		}
		right = &treeNode{epoch: nd.epoch}
		if nd.kids != nil {
			right.kids = &treeKids{}
		}
		nd.shift(cut, right, treeFan-cut)
		if i > cut || cut == treeFan {
			right.insertAt(i-cut, s, false)
			return right
		}
	}
	n := int(nd.n)
	copy(nd.score[i+1:n+1], nd.score[i:n])
	copy(nd.pos[i+1:n+1], nd.pos[i:n])
	if k := nd.kids; k != nil {
		copy(k.node[i+1:n+1], k.node[i:n])
		copy(k.count[i+1:n+1], k.count[i:n])
	}
	nd.put(i, s)
	nd.n++
	return right
}

// shift moves the places from position at on, count of them and the last ones
// of nd, to the front of right.
func (nd *treeNode) shift(at int, right *treeNode, count int) {
	n := int(right.n)
	copy(right.score[count:count+n], right.score[:n])
	copy(right.pos[count:count+n], right.pos[:n])
	copy(right.score[:count], nd.score[at:])
	copy(right.pos[:count], nd.pos[at:])
	if nd.kids != nil {
		copy(right.kids.node[count:count+n], right.kids.node[:n])
		copy(right.kids.count[count:count+n], right.kids.count[:n])
		copy(right.kids.node[:count], nd.kids.node[at:])
		copy(right.kids.count[:count], nd.kids.count[at:])
		clear(nd.kids.node[at:])
	}
	nd.n -= uint16(count)
	right.n += uint16(count)
}

// removeAt takes the i-th place out of nd.
func (nd *treeNode) removeAt(i int) { nd.removeFirst(i, 1) }

// removeFirst takes count places from position i on out of nd.
func (nd *treeNode) removeFirst(i, count int) {
	n := int(nd.n)
	copy(nd.score[i:], nd.score[i+count:n])
	copy(nd.pos[i:], nd.pos[i+count:n])
	if k := nd.kids; k != nil {
		copy(k.node[i:], k.node[i+count:n])
		copy(k.count[i:], k.count[i+count:n])
		clear(k.node[n-count : n])
	}
	nd.n -= uint16(count)
}

// balance merges the children i and i+1 of nd, or makes them equally full.
func (nd *treeNode) balance(i int) {
	a, b := nd.kids.node[i], nd.kids.node[i+1]
	sum := int(a.n) + int(b.n)
	want := sum / 2 // in a
	if sum <= treeFan {
		want = sum
	}
	if extra := int(a.n) - want; extra > 0 {
		a.shift(want, b, extra)
	} else {
		for j := range -extra {
			a.put(int(a.n)+j, b.slotAt(j))
		}
		a.n += uint16(-extra)
		b.removeFirst(0, -extra)
	}
	nd.put(i, a.asSlot())
	if b.n == 0 {
		nd.removeAt(i + 1)
		return
	}
	nd.put(i+1, b.asSlot())
}

func (nd *treeNode) slotAt(i int) slot {
	s := slot{score: nd.score[i], pos: nd.pos[i]}
	if nd.kids != nil {
		s.kid, s.count = nd.kids.node[i], nd.kids.count[i]
	}
	return s
}

// clone copies nd and everything below it, for a set of an epoch.
func (nd *treeNode) clone(epoch uint32) *treeNode {
	c := *nd
	c.epoch = epoch
	if nd.kids != nil {
		kids := *nd.kids
		for i, kid := range kids.node[:nd.n] {
			kids.node[i] = kid.clone(epoch)
		}
		c.kids = &kids
	}
	return &c
}
