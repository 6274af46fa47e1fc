package slab

import "math/bits"

// Max is the size of the largest piece in bytes. Larger objects are fewer for the same
// memory, and better off on the heap.
const Max = 2048

// Round returns the size of a piece that has room for n bytes, 0 < n <= Max.
func Round(n int) int {
	switch {
	case n <= 8:
		return 8
	case n <= 256:
		return (n + 15) &^ 15
	}
	step := 1 << (bits.Len(uint(n-1)) - 4)
	return (n + step - 1) &^ (step - 1)
}

// classes is the number of sizes.
const classes = 1 + 16 + 3*8

// sizes are those of the classes.
var sizes = func() (s [classes]uint32) {
	size := 0
	for c := range s {
		size = Round(size + 1)
		s[c] = uint32(size)
	}
	return s
}()

// classOf returns the class of pieces with room for n bytes, 0 < n <= Max.
func classOf(n int) int {
	switch {
	case n <= 8:
		return 0
	case n <= 256:
		return (n + 15) / 16
	}
	log := bits.Len(uint(n - 1)) // 9 for 257 to 512
	return 17 + 8*(log-9) + (n-1)>>(log-4) - 8
}
