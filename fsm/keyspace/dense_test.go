package keyspace

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"
)

type word struct{ Name }

// TestElementsBeginWithName looks at the types of all elements: Dense reads the
// name where it must lie.
func TestElementsBeginWithName(t *testing.T) {
	for name, offset := range map[string]uintptr{
		"Entry": unsafe.Offsetof(Entry{}.Name), "hashEntry": unsafe.Offsetof(hashEntry{}.Name),
		"setMember": unsafe.Offsetof(setMember{}.Name), "zsetElement": unsafe.Offsetof(zsetElement{}.Name),
	} {
		if offset != 0 {
			t.Errorf("%s has its Name at %d", name, offset)
		}
	}
	if size := unsafe.Sizeof(Entry{}); size != 48 {
		t.Errorf("an entry has %d bytes", size)
	}
}

// TestDenseAgainstModel drives a dictionary and a plain slice with the same
// random operations: same elements, same order, every key found where it is.
func TestDenseAgainstModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var d Dense[word]
	var model []string
	find := func(w string) int {
		for i, m := range model {
			if m == w {
				return i
			}
		}
		return -1
	}
	for step := range 60000 {
		w := fmt.Sprint("k", r.IntN(1+step/40%700))
		want := find(w)
		if got := d.Find([]byte(w)); got != want {
			t.Fatalf("step %d: Find(%s) = %d, want %d", step, w, got, want)
		}
		grow := step/5000%2 == 0
		switch {
		case want < 0 && (grow || r.IntN(4) == 0):
			d.Add(word{NewName([]byte(w))})
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
				if d.At(i).Key() != m {
					t.Fatalf("step %d: element %d is %s, want %s", step, i, d.At(i).Key(), m)
				}
			}
		}
	}
}

// TestDenseChangesIndex lets a dictionary grow beyond the small index and shrink
// again, several times, and finds every element each time the index has changed.
func TestDenseChangesIndex(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	var d Dense[word]
	was, changes, large, next := 0, 0, 0, 0
	check := func() {
		if d.cells() == was {
			return
		}
		was = d.cells()
		changes++
		if d.large != nil {
			large++
		}
		for i := range d.Len() {
			if got := d.Find([]byte(d.At(i).Key())); got != i {
				t.Fatalf("%d elements, %d cells: element %d is found at %d", d.Len(), was, i, got)
			}
		}
		if d.Find([]byte("absent")) >= 0 {
			t.Fatal("found what isn't there")
		}
	}
	for range 2 {
		for d.Len() < 2<<smallBits {
			for range 1 + r.IntN(4) {
				d.Add(word{NewName(fmt.Append(nil, "k", next))})
				next++
				check()
			}
			if r.IntN(2) == 0 {
				d.Delete(r.IntN(d.Len()))
				check()
			}
		}
		for d.Len() > 0 {
			d.Delete(r.IntN(d.Len()))
			check()
		}
	}
	if changes < 40 || large < 6 {
		t.Fatalf("the index changed %d times, to a large one %d times", changes, large)
	}
}
