package keyspace

import "github.com/quorate/quorate/fsm/listpack"

// Range calls fn with the elements from start to stop, both included and both
// counted from the end when negative, until it returns false (Redis 7.0 docs
// for LRANGE). fn must not change the list.
func (l *List) Range(start, stop int, fn func(value []byte) bool) {
	start, stop = l.span(start, stop)
	if start > stop {
		return
	}
	var scratch listpack.Scratch
	i, p, _ := l.locate(start)
	for left := stop - start + 1; left > 0; left-- {
		n := l.nodes.at(i)
		if !fn(n.get(p, &scratch)) {
			return
		}
		if p = n.next(p); p < 0 && left > 1 {
			i++
			p = l.nodes.at(i).seek(0)
		}
	}
}

// Each calls fn with every element and its index, from the first on, until it
// returns false. fn must not change the list.
func (l *List) Each(fn func(index int, value []byte) bool) {
	index := 0
	l.Range(0, -1, func(value []byte) bool {
		index++
		return fn(index-1, value)
	})
}

// EachReverse is Each from the last element back to the first.
func (l *List) EachReverse(fn func(index int, value []byte) bool) {
	var scratch listpack.Scratch
	index := l.count
	for i := l.nodes.len() - 1; i >= 0; i-- {
		n := l.nodes.at(i)
		for p := n.seek(-1); p >= 0; p = n.prev(p) {
			index--
			if !fn(index, n.get(p, &scratch)) {
				return
			}
		}
	}
}

// span turns a range of a command's into 0 <= start <= stop < Len, or into an
// empty range, start > stop.
func (l *List) span(start, stop int) (int, int) {
	if start < 0 {
		start = max(start+l.count, 0)
	}
	if stop < 0 {
		stop += l.count
	}
	return start, min(stop, l.count-1)
}

// locate returns the node and the offset in it of the element at index, which
// may be negative. It walks the nodes from the nearer end.
func (l *List) locate(index int) (node, p int, ok bool) {
	if index < 0 {
		index += l.count
	}
	if index < 0 || index >= l.count {
		return 0, 0, false
	}
	nodes := l.nodes.all()
	if index < l.count/2 {
		for i := range nodes {
			n := int(nodes[i].count)
			if index < n {
				return i, nodes[i].seek(index), true
			}
			index -= n
		}
	}
	index -= l.count
	for i := len(nodes) - 1; ; i-- {
		n := int(nodes[i].count)
		if -index <= n {
			return i, nodes[i].seek(index + n), true
		}
		index += n
	}
}
