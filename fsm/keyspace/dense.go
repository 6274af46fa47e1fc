package keyspace

import (
	"hash/maphash"
	"slices"
	"unsafe"
)

// keyed is an element of a Dense dictionary: something that knows its own key.
type keyed interface{ Key() string }

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
type Dense[E keyed] struct {
	items []E
	table []cell         // length zero or a power of two
	tags  [indexed]uint8 // of the elements while there is no table
}

// cell is one place of the index: the low 32 bits of the key's hash and the
// element's position plus one. A zero pos means a free cell. Keeping the hash
// makes growth and deletion possible without looking at a key.
type cell struct{ hash, pos uint32 }

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

// At returns the element at position i, 0 <= i < Len. The pointer is valid
// until the next Add or Delete. The element's key must not be changed.
func (d *Dense[E]) At(i int) *E { return &d.items[i] }

// Find returns the position of key, or -1.
func (d *Dense[E]) Find(key []byte) int {
	if len(d.items) == 0 {
		return -1
	}
	h := hashOf(key)
	if len(d.table) == 0 {
		for i, tag := range d.tags[:len(d.items)] {
			if tag == tagOf(h) && d.items[i].Key() == string(key) {
				return i
			}
		}
		return -1
	}
	mask := uint32(len(d.table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		c := d.table[i]
		if c.pos == 0 {
			return -1
		}
		if c.hash == h && d.items[c.pos-1].Key() == string(key) {
			return int(c.pos - 1)
		}
	}
}

// Add appends e, whose key must not be present, and returns its position.
func (d *Dense[E]) Add(e E) int {
	if len(d.items) == cap(d.items) {
		d.grow()
	}
	d.items = append(d.items, e)
	pos := len(d.items) - 1
	switch {
	case len(d.table) == 0 && len(d.items) < indexed:
		d.tags[pos] = tagOf(hashOf(keyBytes(e.Key())))
	case len(d.items)*4 > len(d.table)*3:
		d.rebuild(max(2*indexed, 2*len(d.table)))
	default:
		d.place(hashOf(keyBytes(e.Key())), uint32(pos+1))
	}
	return pos
}

// Delete removes the element at position i. The last element takes its place:
// Delete reports the position that element had, which equals i when it was the
// last itself.
func (d *Dense[E]) Delete(i int) (movedFrom int) {
	last := len(d.items) - 1
	if len(d.table) > 0 {
		d.unplace(d.cellOf(i))
		if last != i {
			d.table[d.cellOf(last)].pos = uint32(i + 1)
		}
	} else {
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
	return &Dense[E]{items: slices.Clone(d.items), table: slices.Clone(d.table), tags: d.tags}
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
		d.items, d.table = nil, nil
		return
	}
	if cap(d.items) > 4*indexed && n < cap(d.items)/4 {
		items := make([]E, n, 2*n)
		copy(items, d.items)
		d.items = items
	}
	if len(d.table) > 4*indexed && n < len(d.table)/8 {
		d.rebuild(len(d.table) / 2)
	}
}

// cellOf returns the index cell that points at position i.
func (d *Dense[E]) cellOf(i int) uint32 {
	mask := uint32(len(d.table) - 1)
	h := hashOf(keyBytes(d.items[i].Key()))
	for c := h & mask; ; c = (c + 1) & mask {
		if d.table[c].pos == uint32(i+1) {
			return c
		}
	}
}

func (d *Dense[E]) place(hash, pos uint32) {
	mask := uint32(len(d.table) - 1)
	i := hash & mask
	for d.table[i].pos != 0 {
		i = (i + 1) & mask
	}
	d.table[i] = cell{hash, pos}
}

// unplace frees cell i and closes the gap in the probe sequences through it.
func (d *Dense[E]) unplace(i uint32) {
	mask := uint32(len(d.table) - 1)
	for j := (i + 1) & mask; d.table[j].pos != 0; j = (j + 1) & mask {
		home := d.table[j].hash & mask
		// The entry at j may move to i unless its home lies after i on the
		// way to j.
		if (j-home)&mask >= (j-i)&mask {
			d.table[i] = d.table[j]
			i = j
		}
	}
	d.table[i] = cell{}
}

func (d *Dense[E]) rebuild(size int) {
	old := d.table
	d.table = make([]cell, size)
	if len(old) > 0 {
		placed := 0
		for _, c := range old {
			if c.pos != 0 {
				d.place(c.hash, c.pos)
				placed++
			}
		}
		for ; placed < len(d.items); placed++ {
			d.place(hashOf(keyBytes(d.items[placed].Key())), uint32(placed+1))
		}
		return
	}
	for i := range d.items {
		d.place(hashOf(keyBytes(d.items[i].Key())), uint32(i+1))
	}
}

// keyBytes views a string as bytes without copying; the result must not be
// written to.
func keyBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
