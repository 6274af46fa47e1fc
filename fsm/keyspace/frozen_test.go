package keyspace

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/quorate/quorate/fsm/listpack"
)

// largeValue returns a value of a kind that is large: by the number of its elements
// with many, else by their size.
func largeValue(t *testing.T, kind Kind, many bool, r *rand.Rand) Value {
	lim := DefaultLimits()
	word, n := "", 30000
	if !many {
		word, n = strings.Repeat("x", 500), 600
	}
	var v Value
	switch kind {
	case KindList:
		v = NewListValue(new(List))
	case KindSet:
		v = NewSetValue(new(Set))
	case KindZSet:
		v = NewZSetValue(new(ZSet))
	case KindHash:
		v = NewHashValue(new(Hash))
	case KindStream:
		v = NewStreamValue(new(Stream))
		v.Stream().CreateGroup([]byte("g"), StreamID{}, 0)
	}
	for i := range n {
		grow(&v, fmt.Append(nil, "m", i, word), r, &lim)
	}
	if kind == KindList && many || kind == KindStream && many {
		for i := 0; !v.Large(); i++ {
			grow(&v, fmt.Append(nil, "more", i), r, &lim)
		}
	}
	if !v.Large() {
		t.Fatalf("%v isn't large", kind)
	}
	return v
}

// grow adds an element, or changes the one that is there.
func grow(v *Value, word []byte, r *rand.Rand, lim *Limits) {
	switch v.kind {
	case KindList:
		v.List().PushRight(word, lim)
	case KindSet:
		v.Set().Add(word, lim)
	case KindZSet:
		v.ZSet().Add(word, float64(r.IntN(100)), lim)
	case KindHash:
		v.Hash().Set(word, fmt.Append(nil, r.IntN(100)), lim)
	case KindStream:
		id, _ := v.Stream().LastID().Next()
		v.Stream().Add(id, [][]byte{[]byte("field"), word}, lim)
	}
}

// disturb changes a value somewhere.
func disturb(v *Value, r *rand.Rand, lim *Limits) {
	word := fmt.Append(nil, "new", r.IntN(1e6))
	switch v.kind {
	case KindList:
		l := v.List()
		at := r.IntN(max(l.Len(), 1))
		switch r.IntN(6) {
		case 0:
			l.PushLeft(word, lim)
		case 1:
			l.Set(at, word, lim)
		case 2:
			l.PopLeft(nil)
		case 3:
			l.PopRight(nil)
		case 4:
			if old, ok := l.Index(at, new(listpack.Scratch)); ok {
				l.InsertBefore(bytes.Clone(old), word, lim)
			}
		case 5:
			if old, ok := l.Index(at, new(listpack.Scratch)); ok {
				l.Remove(1, bytes.Clone(old))
			}
		}
	case KindSet:
		if n := v.Set().Len(); n > 0 && r.IntN(3) > 0 {
			v.Set().Remove(bytes.Clone(v.Set().At(r.IntN(n), new(listpack.Scratch))))
			return
		}
		v.Set().Add(word, lim)
	case KindZSet:
		z := v.ZSet()
		if n := z.Len(); n > 0 && r.IntN(3) > 0 {
			member, score := z.ByRank(r.IntN(n))
			member = bytes.Clone(member)
			if r.IntN(2) == 0 {
				z.Remove(member)
			} else {
				z.Add(member, score+float64(r.IntN(50)-25), lim)
			}
			return
		}
		z.Add(word, float64(r.IntN(100)), lim)
	case KindHash:
		h := v.Hash()
		if n := h.Len(); n > 0 && r.IntN(3) > 0 {
			field, _ := h.At(r.IntN(n), new(HashScratch))
			field = bytes.Clone(field)
			if r.IntN(2) == 0 {
				h.Delete(field)
			} else {
				h.Set(field, word, lim)
			}
			return
		}
		h.Set(word, word, lim)
	case KindStream:
		s := v.Stream()
		switch r.IntN(3) {
		case 0:
			grow(v, word, r, lim)
		case 1:
			s.Trim(StreamTrim{MaxLen: int64(s.Len() - r.IntN(150))})
		case 2:
			ids := []StreamID{}
			s.Walk(StreamID{MS: uint64(r.IntN(2)), Seq: uint64(r.IntN(40000))}, MaxStreamID, false, func(e *StreamEntry) bool {
				ids = append(ids, e.ID)
				return len(ids) < 3
			})
			for _, id := range ids {
				s.Delete(id)
			}
		}
	}
}

// content is what a value holds, in the order in which it lies in memory, and for a sorted set
// also in order.
func content(v *Value) (all []string) {
	add := func(parts ...any) { all = append(all, fmt.Sprint(parts...)) }
	switch v.kind {
	case KindList:
		for i := range v.List().Nodes() {
			data, plain := v.List().Node(i)
			add(string(data), plain)
		}
	case KindSet:
		v.Set().Each(func(m []byte) bool { add(string(m)); return true })
	case KindZSet:
		v.ZSet().EachStored(func(m []byte, score float64) { add(string(m), " ", score) })
		v.ZSet().Range(0, v.ZSet().Len(), true, func(m []byte, score float64) bool { add(string(m), " ", score); return true })
	case KindHash:
		v.Hash().Each(func(f, value []byte) bool { add(string(f), "=", string(value)); return true })
	case KindStream:
		v.Stream().EachNode(func(id StreamID, lp []byte) { add(id, string(lp)) })
		add(v.Stream().Len(), v.Stream().FirstID(), v.Stream().LastID(), len(v.Stream().Groups()))
	}
	return all
}

