package keyspace

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// streamModel is a stream as a naive program would hold it.
type streamModel struct {
	entries    []modelEntry
	last       StreamID
	maxDeleted StreamID
	added      int64
}

type modelEntry struct {
	id    StreamID
	pairs []string
}

func (m *streamModel) first() StreamID {
	if len(m.entries) == 0 {
		return StreamID{}
	}
	return m.entries[0].id
}

// TestStreamAgainstModel drives a stream and the model with the same operations.
func TestStreamAgainstModel(t *testing.T) {
	for range 6 {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 1))
		lim := DefaultLimits()
		lim.StreamNodeMaxEntries = []int{0, 1, 2, 7, 100}[r.IntN(5)]
		lim.StreamNodeMaxBytes = []int{0, 40, 300, 4096}[r.IntN(4)]
		s, m := &Stream{}, &streamModel{}
		for step := range 3000 {
			streamStep(t, r, s, m, &lim)
			if s.Len() != len(m.entries) || s.LastID() != m.last || s.FirstID() != m.first() ||
				s.MaxDeletedID() != m.maxDeleted || s.Added() != m.added {
				t.Fatalf("step %d: %d entries, last %v, first %v, deleted %v, %d added; want %d, %v, %v, %v, %d", step, s.Len(), s.LastID(),
					s.FirstID(), s.MaxDeletedID(), s.Added(), len(m.entries), m.last, m.first(), m.maxDeleted, m.added)
			}
			if step%5 == 0 {
				checkStreamRange(t, r, s, m)
			}
			if step%100 == 0 {
				checkStreamWhole(t, s)
			}
		}
	}
}

func streamStep(t *testing.T, r *rand.Rand, s *Stream, m *streamModel, lim *Limits) {
	t.Helper()
	pick := func() StreamID {
		if len(m.entries) > 0 && r.IntN(4) > 0 {
			return m.entries[r.IntN(len(m.entries))].id
		}
		return StreamID{r.Uint64N(m.last.MS + 2), r.Uint64N(4)}
	}
	switch n := r.IntN(100); {
	case n < 70 || len(m.entries) == 0:
		id := StreamID{m.last.MS, m.last.Seq + 1 + r.Uint64N(2)}
		if r.IntN(3) == 0 { // seq goes back: a negative difference in a node
			id = StreamID{m.last.MS + 1 + r.Uint64N(3), r.Uint64N(3)}
		}
		pairs := []string{"field", fmt.Sprint("value", r.IntN(100)), "other", fmt.Sprint(r.Int64())}
		switch r.IntN(5) {
		case 0:
			pairs = []string{"", "", "17", string(make([]byte, r.IntN(90)))}
		case 1:
			pairs = pairs[:2]
		}
		var args [][]byte
		for _, p := range pairs {
			args = append(args, []byte(p))
		}
		s.Add(id, args, lim)
		m.entries = append(m.entries, modelEntry{id, pairs})
		m.last = id
		m.added++
	case n < 90:
		id := pick()
		i := slices.IndexFunc(m.entries, func(e modelEntry) bool { return e.id == id })
		if s.Has(id) != (i >= 0) || s.Delete(id) != (i >= 0) || s.Has(id) {
			t.Fatalf("Delete(%v) of an entry that is there: %v", id, i >= 0)
		}
		if i >= 0 {
			m.entries = slices.Delete(m.entries, i, i+1)
			if m.maxDeleted.Less(id) {
				m.maxDeleted = id
			}
		}
	case n < 94:
		length := r.IntN(len(m.entries) + 3)
		gone := max(0, len(m.entries)-length)
		if got := s.Trim(StreamTrim{MaxLen: int64(length)}); got != int64(gone) {
			t.Fatalf("trimming to %d removed %d, want %d", length, got, gone)
		}
		m.entries = m.entries[gone:]
	case n < 97:
		id := pick()
		gone := slices.IndexFunc(m.entries, func(e modelEntry) bool { return !e.id.Less(id) })
		if gone < 0 {
			gone = len(m.entries)
		}
		if got := s.Trim(StreamTrim{ByID: true, MinID: id}); got != int64(gone) {
			t.Fatalf("trimming to %v removed %d, want %d", id, got, gone)
		}
		m.entries = m.entries[gone:]
	default: // only whole nodes: never too many
		length, limit := r.IntN(len(m.entries)+1), int64(r.IntN(20))
		got := s.Trim(StreamTrim{MaxLen: int64(length), Approx: true, Limit: limit})
		if limit > 0 && got > limit || got > int64(len(m.entries)-length) {
			t.Fatalf("trimming to about %d of %d, at most %d: removed %d", length, len(m.entries), limit, got)
		}
		m.entries = m.entries[got:]
	}
}

// checkStreamRange compares a random range in both directions.
func checkStreamRange(t *testing.T, r *rand.Rand, s *Stream, m *streamModel) {
	t.Helper()
	start, end := StreamID{}, MaxStreamID
	if r.IntN(4) > 0 {
		start = StreamID{r.Uint64N(m.last.MS + 2), r.Uint64N(4)}
		end = StreamID{start.MS + r.Uint64N(20), r.Uint64N(4)}
	}
	var want []modelEntry
	for _, e := range m.entries {
		if !e.id.Less(start) && !end.Less(e.id) {
			want = append(want, e)
		}
	}
	for _, backwards := range []bool{false, true} {
		var got []modelEntry
		s.Walk(start, end, backwards, func(e *StreamEntry) bool {
			one := modelEntry{id: e.ID}
			e.Each(func(f, v []byte) { one.pairs = append(one.pairs, string(f), string(v)) })
			if len(one.pairs) != 2*e.Fields {
				t.Fatalf("%d fields, Each gave %q", e.Fields, one.pairs)
			}
			got = append(got, one)
			return true
		})
		if backwards {
			slices.Reverse(got)
		}
		if !slices.EqualFunc(got, want, func(a, b modelEntry) bool { return a.id == b.id && slices.Equal(a.pairs, b.pairs) }) {
			t.Fatalf("from %v to %v, backwards %v:\n got %v\nwant %v", start, end, backwards, got, want)
		}
	}
}

