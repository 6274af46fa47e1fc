package keyspace

import (
	"bytes"
	"fmt"
	"unsafe"

	"github.com/quorate/quorate/fsm/listpack"
)

// Hash maps fields to values. A small one is one listpack of field, value,
// field, value in the order of insertion. It becomes a dictionary, in the same
// order to begin with and then in that of Dense, when it has more than
// Limits.HashMaxListpackEntries fields or when a field or value is longer than
// HashMaxListpackValue bytes, and stays one (Redis 7.0's hashTypeSet and
// hashTypeTryConversion).
//
// The zero value is an empty hash. Fields and values handed in are copied.
// Those handed out must not be written to and are valid until the next change;
// integers in a listpack are written into the caller's scratch.
type Hash struct{ packed[hashTable] }

// hashTable is a hash that is a dictionary.
type hashTable struct {
	Dense[hashEntry]
	bytes int // lengths of the fields and values
}

// hashEntry keeps field and value in one allocation.
type hashEntry struct{ Name } // Spare is the length of the value, which lies behind the field

func (e *hashEntry) value() []byte { return unsafe.Slice(e.p, e.n+e.Spare)[e.n:] }

// hashEntryCost is an estimate of what an entry of a dictionary takes beside
// its bytes: the element, its index cell, rounding of the allocation.
const hashEntryCost = 16 + 8 + 8

func newHashEntry(field, value []byte) hashEntry {
	both := make([]byte, len(field)+len(value))
	copy(both, field)
	copy(both[len(field):], value)
	return hashEntry{Name{unsafe.SliceData(both), uint32(len(field)), uint32(len(value))}}
}

// NewHashTable returns an empty hash that is a dictionary from the beginning,
// with room for n fields. A loader that must keep the encoding starts with it.
func NewHashTable(n int) *Hash {
	dict := new(hashTable)
	dict.Reserve(n)
	h := new(Hash)
	h.setBig(dict)
	return h
}

// NewHashFromPacked returns a hash around a listpack, which it checks in full
// (structure, pairs, no field twice) and then owns. It keeps the encoding
// whatever the limits are; a loader of foreign data calls Fit.
func NewHashFromPacked(b []byte) (*Hash, error) {
	if err := listpack.Valid(b); err != nil {
		return nil, fmt.Errorf("hash: %w", err)
	}
	lp := listpack.LP(b)
	n := lp.Len()
	if n%2 != 0 {
		return nil, fmt.Errorf("%w: hash of %d fields and values", ErrCorrupt, n)
	}
	if repeated(lp, n/2) {
		return nil, fmt.Errorf("%w: hash with a field that occurs twice", ErrCorrupt)
	}
	h := new(Hash)
	h.setLP(lp)
	return h, nil
}

// repeated tells whether one of the n fields occurs twice. A few fields are
// compared with each other, many go through a map.
func repeated(lp listpack.LP, n int) bool {
	var scratch listpack.Scratch
	var seen map[string]struct{}
	if n > 32 {
		seen = make(map[string]struct{}, n)
	}
	for p := lp.First(); p >= 0; {
		field := lp.Get(p, &scratch)
		next := lp.Next(lp.Next(p))
		if seen == nil {
			if lp.Find(field, next, 1) >= 0 {
				return true
			}
		} else {
			if _, twice := seen[string(field)]; twice {
				return true
			}
			seen[string(field)] = struct{}{}
		}
		p = next
	}
	return false
}

// Packed returns the hash's listpack, for a snapshot; false when the hash is a
// dictionary.
func (h *Hash) Packed() (listpack.LP, bool) {
	switch {
	case h.big() != nil:
		return nil, false
	case h.lp() == nil:
		return listpack.New(), true
	}
	return h.lp(), true
}

// Encoding returns what OBJECT ENCODING says.
func (h *Hash) Encoding() string {
	if h.big() == nil {
		return "listpack"
	}
	return "hashtable"
}

// Len returns the number of fields.
func (h *Hash) Len() int {
	switch {
	case h.big() != nil:
		return h.big().Len()
	case h.lp() == nil:
		return 0
	}
	return h.lp().Len() / 2
}

// Get returns the value of field.
func (h *Hash) Get(field []byte, scratch *listpack.Scratch) (value []byte, ok bool) {
	if h.big() != nil {
		if i := h.big().Find(field); i >= 0 {
			return h.big().At(i).value(), true
		}
		return nil, false
	}
	if p := h.find(field); p >= 0 {
		return h.lp().Get(h.lp().Next(p), scratch), true
	}
	return nil, false
}

// Has tells whether field is there.
func (h *Hash) Has(field []byte) bool {
	if h.big() != nil {
		return h.big().Find(field) >= 0
	}
	return h.find(field) >= 0
}

// find returns the offset of field in the listpack, or -1.
func (h *Hash) find(field []byte) int {
	if h.lp() == nil {
		return -1
	}
	return h.lp().Find(field, h.lp().First(), 1)
}

// TryConvert makes the hash a dictionary when one of args, the fields and
// values a command is going to set, is too long for a listpack. HSET and its
// like call it with all their arguments before the first Set, so that a later
// argument decides about the encoding of all (Redis 7.0's
// hashTypeTryConversion).
func (h *Hash) TryConvert(args [][]byte, lim *Limits) {
	if h.big() != nil {
		return
	}
	sum := 0
	for _, a := range args {
		if len(a) > lim.HashMaxListpackValue {
			h.convert()
			return
		}
		sum += len(a)
	}
	switch {
	case !h.lp().Fits(sum):
		h.convert()
	case h.lp() == nil && len(args)/2 <= lim.HashMaxListpackEntries:
		h.setLP(listpack.NewFor(args))
	}
}

