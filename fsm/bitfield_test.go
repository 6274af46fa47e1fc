package fsm

import (
	"math/big"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestIntTypes reads and writes integers of all types at random bits and
// compares with single bits, and sums with those of big integers.
func TestIntTypes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	bit := func(s []byte, i int64) byte { return s[i>>3] >> (7 - i&7) & 1 }
	for range 20000 {
		kind := intType{signed: r.IntN(2) == 0, bits: 1 + r.Int64N(64)}
		if !kind.signed && kind.bits == 64 {
			kind.bits = 63
		}
		s := make([]byte, 20)
		for i := range s {
			s[i] = byte(r.Uint32())
		}
		at := r.Int64N(160 - kind.bits + 1)
		lo, hi := kind.limits()
		old := kind.get(s, at)
		var want uint64
		for i := range kind.bits {
			want = want<<1 | uint64(bit(s, at+i))
		}
		if kind.signed && bit(s, at) == 1 {
			want |= ^uint64(0) << (kind.bits - 1)
		}
		if old != int64(want) || old < lo || old > hi {
			t.Fatalf("%+v at %d of %x: %d, want %d", kind, at, s, old, int64(want))
		}
		by := int64(r.Uint64()) >> r.IntN(64)
		exact := new(big.Int).Add(big.NewInt(old), big.NewInt(by))
		fits := exact.Cmp(big.NewInt(lo)) >= 0 && exact.Cmp(big.NewInt(hi)) <= 0
		if _, ok := kind.add(old, by, overflowFail); ok != fits {
			t.Fatalf("%+v: %d + %d fits: %v, want %v", kind, old, by, ok, fits)
		}
		nearest := hi
		if exact.Sign() < 0 || exact.Cmp(big.NewInt(lo)) < 0 {
			nearest = lo
		}
		sat, _ := kind.add(old, by, overflowSat)
		wrapped, _ := kind.add(old, by, overflowWrap)
		if fits && (sat != old+by || wrapped != sat) || !fits && (sat != nearest || wrapped != kind.wrap(uint64(old)+uint64(by))) {
			t.Fatalf("%+v: %d + %d = %d or %d", kind, old, by, sat, wrapped)
		}
		after := slices.Clone(s)
		kind.set(after, at, wrapped)
		if got := kind.get(after, at); got != wrapped {
			t.Fatalf("%+v at %d: wrote %d, read %d", kind, at, wrapped, got)
		}
		for i := range int64(160) {
			if (i < at || i >= at+kind.bits) && bit(s, i) != bit(after, i) {
				t.Fatalf("%+v at %d: bit %d changed", kind, at, i)
			}
		}
	}
}

// TestBitRanges compares counting and searching with going through the bits.
func TestBitRanges(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 20000 {
		s := make([]byte, 1+r.IntN(60))
		fill := byte(r.IntN(3)) - 1 // 0xff, 0x00 or single bits
		for i := range s {
			if s[i] = fill; r.IntN(8) == 0 || fill == 1 {
				s[i] = byte(r.Uint32())
			}
		}
		from := r.Int64N(int64(len(s)) * 8)
		to := from + r.Int64N(int64(len(s))*8-from+1)
		ones, first := int64(0), [2]int64{-1, -1}
		for i := to - 1; i >= from; i-- {
			b := s[i>>3] >> (7 - i&7) & 1
			ones += int64(b)
			first[b] = i
		}
		if got := countBits(s, from, to); got != ones {
			t.Fatalf("%x from %d to %d: %d bits, want %d", s, from, to, got, ones)
		}
		for b := range byte(2) {
			if got := findBit(s, from, to, b); got != first[b] {
				t.Fatalf("%x from %d to %d: bit %d at %d, want %d", s, from, to, b, got, first[b])
			}
		}
	}
}

func BenchmarkCountBits(b *testing.B) {
	s := make([]byte, 1<<20)
	for i := range s {
		s[i] = byte(bits.Reverse8(uint8(i)))
	}
	b.SetBytes(1 << 20)
	for range b.N {
		countBits(s, 3, 8<<20-3)
	}
}
