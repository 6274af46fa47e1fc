package keyspace

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/quorate/quorate/fsm/listpack"
)

func TestIntsetGolden(t *testing.T) {
	s := NewIntset()
	check := func(v int64, want string) {
		t.Helper()
		var added bool
		if s, added = s.Add(v); !added {
			t.Errorf("Add(%d): not new", v)
		}
		if _, added := s.Add(v); added {
			t.Errorf("Add(%d) again: new", v)
		}
		if got := hex.EncodeToString(s); got != want {
			t.Errorf("Add(%d): %s, want %s", v, got, want)
		}
	}
	check(5, "02000000"+"01000000"+"0500")
	check(-1, "02000000"+"02000000"+"ffff"+"0500")
	check(32767, "02000000"+"03000000"+"ffff"+"0500"+"ff7f")
	check(-32769, "04000000"+"04000000"+"ff7fffff"+"ffffffff"+"05000000"+"ff7f0000")
	check(math.MaxInt64, "08000000"+"05000000"+"ff7fffffffffffff"+"ffffffffffffffff"+
		"0500000000000000"+"ff7f000000000000"+"ffffffffffffff7f")
	s, _ = s.Remove(math.MaxInt64)
	s, _ = s.Remove(-32769)
	if got, want := hex.EncodeToString(s), "08000000"+"03000000"+"ffffffffffffffff"+
		"0500000000000000"+"ff7f000000000000"; got != want {
		t.Errorf("after Remove: %s, want %s", got, want)
	}
}

func TestIntsetAgainstModel(t *testing.T) {
	r := seeded(t)
	for range 60 {
		s, model, shift := NewIntset(), []int64{}, r.IntN(62)
		for range 300 {
			v := int64(r.IntN(60))<<r.IntN(shift+1) - 30<<r.IntN(shift+1)
			i, found := slices.BinarySearch(model, v)
			if s.Contains(v) != found {
				t.Fatalf("Contains(%d) = %v", v, !found)
			}
			var changed bool
			if r.IntN(3) > 0 {
				if s, changed = s.Add(v); changed == found {
					t.Fatalf("Add(%d) = %v", v, changed)
				}
				if !found {
					model = slices.Insert(model, i, v)
				}
			} else {
				if s, changed = s.Remove(v); changed != found {
					t.Fatalf("Remove(%d) = %v", v, changed)
				}
				if found {
					model = slices.Delete(model, i, i+1)
				}
			}
			if err := ValidIntset(s); err != nil {
				t.Fatal(err)
			}
			if s.Len() != len(model) {
				t.Fatalf("Len = %d, want %d", s.Len(), len(model))
			}
			for i, m := range model {
				if s.At(i) != m {
					t.Fatalf("At(%d) = %d, want %d", i, s.At(i), m)
				}
			}
		}
	}
}

// TestSetAgainstModel drives sets and slices with the same operations; the
// order must be ascending, then that of Dense.
func TestSetAgainstModel(t *testing.T) {
	r := seeded(t)
	for range 80 {
		lim := DefaultLimits()
		lim.SetMaxIntsetEntries = r.IntN(30)
		s, table := new(Set), false
		var model []string
		for step := range 200 {
			m := strconv.Itoa(r.IntN(50) - 10)
			if r.IntN(100) == 0 {
				m = "0" + m
			}
			at := slices.Index(model, m)
			if s.Contains([]byte(m)) != (at >= 0) {
				t.Fatalf("step %d: Contains(%s)", step, m)
			}
			if r.IntN(3) > 0 {
				given := []byte(m)
				if s.Add(given, &lim) != (at < 0) {
					t.Fatalf("step %d: Add(%s)", step, m)
				}
				clear(given) // the set holds copies
				if _, isInt := listpack.ParseInt([]byte(m)); at < 0 {
					if model = append(model, m); isInt && !table {
						slices.SortFunc(model, byNumber)
					}
					table = table || !isInt || len(model) > lim.SetMaxIntsetEntries
				}
			} else {
				if s.Remove([]byte(m)) != (at >= 0) {
					t.Fatalf("step %d: Remove(%s)", step, m)
				}
				if at >= 0 && table {
					model[at] = model[len(model)-1]
					model = model[:len(model)-1]
				} else if at >= 0 {
					model = slices.Delete(model, at, at+1)
				}
			}
			if (s.Encoding() == "hashtable") != table {
				t.Fatalf("step %d: %s", step, s.Encoding())
			}
			checkSet(t, r, s, model)
			if r.IntN(50) == 0 {
				s = reloadSet(t, s)
			}
		}
	}
}

