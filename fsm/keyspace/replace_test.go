package keyspace

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Replace leaves behind what Delete and Add do: order, expiries, the account of
// memory, and what is known about accesses.
func TestReplaceIsDeleteAndAdd(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 9))
	a, b := New(1, DefaultLimits()), New(1, DefaultLimits())
	for step := range 20000 {
		slot, key := uint16(r.IntN(4)), fmt.Appendf(nil, "key:%d", r.IntN(30))
		value := []byte(fmt.Sprint("value ", r.IntN(1000)))
		a.Fresh, b.Fresh = uint32(step), uint32(step)
		switch e := a.DB(0).Find(slot, key); {
		case e == nil:
			a.Set(0, slot, key, NewString(value), false)
			b.Set(0, slot, key, NewString(value), false)
		case r.IntN(4) == 0:
			a.Delete(0, slot, key)
			b.Delete(0, slot, key)
		case r.IntN(3) == 0:
			at := int64(1 + r.IntN(50))
			a.SetExpire(0, slot, key, at)
			b.SetExpire(0, slot, key, at)
		default:
			a.Modify(0, slot, e)
			a.Replace(0, slot, e, NewString(value))
			b.Delete(0, slot, key)
			b.Add(0, slot, key, NewString(value))
		}
		a.Settle()
		b.Settle()
		if a.Used() != b.Used() || a.Used() != a.Recount() || a.Len() != b.Len() || a.Volatile() != b.Volatile() {
			t.Fatalf("step %d: %d bytes and %d, %d counted", step, a.Used(), b.Used(), a.Recount())
		}
		if step%100 == 0 {
			now, due := int64(r.IntN(60)), 0
			for slot := range uint16(4) {
				for i := range a.DB(0).Slot(slot).Len() {
					if at := a.DB(0).Slot(slot).At(i).ExpireAt(); at != 0 && at <= now {
						due++
					}
				}
			}
			if got := a.Expired(now); got != due {
				t.Fatalf("step %d: %d have expired, want %d", step, got, due)
			}
		}
		x, y := a.DB(0).Slot(slot), b.DB(0).Slot(slot)
		for i := range x.Len() {
			p, q := x.At(i), y.At(i)
			if p.Key() != q.Key() || string(p.Str(nil)) != string(q.Str(nil)) || p.ExpireAt() != q.ExpireAt() || p.Access() != q.Access() {
				t.Fatalf("step %d, place %d: %q and %q", step, i, p.Key(), q.Key())
			}
		}
	}
	for {
		_, _, key, ok := a.NextExpired(100)
		_, _, other, okToo := b.NextExpired(100)
		if ok != okToo || string(key) != string(other) {
			t.Fatalf("%q comes due, or %q", key, other)
		}
		if !ok {
			break
		}
		for slot := range uint16(4) {
			a.Delete(0, slot, key)
			b.Delete(0, slot, key)
		}
	}
}