// frozenContent is content of what was frozen.
func frozenContent(f *Frozen) (all []string) {
	add := func(parts ...any) { all = append(all, fmt.Sprint(parts...)) }
	for i := range f.Len() {
		switch f.kind {
		case KindList:
			data, plain := f.Node(i)
			add(string(data), plain)
		case KindSet:
			add(string(f.Member(i)))
		case KindZSet:
			member, score := f.Scored(i)
			add(string(member), " ", score)
		case KindHash:
			field, value := f.Field(i)
			add(string(field), "=", string(value))
		case KindStream:
			id, lp := f.NextNode()
			add(id, string(lp))
		}
	}
	if f.kind == KindZSet {
		for to := f.Len(); to > 0; to -= min(7, to) {
			f.Descend(max(to-7, 0), to, func(m []byte, score float64) { add(string(m), " ", score) })
		}
	}
	if s := f.Stream(); s != nil {
		add(s.Len(), s.FirstID(), s.LastID(), len(s.Groups()))
	}
	return all
}

// TestFrozen: what was frozen stays as it was, several times and whatever becomes of the
// value, which is not disturbed by it either.
func TestFrozen(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	lim := DefaultLimits()
	for _, kind := range []Kind{KindList, KindSet, KindZSet, KindHash, KindStream} {
		for _, many := range []bool{true, false} {
			r, r2 := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, 0))
			v, alone := largeValue(t, kind, many, r), largeValue(t, kind, many, r2)
			type moment struct {
				f    *Frozen
				want []string
			}
			var moments []moment
			steps := 2500
			for step := range steps {
				if step%800 == 0 && v.Large() {
					moments = append(moments, moment{v.Freeze(), content(&v)})
				}
				if step == 1700 {
					moments[0].f.Thaw()
					moments = moments[1:]
				}
				disturb(&v, r, &lim)
				disturb(&alone, r2, &lim)
			}
			if !slices.Equal(content(&v), content(&alone)) {
				t.Errorf("%v, many %v: freezing changes what commands do", kind, many)
			}
			check := func(when string) {
				for i, m := range moments {
					f := *m.f // a stream's nodes are met once
					if got := frozenContent(&f); !slices.Equal(got, m.want) {
						t.Fatalf("%v, many %v, %s: moment %d: %d parts, not the %d that were there", kind, many, when, i, len(got), len(m.want))
					}
				}
			}
			check("changed")
			for length(&v) > 0 {
				empty(&v, r)
			}
			check("emptied")
			for range 100 {
				grow(&v, fmt.Append(nil, r.IntN(1e6)), r, &lim)
			}
			check("filled again")
			for _, m := range moments {
				m.f.Thaw()
			}
			if viewed(&v) {
				t.Errorf("%v: still viewed", kind)
			}
		}
	}
}

// empty takes some elements out of a value.
func empty(v *Value, r *rand.Rand) {
	switch v.kind {
	case KindList:
		v.List().Trim(r.IntN(1000), -1)
	case KindSet:
		v.Set().Remove(bytes.Clone(v.Set().At(r.IntN(v.Set().Len()), new(listpack.Scratch))))
	case KindZSet:
		member, _ := v.ZSet().ByRank(r.IntN(v.ZSet().Len()))
		v.ZSet().Remove(bytes.Clone(member))
	case KindHash:
		field, _ := v.Hash().At(r.IntN(v.Hash().Len()), new(HashScratch))
		v.Hash().Delete(bytes.Clone(field))
	case KindStream:
		v.Stream().Trim(StreamTrim{MaxLen: int64(v.Stream().Len() - 1 - r.IntN(200))})
	}
}

func length(v *Value) int {
	switch v.kind {
	case KindList:
		return v.List().Len()
	case KindSet:
		return v.Set().Len()
	case KindZSet:
		return v.ZSet().Len()
	case KindHash:
		return v.Hash().Len()
	}
	return v.Stream().Len()
}

func viewed(v *Value) bool {
	switch v.kind {
	case KindSet:
		return v.Set().dict.viewed()
	case KindZSet:
		return v.ZSet().big().dict.viewed()
	case KindHash:
		return v.Hash().big().viewed()
	}
	return false
}

// TestThawed: nothing is kept for what isn't needed any more, and the index can shrink.
func TestThawed(t *testing.T) {
	lim := DefaultLimits()
	r := rand.New(rand.NewPCG(1, 1))
	v := largeValue(t, KindHash, true, r)
	a, b := v.Freeze(), v.Freeze()
	v.Hash().Set([]byte("m5"), []byte("other"), &lim)
	if a.hash.kept != viewChunk || b.hash.kept != viewChunk {
		t.Fatalf("%d and %d elements kept", a.hash.kept, b.hash.kept)
	}
	a.Thaw()
	v.Hash().Set([]byte("m5000"), []byte("other"), &lim)
	if a.hash.kept != viewChunk || b.hash.kept != 2*viewChunk {
		t.Fatalf("%d and %d elements kept, one thawed", a.hash.kept, b.hash.kept)
	}
	for v.Hash().Len() > 100 {
		empty(&v, r)
	}
	if v.Hash().big().large == nil {
		t.Fatal("the index was given back with a view of it")
	}
	b.Thaw()
	for v.Hash().Len() > 50 {
		empty(&v, r)
	}
	if v.Hash().big().large != nil {
		t.Fatal("the index hasn't shrunk")
	}
}
