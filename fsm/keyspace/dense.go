package keyspace

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"unsafe"
)

// Name is the key of an element of a Dense. What is put into one begins with a
// Name: it is read there without asking the element, which would be a call for
// each. An element without a Name at its beginning can't be told from one with it:
// TestElementsBeginWithName looks at all of them.
type Name struct {
	p     *byte
	n     uint32
	Spare uint32 // the element's own
}

// NewName returns a copy of key.
func NewName(key []byte) Name {
	s := string(key)
	return Name{p: unsafe.StringData(s), n: uint32(len(s))}
}

// Key returns the key.
func (n Name) Key() string { return unsafe.String(n.p, n.n) }

// named is an element, which begins with a Name.
type named interface{ Key() string }

func nameOf[E named](e *E) *Name { return (*Name)(unsafe.Pointer(e)) }

// Dense is a dictionary whose elements lie in one slice without holes, beside
// an open-addressing index from key to position.
//
// The order of the elements is a function of the operations alone: Add
// appends, Delete moves the last element into the hole. It never depends on
// the hash function, so replicas agree on it and a snapshot that writes the
// elements in order restores the same order. A random element is a random
// position, and a scan that walks positions downwards meets every element that
// was there from its beginning to its end, whatever is deleted meanwhile
// (an element can be met twice).
//
// The zero value is empty and ready. Find, Add and Delete are O(1) amortised.
// Not safe for concurrent use with a writer.
type Dense[E named] struct {
	items []E
	index []cell         // length zero or a power of two, up to 1<<smallBits
	large *largeIndex[E] // the index of more elements; nil for fewer
	tags  [indexed]uint8 // of the elements while there is no index
}

// cell is one place of the index of a dictionary that has up to 1<<smallBits of them:
// the position of the element plus one in as many low bits as count the cells, the key's
// hash in the others. A zero means a free cell. Half the size of largeCell is
// half the memory, and half the misses of the CPU's caches. The home of a key is at its
// highest bits, so that an index that grows needs no look at keys.
type cell uint32

// smallBits: the hash's part of a cell must be a bit longer than the position's.
const smallBits = 15

// largeIndex is the index of a large dictionary.
type largeIndex[E named] struct {
	table []largeCell
	views *denseView[E] // of what the dictionary was like, see frozen_dense.go
}

// largeCell is one place of the index of a large dictionary: the key's hash and the
// element's position plus one. A zero pos means a free cell.
type largeCell struct{ hash, pos uint32 }

// hashSeed differs from process to process on purpose: clients can't choose
// keys that collide. The order of elements doesn't depend on it.
var hashSeed = maphash.MakeSeed()

func hashOf(key []byte) uint32 { return uint32(maphash.Bytes(hashSeed, key)) }

// indexed is the number of elements from which the index is worth its memory.
// Below it a lookup goes through the elements; tags, a byte of each key's hash,
// spare it the look at nearly all keys but the right one, which are scattered
// in memory.
const indexed = 8

func tagOf(hash uint32) uint8 { return uint8(hash >> 24) }

// Len returns the number of elements.
func (d *Dense[E]) Len() int { return len(d.items) }

// All returns the elements in their order. The slice is the dictionary's own.
func (d *Dense[E]) All() []E { return d.items }

// At returns the element at position i, 0 <= i < Len. The pointer is valid
// until the next Add or Delete. The element's key must not be changed.
func (d *Dense[E]) At(i int) *E { return &d.items[i] }

// Find returns the position of key, or -1.
func (d *Dense[E]) Find(key []byte) int {
	if len(d.items) == 0 {
		return -1
	}
	h := hashOf(key)
	switch {
	case d.large != nil:
		return d.findLarge(key, h)
	case len(d.index) == 0:
		for i, tag := range d.tags[:len(d.items)] {
			if tag == tagOf(h) && nameOf(&d.items[i]).Key() == string(key) {
				return i
			}
		}
		return -1
	}
	shift, mask := d.shape()
	for i := h >> shift; ; i = (i + 1) & mask {
		c := d.index[i]
		if c == 0 {
			return -1
		}
		if pos := uint32(c) & mask; (uint32(c)^h)&^mask == 0 && nameOf(&d.items[pos-1]).Key() == string(key) {
			return int(pos - 1)
		}
	}
}

