// Package listpack implements Redis's listpack: a sequence of strings in one
// flat piece of memory, readable from either end.
//
//	<total bytes u32> <number of elements u16> <entry>... <0xFF>
//	entry: <encoding and data> <back length>
//
// Numbers in the header are little-endian. A string that is the canonical
// decimal form of an int64 is stored as an integer of 7, 13, 16, 24, 32 or 64
// bits, any other string behind a length of 6, 12 or 32 bits. The back length
// is the size of the encoding and data, written so that it can be read from
// its end. The element count saturates at 65535, which means "count them".
//
// The bytes are those that Redis 7.0 produces for the same operations (its
// listpack.c describes the format), so that they can go into an RDB file as
// they are.
package listpack

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unsafe"
)

// MaxBytes is the size a listpack may reach by Redis's rule (1 GiB). Callers
// who can't bound their values otherwise ask Fits before they add.
const MaxBytes = 1 << 30

const (
	headerSize   = 6
	unknownCount = 0xFFFF // in the header: too many elements to say
	endMark      = 0xFF
)

// LP is a listpack. An element is addressed by the offset of its entry; where
// there is no element the functions return -1.
//
// Functions that change the listpack return it, like append: the old value
// must not be used any more, and all offsets behind the change move. Slices
// that Get and Element handed out are valid until then.
//
// An LP comes from New or is bytes that Valid accepted; on other bytes the
// methods can panic. Not safe for concurrent use with a writer.
type LP []byte

// New returns an empty listpack.
func New() LP {
	return LP{headerSize + 1, 0, 0, 0, 0, 0, endMark}
}

// NewFor returns an empty listpack with room for elements, which are going to be
// added one by one: it need not move meanwhile, nor leave its former places behind.
func NewFor(elements [][]byte) LP {
	size := headerSize + 1
	for _, e := range elements {
		size += EntrySize(e)
	}
	return append(slices.Grow(LP(nil), size), New()...)
}

// Bytes returns the listpack as it goes into an RDB file. The slice is the
// listpack's own memory.
func (lp LP) Bytes() []byte { return lp }

// Clone returns a deep copy without spare capacity.
func (lp LP) Clone() LP { return slices.Clone(lp) }

// Len returns the number of elements. It is O(1) below 65535 elements, O(n)
// from there on.
func (lp LP) Len() int {
	n := lp.count()
	if n != unknownCount {
		return n
	}
	n = 0
	for p := lp.First(); p >= 0; p = lp.Next(p) {
		n++
	}
	return n
}

// Fits tells whether the listpack may grow by n bytes and stay within MaxBytes.
func (lp LP) Fits(n int) bool { return n <= MaxBytes-len(lp) }

// Append adds value behind the last element.
func (lp LP) Append(value []byte) LP { return lp.splice(lp.End(), lp.End(), value) }

// Prepend adds value in front of the first element.
func (lp LP) Prepend(value []byte) LP { return lp.splice(headerSize, headerSize, value) }

// InsertBefore adds value in front of the element at p; p may also be End.
// The new element is at p.
func (lp LP) InsertBefore(p int, value []byte) LP { return lp.splice(p, p, value) }

// InsertAfter adds value behind the element at p, which stays where it is.
func (lp LP) InsertAfter(p int, value []byte) LP {
	p += lp.entrySize(p)
	return lp.splice(p, p, value)
}

// Replace puts value in the place of the element at p.
func (lp LP) Replace(p int, value []byte) LP {
	return lp.splice(p, p+lp.entrySize(p), value)
}

// Delete removes up to n elements from the one at p on. Afterwards p is the
// offset of the element that followed them, or End.
func (lp LP) Delete(p, n int) LP {
	end, removed := p, 0
	for removed < n && lp[end] != endMark {
		end += lp.entrySize(end)
		removed++
	}
	if removed == 0 {
		return lp
	}
	lp = lp.resize(p, end, 0)
	switch count := lp.count(); {
	case count != unknownCount:
		lp.setCount(count - removed)
	case len(lp) == headerSize+1:
		lp.setCount(0)
	}
	return lp
}

// Concat adds all elements of other, which stays as it is, behind the last.
func (lp LP) Concat(other LP) LP {
	count, more := lp.count(), other.count()
	end := lp.End()
	entries := other[headerSize:other.End()]
	lp = lp.resize(end, end, len(entries))
	copy(lp[end:], entries)
	lp.setCount(min(count+more, unknownCount))
	return lp
}

// splice puts an entry for value in the place of lp[p:end], which is empty or
// one entry.
func (lp LP) splice(p, end int, value []byte) LP {
	if overlap(lp, value) {
		value = bytes.Clone(value)
	}
	e := encodingOf(value)
	lp = lp.resize(p, end, e.size())
	e.put(lp[p:])
	if count := lp.count(); p == end && count != unknownCount {
		lp.setCount(count + 1)
	}
	return lp
}

// resize makes lp[p:end] n bytes long, with undefined contents, and updates
// the total in the header. It moves the listpack when there is no room or when
// more than half of a larger room would be unused.
func (lp LP) resize(p, end, n int) LP {
	before := len(lp)
	after := before - (end - p) + n
	if uint64(after) > 1<<32-1 {
		panic("listpack: more than 4 GiB")
	}
	if after > cap(lp) || cap(lp) > 128 && after < cap(lp)/2 {
		grown := LP(slices.Grow([]byte(nil), roomFor(after)))[:after]
		copy(grown, lp[:p])
		copy(grown[p+n:], lp[end:])
		lp = grown
	} else {
		lp = lp[:max(before, after)]
		copy(lp[p+n:], lp[end:before])
		lp = lp[:after]
	}
	binary.LittleEndian.PutUint32(lp, uint32(after))
	return lp
}

// roomFor returns the capacity to ask for when n bytes are needed. Small
// listpacks are many and grow rarely: only the allocator's rounding is their
// spare room. Large ones get a quarter more.
func roomFor(n int) int {
	if n <= 64 {
		return n
	}
	return n + n/4
}

// Clip returns the listpack without most of its spare capacity, for one that
// is not expected to grow again.
func (lp LP) Clip() LP {
	if cap(lp)-len(lp) > len(lp)/8 {
		return slices.Clone(lp)
	}
	return lp
}

func (lp LP) count() int { return int(binary.LittleEndian.Uint16(lp[4:])) }

func (lp LP) setCount(n int) { binary.LittleEndian.PutUint16(lp[4:], uint16(n)) }

// overlap tells whether value lies in lp's memory. Such a value would be
// overwritten while its entry is made.
func overlap(lp LP, value []byte) bool {
	if len(value) == 0 || cap(lp) == 0 {
		return false
	}
	v := uintptr(unsafe.Pointer(unsafe.SliceData(value)))
	l := uintptr(unsafe.Pointer(unsafe.SliceData(lp)))
	return v < l+uintptr(cap(lp)) && l < v+uintptr(len(value))
}
