package keyspace

import (
	"fmt"
	"testing"

	"github.com/quorate/quorate/slots/hashslot"
)

// A Warmer only touches memory, so what can be tested is that it survives
// whatever it finds: empty databases and slots, values of every shape, keys that
// are missing or empty, and more keys than it takes at once.
func TestWarmer(t *testing.T) {
	ks := New(2, Limits{})
	var w Warmer
	w.Add(ks.DB(1), 0, []byte("x")) // never written
	w.Finish()
	var keys [][]byte
	for i, v := range []Value{NewInt(5), NewString(nil), NewString([]byte("text")), NewString(make([]byte, 1000))} {
		for j := range 40 {
			key := fmt.Appendf(nil, "{%d}%d", i, j*i)
			if j == 0 && i == 0 {
				key = nil
			}
			keys = append(keys, key, append(key, "missing"...))
			slot := hashslot.Of(key)
			if ks.DB(0).Find(slot, key) == nil {
				ks.Set(0, slot, key, v, false)
			}
		}
	}
	before := ks.DB(0).Len()
	for range 3 {
		for _, k := range keys {
			w.Add(ks.DB(0), hashslot.Of(k), k)
		}
		w.Finish()
	}
	if ks.DB(0).Len() != before {
		t.Errorf("%d keys, want %d", ks.DB(0).Len(), before)
	}
}
