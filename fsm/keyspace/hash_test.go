package keyspace

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quorate/quorate/fsm/listpack"
)

type hashModel []struct{ field, value string }

func (m hashModel) find(field string) int {
	for i := range m {
		if m[i].field == field {
			return i
		}
	}
	return -1
}

func (h *Hash) contents() (m hashModel) {
	h.Each(func(f, v []byte) bool {
		m = append(m, struct{ field, value string }{string(f), string(v)})
		return true
	})
	return m
}

// TestHashAgainstModel drives hashes and slices with the same operations; the
// order must be that of the listpack, then that of Dense.
func TestHashAgainstModel(t *testing.T) {
	r := seeded(t)
	for range 60 {
		lim := DefaultLimits()
		lim.HashMaxListpackEntries, lim.HashMaxListpackValue = r.IntN(30), 10
		h, table := new(Hash), false
		var model hashModel
		for step := range 200 {
			field := strconv.Itoa(r.IntN(40))
			value := strings.Repeat("v", r.IntN(11))
			if r.IntN(200) == 0 {
				field = strings.Repeat("f", 11)
			}
			if r.IntN(200) == 0 {
				value = strings.Repeat("v", 11)
			}
			at := model.find(field)
			if r.IntN(3) > 0 {
				f, v := []byte(field), []byte(value)
				if h.Set(f, v, &lim) != (at < 0) {
					t.Fatalf("step %d: Set", step)
				}
				clear(f) // the hash holds copies
				clear(v)
				if at < 0 {
					model = append(model, struct{ field, value string }{field, value})
				} else {
					model[at].value = value
				}
				table = table || len(field) > 10 || len(value) > 10 || len(model) > lim.HashMaxListpackEntries
			} else {
				if h.Delete([]byte(field)) != (at >= 0) {
					t.Fatalf("step %d: Delete", step)
				}
				if at >= 0 && table {
					model[at] = model[len(model)-1]
					model = model[:len(model)-1]
				} else if at >= 0 {
					model = slices.Delete(model, at, at+1)
				}
			}
			if (h.Encoding() == "hashtable") != table {
				t.Fatalf("step %d: %s", step, h.Encoding())
			}
			checkHash(t, r, h, model)
			if r.IntN(50) == 0 {
				h = reloadHash(t, h)
			}
		}
	}
}

func checkHash(t *testing.T, r *rand.Rand, h *Hash, model hashModel) {
	t.Helper()
	if got := h.contents(); !slices.Equal(got, model) || h.Len() != len(model) {
		t.Fatalf("got %q (%d), want %q", got, h.Len(), model)
	}
	var s listpack.Scratch
	if len(model) > 0 {
		i := r.IntN(len(model))
		if v, ok := h.Get([]byte(model[i].field), &s); !ok || string(v) != model[i].value {
			t.Fatalf("Get(%s) = %q, %v, want %q", model[i].field, v, ok, model[i].value)
		}
		var at HashScratch
		if f, v := h.At(i, &at); string(f) != model[i].field || string(v) != model[i].value {
			t.Fatalf("At(%d) = %q, %q", i, f, v)
		}
	}
	if _, ok := h.Get([]byte("missing"), &s); ok || h.Has([]byte("missing")) {
		t.Fatal("found what is not there")
	}
	size := 0
	for _, e := range model {
		size += len(e.field) + len(e.value)
	}
	if h.big() != nil && h.big().bytes != size {
		t.Fatalf("%d bytes, want %d", h.big().bytes, size)
	}
}

// reloadHash returns a copy of h the way a snapshot would make it and checks
// that clones are independent.
func reloadHash(t *testing.T, h *Hash) *Hash {
	t.Helper()
	again := NewHashTable(h.Len())
	if lp, ok := h.Packed(); ok {
		var err error
		if again, err = NewHashFromPacked(bytes.Clone(lp)); err != nil {
			t.Fatal(err)
		}
	} else {
		h.Each(func(f, v []byte) bool { return again.SetInTable(f, v) })
	}
	clone, lim := h.Clone(), DefaultLimits()
	want := h.contents()
	h.Set([]byte("another"), []byte("x"), &lim)
	h.Delete([]byte("0"))
	if !slices.Equal(clone.contents(), want) || !slices.Equal(again.contents(), want) {
		t.Fatalf("clone %q, reloaded %q, want %q", clone.contents(), again.contents(), want)
	}
	if clone.Encoding() != again.Encoding() || len(want) > 0 && clone.MemUsage() != again.MemUsage() {
		t.Fatalf("clone %s %d, reloaded %s %d", clone.Encoding(), clone.MemUsage(), again.Encoding(), again.MemUsage())
	}
	return again
}

