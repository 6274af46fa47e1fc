package keyspace

// insertIn puts value at offset p of node i's listpack.
func (l *List) insertIn(i, p int, value []byte) {
	n := l.nodes.at(i)
	l.bytes -= len(n.data)
	n.data = n.own().InsertBefore(p, value)
	l.bytes += len(n.data)
	n.count++
	l.count++
}

// deleteIn removes n elements, all of them there, from offset p of node i, and
// the node when they were its last: then it returns true.
func (l *List) deleteIn(i, p, n int) (emptied bool) {
	if emptied = l.takeFrom(i, p, n); emptied {
		l.nodes.remove(i, i+1)
	}
	return emptied
}

// takeFrom is deleteIn, but leaves an empty node in its place: whoever empties
// many of them removes them together.
func (l *List) takeFrom(i, p, n int) (emptied bool) {
	node := l.nodes.at(i)
	l.count -= n
	l.bytes -= len(node.data)
	if int(node.count) == n {
		*node = listNode{}
		return true
	}
	node.data = node.own().Delete(p, n)
	node.count -= uint32(n)
	l.bytes += len(node.data)
	return false
}

// addNode inserts a node with its elements at position i. The neighbour that
// has been grown so far is full: it gives back its spare memory.
func (l *List) addNode(i int, n listNode) {
	for _, beside := range [2]int{i - 1, i} {
		if beside < 0 || beside >= l.nodes.len() {
			continue
		}
		if full := l.nodes.at(beside); !full.plain {
			full.data = full.lp().Clip()
		}
	}
	l.nodes.insert(i, n)
	l.count += int(n.count)
	l.bytes += len(n.data)
}

// insertBeside puts value before or after the element at offset p of node i:
// into the node, else into the neighbour it touches, else between them, and in
// the middle of a full node it splits the node (_quicklistInsert in Redis
// 7.0's quicklist.c).
func (l *List) insertBeside(i, p int, value []byte, after bool, lim *Limits) {
	n := l.nodes.at(i)
	if n.accepts(len(value), lim) {
		if after {
			if p = n.next(p); p < 0 {
				p = n.lp().End()
			}
		}
		l.insertIn(i, p, value)
		return
	}
	atEdge, gap := n.prev(p) < 0, i
	if after {
		atEdge, gap = n.next(p) < 0, i+1
	}
	if atEdge {
		l.insertBetween(gap, value, after, lim)
		return
	}
	if after {
		p = n.next(p)
	}
	between := newListNode(value, lim) // before the split: value may lie in the node
	l.splitAt(i, p)
	l.addNode(i+1, between)
	l.mergeAround(i+1, lim)
}

// insertBetween puts value between the nodes gap-1 and gap, into the one that
// is not the pivot's if it has room.
func (l *List) insertBetween(gap int, value []byte, after bool, lim *Limits) {
	if after && gap < l.nodes.len() && l.nodes.at(gap).accepts(len(value), lim) {
		l.insertIn(gap, listFirst, value)
		return
	}
	if !after && gap > 0 && l.nodes.at(gap-1).accepts(len(value), lim) {
		l.insertIn(gap-1, l.nodes.at(gap-1).lp().End(), value)
		return
	}
	l.addNode(gap, newListNode(value, lim))
}

// splitAt moves the elements of node i from offset p on, which is not the
// first, into a node of their own behind it.
func (l *List) splitAt(i, p int) {
	n := l.nodes.at(i)
	kept := 0
	for q := n.prev(p); q >= 0; q = n.prev(q) {
		kept++
	}
	l.bytes -= len(n.data)
	second := listNode{data: n.lp().Clone().Delete(listFirst, kept), count: n.count - uint32(kept)}
	n.data = n.own().Delete(p, int(second.count))
	n.count = uint32(kept)
	l.bytes += len(n.data) + len(second.data)
	l.nodes.insert(i+1, second)
}

// mergeAround joins node i with its neighbours, and those with theirs, where
// the limits allow it.
func (l *List) mergeAround(i int, lim *Limits) {
	for at := min(i+1, l.nodes.len()-2); at >= max(i-2, 0); at-- {
		a, b := l.nodes.at(at), l.nodes.at(at+1)
		if !a.mergeable(b, lim) {
			continue
		}
		l.bytes -= len(a.data) + len(b.data)
		a.data = a.own().Concat(b.data)
		a.count += b.count
		l.bytes += len(a.data)
		l.nodes.remove(at+1, at+2)
	}
}

// shrinkNode splits node i around the element at p, which has just been
// replaced, while the node is too large.
func (l *List) shrinkNode(i, p int, lim *Limits) {
	if n := l.nodes.at(i); n.oversized(lim) && n.prev(p) >= 0 {
		l.splitAt(i, p)
		i, p = i+1, listFirst
	}
	if n := l.nodes.at(i); n.oversized(lim) && n.next(p) >= 0 {
		l.splitAt(i, n.next(p))
	}
}
