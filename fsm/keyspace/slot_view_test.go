package keyspace

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestSlotView: a view shows what was there, whatever happens to the slot afterwards.
func TestSlotView(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	lim := DefaultLimits()
	word := func() []byte { return []byte(strings.Repeat(fmt.Sprint(r.IntN(1000)), r.IntN(40))) }
	fill := func(v *Value, n int) {
		for range n {
			switch v.kind {
			case KindList:
				v.List().PushRight(word(), &lim)
			case KindHash:
				v.Hash().Set(word(), word(), &lim)
			case KindZSet:
				v.ZSet().Add(word(), float64(r.IntN(1000)), &lim)
			case KindSet:
				if r.IntN(50) == 0 {
					v.Set().Add(word(), &lim)
				} else {
					v.Set().Add(fmt.Append(nil, r.IntN(1e6)), &lim)
				}
			}
		}
	}
	for range 100 {
		ks := New(1, lim)
		db := ks.DB(0)
		for i := range 1 + r.IntN(200) {
			var v Value
			switch r.IntN(7) {
			case 0:
				v = NewInt(r.Int64())
			case 1:
				v = NewString(word())
			case 2:
				v = NewRawString(word())
			case 3:
				v = NewListValue(new(List))
			case 4:
				v = NewHashValue(new(Hash))
			case 5:
				v = NewZSetValue(new(ZSet))
			case 6:
				v = NewSetValue(new(Set))
			}
			fill(&v, 1+r.IntN(150)*r.IntN(2))
			ks.Add(0, 7, fmt.Append(nil, "key", i), v)
		}
		want := make([]string, 0, db.Slot(7).Len())
		for i := range db.Slot(7).items {
			want = append(want, picture(&db.Slot(7).items[i]))
		}
		var v *SlotView
		remove := ks.BeforeWrite(func(d *DB, slot uint16, w Written) {
			if v == nil {
				v, _ = d.ViewSlot(slot)
			}
			if w.Value != nil {
				v.Part(w.Value)
				empty := w.Value.Value.kind == KindString && w.Value.StrLen() == 0 // nothing that could change
				if again := v.Part(w.Value); again != 0 && !empty {
					t.Errorf("%s parted twice", picture(w.Value))
				}
			}
			if w.Entry != nil {
				v.Keep(w.Entry)
			}
			if w.Last != nil {
				v.Keep(w.Last)
				v.Moved()
			}
		})
		for step := range r.IntN(300) {
			if n := db.Slot(7).Len(); n == 0 || r.IntN(4) == 0 {
				ks.Add(0, 7, fmt.Append(nil, "new", step), NewString(word()))
				ks.Settle()
				continue
			}
			e := db.Slot(7).At(r.IntN(db.Slot(7).Len()))
			key := []byte(e.Key())
			switch r.IntN(6) {
			case 0:
				ks.Delete(0, 7, key)
			case 1:
				ks.SetExpire(0, 7, key, 1+r.Int64N(1e12))
			case 2:
				ks.Persist(0, 7, key)
			case 3:
				ks.Overwrite(0, 7, e, word())
			case 4:
				ks.Modify(0, 7, e)
				ks.Replace(0, 7, e, NewString(word()))
			case 5:
				ks.Modify(0, 7, e)
				if x := &e.Value; x.kind != KindString {
					fill(x, 1+r.IntN(20))
				} else if x.enc != encInt {
					clear(x.bytes())
				}
			}
			ks.Settle()
		}
		remove()
		if v == nil {
			v, _ = db.ViewSlot(7)
		}
		var got []string
		for i := range v.Len() {
			got = append(got, picture(v.At(i)))
		}
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				t.Fatalf("the view has %d entries, want %d; the first that differs is %d:\n%.200q\n%.200q", len(got), len(want), i, got[min(i, len(got)-1)], want[i])
			}
		}
		if len(got) != len(want) {
			t.Fatalf("the view has %d entries, want %d", len(got), len(want))
		}
	}
}

// picture is all of an entry as text.
func picture(e *Entry) string {
	var b strings.Builder
	v := &e.Value
	fmt.Fprintf(&b, "%s %d %s %s:", e.Key(), e.ExpireAt(), v.Kind(), v.Encoding())
	switch v.kind {
	case KindString:
		fmt.Fprintf(&b, "%q", v.Str(nil))
	case KindList:
		v.List().Each(func(_ int, value []byte) bool { fmt.Fprintf(&b, " %q", value); return true })
	case KindHash:
		v.Hash().Each(func(field, value []byte) bool { fmt.Fprintf(&b, " %q=%q", field, value); return true })
	case KindZSet:
		v.ZSet().EachStored(func(member []byte, score float64) { fmt.Fprintf(&b, " %q=%v", member, score) })
	case KindSet:
		v.Set().Each(func(member []byte) bool { fmt.Fprintf(&b, " %q", member); return true })
	}
	return b.String()
}