// Set gives field a value and reports whether the field is new.
func (h *Hash) Set(field, value []byte, lim *Limits) (added bool) {
	if h.big() == nil && (max(len(field), len(value)) > lim.HashMaxListpackValue || !h.hasRoom(field, value)) {
		h.convert()
	}
	if h.big() != nil {
		return h.SetInTable(field, value)
	}
	if h.lp() == nil {
		h.setLP(listpack.New())
	}
	if p := h.find(field); p >= 0 {
		h.setLP(h.lp().Replace(h.lp().Next(p), value))
	} else {
		h.setLP(h.lp().Append(field).Append(value))
		added = true
	}
	if h.Len() > lim.HashMaxListpackEntries {
		h.convert()
	}
	return added
}

func (h *Hash) hasRoom(field, value []byte) bool {
	return h.lp().Fits(listpack.EntrySize(field) + listpack.EntrySize(value))
}

// SetInTable is Set for a hash that is a dictionary.
func (h *Hash) SetInTable(field, value []byte) (added bool) {
	if i := h.big().Find(field); i >= 0 {
		e := h.big().At(i)
		h.big().bytes += len(value) - len(e.value())
		h.big().keep(i)
		*e = newHashEntry(field, value)
		return false
	}
	h.big().Add(newHashEntry(field, value))
	h.big().bytes += len(field) + len(value)
	return true
}

// Fit makes the hash a dictionary when it is a listpack of more fields than
// lim allows. Set does it by itself; a loader of foreign data calls it.
func (h *Hash) Fit(lim *Limits) {
	if h.big() == nil && h.Len() > lim.HashMaxListpackEntries {
		h.convert()
	}
}

// convert makes a dictionary of a listpack.
func (h *Hash) convert() {
	dict := new(hashTable)
	dict.Reserve(h.Len() + 1)
	h.Each(func(field, value []byte) bool {
		dict.Add(newHashEntry(field, value))
		dict.bytes += len(field) + len(value)
		return true
	})
	h.setBig(dict)
}

// Delete removes field and reports whether it was there.
func (h *Hash) Delete(field []byte) bool {
	if h.big() != nil {
		i := h.big().Find(field)
		if i < 0 {
			return false
		}
		e := h.big().At(i)
		h.big().bytes -= int(e.n + e.Spare)
		h.big().Delete(i)
		return true
	}
	p := h.find(field)
	if p < 0 {
		return false
	}
	h.setLP(h.lp().Delete(p, 2))
	return true
}

// HashScratch is where At writes integers of a listpack.
type HashScratch struct{ field, value listpack.Scratch }

// At returns the field and value at position i, 0 <= i < Len, for a random
// choice. O(1) in a dictionary, O(n) in a listpack.
func (h *Hash) At(i int, scratch *HashScratch) (field, value []byte) {
	if h.big() != nil {
		e := h.big().At(i)
		return keyBytes(e.Key()), e.value()
	}
	p := h.lp().Seek(2 * i)
	return h.lp().Get(p, &scratch.field), h.lp().Get(h.lp().Next(p), &scratch.value)
}

// Each calls fn with every field and value, in order, until it returns false.
// fn must not change the hash.
func (h *Hash) Each(fn func(field, value []byte) bool) {
	if h.big() != nil {
		for i := range h.big().Len() {
			e := h.big().At(i)
			if !fn(keyBytes(e.Key()), e.value()) {
				return
			}
		}
		return
	}
	if h.lp() == nil {
		return
	}
	var s HashScratch
	for p := h.lp().First(); p >= 0; {
		v := h.lp().Next(p)
		if !fn(h.lp().Get(p, &s.field), h.lp().Get(v, &s.value)) {
			return
		}
		p = h.lp().Next(v)
	}
}

// Scan calls fn with the fields and values at about count positions from
// cursor on and returns the cursor to go on with, zero at the end (Redis 7.0
// docs for HSCAN). A field that is there from the first call to the last is
// met, perhaps twice. A listpack is met in one call, whatever the cursor.
func (h *Hash) Scan(cursor uint64, count int, fn func(field, value []byte)) uint64 {
	if h.big() == nil {
		h.Each(func(f, v []byte) bool { fn(f, v); return true })
		return 0
	}
	from, to := scanRange(cursor, count, h.big().Len())
	for i := from - 1; i >= to; i-- {
		e := h.big().At(i)
		fn(keyBytes(e.Key()), e.value())
	}
	return uint64(to)
}

// MemUsage estimates the bytes of memory the hash takes. It depends on the
// contents and the encoding only, not on how they came to be.
func (h *Hash) MemUsage() int {
	if h.big() == nil {
		return allocated(len(h.lp()))
	}
	const self = 16
	return self + h.big().bytes + h.big().Len()*hashEntryCost
}

// Clone returns a deep copy.
func (h *Hash) Clone() *Hash {
	c := new(Hash)
	switch dict, lp := h.big(), h.lp(); {
	case dict != nil:
		c.setBig(&hashTable{*dict.clone(), dict.bytes})
	case lp != nil:
		c.setLP(bytes.Clone(lp))
	}
	return c
}
