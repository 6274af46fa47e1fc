package security

// bitset is a set of commands by their numbers.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

func (b bitset) has(n int) bool { return b[n/64]&(1<<(n%64)) != 0 }

func (b bitset) put(n int, on bool) {
	if on {
		b[n/64] |= 1 << (n % 64)
	} else {
		b[n/64] &^= 1 << (n % 64)
	}
}

// fill puts all numbers in, or takes them out.
func (b bitset) fill(on bool) {
	for i := range b {
		b[i] = 0
		if on {
			b[i] = ^uint64(0)
		}
	}
}
