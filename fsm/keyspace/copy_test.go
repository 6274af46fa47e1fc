package keyspace

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestPart: copies are what was there, whatever happens to the originals after Part.
func TestPart(t *testing.T) {
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
	for range 20 {
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
		copies := db.CopySlot(7)
		for i := range db.Slot(7).items {
			e := &db.Slot(7).items[i]
			v := &e.Value
			_, number := v.Int()
			empty := v.kind == KindString && v.StrLen() == 0 // nothing that could change
			if !empty && (Part(copies, e) > 0) == number {
				t.Errorf("%s parted: %v", picture(e), !number)
			}
			if !empty && Part(copies, e) != 0 {
				t.Errorf("%s parted twice", picture(e))
			}
			if v.kind == KindString && v.enc != encInt {
				clear(v.bytes())
			}
			fill(v, 1+r.IntN(20))
		}
		var got []string
		for i := range copies {
			got = append(got, picture(&copies[i]))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("the copies differ:\n%q\n%q", got, want)
		}
	}
}

// picture is all of an entry as text.
func picture(e *Entry) string {
	var b strings.Builder
	v := &e.Value
	fmt.Fprintf(&b, "%s %s %s:", e.Key(), v.Kind(), v.Encoding())
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
