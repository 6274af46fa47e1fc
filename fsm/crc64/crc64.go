// Package crc64 computes 64-bit cyclic redundancy checks, of any polynomial,
// faster than the standard library does: the machine's digest covers every byte
// of every entry.
package crc64

import "encoding/binary"

// lane is how many bytes each of the four lanes takes at once.
const lane = 128

// Table holds what a polynomial needs. It is not changed after New.
type Table struct {
	slices [8][256]uint64 // slices[k][b] moves the byte b k bytes further through the register
	skip   [8][256]uint64 // skip[k] moves byte k of the register behind lane zero bytes
}

// New returns the table of a polynomial whose bits are reversed.
func New(polynomial uint64) *Table {
	t := &Table{}
	for i := range t.slices[0] {
		crc := uint64(i)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= polynomial
			}
		}
		t.slices[0][i] = crc
	}
	for k := 1; k < 8; k++ {
		for i := range t.slices[k] {
			before := t.slices[k-1][i]
			t.slices[k][i] = before>>8 ^ t.slices[0][byte(before)]
		}
	}
	for k := range t.skip {
		for i := range t.skip[k] {
			crc := uint64(i) << (8 * k)
			for range lane {
				crc = crc>>8 ^ t.slices[0][byte(crc)]
			}
			t.skip[k][i] = crc
		}
	}
	return t
}

// Update continues a register over p. Neither the register at the start nor the
// result is inverted.
//
// A register depends on the one eight bytes before: a CPU waits for each. Long
// input is cut into pieces of four lanes whose registers don't depend on each other;
// what a lane left behind is then moved over the lanes behind it, which is possible because the
// check of a sum is the sum of the checks.
func (t *Table) Update(crc uint64, p []byte) uint64 {
	for ; len(p) >= 4*lane; p = p[4*lane:] {
		a, b, c, d := p[:lane:lane], p[lane:2*lane:2*lane], p[2*lane:3*lane:3*lane], p[3*lane:4*lane:4*lane]
		var second, third, fourth uint64
		for i := 0; i < lane; i += 8 {
			crc = t.step(crc ^ binary.LittleEndian.Uint64(a[i:]))
			second = t.step(second ^ binary.LittleEndian.Uint64(b[i:]))
			third = t.step(third ^ binary.LittleEndian.Uint64(c[i:]))
			fourth = t.step(fourth ^ binary.LittleEndian.Uint64(d[i:]))
		}
		crc = t.move(t.move(t.move(crc)^second)^third) ^ fourth
	}
	for ; len(p) >= 8; p = p[8:] {
		crc = t.step(crc ^ binary.LittleEndian.Uint64(p))
	}
	for _, b := range p {
		crc = crc>>8 ^ t.slices[0][byte(crc)^b]
	}
	return crc
}

// step moves a register over the eight bytes that were added to it.
func (t *Table) step(crc uint64) uint64 {
	return t.slices[7][byte(crc)] ^ t.slices[6][byte(crc>>8)] ^ t.slices[5][byte(crc>>16)] ^ t.slices[4][byte(crc>>24)] ^
		t.slices[3][byte(crc>>32)] ^ t.slices[2][byte(crc>>40)] ^ t.slices[1][byte(crc>>48)] ^ t.slices[0][crc>>56]
}

// move moves a register over lane zero bytes.
func (t *Table) move(crc uint64) uint64 {
	return t.skip[0][byte(crc)] ^ t.skip[1][byte(crc>>8)] ^ t.skip[2][byte(crc>>16)] ^ t.skip[3][byte(crc>>24)] ^
		t.skip[4][byte(crc>>32)] ^ t.skip[5][byte(crc>>40)] ^ t.skip[6][byte(crc>>48)] ^ t.skip[7][crc>>56]
}