// checkStreamWhole makes sure that a stream loads as it lies in memory, and that it knows
// its size.
func checkStreamWhole(t *testing.T, s *Stream) {
	t.Helper()
	again, size := &Stream{}, 0
	s.EachNode(func(id StreamID, lp []byte) {
		if err := again.AddNode(id, bytes.Clone(lp)); err != nil {
			t.Fatal(err)
		}
		size += len(lp)
	})
	if err := again.SetState(StreamState{Length: uint64(s.Len()), Last: s.last, First: s.first, MaxDeleted: s.maxDeleted, Added: s.added}, true); err != nil {
		t.Fatal(err)
	}
	if size != s.bytes || again.bytes != size || again.MemUsage() != s.MemUsage() {
		t.Fatalf("%d bytes in nodes, counted %d", size, s.bytes)
	}
}

// TestStreamGroups drives a group and maps with the same operations.
func TestStreamGroups(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	s := &Stream{}
	g := s.CreateGroup([]byte("g"), StreamID{}, 0)
	if s.CreateGroup([]byte("g"), StreamID{}, 0) != nil || s.Group([]byte("h")) != nil || s.Group([]byte("g")) != g {
		t.Fatal("groups are mixed up")
	}
	owner := map[StreamID]string{}
	for step := range 20000 {
		id := StreamID{r.Uint64N(100), r.Uint64N(5)}
		name := string(rune('a' + r.IntN(5)))
		switch n := r.IntN(100); {
		case n < 50:
			c := g.Consumer([]byte(name))
			if c == nil {
				c = g.CreateConsumer([]byte(name), 0)
			}
			if p := g.Assign(id, c); p.Consumer() != c || g.Find(id) != p {
				t.Fatalf("step %d: Assign", step)
			}
			owner[id] = name
		case n < 99:
			_, there := owner[id]
			if g.Ack(id) != there {
				t.Fatalf("step %d: Ack(%v) of an entry that is there: %v", step, id, there)
			}
			delete(owner, id)
		default:
			if c := g.Consumer([]byte(name)); c != nil {
				n := g.DeleteConsumer(c)
				for id, o := range owner {
					if o == name {
						delete(owner, id)
						n--
					}
				}
				if n != 0 || g.Consumer([]byte(name)) != nil {
					t.Fatalf("step %d: DeleteConsumer", step)
				}
			}
		}
		if step%200 != 0 {
			continue
		}
		checkGroup(t, g, owner)
		clone := s.Clone().Group([]byte("g"))
		for _, c := range clone.consumers {
			if slices.Contains(g.consumers, c) {
				t.Fatal("a clone shares its consumers with the original")
			}
		}
		checkGroup(t, clone, owner)
	}
	if !s.DeleteGroup([]byte("g")) || s.DeleteGroup([]byte("g")) || len(s.Groups()) != 0 {
		t.Fatal("DeleteGroup")
	}
}

func checkGroup(t *testing.T, g *StreamGroup, owner map[StreamID]string) {
	t.Helper()
	seen := map[StreamID]string{}
	g.Each(StreamID{}, MaxStreamID, nil, func(id StreamID, p *StreamPending) bool {
		seen[id] = p.Consumer().Name()
		return true
	})
	of := map[StreamID]string{}
	for _, c := range g.Consumers() {
		n := 0
		g.Each(StreamID{}, MaxStreamID, c, func(id StreamID, p *StreamPending) bool {
			if p.Consumer() != c {
				t.Fatalf("%v belongs to another", id)
			}
			of[id] = c.Name()
			n++
			return true
		})
		if n != c.Pending() {
			t.Fatalf("%d pending, counted %d", n, c.Pending())
		}
	}
	if len(seen) != g.Pending() || fmt.Sprint(seen) != fmt.Sprint(owner) || fmt.Sprint(of) != fmt.Sprint(owner) {
		t.Fatalf("group %v, consumers %v, want %v", seen, of, owner)
	}
}

// TestStreamIDs pins the neighbours of IDs at the ends.
func TestStreamIDs(t *testing.T) {
	const most = math.MaxUint64
	for _, c := range []struct {
		id, next StreamID
		ok       bool
	}{
		{StreamID{}, StreamID{0, 1}, true},
		{StreamID{4, most}, StreamID{5, 0}, true},
		{StreamID{most, 7}, StreamID{most, 8}, true},
		{MaxStreamID, StreamID{}, false},
	} {
		if next, ok := c.id.Next(); next != c.next || ok != c.ok {
			t.Errorf("%v: next is %v, %v", c.id, next, ok)
		}
		if prev, ok := c.next.Prev(); prev != c.id || ok != c.ok {
			t.Errorf("%v: previous is %v, %v", c.next, prev, ok)
		}
	}
}

// BenchmarkStreamAddTrim: what trimming from the front and adding at the back costs must
// not depend on how much is in between.
func BenchmarkStreamAddTrim(b *testing.B) {
	s, lim := &Stream{}, DefaultLimits()
	pairs := [][]byte{[]byte("field"), []byte("value of twenty bytes")}
	b.ReportAllocs()
	for i := range b.N {
		s.Add(StreamID{uint64(i + 1), 0}, pairs, &lim)
		s.Trim(StreamTrim{MaxLen: 100000})
	}
}
