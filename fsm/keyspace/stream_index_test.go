package keyspace

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestIDIndexAgainstModel drives an index and a sorted slice with the same
// operations, growing and shrinking by turns.
func TestIDIndexAgainstModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var x idIndex[int]
	var model []idItem[int]
	at := func(id StreamID) (int, bool) {
		return slices.BinarySearchFunc(model, id, func(e idItem[int], id StreamID) int {
			switch {
			case e.id.Less(id):
				return -1
			case id.Less(e.id):
				return 1
			}
			return 0
		})
	}
	top := uint64(0)
	most := 0
	for step := range 40000 {
		grow := step/4000%2 == 0
		id := StreamID{r.Uint64N(40), r.Uint64N(100)}
		if r.IntN(3) == 0 {
			top++
			id = StreamID{50, top}
		} else if len(model) > 0 && r.IntN(2) == 0 {
			id = model[r.IntN(len(model))].id
			if r.IntN(2) == 0 {
				id = model[0].id
			}
		}
		i, there := at(id)
		if grow && r.IntN(4) > 0 || r.IntN(4) == 0 {
			x.put(id, step)
			if there {
				model[i].v = step
			} else {
				model = slices.Insert(model, i, idItem[int]{step, id})
			}
		} else {
			if x.delete(id) != there {
				t.Fatalf("step %d: delete(%v) = %v", step, id, !there)
			}
			if there {
				model = slices.Delete(model, i, i+1)
			}
		}
		most = max(most, len(model))
		if x.len() != len(model) {
			t.Fatalf("step %d: %d elements, want %d", step, x.len(), len(model))
		}
		probe := StreamID{r.Uint64N(51), r.Uint64N(100)}
		i, there = at(probe)
		if v := x.find(probe); (v != nil) != there || v != nil && *v != model[i].v {
			t.Fatalf("step %d: find(%v)", step, probe)
		}
		if e := x.at(x.seek(probe)); (e == nil) != (i == len(model)) || e != nil && *e != model[i] {
			t.Fatalf("step %d: seek(%v) is at %v, want position %d", step, probe, e, i)
		}
		if step%97 == 0 {
			checkIndex(t, &x, model)
			c := x.clone(func(v int) int { return v })
			checkIndex(t, &c, model)
		}
	}
	if most < 10*idChunk {
		t.Errorf("at most %d elements", most)
	}
}

// checkIndex walks an index in both directions.
func checkIndex(t *testing.T, x *idIndex[int], model []idItem[int]) {
	t.Helper()
	var there, back []idItem[int]
	for p := x.first(); x.at(p) != nil; p = x.after(p) {
		there = append(there, *x.at(p))
	}
	for p := x.last(); x.at(p) != nil; p = x.before(p) {
		back = append(back, *x.at(p))
	}
	slices.Reverse(back)
	if !slices.Equal(there, model) || !slices.Equal(back, model) {
		t.Fatalf("%v forwards, %v backwards, want %v", there, back, model)
	}
	for i, chunk := range x.chunks {
		if len(chunk) == 0 || len(chunk) > idChunk {
			t.Fatalf("chunk %d of %d elements", i, len(chunk))
		}
	}
}
