package keyspace

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/quorate/quorate/slots/hashslot"
)

// heapBytes returns what lives on the heap.
func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestUsedIsReal compares the account with what the heap really grows by, for
// keys of every type in every form.
func TestUsedIsReal(t *testing.T) {
	lim := DefaultLimits()
	word := func(n, size int) []byte { return fmt.Appendf(nil, "%0*d", size, n*7919) }
	for _, c := range []struct {
		name string
		keys int
		make func(i int) Value
	}{
		{"integers", 100000, func(i int) Value { return NewInt(int64(i)) }},
		{"strings of 10 bytes", 80000, func(i int) Value { return NewText(word(i, 10)) }},
		{"strings of 100 bytes", 50000, func(i int) Value { return NewText(word(i, 100)) }},
		{"strings of 100 bytes, many keys", 200000, func(i int) Value { return NewText(word(i, 100)) }},
		{"strings of 3000 bytes", 10000, func(i int) Value { return NewText(word(i, 3000)) }},
		{"small hashes", 15000, func(i int) Value {
			h := &Hash{}
			for j := range 10 {
				h.Set(word(j, 8), word(i, 12), &lim)
			}
			return NewHashValue(h)
		}},
		{"large hashes", 30, func(i int) Value {
			h := &Hash{}
			for j := range 5000 + 100*i {
				h.Set(word(j, 12), word(i, 20), &lim)
			}
			return NewHashValue(h)
		}},
		{"short lists", 15000, func(i int) Value {
			l := &List{}
			for range 10 {
				l.PushRight(word(i, 12), &lim)
			}
			return NewListValue(l)
		}},
		{"long lists", 10, func(i int) Value {
			l := &List{}
			for j := range 1000 {
				l.PushRight(word(j, 30), &lim)
			}
			return NewListValue(l)
		}},
		{"intsets", 15000, func(i int) Value {
			s := &Set{}
			for j := range 50 {
				s.Add(fmt.Appendf(nil, "%d", j*1000), &lim)
			}
			return NewSetValue(s)
		}},
		{"large sets", 30, func(i int) Value {
			s := &Set{}
			for j := range 5000 + 100*i {
				s.Add(word(j, 20), &lim)
			}
			return NewSetValue(s)
		}},
		{"small sorted sets", 20000, func(i int) Value {
			z := &ZSet{}
			for j := range 10 {
				z.Add(word(j, 12), float64(j)*1.5, &lim)
			}
			return NewZSetValue(z)
		}},
		{"large sorted sets", 30, func(i int) Value {
			z := &ZSet{}
			for j := range 5000 + 100*i {
				z.Add(word(j, 20), float64(j*7919%100000), &lim)
			}
			return NewZSetValue(z)
		}},
	} {
		ks := New(1, lim)
		ks.dbs[0].init() // StartupMemory of the machine is for this
		before := heapBytes()
		for i := range c.keys {
			key := fmt.Appendf(nil, "key:%012d", i)
			ks.Set(0, hashslot.Of(key), key, c.make(i), false)
			ks.Settle()
		}
		grown := heapBytes() - before + ks.dbs[0].mem.Used()
		ratio := float64(ks.Used()) / float64(grown)
		t.Logf("%-32s %5d bytes a key, estimated %5d: %.2f", c.name, grown/int64(c.keys), ks.Used()/int64(c.keys), ratio)
		if ratio < 0.8 || ratio > 1.2 {
			t.Errorf("%s: %d bytes are said to be used, %d are", c.name, ks.Used(), grown)
		}
		runtime.KeepAlive(ks)
	}
}

// TestUsed: the account equals a count of everything, whatever has happened,
// also when a key was set, changed, deleted and set again before Settle.
func TestUsed(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	lim := DefaultLimits()
	ks := New(3, lim)
	for step := range 20000 {
		for range 1 + r.IntN(4) {
			db, key := r.IntN(3), fmt.Appendf(nil, "k%d", r.IntN(300))
			slot := uint16(key[len(key)-1] % 3)
			e := ks.DB(db).Find(slot, key)
			switch n := r.IntN(40); {
			case n == 0 && r.IntN(50) == 0:
				ks.Flush(db)
			case n == 1:
				ks.Swap(db, r.IntN(3))
			case n < 12:
				ks.Set(db, slot, key, NewText([]byte(strings.Repeat("x", r.IntN(700)))), r.IntN(2) == 0)
			case n < 18:
				ks.Set(db, slot, key, NewHashValue(&Hash{}), false)
			case n < 24:
				ks.Delete(db, slot, key)
			case e == nil:
			case n < 27:
				ks.SetExpire(db, slot, key, r.Int64N(1000)+1)
			case n < 29:
				ks.Persist(db, slot, key)
			case e.Kind() == KindHash:
				ks.Modify(db, slot, e)
				e.Hash().Set(fmt.Append(nil, r.IntN(100)), make([]byte, r.IntN(100)), &lim)
			default:
				ks.Modify(db, slot, e)
				e.Append([]byte("more"))
			}
		}
		ks.Settle()
		if ks.Used() != ks.Recount() {
			t.Fatalf("step %d: %d bytes are used, counted anew %d", step, ks.Used(), ks.Recount())
		}
	}
}