func byNumber(a, b string) int {
	x, _ := strconv.Atoi(a)
	y, _ := strconv.Atoi(b)
	return x - y
}

func (s *Set) contents() (all []string) {
	s.Each(func(m []byte) bool { all = append(all, string(m)); return true })
	return all
}

func checkSet(t *testing.T, r *rand.Rand, s *Set, model []string) {
	t.Helper()
	if got := s.contents(); !slices.Equal(got, model) || s.Len() != len(model) {
		t.Fatalf("got %q (%d), want %q", got, s.Len(), model)
	}
	if len(model) > 0 {
		var scratch listpack.Scratch
		i := r.IntN(len(model))
		if got := s.At(i, &scratch); string(got) != model[i] {
			t.Fatalf("At(%d) = %q, want %q", i, got, model[i])
		}
	}
	size := 0
	for _, m := range model {
		size += len(m)
	}
	if s.dict != nil && s.bytes != size {
		t.Fatalf("%d bytes, want %d", s.bytes, size)
	}
}

func reloadSet(t *testing.T, s *Set) *Set {
	t.Helper()
	again := NewSetTable(s.Len())
	if ints, ok := s.Intset(); ok {
		var err error
		if again, err = NewSetFromIntset(bytes.Clone(ints)); err != nil {
			t.Fatal(err)
		}
	} else {
		s.Each(func(m []byte) bool { return again.AddToTable(m) })
	}
	clone, lim := s.Clone(), DefaultLimits()
	want := s.contents()
	s.Add([]byte("77"), &lim)
	s.Remove([]byte("0"))
	if !slices.Equal(clone.contents(), want) || !slices.Equal(again.contents(), want) {
		t.Fatalf("clone %q, reloaded %q, want %q", clone.contents(), again.contents(), want)
	}
	if clone.Encoding() != again.Encoding() || len(want) > 0 && clone.MemUsage() != again.MemUsage() {
		t.Fatalf("clone %s %d, reloaded %s %d", clone.Encoding(), clone.MemUsage(), again.Encoding(), again.MemUsage())
	}
	return again
}

func TestIntsetRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "half a header": "02000000", "width 0": "0000000000000000", "width 3": "0300000000000000",
		"too short": "020000000200000001000", "too long": "02000000010000000100ff", "huge": "08000000ffffffff01",
		"twice": "020000000200000001000100", "descending": "020000000200000002000100", "wide width": "0200010000000000",
	} {
		b, _ := hex.DecodeString(text)
		if _, err := NewSetFromIntset(b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s, err := NewSetFromIntset(NewIntset()); err != nil || s.Len() != 0 {
		t.Errorf("empty: %v", err)
	}
}

// FuzzValidIntset: whatever is accepted is a set that can be read and changed.
func FuzzValidIntset(f *testing.F) {
	for _, v := range []int64{1, 1 << 20, 1 << 40} {
		s := NewIntset()
		for i := range int64(5) {
			s, _ = s.Add(v * (i - 2))
		}
		f.Add([]byte(s), v)
	}
	f.Fuzz(func(t *testing.T, b []byte, v int64) {
		s, err := NewSetFromIntset(bytes.Clone(b))
		if err != nil {
			return
		}
		lim := DefaultLimits()
		member := strconv.AppendInt(nil, v, 10)
		had, n := s.Contains(member), s.Len()
		if s.Add(member, &lim) == had || !s.Contains(member) {
			t.Fatal("Add")
		}
		if !s.Remove(member) || s.Contains(member) {
			t.Fatal("Remove")
		}
		if had {
			n--
		}
		if got := len(s.contents()); got != n || s.Len() != n {
			t.Fatalf("%d members, Len %d, want %d", got, s.Len(), n)
		}
		if ints, ok := s.Intset(); ok && ValidIntset(ints) != nil {
			t.Fatal(ValidIntset(ints))
		}
	})
}
