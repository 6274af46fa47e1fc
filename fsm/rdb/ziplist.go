package rdb

import (
	"encoding/binary"
	"strconv"
)

// Ziplists are what listpacks were before Redis 7. They are only read.
//
//	<total bytes u32> <offset of the last entry u32> <entries u16> <entry>... <0xff>
//	entry: <size of the entry before> <encoding> <data>
const (
	zipHeader  = 10
	zipEnd     = 0xff
	zipBigPrev = 0xfe // the size of the entry before takes four more bytes
)

// eachZiplist checks b and calls visit with every element in order. The
// element is valid until visit returns.
func eachZiplist(b []byte, visit func(element []byte) error) error {
	if len(b) < zipHeader+1 || uint64(binary.LittleEndian.Uint32(b)) != uint64(len(b)) || b[len(b)-1] != zipEnd {
		return malformed("ziplist of %d bytes with a wrong header or end", len(b))
	}
	last, announced := int64(binary.LittleEndian.Uint32(b[4:])), binary.LittleEndian.Uint16(b[8:])
	end := len(b) - 1
	var number [20]byte
	count, before, start := 0, 0, zipHeader
	for p := zipHeader; p < end; count++ {
		start = p
		prev, n, ok := zipPrev(b[p:end])
		if !ok || prev != before {
			return malformed("ziplist entry at %d: wrong size of the entry before", p)
		}
		p += n
		element, n, ok := zipElement(b[p:end], number[:0])
		if !ok {
			return malformed("ziplist entry at %d: bad encoding", p)
		}
		p += n
		before = p - start
		if err := visit(element); err != nil {
			return err
		}
	}
	if last != int64(start) {
		return malformed("ziplist with a wrong offset of its last entry")
	}
	if announced != 0xffff && int(announced) != count {
		return malformed("ziplist of %d entries, %d announced", count, announced)
	}
	return nil
}

// zipPrev reads the size of the entry before, and how many bytes that took.
func zipPrev(b []byte) (prev, n int, ok bool) {
	if b[0] < zipBigPrev {
		return int(b[0]), 1, true
	}
	if b[0] == zipEnd || len(b) < 5 {
		return 0, 0, false
	}
	return int(binary.LittleEndian.Uint32(b[1:])), 5, true
}

// zipElement reads encoding and data, and how many bytes they took. A number
// is written behind room as text.
func zipElement(b, room []byte) (element []byte, n int, ok bool) {
	if len(b) == 0 {
		return nil, 0, false
	}
	size, head := 0, 1
	switch b[0] >> 6 {
	case 0:
		size = int(b[0])
	case 1:
		if len(b) < 2 {
			return nil, 0, false
		}
		size, head = int(b[0]&0x3f)<<8|int(b[1]), 2
	case 2:
		if b[0] != 0x80 || len(b) < 5 {
			return nil, 0, false
		}
		size, head = int(binary.BigEndian.Uint32(b[1:])), 5
	default:
		return zipNumber(b, room)
	}
	if size > len(b)-head {
		return nil, 0, false
	}
	return b[head : head+size], head + size, true
}

func zipNumber(b, room []byte) (element []byte, n int, ok bool) {
	width := map[byte]int{0xc0: 2, 0xd0: 4, 0xe0: 8, 0xf0: 3, 0xfe: 1}[b[0]]
	if width == 0 {
		if b[0] < 0xf1 || b[0] > 0xfd {
			return nil, 0, false
		}
		return strconv.AppendInt(room, int64(b[0])-0xf1, 10), 1, true
	}
	if len(b) < 1+width {
		return nil, 0, false
	}
	var wide [8]byte
	copy(wide[8-width:], b[1:1+width]) // at the top, so that the shift carries the sign
	v := int64(binary.LittleEndian.Uint64(wide[:])) >> (64 - 8*width)
	return strconv.AppendInt(room, v, 10), 1 + width, true
}
