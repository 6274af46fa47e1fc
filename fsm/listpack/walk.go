package listpack

import (
	"encoding/binary"
	"strconv"
)

// Scratch is where Get writes an integer's decimal form.
type Scratch [20]byte

// First returns the offset of the first element, or -1.
func (lp LP) First() int { return lp.orNone(headerSize) }

// End returns the offset of the end mark, where Append puts its entry.
func (lp LP) End() int { return len(lp) - 1 }

// Last returns the offset of the last element, or -1.
func (lp LP) Last() int { return lp.Prev(lp.End()) }

// Next returns the offset of the element behind the one at p, or -1.
func (lp LP) Next(p int) int { return lp.orNone(p + lp.entrySize(p)) }

// Prev returns the offset of the element in front of the one at p, or -1. p
// may also be End.
func (lp LP) Prev(p int) int {
	if p == headerSize {
		return -1
	}
	n := lp.backlenBefore(p)
	return p - n - backlenSize(n)
}

// Seek returns the offset of the element at index, counted from zero, or from
// -1 backwards for the last element and those before it. It returns -1 when
// there is no such element. O(n), from the nearer end when the count is known.
func (lp LP) Seek(index int) int {
	n := lp.count()
	if n != unknownCount {
		if index < 0 {
			index += n
		}
		if index < 0 || index >= n {
			return -1
		}
		if index >= n/2 {
			index -= n
		}
	}
	if index < 0 {
		p := lp.Last()
		for ; index < -1 && p >= 0; index++ {
			p = lp.Prev(p)
		}
		return p
	}
	p := lp.First()
	for ; index > 0 && p >= 0; index-- {
		p = lp.Next(p)
	}
	return p
}

// Element returns the element at p the way it is stored: an integer, or bytes
// that lie in the listpack.
func (lp LP) Element(p int) (s []byte, n int64, isInt bool) {
	b := lp[p:]
	switch c := b[0]; {
	case c < 0x80:
		return nil, int64(c), true
	case c < 0xC0:
		return b[1 : 1+int(c&0x3F)], 0, false
	case c < 0xE0:
		return nil, int64(int16(uint16(c)<<11|uint16(b[1])<<3) >> 3), true
	case c < 0xF0:
		return b[2 : 2+(int(c&0x0F)<<8|int(b[1]))], 0, false
	case c == 0xF0:
		return b[5 : 5+int(binary.LittleEndian.Uint32(b[1:]))], 0, false
	case c == 0xF1:
		return nil, int64(int16(binary.LittleEndian.Uint16(b[1:]))), true
	case c == 0xF2:
		return nil, int64(int32(uint32(b[1])<<8|uint32(b[2])<<16|uint32(b[3])<<24) >> 8), true
	case c == 0xF3:
		return nil, int64(int32(binary.LittleEndian.Uint32(b[1:]))), true
	case c == 0xF4:
		return nil, int64(binary.LittleEndian.Uint64(b[1:])), true
	}
	panic("listpack: no element at this offset")
}

// Get returns the element at p as a string. The slice lies in the listpack or
// in scratch.
func (lp LP) Get(p int, scratch *Scratch) []byte {
	s, n, isInt := lp.Element(p)
	if isInt {
		return strconv.AppendInt(scratch[:0], n, 10)
	}
	return s
}

// Equal tells whether the element at p is value.
func (lp LP) Equal(p int, value []byte) bool {
	s, n, isInt := lp.Element(p)
	if !isInt {
		return string(s) == string(value)
	}
	v, ok := ParseInt(value)
	return ok && v == n
}

// Find returns the offset of the first element equal to value, or -1. It
// compares the element at start, then every time leaves out skip elements:
// with skip 1 it looks at the fields of a hash and not at their values. start
// may be -1: nothing is found.
func (lp LP) Find(value []byte, start, skip int) int {
	if start < 0 {
		return -1
	}
	wanted, numeric := ParseInt(value)
	for p := start; lp[p] != endMark; {
		s, n, isInt := lp.Element(p)
		if isInt {
			if numeric && n == wanted {
				return p
			}
		} else if string(s) == string(value) {
			return p
		}
		p += lp.entrySize(p)
		for i := 0; i < skip && lp[p] != endMark; i++ {
			p += lp.entrySize(p)
		}
	}
	return -1
}

func (lp LP) orNone(p int) int {
	if lp[p] == endMark {
		return -1
	}
	return p
}

// entrySize returns the size of the entry at p, back length included.
func (lp LP) entrySize(p int) int {
	n := lp.encodedSize(p)
	return n + backlenSize(n)
}

// encodedSize returns the size of the encoding and data of the entry at p.
func (lp LP) encodedSize(p int) int {
	switch c := lp[p]; {
	case c < 0x80:
		return 1
	case c < 0xC0:
		return 1 + int(c&0x3F)
	case c < 0xE0:
		return 2
	case c < 0xF0:
		return 2 + (int(c&0x0F)<<8 | int(lp[p+1]))
	case c == 0xF0:
		return 5 + int(binary.LittleEndian.Uint32(lp[p+1:]))
	case c == 0xF1:
		return 3
	case c == 0xF2:
		return 4
	case c == 0xF3:
		return 5
	case c == 0xF4:
		return 9
	}
	panic("listpack: no element at this offset")
}
