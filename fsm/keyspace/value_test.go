package keyspace

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// SetString leaves what NewString returns, whatever was there.
func TestSetString(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	texts := []string{"", "0", "-17", "9223372036854775807", "007", "abc"}
	for range 200 {
		texts = append(texts, strings.Repeat("x", r.IntN(300)))
	}
	v := NewString([]byte("first"))
	for range 20000 {
		if r.IntN(10) == 0 {
			v.Append([]byte(texts[r.IntN(len(texts))]))
		}
		text := []byte(texts[r.IntN(len(texts))])
		v.SetString(text)
		want := NewString(text)
		if string(v.Str(make([]byte, 20))) != string(text) || v.Encoding() != want.Encoding() || v.StrLen() != len(text) {
			t.Fatalf("%q became %q, %s", text, v.Str(make([]byte, 20)), v.Encoding())
		}
		if held := int(v.n >> 32); v.enc != encInt && allocated(held) != allocated(len(text)) {
			t.Fatalf("%d bytes are held in %d", len(text), held)
		}
	}
	v = NewListValue(&List{})
	if v.SetString([]byte("text")); v.Kind() != KindString || v.Encoding() != "embstr" {
		t.Errorf("a list became %v, %s", v.Kind(), v.Encoding())
	}
}

func TestSetStringAllocatesNothing(t *testing.T) {
	a, b := []byte(strings.Repeat("a", 100)), []byte(strings.Repeat("b", 97))
	v := NewString(a)
	if n := testing.AllocsPerRun(100, func() { v.SetString(b); v.SetString(a) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
