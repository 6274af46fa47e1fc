package hyperloglog

import (
	"encoding/binary"
	"math/bits"
)

// hash is MurmurHash64A, by Austin Appleby, as published: 8 bytes a step, little
// endian on every machine, with the seed that Redis uses.
func hash(b []byte) uint64 {
	const m, r, seed = 0xc6a4a7935bd1e995, 47, 0xadc83b19
	h := seed ^ uint64(len(b))*m
	for ; len(b) >= 8; b = b[8:] {
		k := binary.LittleEndian.Uint64(b) * m
		k = (k ^ k>>r) * m
		h = (h ^ k) * m
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		h = (h ^ binary.LittleEndian.Uint64(tail[:])) * m
	}
	h = (h ^ h>>r) * m
	return h ^ h>>r
}

// place returns the register that an element belongs to, and the length of the
// pattern 0...01 that its hash shows there, from 1 to maxCount.
func place(element []byte) (register int, count byte) {
	h := hash(element)
	register = int(h & (Registers - 1))
	rest := h>>indexBits | 1<<(64-indexBits)
	return register, byte(bits.TrailingZeros64(rest) + 1)
}
