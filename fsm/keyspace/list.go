package keyspace

import (
	"fmt"
	"slices"

	"github.com/quorate/quorate/fsm/listpack"
)

// List is a sequence of strings: Redis's quicklist, a sequence of listpacks
// whose size Limits.ListMaxListpackSize bounds (its documentation is in Redis
// 7.0's redis.conf). An element that is larger than that bound by itself has a
// plain node of its own, which holds its bytes and nothing else. Redis 7.0
// does so from 1 GiB on, later versions like here; both load such nodes.
//
// The zero value is an empty list. Changes and lookups at either end cost
// O(1) nodes, an index O(nodes). Elements handed in are copied. Elements
// handed out must not be written to and are valid until the next change;
// integers are written into the caller's scratch.
type List struct {
	nodes nodeDeque
	count int // elements
	bytes int // of the nodes' data
}

// Encoding returns what OBJECT ENCODING says.
func (l *List) Encoding() string { return "quicklist" }

// Len returns the number of elements.
func (l *List) Len() int { return l.count }

// PushLeft adds value in front of the first element.
func (l *List) PushLeft(value []byte, lim *Limits) {
	if l.nodes.len() > 0 && l.nodes.at(0).accepts(len(value), lim) {
		l.insertIn(0, listFirst, value)
		return
	}
	l.addNode(0, newListNode(value, lim))
}

// PushRight adds value behind the last element.
func (l *List) PushRight(value []byte, lim *Limits) {
	if last := l.nodes.len() - 1; last >= 0 && l.nodes.at(last).accepts(len(value), lim) {
		l.insertIn(last, l.nodes.at(last).lp().End(), value)
		return
	}
	l.addNode(l.nodes.len(), newListNode(value, lim))
}

// PopLeft removes the first element and appends it to dst.
func (l *List) PopLeft(dst []byte) (value []byte, ok bool) { return l.pop(dst, 0, 0) }

// PopRight removes the last element and appends it to dst.
func (l *List) PopRight(dst []byte) (value []byte, ok bool) {
	return l.pop(dst, l.nodes.len()-1, -1)
}

func (l *List) pop(dst []byte, node, index int) ([]byte, bool) {
	if l.count == 0 {
		return dst, false
	}
	var scratch listpack.Scratch
	n := l.nodes.at(node)
	p := n.seek(index)
	dst = append(dst, n.get(p, &scratch)...)
	l.deleteIn(node, p, 1)
	return dst, true
}

// Index returns the element at index, counted from zero, or from -1 backwards
// for the last element and those before it.
func (l *List) Index(index int, scratch *listpack.Scratch) (value []byte, ok bool) {
	node, p, ok := l.locate(index)
	if !ok {
		return nil, false
	}
	return l.nodes.at(node).get(p, scratch), true
}

// Set puts value in the place of the element at index and reports whether
// there is one.
func (l *List) Set(index int, value []byte, lim *Limits) bool {
	i, p, ok := l.locate(index)
	if !ok {
		return false
	}
	n := l.nodes.at(i)
	switch {
	case n.count == 1:
		l.bytes -= len(n.data)
		*n = newListNode(value, lim)
		l.bytes += len(n.data)
	case !listLarge(len(value), lim):
		l.bytes -= len(n.data)
		n.data = n.own().Replace(p, value)
		l.bytes += len(n.data)
		l.shrinkNode(i, p, lim)
	default:
		plain := newListNode(value, lim) // before the split: value may lie in the node
		if n.prev(p) >= 0 {
			l.splitAt(i, p)
			i++ // the element is the first of the second half
		}
		l.deleteIn(i, listFirst, 1)
		l.addNode(i, plain)
	}
	return true
}

// InsertBefore adds value in front of the first element equal to pivot and
// reports whether there is one.
func (l *List) InsertBefore(pivot, value []byte, lim *Limits) bool {
	return l.insertAt(pivot, value, false, lim)
}

// InsertAfter adds value behind the first element equal to pivot and reports
// whether there is one.
func (l *List) InsertAfter(pivot, value []byte, lim *Limits) bool {
	return l.insertAt(pivot, value, true, lim)
}

func (l *List) insertAt(pivot, value []byte, after bool, lim *Limits) bool {
	for i := range l.nodes.len() {
		n := l.nodes.at(i)
		p := -1
		if !n.plain {
			p = n.lp().Find(pivot, n.lp().First(), 0)
		} else if n.equal(0, pivot) {
			p = 0
		}
		if p < 0 {
			continue
		}
		l.insertBeside(i, p, value, after, lim)
		return true
	}
	return false
}