func (d *Dense[E]) findLarge(key []byte, h uint32) int {
	table := d.large.table
	mask := uint32(len(table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		c := table[i]
		if c.pos == 0 {
			return -1
		}
		if c.hash == h && nameOf(&d.items[c.pos-1]).Key() == string(key) {
			return int(c.pos - 1)
		}
	}
}

// shape returns how far a hash is shifted to find its home in the small index, and the
// mask of its cells' positions.
func (d *Dense[E]) shape() (shift, mask uint32) {
	n := uint32(len(d.index))
	return uint32(bits.LeadingZeros32(n)) + 1, n - 1
}

// cells returns the number of cells of the index.
func (d *Dense[E]) cells() int {
	if d.large != nil {
		return len(d.large.table)
	}
	return len(d.index)
}

// Add appends e, whose key must not be present, and returns its position.
func (d *Dense[E]) Add(e E) int {
	if len(d.items) == cap(d.items) {
		d.grow()
	}
	d.items = append(d.items, e)
	pos := len(d.items) - 1
	switch cells := d.cells(); {
	case cells == 0 && len(d.items) < indexed:
		d.tags[pos] = tagOf(d.hashAt(pos))
	case len(d.items)*4 > cells*3:
		d.rebuild(max(2*indexed, 2*cells))
	default:
		d.place(d.hashAt(pos), uint32(pos+1))
	}
	return pos
}

// Delete removes the element at position i. The last element takes its place:
// Delete reports the position that element had, which equals i when it was the
// last itself.
func (d *Dense[E]) Delete(i int) (movedFrom int) {
	last := len(d.items) - 1
	d.keep(i)
	d.keep(last)
	switch {
	case d.large != nil:
		table := d.large.table
		d.unplaceLarge(d.largeCellOf(i))
		if last != i {
			table[d.largeCellOf(last)].pos = uint32(i + 1)
		}
	case len(d.index) > 0:
		_, mask := d.shape()
		d.unplace(d.cellOf(i))
		if last != i {
			c := &d.index[d.cellOf(last)]
			*c = *c&^cell(mask) | cell(i+1)
		}
	default:
		d.tags[i] = d.tags[last]
	}
	d.items[i] = d.items[last]
	var zero E
	d.items[last] = zero
	d.items = d.items[:last]
	d.shrink()
	return last
}

// clone returns a copy with the same elements; what they refer to is shared.
func (d *Dense[E]) clone() *Dense[E] {
	c := &Dense[E]{items: slices.Clone(d.items), index: slices.Clone(d.index), tags: d.tags}
	if d.large != nil {
		c.large = &largeIndex[E]{table: slices.Clone(d.large.table)}
	}
	return c
}

// Reserve makes room for n elements in all, so that adding them doesn't move
// the slice again. A loader calls it with a count it has checked.
func (d *Dense[E]) Reserve(n int) {
	if n <= cap(d.items) {
		return
	}
	items := make([]E, len(d.items), n)
	copy(items, d.items)
	d.items = items
}

// prepare makes room for the next element where n are expected in all: for eight times as
// many as there are at the most, as n may be anything.
func (d *Dense[E]) prepare(n int) {
	have := len(d.items)
	if have < cap(d.items) || n <= have {
		return
	}
	n = min(n, max(8*have, 16))
	d.Reserve(n)
	if size := 1 << bits.Len(uint(n*4/3)); n >= indexed && size > d.cells() {
		d.rebuild(size)
	}
}

// grow makes room for more elements: for a quarter more, where append would
// double. Of the keyspace's dictionaries there are thousands, and the room that
// none of them needs would be the largest part of their memory.
func (d *Dense[E]) grow() {
	n := len(d.items)
	items := append([]E(nil), make([]E, n+max(n/4, 2))...) // all of what the allocator rounds up to
	copy(items, d.items)
	d.items = items[:n]
}

// shrink gives memory back when three quarters of it are unused.
func (d *Dense[E]) shrink() {
	n := len(d.items)
	if n == 0 {
		d.items, d.index, d.large = nil, nil, nil
		return
	}
	if cap(d.items) > 4*indexed && n < cap(d.items)/4 {
		items := make([]E, n, 2*n)
		copy(items, d.items)
		d.items = items
	}
	if cells := d.cells(); cells > 4*indexed && n < cells/8 && !d.viewed() {
		d.rebuild(cells / 2)
	}
}

func (d *Dense[E]) hashAt(pos int) uint32 { return hashOf(keyBytes(nameOf(&d.items[pos]).Key())) }

// cellOf returns the small index's cell that points at position i.
func (d *Dense[E]) cellOf(i int) uint32 {
	shift, mask := d.shape()
	for c := d.hashAt(i) >> shift; ; c = (c + 1) & mask {
		if uint32(d.index[c])&mask == uint32(i+1) {
			return c
		}
	}
}

// largeCellOf is cellOf for the large index.
func (d *Dense[E]) largeCellOf(i int) uint32 {
	table := d.large.table
	mask := uint32(len(table) - 1)
	for c := d.hashAt(i) & mask; ; c = (c + 1) & mask {
		if table[c].pos == uint32(i+1) {
			return c
		}
	}
}

// place enters an element. Of its hash only the bits that a cell keeps matter.
func (d *Dense[E]) place(hash, pos uint32) {
	if d.large != nil {
		table := d.large.table
		mask := uint32(len(table) - 1)
		i := hash & mask
		for table[i].pos != 0 {
			i = (i + 1) & mask
		}
		table[i] = largeCell{hash, pos}
		return
	}
	shift, mask := d.shape()
	i := hash >> shift
	for d.index[i] != 0 {
		i = (i + 1) & mask
	}
	d.index[i] = cell(hash&^mask | pos)
}

// unplace frees cell i of the small index and closes the gap in the probe sequences
// through it.
func (d *Dense[E]) unplace(i uint32) {
	shift, mask := d.shape()
	for j := (i + 1) & mask; d.index[j] != 0; j = (j + 1) & mask {
		if home := uint32(d.index[j]) >> shift; closes(home, i, j, mask) {
			d.index[i] = d.index[j]
			i = j
		}
	}
	d.index[i] = 0
}

// unplaceLarge is unplace for the large index.
func (d *Dense[E]) unplaceLarge(i uint32) {
	table := d.large.table
	mask := uint32(len(table) - 1)
	for j := (i + 1) & mask; table[j].pos != 0; j = (j + 1) & mask {
		if home := table[j].hash & mask; closes(home, i, j, mask) {
			table[i] = table[j]
			i = j
		}
	}
	table[i] = largeCell{}
}

// closes reports whether what lies at j may move to the free cell i: unless its home
// lies after i on the way to j.
func closes(home, i, j, mask uint32) bool { return (j-home)&mask >= (j-i)&mask }

// rebuild makes an index of so many cells.
func (d *Dense[E]) rebuild(cells int) {
	old, oldLarge := d.index, d.large
	_, oldMask := d.shape()
	if d.index, d.large = nil, nil; cells > 1<<smallBits {
		d.large = &largeIndex[E]{table: make([]largeCell, cells)}
		if oldLarge != nil {
			d.large.views = oldLarge.views
		}
	} else {
		d.index = make([]cell, cells)
	}
	placed := 0
	switch {
	case oldLarge != nil:
		for _, c := range oldLarge.table {
			if c.pos != 0 {
				d.place(c.hash, c.pos)
				placed++
			}
		}
	case d.large == nil && cells > len(old): // fewer cells need more of the hash than is kept
		for _, c := range old {
			if c != 0 {
				d.place(uint32(c)&^oldMask, uint32(c)&oldMask)
				placed++
			}
		}
	}
	for ; placed < len(d.items); placed++ {
		d.place(d.hashAt(placed), uint32(placed+1))
	}
}

// keyBytes views a string as bytes without copying; the result must not be
// written to.
func keyBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
