package fsm

import (
	"encoding/binary"
	"math/bits"

	"github.com/quorate/quorate/fsm/keyspace"
)

// bitcount implements BITCOUNT key [start end [BYTE | BIT]].
//
// Source: Redis 7.0 docs for BITCOUNT. A missing key has no bits, whatever the
// other arguments are.
func bitcount(c *ReadCall) {
	e, ok := c.findKind(c.Args[1], keyspace.KindString)
	if !ok {
		return
	}
	if e == nil {
		c.Int(0)
		return
	}
	var buf [20]byte
	s := e.Str(buf[:])
	if n := len(c.Args); n == 3 || n > 5 {
		c.Error(errSyntax)
		return
	} else if n == 2 {
		c.Int(countBits(s, 0, int64(len(s))*8))
		return
	}
	start, ok := c.intArg(2)
	if !ok {
		return
	}
	end, ok := c.intArg(3)
	if !ok {
		return
	}
	if start < 0 && end < 0 && start > end {
		c.Int(0)
		return
	}
	unit := int64(8)
	if len(c.Args) == 5 {
		if unit, ok = c.bitUnit(4); !ok {
			return
		}
	}
	from, to := bitRange(s, start, end, unit)
	c.Int(countBits(s, from, to))
}

// bitUnit parses argument i, BIT or BYTE, and returns how many bits that is.
func (c *ReadCall) bitUnit(i int) (int64, bool) {
	switch {
	case isWord(c.Args[i], "BIT"):
		return 1, true
	case isWord(c.Args[i], "BYTE"):
		return 8, true
	}
	c.Error(errSyntax)
	return 0, false
}

// bitRange returns the range of bits of s, the end exclusive, that two inclusive
// indexes mean, which count from the end of s if they are negative. The range
// is empty if from >= to.
func bitRange(s []byte, start, end, unit int64) (from, to int64) {
	n := int64(len(s)) * 8 / unit
	if start < 0 {
		start = max(start+n, 0)
	}
	if end < 0 {
		end = max(end+n, 0)
	}
	end = min(end, n-1)
	if start > end {
		return 0, 0
	}
	return start * unit, (end + 1) * unit
}

// countBits counts the bits that are set from one bit up to another, exclusive.
func countBits(s []byte, from, to int64) int64 {
	if from >= to {
		return 0
	}
	first, last := from>>3, (to-1)>>3
	before := s[first] & (0xff << (8 - from&7)) // bits left of the range
	after := s[last] & (0xff >> ((to-1)&7 + 1)) // and right of it
	n := -bits.OnesCount8(before) - bits.OnesCount8(after)
	s = s[first : last+1]
	for ; len(s) >= 32; s = s[32:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(s)) +
			bits.OnesCount64(binary.LittleEndian.Uint64(s[8:])) +
			bits.OnesCount64(binary.LittleEndian.Uint64(s[16:])) +
			bits.OnesCount64(binary.LittleEndian.Uint64(s[24:]))
	}
	for ; len(s) >= 8; s = s[8:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(s))
	}
	for _, b := range s {
		n += bits.OnesCount8(b)
	}
	return int64(n)
}

// bitpos implements BITPOS key bit [start [end [BYTE | BIT]]].
//
// Source: Redis 7.0 docs for BITPOS. Reply: -1 if there is none; but a clear bit
// that is searched without an end is found behind the string.
func bitpos(c *ReadCall) {
	bit, ok := c.intArg(2)
	if !ok {
		return
	}
	if bit != 0 && bit != 1 {
		c.Error(errBitArgument)
		return
	}
	e, ok := c.findKind(c.Args[1], keyspace.KindString)
	if !ok {
		return
	}
	if e == nil {
		c.Int(-bit)
		return
	}
	var buf [20]byte
	s := e.Str(buf[:])
	if len(c.Args) > 6 {
		c.Error(errSyntax)
		return
	}
	start, end, unit := int64(0), int64(len(s))-1, int64(8)
	if len(c.Args) > 3 {
		if start, ok = c.intArg(3); !ok {
			return
		}
	}
	if len(c.Args) == 6 {
		if unit, ok = c.bitUnit(5); !ok {
			return
		}
	}
	if len(c.Args) > 4 {
		if end, ok = c.intArg(4); !ok {
			return
		}
	}
	from, to := bitRange(s, start, end, unit)
	pos := findBit(s, from, to, byte(bit))
	if pos < 0 && bit == 0 && from < to && len(c.Args) < 5 {
		pos = to
	}
	c.Int(pos)
}

// findBit returns the first bit of the value given from one bit up to another,
// exclusive, or -1.
func findBit(s []byte, from, to int64, bit byte) int64 {
	// What is searched becomes the bits that are set: others are skipped by
	// eight bytes.
	flip := bit - 1
	skip := uint64(0)
	if bit == 0 {
		skip = ^skip
	}
	for at := from; at < to; {
		i := at >> 3
		if at&7 == 0 && to-at >= 64 && binary.LittleEndian.Uint64(s[i:]) == skip {
			at += 64
			continue
		}
		if b := (s[i] ^ flip) << (at & 7); b != 0 {
			if at += int64(bits.LeadingZeros8(b)); at < to {
				return at
			}
			return -1
		}
		at = (i + 1) << 3
	}
	return -1
}
