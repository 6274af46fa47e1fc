package keyspace

import (
	"fmt"
	"testing"
)

// TestFreeEffort: small values are one piece, large ones as many as they have
// elements or nodes.
func TestFreeEffort(t *testing.T) {
	text := NewString([]byte("text"))
	if n := text.FreeEffort(); n != 1 {
		t.Errorf("a string: %d", n)
	}
	for _, n := range []int{3, 1000} {
		h := new(Hash)
		lim := DefaultLimits()
		for i := range n {
			h.Set(fmt.Append(nil, "f", i), []byte("v"), &lim)
		}
		v := NewHashValue(h)
		want := 1
		if n > 3 {
			want = n
		}
		if got := v.FreeEffort(); got != want {
			t.Errorf("a hash of %d: %d, want %d", n, got, want)
		}
	}
}
