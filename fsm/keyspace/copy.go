package keyspace

import (
	"slices"
	"unsafe"
)

// CopySlot returns the entries of a slot as they are, in their order, with the values
// themselves: Part must be told before one of these changes.
func (db *DB) CopySlot(slot uint16) []Entry { return slices.Clone(db.Slot(slot).items) }

// EntryBytes is what an entry takes in what CopySlot returns.
const EntryBytes = 48

// Part gives the copy of an entry a value of its own, as that of the entry is about to be
// changed in place, and returns the bytes that it takes. A large collection is frozen instead: see
// Value.Frozen.
// It does nothing if they share none: because it was here before, or the entry was
// given another value, or is younger than the copies.
func Part(copies []Entry, e *Entry) (bytes int) {
	for i := range copies {
		c := &copies[i]
		if c.Name.p != e.Name.p || c.Name.n != e.Name.n { // every entry has a name of its own
			continue
		}
		if v := &c.Value; v.p == e.Value.p && v.p != nil && v.kind == e.Value.kind {
			if v.kind != KindString && v.Large() {
				f := v.Freeze()
				c.SetValue(Value{p: unsafe.Pointer(f), kind: v.kind, enc: encFrozen})
				bytes += f.Size()
				continue
			}
			c.SetValue(c.Clone())
			bytes += c.MemUsage()
		}
	}
	return bytes
}

// Frozen returns what a copy has in the place of a large value, else nil. With it the copy's
// value can't be used.
func (v *Value) Frozen() *Frozen {
	if v.enc != encFrozen {
		return nil
	}
	return (*Frozen)(v.p)
}