func TestHashFromPackedRefuses(t *testing.T) {
	pack := func(elements ...string) listpack.LP {
		lp := listpack.New()
		for _, e := range elements {
			lp = lp.Append([]byte(e))
		}
		return lp
	}
	// "5" as a string of one byte, which listpacks of our own never have.
	five := listpack.LP("\x0f\x00\x00\x00\x04\x00\x05\x01\x01\x01\x815\x02\x01\xff")
	five = append(five[:13], 1, 1, 0xff)
	five[0] = byte(len(five))
	if err := listpack.Valid(five); err != nil {
		t.Fatal(err)
	}
	for name, lp := range map[string]listpack.LP{
		"odd": pack("a", "1", "b"), "twice": pack("a", "1", "b", "2", "a", "3"), "5 and \"5\"": five,
	} {
		if _, err := NewHashFromPacked(lp); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewHashFromPacked([]byte("x")); !errors.Is(err, listpack.ErrCorrupt) {
		t.Errorf("no listpack: %v", err)
	}
	many := listpack.New()
	for i := range 100 {
		many = many.Append(strconv.AppendInt(nil, int64(i), 10)).Append([]byte("0"))
	}
	h, err := NewHashFromPacked(many.Clone())
	if err != nil || h.Len() != 100 || h.Encoding() != "listpack" {
		t.Fatalf("%v", err)
	}
	lim := DefaultLimits()
	lim.HashMaxListpackEntries = 99
	if h.Fit(&lim); h.Encoding() != "hashtable" || h.Len() != 100 {
		t.Errorf("Fit: %s of %d", h.Encoding(), h.Len())
	}
	if _, err := NewHashFromPacked(many.Append([]byte("37")).Append([]byte("0"))); !errors.Is(err, ErrCorrupt) {
		t.Errorf("37 twice among many: %v", err)
	}
}

// TestScanGuarantee: whatever is added and deleted between the calls, an
// element that is there all the time is met, in hashes and in sets.
func TestScanGuarantee(t *testing.T) {
	r := seeded(t)
	lim := DefaultLimits()
	for range 200 {
		h, s, stay := NewHashTable(0), NewSetTable(0), map[string]bool{}
		n := 1 + r.IntN(300)
		for _, i := range r.Perm(n) {
			k := fmt.Appendf(nil, "k%d", i)
			h.Set(k, k, &lim)
			s.Add(k, &lim)
			stay[string(k)] = i%3 == 0
		}
		metInHash, metInSet := map[string]bool{}, map[string]bool{}
		for hc, sc, done := uint64(0), uint64(0), false; !done; {
			if hc != 0 || len(metInHash) == 0 {
				hc = h.Scan(hc, 1+r.IntN(20), func(f, v []byte) { metInHash[string(f)] = string(f) == string(v) })
			}
			if sc != 0 || len(metInSet) == 0 {
				sc = s.Scan(sc, 1+r.IntN(20), func(m []byte) { metInSet[string(m)] = true })
			}
			done = hc == 0 && sc == 0
			for range r.IntN(10) {
				k := fmt.Appendf(nil, "k%d", r.IntN(2*n))
				switch {
				case stay[string(k)]:
				case r.IntN(2) == 0:
					h.Delete(k)
					s.Remove(k)
				default:
					h.Set(k, k, &lim)
					s.Add(k, &lim)
				}
			}
		}
		for k, stays := range stay {
			if stays && (!metInHash[k] || !metInSet[k]) {
				t.Fatalf("%s of %d was not met: hash %v, set %v", k, n, metInHash[k], metInSet[k])
			}
		}
	}
	var small Hash
	small.Set([]byte("a"), []byte("1"), &lim)
	met := 0
	if c := small.Scan(1<<63, -5, func(f, v []byte) { met++ }); c != 0 || met != 1 {
		t.Errorf("a listpack: cursor %d, %d met", c, met)
	}
	table := NewHashTable(1)
	table.Set([]byte("a"), []byte("1"), &lim)
	if c := table.Scan(1<<64-1, -5, func(f, v []byte) { met++ }); c != 0 || met != 2 {
		t.Errorf("a cursor from elsewhere: %d, %d met", c, met)
	}
	if c := NewHashTable(0).Scan(7, 10, func(f, v []byte) { met++ }); c != 0 || met != 2 {
		t.Errorf("an empty dictionary: %d, %d met", c, met)
	}
}

// TestLookupsDoNotAllocate pins HGET, SISMEMBER and a push to a list.
func TestLookupsDoNotAllocate(t *testing.T) {
	lim := DefaultLimits()
	small, big := new(Hash), NewHashTable(0)
	ints, words := new(Set), NewSetTable(0)
	for i := range 100 {
		f := fmt.Appendf(nil, "field%d", i)
		small.Set(f, strconv.AppendInt(nil, int64(i)*1e9, 10), &lim)
		big.Set(f, f, &lim)
		ints.Add(strconv.AppendInt(nil, int64(i), 10), &lim)
		words.Add(f, &lim)
	}
	field, number, n := []byte("field77"), []byte("77"), 0
	if a := testing.AllocsPerRun(100, func() {
		var s listpack.Scratch
		v, _ := small.Get(field, &s)
		n += len(v)
		v, _ = big.Get(field, &s)
		n += len(v)
		if ints.Contains(number) && words.Contains(field) {
			n++
		}
	}); a != 0 {
		t.Errorf("lookups: %v allocations", a)
	}
	var l List
	if a := testing.AllocsPerRun(10000, func() { l.PushRight(field, &lim) }); a >= 1 {
		t.Errorf("PushRight: %v allocations", a)
	}
}
