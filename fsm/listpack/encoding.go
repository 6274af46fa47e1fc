package listpack

import (
	"encoding/binary"
	"math"
)

// encoding is how a value is stored.
type encoding struct {
	value []byte // for strings
	n     int64  // for integers
	head  byte   // the entry's first byte, without the bits that carry data
	bytes int    // encoding and data
}

func encodingOf(value []byte) encoding {
	if n, ok := ParseInt(value); ok {
		switch {
		case n >= 0 && n <= 127:
			return encoding{n: n, head: 0x00, bytes: 1}
		case n >= -4096 && n <= 4095:
			return encoding{n: n, head: 0xC0, bytes: 2}
		case n >= math.MinInt16 && n <= math.MaxInt16:
			return encoding{n: n, head: 0xF1, bytes: 3}
		case n >= -1<<23 && n <= 1<<23-1:
			return encoding{n: n, head: 0xF2, bytes: 4}
		case n >= math.MinInt32 && n <= math.MaxInt32:
			return encoding{n: n, head: 0xF3, bytes: 5}
		}
		return encoding{n: n, head: 0xF4, bytes: 9}
	}
	switch size := len(value); {
	case size < 64:
		return encoding{value: value, head: 0x80, bytes: 1 + size}
	case size < 4096:
		return encoding{value: value, head: 0xE0, bytes: 2 + size}
	default:
		return encoding{value: value, head: 0xF0, bytes: 5 + size}
	}
}

// size returns the size of the whole entry.
func (e *encoding) size() int { return e.bytes + backlenSize(e.bytes) }

// put writes the entry at the start of dst.
func (e *encoding) put(dst []byte) {
	dst[0] = e.head
	switch e.head {
	case 0x00:
		dst[0] = byte(e.n)
	case 0xC0:
		dst[0] |= byte(e.n>>8) & 0x1F
		dst[1] = byte(e.n)
	case 0xF1:
		binary.LittleEndian.PutUint16(dst[1:], uint16(e.n))
	case 0xF2:
		dst[1], dst[2], dst[3] = byte(e.n), byte(e.n>>8), byte(e.n>>16)
	case 0xF3:
		binary.LittleEndian.PutUint32(dst[1:], uint32(e.n))
	case 0xF4:
		binary.LittleEndian.PutUint64(dst[1:], uint64(e.n))
	case 0x80:
		dst[0] |= byte(len(e.value))
		copy(dst[1:], e.value)
	case 0xE0:
		dst[0] |= byte(len(e.value) >> 8)
		dst[1] = byte(len(e.value))
		copy(dst[2:], e.value)
	case 0xF0:
		binary.LittleEndian.PutUint32(dst[1:], uint32(len(e.value)))
		copy(dst[5:], e.value)
	}
	putBacklen(dst[e.bytes:], e.bytes)
}

// EntrySize returns the number of bytes that value takes in a listpack.
func EntrySize(value []byte) int {
	e := encodingOf(value)
	return e.size()
}

// backlenSize returns the number of bytes the back length n takes. The bounds
// are Redis's, which give the largest values of a size one byte more than
// their seven bits a byte need.
func backlenSize(n int) int {
	switch {
	case n <= 127:
		return 1
	case n < 1<<14-1:
		return 2
	case n < 1<<21-1:
		return 3
	case n < 1<<28-1:
		return 4
	}
	return 5
}

// putBacklen writes the back length n: seven bits a byte, the most significant
// first, the top bit set in all bytes but the first.
func putBacklen(dst []byte, n int) {
	for i := backlenSize(n) - 1; i > 0; i-- {
		dst[i] = byte(n) | 0x80
		n >>= 7
	}
	dst[0] = byte(n)
}

// backlenBefore reads the back length that ends at p.
func (lp LP) backlenBefore(p int) int {
	n := 0
	for shift := 0; ; shift += 7 {
		p--
		n |= int(lp[p]&0x7F) << shift
		if lp[p] < 0x80 {
			return n
		}
	}
}

// ParseInt returns the integer whose canonical decimal form s is: an optional
// minus sign, no leading zero, no "-0", within int64. These are the strings
// that Redis stores as integers (string2ll in its util.c).
func ParseInt(s []byte) (n int64, ok bool) {
	if len(s) == 0 || len(s) > len(Scratch{}) {
		return 0, false
	}
	if len(s) == 1 && s[0] == '0' {
		return 0, true
	}
	negative := s[0] == '-'
	if negative {
		s = s[1:]
	}
	if len(s) == 0 || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	var u uint64
	for _, c := range s {
		if c < '0' || c > '9' || u > math.MaxUint64/10 {
			return 0, false
		}
		next := u*10 + uint64(c-'0')
		if next < u*10 {
			return 0, false
		}
		u = next
	}
	if negative {
		if u > 1<<63 {
			return 0, false
		}
		return -int64(u), true
	}
	if u > math.MaxInt64 {
		return 0, false
	}
	return int64(u), true
}
