package keyspace

import (
	"slices"

	"github.com/quorate/quorate/fsm/listpack"
)

// listNode is a run of neighbouring elements: a listpack of count elements, or,
// if plain, the bytes of a single large one. Between two
// operations it is never empty.
type listNode struct {
	data   []byte
	count  uint32
	plain  bool
	shared bool // data belongs to somebody else, too, and must not change
}

// listFirst is the offset of a listpack's first element.
const listFirst = 6

func (n *listNode) lp() listpack.LP { return n.data }

// own returns the node's listpack for a change.
func (n *listNode) own() listpack.LP {
	if n.shared {
		n.data, n.shared = slices.Clone(n.data), false
	}
	return n.data
}

// get returns the element at p, an offset that is ignored in a plain node.
func (n *listNode) get(p int, scratch *listpack.Scratch) []byte {
	if n.plain {
		return n.data
	}
	return n.lp().Get(p, scratch)
}

// equal tells whether the element at p is value.
func (n *listNode) equal(p int, value []byte) bool {
	if n.plain {
		return string(n.data) == string(value)
	}
	return n.lp().Equal(p, value)
}

// seek, next and prev walk the elements of a node of either kind. The only
// element of a plain node is at offset zero; -1 is none.
func (n *listNode) seek(i int) int {
	if n.plain {
		return 0
	}
	return n.lp().Seek(i)
}

func (n *listNode) next(p int) int {
	if n.plain {
		return -1
	}
	return n.lp().Next(p)
}

func (n *listNode) prev(p int) int {
	if n.plain {
		return -1
	}
	return n.lp().Prev(p)
}

// newListNode returns a node with value as its only element.
func newListNode(value []byte, lim *Limits) listNode {
	if listLarge(len(value), lim) {
		return listNode{data: slices.Clone(value), count: 1, plain: true}
	}
	return listNode{data: listpack.New().Append(value), count: 1}
}

// listSafeBytes is the size a node may have when its limit is a number of
// elements.
const listSafeBytes = 8192

// listFill returns the limits of a node: a size, and a number of elements that
// is zero when list-max-listpack-size only limits the size.
func listFill(lim *Limits) (size int, elements int, counted bool) {
	fill := lim.ListMaxListpackSize
	if fill >= 0 {
		return listSafeBytes, min(fill, 1<<15-1), true
	}
	return 4096 << (min(-int64(fill), 5) - 1), 0, false
}

// listLarge tells whether an element of size bytes gets a plain node.
func listLarge(size int, lim *Limits) bool {
	limit, _, _ := listFill(lim)
	return size > limit || lim.ListPlainFrom > 0 && size >= lim.ListPlainFrom
}

// accepts tells whether an element of size bytes may join the node
// (_quicklistNodeAllowInsert in Redis 7.0's quicklist.c, with its estimate of
// eight bytes around an element).
func (n *listNode) accepts(size int, lim *Limits) bool {
	limit, elements, counted := listFill(lim)
	if n.plain || listLarge(size, lim) || len(n.data)+size+8 > limit {
		return false
	}
	return !counted || int(n.count) < elements
}

// mergeable tells whether n and its neighbour next may become one node.
func (n *listNode) mergeable(next *listNode, lim *Limits) bool {
	limit, elements, counted := listFill(lim)
	if n.plain || next.plain || len(n.data)+len(next.data)-len(listpack.New()) > limit {
		return false
	}
	return !counted || int(n.count)+int(next.count) <= elements
}

// oversized tells whether a node has outgrown its size limit, which replacing
// elements can do.
func (n *listNode) oversized(lim *Limits) bool {
	limit, _, _ := listFill(lim)
	return !n.plain && n.count > 1 && len(n.data) > limit
}

// nodeDeque is a sequence of nodes with cheap changes at both ends: a slice
// with spare room in front as well as behind. The zero value is empty.
type nodeDeque struct {
	buf  []listNode // buf[:head] is spare room
	head int
}

func (d *nodeDeque) len() int           { return len(d.buf) - d.head }
func (d *nodeDeque) at(i int) *listNode { return &d.buf[d.head+i] }
func (d *nodeDeque) all() []listNode    { return d.buf[d.head:] }

func (d *nodeDeque) pushBack(n listNode) {
	if len(d.buf) == cap(d.buf) && d.head > len(d.buf)/2 {
		d.move(0, d.len()+1) // a queue: use the room in front before growing
	}
	d.buf = append(d.buf, n)
}

func (d *nodeDeque) pushFront(n listNode) {
	if d.head == 0 {
		room := d.len()/2 + 1
		d.move(room, room+d.len())
	}
	d.head--
	d.buf[d.head] = n
}

// move puts the nodes behind head spare places, in a slice with room for at
// least size.
func (d *nodeDeque) move(head, size int) {
	old := d.all()
	if size <= cap(d.buf) && head <= d.head {
		moved := d.buf[head : head+len(old)]
		copy(moved, old)
		clear(d.buf[max(head+len(old), d.head):])
		d.buf, d.head = d.buf[:head+len(old)], head
		return
	}
	buf := make([]listNode, head+len(old), max(size, head+len(old)))
	copy(buf[head:], old)
	d.buf, d.head = buf, head
}

// insert puts n at position i.
func (d *nodeDeque) insert(i int, n listNode) {
	switch i {
	case 0:
		d.pushFront(n)
	case d.len():
		d.pushBack(n)
	default:
		d.buf = slices.Insert(d.buf, d.head+i, n)
	}
}

// remove takes out the nodes [from, to).
func (d *nodeDeque) remove(from, to int) {
	if from >= to {
		return
	}
	if from == 0 {
		clear(d.buf[d.head : d.head+to])
		d.head += to
	} else {
		d.buf = slices.Delete(d.buf, d.head+from, d.head+to)
	}
	d.shrink()
}

// removeEmpty takes out the nodes without elements.
func (d *nodeDeque) removeEmpty() {
	kept := slices.DeleteFunc(d.all(), func(n listNode) bool { return n.count == 0 })
	d.buf = d.buf[:d.head+len(kept)]
	d.shrink()
}

// shrink gives memory back when most of it is unused.
func (d *nodeDeque) shrink() {
	switch n := d.len(); {
	case n == 0:
		*d = nodeDeque{}
	case cap(d.buf) > 32 && n < cap(d.buf)/8:
		*d = nodeDeque{buf: append(make([]listNode, 0, 2*n), d.all()...)}
	}
}
