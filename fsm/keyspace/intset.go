package keyspace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
)

const intsetHeader = 8

// ErrCorrupt is returned, with details, for bytes from outside that are not
// the structure they are said to be.
var ErrCorrupt = errors.New("corrupt value")

// Intset is a sorted set of integers in Redis's own format, byte for byte:
//
//	<bytes per integer u32: 2, 4 or 8> <length u32> <integers, ascending>
//
// all little-endian (Redis 7.0's intset.c describes it). The width grows when
// an integer needs it and never shrinks. Like append, Add and Remove return
// the changed set. Lookups are O(log n), changes O(n).
type Intset []byte

// NewIntset returns an empty set.
func NewIntset() Intset { return Intset{2, 0, 0, 0, 0, 0, 0, 0} }

// Len returns the number of integers.
func (s Intset) Len() int { return int(binary.LittleEndian.Uint32(s[4:])) }

// At returns the i-th smallest integer, 0 <= i < Len.
func (s Intset) At(i int) int64 {
	switch b := s[intsetHeader:]; s[0] {
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(b[2*i:])))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(b[4*i:])))
	default:
		return int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
}

// Contains tells whether v is in the set.
func (s Intset) Contains(v int64) bool {
	_, found := s.search(v)
	return found
}

// Add puts v into the set and reports whether it is new.
func (s Intset) Add(v int64) (Intset, bool) {
	width := intsetWidth(v)
	if width > s.width() {
		return s.widen(width, v), true
	}
	i, found := s.search(v)
	if found {
		return s, false
	}
	width = s.width()
	at, size := intsetHeader+i*width, len(s)+width
	if size > cap(s) {
		grown := slices.Grow(Intset(nil), size+size/8)[:size]
		copy(grown, s[:at])
		copy(grown[at+width:], s[at:])
		s = grown
	} else {
		s = s[:size]
		copy(s[at+width:], s[at:])
	}
	s.put(i, v)
	s.setLen(s.Len() + 1)
	return s, true
}

// Remove takes v out of the set and reports whether it was there.
func (s Intset) Remove(v int64) (Intset, bool) {
	i, found := s.search(v)
	if !found {
		return s, false
	}
	width := s.width()
	at := intsetHeader + i*width
	s = append(s[:at], s[at+width:]...)
	s.setLen(s.Len() - 1)
	if cap(s) > 128 && len(s) < cap(s)/2 {
		s = slices.Clone(s)
	}
	return s, true
}

// ValidIntset checks that b is an intset: sizes, width, order, no duplicates.
// Bytes from outside become an Intset only after it.
func ValidIntset(b []byte) error {
	if len(b) < intsetHeader {
		return fmt.Errorf("%w: intset of %d bytes", ErrCorrupt, len(b))
	}
	width, n := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if width != 2 && width != 4 && width != 8 {
		return fmt.Errorf("%w: intset with integers of %d bytes", ErrCorrupt, width)
	}
	if uint64(len(b)) != intsetHeader+uint64(width)*uint64(n) {
		return fmt.Errorf("%w: intset of %d integers of %d bytes has %d bytes", ErrCorrupt, n, width, len(b))
	}
	s := Intset(b)
	for i := 1; i < s.Len(); i++ {
		if s.At(i-1) >= s.At(i) {
			return fmt.Errorf("%w: intset is not ascending at %d", ErrCorrupt, i)
		}
	}
	return nil
}

// search returns v's position, or the one at which it would be inserted.
func (s Intset) search(v int64) (int, bool) {
	n := s.Len()
	if n == 0 || v > s.At(n-1) { // ascending insertion is common
		return n, false
	}
	i := sort.Search(n, func(i int) bool { return s.At(i) >= v })
	return i, s.At(i) == v
}

// widen rewrites the set with the given width and adds v, which fits no
// smaller width: it is less or greater than all others.
func (s Intset) widen(width int, v int64) Intset {
	n := s.Len()
	wide := make(Intset, intsetHeader+(n+1)*width)
	wide[0] = byte(width)
	wide.setLen(n + 1)
	first := 0
	if v < 0 {
		first = 1
		wide.put(0, v)
	} else {
		wide.put(n, v)
	}
	for i := range n {
		wide.put(first+i, s.At(i))
	}
	return wide
}

func (s Intset) width() int { return int(s[0]) }

func (s Intset) setLen(n int) { binary.LittleEndian.PutUint32(s[4:], uint32(n)) }

func (s Intset) put(i int, v int64) {
	switch b := s[intsetHeader:]; s[0] {
	case 2:
		binary.LittleEndian.PutUint16(b[2*i:], uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(b[4*i:], uint32(v))
	default:
		binary.LittleEndian.PutUint64(b[8*i:], uint64(v))
	}
}

func intsetWidth(v int64) int {
	switch {
	case v >= math.MinInt16 && v <= math.MaxInt16:
		return 2
	case v >= math.MinInt32 && v <= math.MaxInt32:
		return 4
	}
	return 8
}
