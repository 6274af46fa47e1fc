package keyspace

import (
	"slices"
	"unsafe"

	"github.com/quorate/quorate/slab"
)

// Keys, and strings and listpacks of hashes and sorted sets up to slab.Max bytes, lie in
// memory of their database, out of the collector's sight
// (docs/decisions/0031-strings-off-the-heap.md). Values come from the heap, and
// Settle brings those of the entries that were open there; until then commands do with a value what
// they like. What is freed stays as it is until Settle, so that nothing that a command has
// looked at goes away under it, and while somebody has a hook: a snapshot shares keys and values with the
// keyspace.

// freed is a piece that nobody will need when the command has ended.
type freed struct {
	mem *slab.Arena
	p   unsafe.Pointer
}

// freeAtOnce is how many pieces are freed of those that had to wait for a snapshot, by
// each command after it.
const freeAtOnce = 64

// free frees a piece, if it is one, later.
func (ks *Keyspace) free(d *DB, p unsafe.Pointer) {
	if slab.Contains(p) {
		ks.freed = append(ks.freed, freed{d.mem, p})
		ks.justFreed++
	}
}

// release frees what isn't needed any more.
func (ks *Keyspace) release() {
	if len(ks.freed) > 0 && len(ks.hooks) == 0 {
		keep := max(0, len(ks.freed)-2*ks.justFreed-freeAtOnce)
		for _, f := range ks.freed[keep:] {
			f.mem.Free(f.p)
		}
		clear(ks.freed[keep:])
		if ks.freed = ks.freed[:keep]; keep == 0 && cap(ks.freed) > keepOpened {
			ks.freed = nil
		}
	}
	ks.justFreed = 0
	if len(ks.flushed) > 0 && len(ks.hooks) == 0 {
		ks.releaseFlushed()
	}
}

// releaseFlushed frees what databases had that were flushed.
func (ks *Keyspace) releaseFlushed() {
	ks.freed = slices.DeleteFunc(ks.freed, func(f freed) bool { return slices.Contains(ks.flushed, f.mem) })
	for _, mem := range ks.flushed {
		mem.Drop()
	}
	ks.flushed = nil
}

// InSlabs returns how many bytes keys and values have there, with those that wait to be freed.
func (ks *Keyspace) InSlabs() (bytes int64) {
	for _, d := range ks.dbs {
		bytes += d.mem.Used()
	}
	return bytes
}

// Drop frees all memory that isn't the collector's business, unless somebody has a hook. Nobody may
// look at the keyspace any more.
func (ks *Keyspace) Drop() {
	if len(ks.hooks) > 0 {
		return
	}
	ks.freed = nil
	for _, d := range ks.dbs {
		d.mem.Drop()
	}
	ks.dbs = nil
}

// newName returns a copy of key in the database's memory.
func (d *DB) newName(key []byte) Name {
	p := d.mem.Alloc(len(key))
	if p == nil {
		return NewName(key)
	}
	copy(unsafe.Slice((*byte)(p), len(key)), key)
	return Name{p: (*byte)(p), n: uint32(len(key))}
}

// piece returns the piece that a value is in, or nil.
func (v *Value) piece() unsafe.Pointer {
	if slab.Contains(v.p) {
		return v.p
	}
	return nil
}

// isBytes reports whether a value is nothing but bytes: a string, or a hash or sorted set that
// is a listpack.
func (v *Value) isBytes() bool {
	switch v.kind {
	case KindString:
		return v.enc != encInt
	case KindHash, KindZSet:
		return v.cap != 0
	}
	return false
}

// bring moves the value of an entry, which was the piece old before, into the database's
// memory if it belongs there.
func (ks *Keyspace) bring(d *DB, e *Entry, old unsafe.Pointer) {
	if e.piece() == old && old != nil {
		return
	}
	if old != nil {
		ks.free(d, old)
	}
	if !e.isBytes() {
		return
	}
	if p := d.mem.Alloc(int(e.len)); p != nil {
		e.moveTo(p, e.bytes())
	} else if e.piece() != nil { // of another entry
		e.become(e.Clone())
	}
}

// moveTo makes a copy of b in a piece that has room for it the content.
func (v *Value) moveTo(p unsafe.Pointer, b []byte) {
	n := copy(unsafe.Slice((*byte)(p), len(b)), b)
	v.body = body{p, uint32(n), uint32(slab.Round(n))}
}

// setString makes what NewString(b) returns the value of an entry that isn't open.
func (ks *Keyspace) setString(d *DB, e *Entry, b []byte) {
	if e.overwrite(b) {
		return
	}
	if p := e.piece(); p != nil {
		ks.free(d, p)
	}
	if n, ok := ParseInt(b); ok {
		e.become(NewInt(n))
		return
	}
	p := d.mem.Alloc(len(b))
	if p == nil {
		e.become(NewText(b))
		return
	}
	e.moveTo(p, b)
	e.kind, e.enc = KindString, textEncoding(len(b))
}
