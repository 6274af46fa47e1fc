package keyspace

import (
	"slices"
	"unsafe"

	"github.com/quorate/quorate/slab"
)

// SlotView is what a hash slot of a database was like at a moment: its entries in their
// order, with the values themselves. The slot goes on changing: Keep and Part must be told before, what
// is about to.
type SlotView struct {
	denseView[Entry]
	mem   *slab.Arena // that the entries' strings are in: it lives as long as somebody has it
	moved bool        // entries have changed places
}

// slotChunk is how many entries are copied at once. An entry is 48 bytes with two
// pointers, each of which costs as much again while garbage is collected.
const slotChunk = 16

// ViewSlot returns a view of a slot and the bytes that it takes.
func (db *DB) ViewSlot(slot uint16) (v *SlotView, bytes int) {
	d := db.Slot(slot)
	v = &SlotView{denseView: denseView[Entry]{of: d, n: len(d.items), size: slotChunk}, mem: db.mem}
	v.chunks = make([][]Entry, (v.n+slotChunk-1)/slotChunk)
	return v, int(unsafe.Sizeof(*v)) + len(v.chunks)*int(unsafe.Sizeof(v.chunks[0]))
}

// Len returns the number of entries.
func (v *SlotView) Len() int { return v.n }

// At returns the entry that was at position i, 0 <= i < Len.
func (v *SlotView) At(i int) *Entry { return v.at(i) }

// Each calls fn for the entries that were copied.
func (v *SlotView) Each(fn func(*Entry)) {
	for _, chunk := range v.chunks {
		for i := range chunk {
			fn(&chunk[i])
		}
	}
}

// Keep copies the entry e of the slot, which is about to be changed or to give up its
// place, and returns the bytes that it takes.
func (v *SlotView) Keep(e *Entry) (bytes int) {
	pos := v.position(e)
	if pos >= v.n || v.chunks[pos/slotChunk] != nil {
		return 0
	}
	v.keep(pos / slotChunk)
	return len(v.chunks[pos/slotChunk]) * int(unsafe.Sizeof(*e))
}

// Moved says that entries of the slot are about to change places.
func (v *SlotView) Moved() { v.moved = true }

func (v *SlotView) position(e *Entry) int {
	return int((uintptr(unsafe.Pointer(e)) - uintptr(unsafe.Pointer(unsafe.SliceData(v.of.items)))) / unsafe.Sizeof(*e))
}

// Part gives the copy of the entry e a value of its own, as that of the entry is about to be
// changed in place, and returns the bytes that it takes. A large collection is frozen instead: see
// Value.Frozen.
// It does nothing if they share none: because it was here before, or the entry was
// given another value, or is younger than the view.
func (v *SlotView) Part(e *Entry) (bytes int) {
	pos := v.position(e)
	if pos >= v.n { // they only ever move towards the beginning
		return 0
	}
	bytes = v.Keep(e)
	if c := v.at(pos); sameName(c, e) {
		return bytes + part(c, e)
	}
	if v.moved { // the chunk where it was has been kept then
		for _, chunk := range v.chunks {
			if i := slices.IndexFunc(chunk, func(c Entry) bool { return sameName(&c, e) }); i >= 0 {
				return bytes + part(&chunk[i], e)
			}
		}
	}
	return bytes
}

// sameName reports whether two entries are copies of one: each has a name of its own.
func sameName(a, b *Entry) bool { return a.Name.p == b.Name.p && a.Name.n == b.Name.n }

func part(c, e *Entry) (bytes int) {
	v := &c.Value
	if v.p != e.Value.p || v.p == nil || v.kind != e.Value.kind {
		return 0
	}
	if v.kind != KindString && v.Large() {
		f := v.Freeze()
		c.SetValue(Value{body: body{p: unsafe.Pointer(f)}, kind: v.kind, enc: encFrozen})
		return f.Size()
	}
	c.SetValue(c.Clone())
	return c.MemUsage()
}

// Frozen returns what a copy has in the place of a large value, else nil. With it the copy's
// value can't be used.
func (v *Value) Frozen() *Frozen {
	if v.enc != encFrozen {
		return nil
	}
	return (*Frozen)(v.p)
}
