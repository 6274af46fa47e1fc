package fsm

import "math/bits"

// Rand draws numbers from the seed of an entry: the same on every replica.
// The generator is splitmix64. It is for choosing elements, not for secrets.
type Rand struct{ state uint64 }

// NewRand returns a generator that starts at seed.
func NewRand(seed uint64) *Rand { return &Rand{seed} }

// Uint64 returns 64 random bits.
func (r *Rand) Uint64() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// IntN returns a number in [0, n), n > 0. The bias of a 64-bit multiplication
// is below one in 2^31 for every n that is a count of elements.
func (r *Rand) IntN(n int) int {
	hi, _ := bits.Mul64(r.Uint64(), uint64(n))
	return int(hi)
}
