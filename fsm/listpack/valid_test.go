package listpack

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestValidRefuses(t *testing.T) {
	good := New().Append([]byte("abc")).Append([]byte("70000")).Append(bytes.Repeat([]byte("x"), 200))
	if err := Valid(good); err != nil {
		t.Fatal(err)
	}
	refuse := func(name string, change func(b []byte) []byte) {
		t.Helper()
		if err := Valid(change(slices.Clone(good))); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	set := func(i int, v byte) func([]byte) []byte {
		return func(b []byte) []byte { b[i] = v; return b }
	}
	refuse("nothing", func([]byte) []byte { return nil })
	refuse("header alone", func(b []byte) []byte { return b[:6] })
	refuse("one byte less", func(b []byte) []byte { return b[:len(b)-1] })
	refuse("one byte more", func(b []byte) []byte { return append(b, endMark) })
	refuse("total", set(1, 1))
	refuse("count", set(4, 2))
	refuse("end mark", set(len(good)-1, 0))
	refuse("encoding F5", set(6, 0xF5))
	refuse("end mark inside", set(6, 0xFF))
	refuse("longer string", set(6, 0x84))
	refuse("string beyond the end", set(6, 0xBF))
	refuse("huge string", set(6, 0xF0))
	refuse("back length", set(10, 5))
	refuse("back length's continuation", set(10, 0x84))
	for i := range good {
		if Valid(good[:i]) == nil {
			t.Errorf("accepted when cut at %d", i)
		}
	}
	unknown := slices.Clone(good)
	unknown[4], unknown[5] = 0xFF, 0xFF
	if err := Valid(unknown); err != nil || unknown.Len() != 3 {
		t.Errorf("with an unknown count: %v, Len = %d", err, unknown.Len())
	}
}

// FuzzValid: whatever Valid accepts can be read in both directions, rebuilt
// and changed.
func FuzzValid(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		lp := New()
		for range r.IntN(6) {
			lp = lp.Append(interesting(r))
		}
		f.Add([]byte(lp))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if Valid(b) != nil {
			return
		}
		lp := LP(slices.Clone(b))
		values := contents(t, lp)
		again := New()
		for i, v := range values {
			again = again.Append(v)
			if p := lp.Seek(i); !lp.Equal(p, v) || lp.Find(v, p, 0) != p {
				t.Fatalf("element %d is not found by its value %q", i, v)
			}
		}
		if got := contents(t, again); !slices.EqualFunc(got, values, bytes.Equal) {
			t.Fatalf("rebuilt: %q, want %q", got, values)
		}
		if len(values) > 0 {
			lp = lp.Delete(lp.Seek(len(values)/2), 1)
			values = slices.Delete(values, len(values)/2, len(values)/2+1)
		}
		lp, values = lp.Append([]byte("end")), append(values, []byte("end"))
		if got := contents(t, lp); !slices.EqualFunc(got, values, bytes.Equal) {
			t.Fatalf("changed: %q, want %q", got, values)
		}
	})
}
