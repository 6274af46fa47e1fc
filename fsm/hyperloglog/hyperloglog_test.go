package hyperloglog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// registers returns what a valid value holds, read on a way of its own.
func registers(t testing.TB, b []byte) []byte {
	t.Helper()
	var out []byte
	if b[4] == 0 {
		r := append(slices.Clone(b[16:]), 0)
		for i := range 16384 {
			out = append(out, byte(binary.LittleEndian.Uint16(r[i*6/8:])>>(i*6%8))&63)
		}
		return out
	}
	for i := 16; i < len(b); i++ {
		switch c := b[i]; {
		case c >= 0x80:
			out = append(out, bytes.Repeat([]byte{c>>2&31 + 1}, int(c&3)+1)...)
		case c >= 0x40:
			i++
			out = append(out, make([]byte, (int(c)-0x40)*256+int(b[i])+1)...)
		default:
			out = append(out, make([]byte, int(c)+1)...)
		}
	}
	if len(out) != 16384 {
		t.Fatalf("runs of %d registers: %x", len(out), b)
	}
	return out
}

// TestModel adds random elements and merges random values and compares the
// registers with plain slices of them.
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 30 {
		limit := r.IntN(4000)
		b, want := New(), make([]byte, Registers)
		for n := r.IntN(3000); n > 0; n-- {
			element := binary.LittleEndian.AppendUint64(nil, r.Uint64()>>r.IntN(64))[:r.IntN(9)]
			i, count := place(element)
			if h := hash(element); i != int(h%16384) || int(count) != min(bits.TrailingZeros64(h>>14), 50)+1 {
				t.Fatalf("place of %x", element)
			}
			got, raised, err := Add(b, element, limit)
			if err != nil || raised != (want[i] < count) {
				t.Fatalf("raised %v, %v; was %d, count %d", raised, err, want[i], count)
			}
			b = got
			want[i] = max(want[i], count)
			if EncodingOf(b) == Sparse && len(b) > max(limit, 18) {
				t.Fatalf("%d bytes with a limit of %d", len(b), limit)
			}
		}
		if got := registers(t, b); !bytes.Equal(got, want) {
			t.Fatal("other registers")
		}
		var all [Registers]byte
		if err := Merge(&all, b); err != nil || !bytes.Equal(all[:], want) {
			t.Fatalf("Merge: %v", err)
		}
		dense, err := ToDense(b)
		if err != nil || !bytes.Equal(registers(t, dense), want) {
			t.Fatalf("ToDense: %v", err)
		}
		a, _ := Count(b)
		d, _ := Count(dense)
		if u := CountAll(&all); a != d || a != u {
			t.Fatalf("estimates %d, %d, %d", a, d, u)
		}
		again, err := RaiseAll(New(), &all, limit)
		if err != nil || !bytes.Equal(registers(t, again), want) {
			t.Fatalf("RaiseAll: %v", err)
		}
	}
}

// TestPlaceOfLongRun covers counts that no test comes to by adding elements.
func TestPlaceOfLongRun(t *testing.T) {
	for count := byte(1); count <= maxCount; count++ {
		b, raised, err := raise(New(), 77, count, 3000)
		if err != nil || !raised || registers(t, b)[77] != count {
			t.Fatalf("%d: %v %v", count, raised, err)
		}
		if wantDense := count > 32; (EncodingOf(b) == Dense) != wantDense {
			t.Fatalf("%d is %s", count, EncodingOf(b))
		}
	}
}

func TestSelfTest(t *testing.T) {
	if err := SelfTest(1, 3000); err != nil {
		t.Fatal(err)
	}
}

// FuzzValue treats any bytes as runs: nothing may panic or make registers out of
// nothing.
func FuzzValue(f *testing.F) {
	for _, runs := range []string{"", "\x7f\xff", "\x7f\xff\x7f\xff", "\x7f\xfe\x80", "\x7f\xfe\x81", "\x7f", "\x40\x00", "\x80\x80\x84\x3f", "\x5f\xff\x00\x5f\xfe"} {
		f.Add([]byte(runs), []byte("element"), 3000)
	}
	f.Fuzz(func(t *testing.T, runs, element []byte, limit int) {
		limit %= 5000 // a sparse value without a limit is slow, here as in Redis
		b := append(slices.Clone(New()[:headerSize]), runs...)
		if !Valid(b) {
			t.Fatal("not valid")
		}
		_, wantErr := Count(b)
		var all [Registers]byte
		if err := Merge(&all, b); (err == nil) != (wantErr == nil) {
			t.Fatalf("Merge: %v, Count: %v", err, wantErr)
		}
		if _, err := ToDense(b); (err == nil) != (wantErr == nil) {
			t.Fatalf("ToDense: %v, Count: %v", err, wantErr)
		}
		AppendRuns(nil, b, 1000)
		before := slices.Clone(b)
		after, raised, err := Add(b, element, limit)
		switch {
		case err != nil && (raised || !bytes.Equal(after, before)):
			t.Fatal("an error that changed something")
		case !Valid(after):
			t.Fatal("not valid any more")
		case wantErr == nil && err == nil:
			i, count := place(element)
			want := all
			want[i] = max(want[i], count)
			var got [Registers]byte
			if err := Merge(&got, after); err != nil || got != want {
				t.Fatalf("registers after Add, %v", err)
			}
		}
		RaiseAll(slices.Clone(after), &all, limit)
	})
}

func BenchmarkAdd(b *testing.B) {
	for _, limit := range []int{3000, 0} {
		b.Run(fmt.Sprint(limit), func(b *testing.B) {
			v := New()
			var element [8]byte
			for i := range b.N {
				binary.LittleEndian.PutUint64(element[:], uint64(i)%1000)
				v, _, _ = Add(v, element[:], limit)
			}
		})
	}
}

func BenchmarkCount(b *testing.B) {
	v, _ := ToDense(New())
	for range b.N {
		Count(v)
	}
}
