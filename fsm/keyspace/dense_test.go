package keyspace

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

type word string

func (w word) Key() string { return string(w) }

// TestDenseAgainstModel drives a dictionary and a plain slice with the same
// random operations: same elements, same order, every key found where it is.
func TestDenseAgainstModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var d Dense[word]
	var model []word
	find := func(w word) int {
		for i, m := range model {
			if m == w {
				return i
			}
		}
		return -1
	}
	for step := range 60000 {
		w := word(fmt.Sprint("k", r.IntN(1+step/40%700)))
		want := find(w)
		if got := d.Find([]byte(w)); got != want {
			t.Fatalf("step %d: Find(%s) = %d, want %d", step, w, got, want)
		}
		grow := step/5000%2 == 0
		switch {
		case want < 0 && (grow || r.IntN(4) == 0):
			d.Add(w)
			model = append(model, w)
		case want >= 0 && (!grow || r.IntN(4) == 0):
			if from := d.Delete(want); from != len(model)-1 {
				t.Fatalf("step %d: the element moved came from %d, want %d", step, from, len(model)-1)
			}
			model[want] = model[len(model)-1]
			model = model[:len(model)-1]
		}
		if d.Len() != len(model) {
			t.Fatalf("step %d: Len = %d, want %d", step, d.Len(), len(model))
		}
		if step%97 == 0 {
			for i, m := range model {
				if *d.At(i) != m {
					t.Fatalf("step %d: element %d is %s, want %s", step, i, *d.At(i), m)
				}
			}
		}
	}
}
