// Package hyperloglog estimates how many different elements were added to a
// string: the algorithm and the byte layouts of Redis's HyperLogLog, so that
// values move both ways.
//
// A value is a header of 16 bytes and the registers. The header is "HYLL", the
// encoding (0 dense, 1 sparse), three bytes without meaning, and the cached
// estimate in 8 bytes, little endian; its highest bit set says that it is out
// of date. There are 16384 registers of 6 bits. Dense, they follow each other,
// the lowest bit of a byte first. Sparse, they are runs (see sparse.go).
//
// Values come from clients, who can write any bytes with SETRANGE: nothing here
// trusts a length. Functions don't keep or change what they are given unless
// they say so. Not safe for concurrent use of one value.
//
// Source: the layout as the Redis 7.0 docs for PFADD link to it, and the bytes
// that redis-server 7.0.15 writes.
package hyperloglog

import (
	"encoding/binary"
	"errors"
)

const (
	indexBits    = 14
	Registers    = 1 << indexBits     // registers of a value
	maxCount     = 64 - indexBits + 1 // the largest count that a hash gives
	headerSize   = 16                 // bytes
	DenseSize    = 16 + Registers*6/8 // bytes of a dense value
	outOfDate    = byte(1 << 7)       // in the last byte of the cached estimate
	cacheAt      = headerSize - 8     // where the cached estimate is
	registerMask = byte(1<<registerBits - 1)

	registerBits = 6
)

// ErrCorrupt is returned for a sparse value whose runs don't add up to the
// number of registers.
var ErrCorrupt = errors.New("corrupted HyperLogLog")

// Encoding is how the registers of a value are written.
type Encoding byte

const (
	Dense Encoding = iota
	Sparse
)

// String returns the name that PFDEBUG ENCODING replies.
func (e Encoding) String() string { return [...]string{"dense", "sparse"}[e] }

// New returns an empty value: sparse, one run of zeros, the cached estimate 0.
func New() []byte {
	b := make([]byte, headerSize, headerSize+2)
	copy(b, "HYLL")
	b[4] = byte(Sparse)
	return appendZeros(b, Registers)
}

// Valid reports whether b looks like a value: the header is right and, if it is
// dense, the length. The runs of a sparse one may still be corrupt.
func Valid(b []byte) bool {
	if len(b) < headerSize || string(b[:4]) != "HYLL" || b[4] > byte(Sparse) {
		return false
	}
	return Encoding(b[4]) == Sparse || len(b) == DenseSize
}

// EncodingOf returns the encoding of a valid value.
func EncodingOf(b []byte) Encoding { return Encoding(b[4]) }

// Cached returns the cached estimate of a valid value, and false if it is out
// of date.
func Cached(b []byte) (uint64, bool) {
	return binary.LittleEndian.Uint64(b[cacheAt:headerSize]), b[headerSize-1]&outOfDate == 0
}

// Cache writes the estimate into a valid value, in place.
func Cache(b []byte, estimate uint64) {
	binary.LittleEndian.PutUint64(b[cacheAt:headerSize], estimate)
}

// Invalidate marks the cached estimate of a valid value as out of date, in place.
func Invalidate(b []byte) { b[headerSize-1] |= outOfDate }

// Add adds an element to a valid value, which it changes in place or replaces,
// and returns it and whether a register changed. A sparse value becomes dense
// where it would have to grow beyond sparseMax bytes. With ErrCorrupt the value
// is as it was.
func Add(b, element []byte, sparseMax int) ([]byte, bool, error) {
	register, count := place(element)
	return raise(b, register, count, sparseMax)
}

// raise gives a register at least the count.
func raise(b []byte, register int, count byte, sparseMax int) ([]byte, bool, error) {
	if EncodingOf(b) == Sparse {
		return sparseRaise(b, register, count, sparseMax)
	}
	return b, denseRaise(b[headerSize:], register, count), nil
}

// Merge raises every register of all to its count in a valid value.
func Merge(all *[Registers]byte, b []byte) error {
	if EncodingOf(b) == Dense {
		for i := range all {
			all[i] = max(all[i], denseGet(b[headerSize:], i))
		}
		return nil
	}
	return eachRun(b, func(at, length int, count byte) {
		if count > 0 {
			for i := at; i < at+length; i++ {
				all[i] = max(all[i], count)
			}
		}
	})
}

// RaiseAll raises the registers of a valid value to those of all, in place or in
// a new value, and returns it with the cached estimate out of date.
func RaiseAll(b []byte, all *[Registers]byte, sparseMax int) ([]byte, error) {
	for i, count := range all {
		if count == 0 {
			continue
		}
		var err error
		if b, _, err = raise(b, i, count, sparseMax); err != nil {
			return b, err
		}
	}
	Invalidate(b)
	return b, nil
}
