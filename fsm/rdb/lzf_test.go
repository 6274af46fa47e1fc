package rdb

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/quorate/quorate/fsm/keyspace"
)

// TestCRC64 uses the check value that the authors of the polynomial's
// parameters publish for "123456789".
func TestCRC64(t *testing.T) {
	if got := CRC64(0, []byte("123456789")); got != 0xe9c6d914c4b8d9ca {
		t.Errorf("CRC64 = %x", got)
	}
	// In pieces of any size it is the same.
	b := bytes.Repeat([]byte("0123456789abcdef-"), 20)
	whole := CRC64(0, b)
	for cut := range b {
		if got := CRC64(CRC64(0, b[:cut]), b[cut:]); got != whole {
			t.Fatalf("cut at %d: %x, want %x", cut, got, whole)
		}
	}
}

func TestLZFRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	table := make(lzfTable, 1<<lzfTableBits)
	packed := 0
	for range 3000 {
		src := make([]byte, r.IntN(1<<r.IntN(16)))
		alphabet := 1 + r.IntN(1<<r.IntN(9))
		for i := range src {
			src[i] = byte(r.IntN(alphabet))
		}
		if len(src) > 100 && r.IntN(2) == 0 {
			copy(src[len(src)/2:], src)
		}
		prefix := []byte("prefix")
		out, ok := table[:lzfCells(len(src))].compress(prefix, src, len(src)-4)
		if !ok {
			continue
		}
		packed++
		if !bytes.HasPrefix(out, prefix) || len(out)-len(prefix) > len(src)-4 {
			t.Fatalf("%d bytes of %d", len(out), len(src))
		}
		if !lzfFits(len(out)-len(prefix), uint64(len(src))) {
			t.Fatalf("lzfFits denies %d from %d", len(src), len(out)-len(prefix))
		}
		back, err := decompress(out[len(prefix):], len(src))
		if err != nil || !bytes.Equal(back, src) {
			t.Fatalf("%d bytes: %v", len(src), err)
		}
	}
	if packed < 500 {
		t.Errorf("only %d of 3000 were compressed", packed)
	}
}

func TestLZFRun(t *testing.T) {
	table := make(lzfTable, 1<<lzfTableBits)
	src := bytes.Repeat([]byte("a"), 1<<20)
	out, ok := table.compress(nil, src, len(src))
	if !ok || len(out) > len(src)/80 {
		t.Fatalf("a run of %d takes %d bytes", len(src), len(out))
	}
	if back, err := decompress(out, len(src)); err != nil || !bytes.Equal(back, src) {
		t.Fatal(err)
	}
}

func TestLZFRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		src  string
		size int
	}{
		{"literals missing", "\x03ab", 4},
		{"too short", "\x01ab", 3},
		{"too long", "\x03abcd", 3},
		{"reference before the start", "\x00a\x20\x01", 4},
		{"reference cut", "\x00a\x20", 4},
		{"long reference cut", "\x00a\xe0\x10", 30},
		{"long reference cut earlier", "\x00a\xe0", 30},
		{"reference too long", "\x00a\x20\x00", 3},
	} {
		if _, err := decompress([]byte(c.src), c.size); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
	if got, err := decompress([]byte("\x00a\x20\x00"), 4); err != nil || string(got) != "aaaa" {
		t.Errorf("run: %q, %v", got, err)
	}
}

func FuzzLZF(f *testing.F) {
	f.Add([]byte("\x00a\x20\x00"), 4)
	f.Fuzz(func(t *testing.T, src []byte, size int) {
		if size < 0 || !lzfFits(len(src), uint64(size)) {
			return
		}
		if out, err := decompress(src, size); err == nil && len(out) != size {
			t.Fatal("wrong size without an error")
		}
		table := make(lzfTable, 1<<lzfTableBits)
		if packed, ok := table.compress(nil, src, len(src)); ok {
			if back, err := decompress(packed, len(src)); err != nil || !bytes.Equal(back, src) {
				t.Fatal(err)
			}
		}
	})
}

// BenchmarkDump measures payloads of strings that can't be compressed.
func BenchmarkDump(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{20, 100, 1000, 10000} {
		text := make([]byte, size)
		for i := range text {
			text[i] = byte('a' + r.IntN(26))
		}
		v := keyspace.NewString(text)
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			var room []byte
			b.ReportAllocs()
			for b.Loop() {
				room = AppendDump(room[:0], &v)
			}
		})
	}
}