// Remove takes out elements equal to value, the first count of them, or the
// last -count, or all if count is zero, and returns how many (Redis 7.0 docs
// for LREM).
func (l *List) Remove(count int, value []byte) (removed int) {
	value = slices.Clone(value) // it may lie in the list
	limit := max(count, -count)
	if limit <= 0 { // zero, or the integer that has no opposite
		limit = l.count
	}
	if count >= 0 {
		for i := 0; i < l.nodes.len() && removed < limit; i++ {
			removed += l.removeIn(i, value, limit-removed)
		}
	} else {
		for i := l.nodes.len() - 1; i >= 0 && removed < limit; i-- {
			removed += l.removeLastIn(i, value, limit-removed)
		}
	}
	if removed > 0 {
		l.nodes.removeEmpty()
	}
	return removed
}

// removeIn takes the first limit elements equal to value out of node i, which
// it may leave empty.
func (l *List) removeIn(i int, value []byte, limit int) (removed int) {
	n := l.nodes.at(i)
	if n.plain {
		return l.removeLastIn(i, value, limit)
	}
	for p := n.lp().Find(value, listFirst, 0); p >= 0; p = n.lp().Find(value, p, 0) {
		run := 1
		for q := n.next(p); q >= 0 && removed+run < limit && n.equal(q, value); q = n.next(q) {
			run++
		}
		removed += run
		if l.takeFrom(i, p, run) || removed == limit {
			break
		}
	}
	return removed
}

// removeLastIn is removeIn from the node's end.
func (l *List) removeLastIn(i int, value []byte, limit int) (removed int) {
	n := l.nodes.at(i)
	for p := n.seek(-1); p >= 0 && removed < limit; {
		prev := n.prev(p)
		if n.equal(p, value) {
			removed++
			if l.takeFrom(i, p, 1) {
				break
			}
		}
		p = prev
	}
	return removed
}

// Trim keeps the elements from start to stop, both included and both counted
// from the end when negative, and deletes all others (Redis 7.0 docs for LTRIM).
func (l *List) Trim(start, stop int) {
	start, stop = l.span(start, stop)
	if start > stop {
		*l = List{}
		return
	}
	l.drop(false, l.count-1-stop)
	l.drop(true, start)
}

// drop deletes the first or the last n elements.
func (l *List) drop(first bool, n int) {
	from, to := 0, l.nodes.len()
	for n > 0 {
		i := from
		if !first {
			i = to - 1
		}
		node := l.nodes.at(i)
		if int(node.count) > n {
			p := node.seek(0)
			if !first {
				p = node.seek(-n)
			}
			l.deleteIn(i, p, n)
			break
		}
		n -= int(node.count)
		l.count -= int(node.count)
		l.bytes -= len(node.data)
		if first {
			from++
		} else {
			to--
		}
	}
	l.nodes.remove(to, l.nodes.len())
	l.nodes.remove(0, from)
}

// MemUsage estimates the bytes of memory the list takes. It depends on the
// nodes only, not on how they came to be.
func (l *List) MemUsage() int {
	const self, node = 48, 40
	return self + l.nodes.len()*node + l.bytes
}

// Clone returns a deep copy.
func (l *List) Clone() *List {
	c := &List{count: l.count, bytes: l.bytes}
	c.nodes.buf = slices.Clone(l.nodes.all())
	for i := range c.nodes.buf {
		n := &c.nodes.buf[i]
		n.data, n.shared = slices.Clone(n.data), false
	}
	return c
}

// Nodes returns the number of nodes.
func (l *List) Nodes() int { return l.nodes.len() }

// Node returns node i for a snapshot: a listpack, or, if plain, one element.
func (l *List) Node(i int) (data []byte, plain bool) {
	n := l.nodes.at(i)
	return n.data, n.plain
}

// AppendNode adds a node behind the last one. It checks data in full and then
// owns it. A loader builds the list node by node, so that a list comes out of
// a snapshot in the nodes it went in with. A listpack without elements adds
// nothing, as in Redis. One of several elements and more than 128 KiB, which
// no limit allows, is taken apart: in it every change would cost too much.
func (l *List) AppendNode(data []byte, plain bool) error {
	count := 1
	if !plain {
		if err := listpack.Valid(data); err != nil {
			return fmt.Errorf("list: %w", err)
		}
		if count = listpack.LP(data).Len(); count == 0 {
			return nil
		}
		if count > 1 && len(data) > 2*listMostBytes {
			l.appendElements(data)
			return nil
		}
	}
	l.nodes.pushBack(listNode{data: data, count: uint32(count), plain: plain})
	l.count += count
	l.bytes += len(data)
	return nil
}

// listMostBytes is the largest size limit of a node.
const listMostBytes = 64 << 10

// appendElements adds the elements of a listpack in nodes of the largest size.
func (l *List) appendElements(lp listpack.LP) {
	lim := Limits{ListMaxListpackSize: -5}
	var scratch listpack.Scratch
	for p := lp.First(); p >= 0; p = lp.Next(p) {
		l.PushRight(lp.Get(p, &scratch), &lim)
	}
}
