package keyspace

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// expiryOwner is what an index is used by: a Dense-like slice of keys, each
// with the index of its item.
type expiryOwner struct {
	keys  []expiringKey
	index *ExpiryIndex
}

type expiringKey struct {
	name string
	at   int64
	heap int
}

func newExpiryOwner() *expiryOwner {
	o := &expiryOwner{}
	o.index = NewExpiryIndex(
		func(a, b ExpiryItem) bool { return o.keys[a.Pos].name < o.keys[b.Pos].name },
		func(item ExpiryItem, index int) { o.keys[item.Pos].heap = index },
	)
	return o
}

func (o *expiryOwner) add(name string, at int64) {
	o.keys = append(o.keys, expiringKey{name: name, at: at, heap: -1})
	o.index.Push(ExpiryItem{At: at, Pos: uint32(len(o.keys) - 1)})
}

func (o *expiryOwner) remove(pos int) {
	o.index.Remove(o.keys[pos].heap)
	last := len(o.keys) - 1
	o.keys[pos] = o.keys[last]
	o.keys = o.keys[:last]
	if pos != last {
		o.index.SetPos(o.keys[pos].heap, uint32(pos))
	}
}

func (o *expiryOwner) check(t *testing.T) {
	t.Helper()
	if o.index.Len() != len(o.keys) {
		t.Fatalf("%d items for %d keys", o.index.Len(), len(o.keys))
	}
	for pos, k := range o.keys {
		if item := o.index.At(k.heap); int(item.Pos) != pos || item.At != k.at {
			t.Fatalf("key %q at %d, time %d: its index %d holds %+v", k.name, pos, k.at, k.heap, item)
		}
	}
}

// drain pops everything and compares with the keys sorted by time and name.
func (o *expiryOwner) drain(t *testing.T) {
	t.Helper()
	want := slices.SortedFunc(slices.Values(o.keys), func(a, b expiringKey) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.name, b.name))
	})
	for _, w := range want {
		item, ok := o.index.Min()
		if !ok || o.keys[item.Pos].name != w.name {
			t.Fatalf("Min is %+v (%v), want %q at %d", item, ok, w.name, w.at)
		}
		o.remove(int(item.Pos))
	}
	if _, ok := o.index.Min(); ok {
		t.Fatal("items are left")
	}
}

func TestExpiryIndexAgainstModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for round := range 40 {
		o := newExpiryOwner()
		times := 1 + r.Int64N(1<<r.IntN(12))
		for step := range 1500 {
			switch n := len(o.keys); {
			case n == 0 || r.IntN(10) < 5:
				name := make([]byte, 8)
				for i := range name {
					name[i] = 'a' + byte(r.IntN(26))
				}
				o.add(string(name), r.Int64N(times))
			case r.IntN(2) == 0:
				pos := r.IntN(n)
				o.keys[pos].at = r.Int64N(times)
				o.index.Update(o.keys[pos].heap, o.keys[pos].at)
			default:
				o.remove(r.IntN(n))
			}
			if step%50 == round {
				o.check(t)
			}
		}
		o.check(t)
		o.drain(t)
	}
}

// TestExpiryOrderIgnoresHistory fills two indexes with the same keys in
// different ways; they must empty in the same order, ties included.
func TestExpiryOrderIgnoresHistory(t *testing.T) {
	a, b := newExpiryOwner(), newExpiryOwner()
	for i := range 300 {
		a.add(string(rune('a'+i%26))+string(rune('a'+i/26)), int64(i%3))
	}
	for i := 299; i >= 0; i-- {
		b.add(a.keys[i].name, 7)
		b.keys[299-i].at = a.keys[i].at
		b.index.Update(b.keys[299-i].heap, a.keys[i].at)
	}
	for a.index.Len() > 0 {
		x, _ := a.index.Min()
		y, _ := b.index.Min()
		if p, q := a.keys[x.Pos], b.keys[y.Pos]; p.name != q.name || p.at != q.at {
			t.Fatalf("%q at %d and %q at %d", p.name, p.at, q.name, q.at)
		}
		a.remove(int(x.Pos))
		b.remove(int(y.Pos))
	}
}

func BenchmarkExpiryPushPop(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	x := NewExpiryIndex(func(a, b ExpiryItem) bool { return a.Pos < b.Pos }, func(ExpiryItem, int) {})
	for i := range 1 << 20 {
		x.Push(ExpiryItem{At: r.Int64(), Pos: uint32(i)})
	}
	for b.Loop() {
		x.Remove(0)
		x.Push(ExpiryItem{At: r.Int64()})
	}
}
