package crc64

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"
)

// The standard library inverts the register at both ends.
func TestLikeTheStandardLibrary(t *testing.T) {
	for _, polynomial := range []uint64{crc64.ECMA, crc64.ISO, 0x95ac9329ac4bc9b5} {
		ours, theirs := New(polynomial), crc64.MakeTable(polynomial)
		b := make([]byte, 10*4*lane)
		r := rand.New(rand.NewPCG(polynomial, 1))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		for n := range len(b) {
			start := r.Uint64()
			if got, want := ours.Update(start, b[:n]), ^crc64.Update(^start, theirs, b[:n]); got != want {
				t.Fatalf("%d bytes from %x with %x: %x, want %x", n, start, polynomial, got, want)
			}
		}
	}
}

// In pieces of any size it is the same.
func TestPieces(t *testing.T) {
	table := New(crc64.ECMA)
	b := make([]byte, 3*4*lane+5)
	for i := range b {
		b[i] = byte(i * 7)
	}
	whole := table.Update(1, b)
	for cut := range b {
		if got := table.Update(table.Update(1, b[:cut]), b[cut:]); got != whole {
			t.Fatalf("cut at %d: %x, want %x", cut, got, whole)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	ours, theirs := New(crc64.ECMA), crc64.MakeTable(crc64.ECMA)
	for _, c := range []struct {
		name string
		size int
	}{{"9", 9}, {"100", 100}, {"1000", 1000}, {"100000", 100000}} {
		p := make([]byte, c.size)
		b.Run("ours/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(c.size))
			for b.Loop() {
				ours.Update(1, p)
			}
		})
		b.Run("standard/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(c.size))
			for b.Loop() {
				crc64.Update(1, theirs, p)
			}
		})
	}
}
