package rdb

import (
	"encoding/binary"
	"math/bits"
)

// LZF is the compression that RDB uses for strings. The compressed form is a
// sequence of
//
//	000LLLLL <L+1 bytes>             the bytes themselves
//	LLLooooo oooooooo                L+2 bytes (L from 1 to 6) from o+1 bytes back
//	111ooooo LLLLLLLL oooooooo       L+9 bytes from o+1 bytes back
const (
	lzfMaxLiteral = 1 << 5
	lzfMaxOffset  = 1 << 13
	lzfMinMatch   = 3
	lzfMaxMatch   = 264
	lzfTableBits  = 13

	// The longer nothing has been found, the fewer places are looked at: by one place
	// fewer for each 1<<lzfHurry bytes. What can't be compressed costs half as much.
	lzfHurry = 5
)

// lzfTable holds, by the hash of three bytes, the last place plus one where
// they began. What was found depends on the input alone: a table is as long as
// lzfCells says, and no longer than its input is worth, since it is cleared for each.
type lzfTable []uint32

// lzfCells returns the length of the table for n bytes.
func lzfCells(n int) int { return 1 << min(max(bits.Len(uint(n)), 6), lzfTableBits) }

// compress appends the compressed src to dst, or reports false as soon as it
// would take more than limit bytes.
func (t lzfTable) compress(dst, src []byte, limit int) ([]byte, bool) {
	clear(t)
	shift := 33 - bits.Len(uint(len(t)))
	limit += len(dst)
	literals := 0 // where the bytes begin that are not written yet
	for i := 0; i+lzfMinMatch < len(src); {
		three := binary.LittleEndian.Uint32(src[i:]) << 8
		cell := &t[three*2654435761>>shift]
		from := int(*cell) - 1
		*cell = uint32(i + 1)
		if from < 0 || i-from > lzfMaxOffset || binary.LittleEndian.Uint32(src[from:])<<8 != three {
			i += 1 + (i-literals)>>lzfHurry
			continue
		}
		n := lzfMinMatch
		for most := min(lzfMaxMatch, len(src)-i); n < most && src[from+n] == src[i+n]; {
			n++
		}
		dst = appendLiterals(dst, src[literals:i])
		back := i - from - 1
		if n <= 8 {
			dst = append(dst, byte((n-2)<<5)|byte(back>>8), byte(back))
		} else {
			dst = append(dst, 7<<5|byte(back>>8), byte(n-9), byte(back))
		}
		if len(dst) > limit {
			return dst, false
		}
		i += n
		literals = i
	}
	if rest := len(src) - literals; len(dst)+rest > limit {
		return dst, false
	}
	dst = appendLiterals(dst, src[literals:])
	return dst, len(dst) <= limit
}

func appendLiterals(dst, b []byte) []byte {
	for len(b) > 0 {
		n := min(len(b), lzfMaxLiteral)
		dst = append(dst, byte(n-1))
		dst = append(dst, b[:n]...)
		b = b[n:]
	}
	return dst
}

// lzfFits tells whether size bytes can come out of n compressed ones at all:
// three bytes give at the most lzfMaxMatch.
func lzfFits(n int, size uint64) bool { return size <= uint64(n)*(lzfMaxMatch/3) }

// decompress returns the size bytes that src was made from. The caller has
// checked lzfFits.
func decompress(src []byte, size int) ([]byte, error) {
	dst := make([]byte, 0, size)
	for len(src) > 0 {
		control := int(src[0])
		src = src[1:]
		if control < lzfMaxLiteral {
			n := control + 1
			if n > len(src) || n > size-len(dst) {
				return nil, malformed("LZF literals exceed the string")
			}
			dst = append(dst, src[:n]...)
			src = src[n:]
			continue
		}
		n := control>>5 + 2
		if n == 9 {
			if len(src) == 0 {
				return nil, malformed("LZF data ends in a reference")
			}
			n += int(src[0])
			src = src[1:]
		}
		if len(src) == 0 {
			return nil, malformed("LZF data ends in a reference")
		}
		back := (control&0x1f)<<8 + int(src[0]) + 1
		src = src[1:]
		if back > len(dst) || n > size-len(dst) {
			return nil, malformed("LZF reference leaves the string")
		}
		// The source may reach into what is being written: a run.
		for from := len(dst) - back; n > 0; {
			part := min(n, len(dst)-from)
			dst = append(dst, dst[from:from+part]...)
			n -= part
		}
	}
	if len(dst) != size {
		return nil, malformed("LZF data gives %d bytes, %d were announced", len(dst), size)
	}
	return dst, nil
}
