package keyspace

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sort"
	"testing"
)

type pair struct {
	member string
	score  float64
}

func comparePairs(a, b pair) int {
	return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.member, b.member))
}

// naiveZSet is the model: pairs in order.
type naiveZSet []pair

func (m naiveZSet) find(member string) int {
	return slices.IndexFunc(m, func(p pair) bool { return p.member == member })
}

func (m *naiveZSet) set(member string, score float64) {
	if i := m.find(member); i >= 0 {
		if (*m)[i].score == score {
			return
		}
		*m = slices.Delete(*m, i, i+1)
	}
	p := pair{member, score}
	i, _ := slices.BinarySearchFunc(*m, p, comparePairs)
	*m = slices.Insert(*m, i, p)
}

func contents(z *ZSet, start, end int, reverse bool) []pair {
	var out []pair
	z.Range(start, end, reverse, func(member []byte, score float64) bool {
		out = append(out, pair{string(member), score})
		return true
	})
	return out
}

// check compares everything that can be asked with the model.
func (m naiveZSet) check(t *testing.T, z *ZSet) {
	t.Helper()
	if z.Len() != len(m) {
		t.Fatalf("Len = %d, want %d", z.Len(), len(m))
	}
	if got := contents(z, 0, len(m), false); !slices.Equal(got, m) {
		t.Fatalf("contents\n%v, want\n%v", got, m)
	}
	for i, p := range m {
		if rank, ok := z.Rank([]byte(p.member)); !ok || rank != i {
			t.Fatalf("Rank(%q) = %d, %v, want %d", p.member, rank, ok, i)
		}
		if member, score := z.ByRank(i); string(member) != p.member || score != p.score {
			t.Fatalf("ByRank(%d) = %q, %v, want %v", i, member, score, p)
		}
	}
	if z.big() != nil {
		z.big().checkTree(t)
	}
}

// checkTree checks the tree's invariants: order, first entries, counts, fill.
func (z *bigZSet) checkTree(t *testing.T) {
	t.Helper()
	var walk func(nd *treeNode, edge bool, depth int) (entries int)
	leafDepth := -1
	walk = func(nd *treeNode, edge bool, depth int) int {
		if !edge && nd.n < treeMin || nd != z.root && nd.n == 0 {
			t.Fatalf("a node of %d entries", nd.n)
		}
		if nd.kids == nil {
			if leafDepth < 0 {
				leafDepth = depth
			}
			if depth != leafDepth {
				t.Fatalf("leaves at depths %d and %d", depth, leafDepth)
			}
			return int(nd.n)
		}
		total := 0
		for i := range int(nd.n) {
			kid := nd.kids.node[i]
			n := walk(kid, edge && i == int(nd.n)-1, depth+1)
			if n != int(nd.kids.count[i]) || nd.pos[i] != kid.pos[0] || nd.score[i] != kid.score[0] {
				t.Fatalf("child %d: %d entries, first %d: its parent says %d, %d", i, n, kid.pos[0], nd.kids.count[i], nd.pos[i])
			}
			total += n
		}
		for _, kid := range nd.kids.node[nd.n:] {
			if kid != nil {
				t.Fatal("a reference to a former child is left")
			}
		}
		return total
	}
	if n := walk(z.root, true, 0); n != z.dict.Len() {
		t.Fatalf("%d entries in the tree, %d in the dictionary", n, z.dict.Len())
	}
	memberBytes := int64(0)
	for i := range z.dict.items {
		memberBytes += int64(z.dict.items[i].n)
	}
	if memberBytes != z.memberBytes {
		t.Fatalf("memberBytes = %d, want %d", z.memberBytes, memberBytes)
	}
}

// randomMember mixes integers, which a listpack stores otherwise, and text.
func randomMember(r *rand.Rand, universe int) []byte {
	n := r.IntN(universe)
	switch n % 3 {
	case 0:
		return fmt.Appendf(nil, "%d", n-universe/2)
	case 1:
		return fmt.Appendf(nil, "m%07d", n)
	}
	return fmt.Appendf(nil, "%x", n)
}

func randomScore(r *rand.Rand, distinct int) float64 {
	if distinct == 1 {
		return 2.5
	}
	switch r.IntN(12) {
	case 0:
		return math.Inf(1 - 2*r.IntN(2))
	case 1:
		return math.Ldexp(r.Float64()-0.5, r.IntN(140)-70)
	}
	return float64(r.IntN(distinct)-distinct/3) / 2
}

// TestZSetAgainstModel drives sets and a sorted slice with the same random
// operations, through both encodings and the conversions between them.
func TestZSetAgainstModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	lim := DefaultLimits()
	shapes := []struct{ steps, universe, distinct int }{
		{30000, 100, 20}, {20000, 300, 1}, {10000, 1500, 10}, {25000, 6000, 3000}, {15000, 6000, 1},
	}
	for _, s := range shapes {
		z, m := &ZSet{}, naiveZSet{}
		for step := range s.steps {
			grow := step/(s.steps/5)%2 == 0
			if len(m) > 0 && r.IntN(2) == 0 != grow || !grow && r.IntN(3) == 0 {
				if step%2 == 0 && len(m) > 0 {
					member := m[r.IntN(len(m))].member
					if !z.Remove([]byte(member)) {
						t.Fatalf("step %d: Remove(%q) found nothing", step, member)
					}
					m = slices.Delete(m, m.find(member), m.find(member)+1)
				} else {
					member := randomMember(r, s.universe)
					i := m.find(string(member))
					if got := z.Remove(member); got != (i >= 0) {
						t.Fatalf("step %d: Remove(%q) = %v", step, member, got)
					}
					if i >= 0 {
						m = slices.Delete(m, i, i+1)
					}
				}
			} else {
				member, score := randomMember(r, s.universe), randomScore(r, s.distinct)
				if got := z.Add(member, score, &lim); got != (m.find(string(member)) < 0) {
					t.Fatalf("step %d: Add(%q) = %v", step, member, got)
				}
				m.set(string(member), score)
			}
			member := randomMember(r, s.universe)
			i := m.find(string(member))
			if score, ok := z.Score(member); ok != (i >= 0) || ok && score != m[i].score {
				t.Fatalf("step %d: Score(%q) = %v, %v", step, member, score, ok)
			}
			if rank, ok := z.Rank(member); ok != (i >= 0) || ok && rank != i {
				t.Fatalf("step %d: Rank(%q) = %d, %v, want %d", step, member, rank, ok, i)
			}
			m.checkSpans(t, r, z, s.universe, s.distinct)
			switch {
			case step%1499 == 0:
				m.check(t, z)
			case step%1009 == 0:
				z.ConvertToListpackIfNeeded(&lim)
				if want := z.big() != nil && z.Len() > 128; want != (z.big() != nil) {
					t.Fatalf("step %d: %s with %d members", step, z.Encoding(), z.Len())
				}
			case step%701 == 0:
				z, m = removeSome(t, r, z, m)
			}
		}
		m.check(t, z)

		z.RemoveSpan(0, z.Len()-128)
		m = m[max(len(m)-128, 0):]
		z.ConvertToListpackIfNeeded(&lim)
		if z.Encoding() != "listpack" {
			t.Fatalf("%s with %d members", z.Encoding(), z.Len())
		}
		m.check(t, z)
		for range 200 {
			member := randomMember(r, s.universe)
			score := randomScore(r, s.distinct)
			z.Add(member, score, &lim)
			m.set(string(member), score)
		}
		m.check(t, z)
	}
}

// checkSpans asks for one random range of each kind.
func (m naiveZSet) checkSpans(t *testing.T, r *rand.Rand, z *ZSet, universe, distinct int) {
	t.Helper()
	sr := ScoreRange{randomScore(r, distinct), randomScore(r, distinct), r.IntN(2) == 0, r.IntN(2) == 0}
	start, end := z.ScoreSpan(sr)
	lo := sort.Search(len(m), func(i int) bool { return m[i].score > sr.Min || !sr.MinExcl && m[i].score == sr.Min })
	hi := sort.Search(len(m), func(i int) bool { return m[i].score > sr.Max || sr.MaxExcl && m[i].score == sr.Max })
	if max(hi-lo, 0) != end-start || end > start && start != lo {
		t.Fatalf("ScoreSpan(%+v) = %d, %d, want %d, %d", sr, start, end, lo, hi)
	}
	reverse := r.IntN(2) == 0
	want := slices.Clone(m[min(lo, hi):hi])
	if reverse {
		slices.Reverse(want)
	}
	want = want[:min(len(want), 20)]
	var got []pair
	z.Range(start, end, reverse, func(member []byte, score float64) bool {
		got = append(got, pair{string(member), score})
		return len(got) < 20
	})
	if !slices.Equal(got, want) {
		t.Fatalf("Range(%d, %d, %v) = %v, want %v", start, end, reverse, got, want)
	}
	if distinct > 1 {
		return // the order of the members is another one
	}
	lr := LexRange{randomLexBound(r, universe), randomLexBound(r, universe)}
	start, end = z.LexSpan(lr, reverse)
	want = nil
	for _, p := range m {
		if lexContains(lr, p.member) {
			want = append(want, p)
		}
	}
	if got := contents(z, start, end, false); !slices.Equal(got, want) || end-start != len(want) {
		t.Fatalf("LexSpan(%+v) = %d, %d: %v, want %v", lr, start, end, got, want)
	}
}

func randomLexBound(r *rand.Rand, universe int) LexBound {
	b := LexBound{Kind: LexBoundKind(r.IntN(4))}
	if b.Kind <= LexExclusive {
		b.Member = string(randomMember(r, universe))
	}
	return b
}

func lexContains(r LexRange, member string) bool {
	after := r.Min.Kind == LexLowest || r.Min.Kind == LexInclusive && member >= r.Min.Member ||
		r.Min.Kind == LexExclusive && member > r.Min.Member
	return after && (r.Max.Kind == LexHighest || r.Max.Kind == LexInclusive && member <= r.Max.Member ||
		r.Max.Kind == LexExclusive && member < r.Max.Member)
}

// removeSome deletes through RemoveSpan or by popping. Now and then it goes on
// with a clone, and checks that the original doesn't notice.
func removeSome(t *testing.T, r *rand.Rand, z *ZSet, m naiveZSet) (*ZSet, naiveZSet) {
	t.Helper()
	before, original := slices.Clone(m), z
	z = z.Clone()
	switch r.IntN(3) {
	case 0:
		start := r.IntN(len(m)+10) - 5
		end := start + r.IntN(len(m)/2+5)
		lo, hi := max(start, 0), min(end, len(m))
		want := max(hi-lo, 0)
		if n := z.RemoveSpan(start, end); n != want {
			t.Fatalf("RemoveSpan(%d, %d) = %d, want %d", start, end, n, want)
		}
		if want > 0 {
			m = slices.Delete(m, lo, hi)
		}
	case 1:
		for range min(5, len(m)) {
			member, score, ok := z.PopMin()
			if !ok || (pair{string(member), score}) != m[0] {
				t.Fatalf("PopMin = %q, %v, want %v", member, score, m[0])
			}
			m = m[1:]
		}
	default:
		for range min(5, len(m)) {
			last := len(m) - 1
			member, score, ok := z.PopMax()
			if !ok || (pair{string(member), score}) != m[last] {
				t.Fatalf("PopMax = %q, %v, want %v", member, score, m[last])
			}
			m = m[:last]
		}
	}
	before.check(t, original)
	return z, m
}

func TestZSetEmpty(t *testing.T) {
	lim := DefaultLimits()
	for _, z := range []*ZSet{{}, NewBigZSet(4), (&ZSet{}).Clone()} {
		naiveZSet{}.check(t, z)
		if _, _, ok := z.PopMin(); ok {
			t.Error("PopMin of nothing")
		}
		if _, _, ok := z.PopMax(); ok {
			t.Error("PopMax of nothing")
		}
		if start, end := z.LexSpan(LexRange{LexBound{Kind: LexLowest}, LexBound{Kind: LexHighest}}, false); start != end {
			t.Error("a span of nothing")
		}
		if start, end := z.ScoreSpan(ScoreRange{Min: -1, Max: 1}); start != end || z.RemoveSpan(0, 5) != 0 {
			t.Error("a span of nothing")
		}
		if z.Scan(0, 10, nil) != 0 || z.Remove([]byte("x")) || z.MemUsage() > 16 {
			t.Error("something in nothing")
		}
		z.EachStored(nil)
		z.Clone().ConvertToListpackIfNeeded(&lim)
		if !z.Add([]byte("x"), 1, &lim) {
			t.Error("Add refused")
		}
		naiveZSet{{"x", 1}}.check(t, z)
	}
}

func TestZSetEncoding(t *testing.T) {
	lim := DefaultLimits()
	want := func(z *ZSet, encoding string) {
		t.Helper()
		if z.Encoding() != encoding {
			t.Errorf("%d members: %s, want %s", z.Len(), z.Encoding(), encoding)
		}
		if _, ok := z.Packed(); ok != (encoding == "listpack") {
			t.Errorf("Packed: %v", ok)
		}
	}
	z := &ZSet{}
	want(z, "listpack")
	for i := range 128 {
		z.Add(fmt.Appendf(nil, "%064d", i), 1.5, &lim)
	}
	z.Add(fmt.Appendf(nil, "%064d", 5), 3, &lim)
	want(z, "listpack")
	z.Add([]byte("x"), 0, &lim)
	want(z, "skiplist")
	z.Remove([]byte("x"))
	want(z, "skiplist")
	z.ConvertToListpackIfNeeded(&lim)
	want(z, "listpack")

	z = &ZSet{}
	z.Add(make([]byte, 65), 1, &lim)
	want(z, "skiplist")
	z.ConvertToListpackIfNeeded(&lim)
	want(z, "skiplist")

	lim.ZsetMaxListpackEntries = 0
	z = &ZSet{}
	z.Add([]byte("x"), 1, &lim)
	want(z, "skiplist")

	defer func() {
		if recover() == nil {
			t.Error("NaN was taken")
		}
	}()
	z.Add([]byte("y"), math.NaN(), &lim)
}

// TestZSetScanGuarantee: whatever was there all the time is met, while other
// members come and go between the calls.
func TestZSetScanGuarantee(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	lim := DefaultLimits()
	for range 50 {
		z := NewBigZSet(0)
		for i := range 500 {
			z.Add(fmt.Appendf(nil, "%c%d", "st"[i%2], i), r.Float64(), &lim)
		}
		met := map[string]bool{}
		for cursor, calls := uint64(0), 0; ; calls++ {
			cursor = z.Scan(cursor, 7, func(member []byte, _ float64) { met[string(member)] = true })
			if cursor == 0 {
				break
			}
			if calls > 10000 {
				t.Fatal("the scan doesn't end")
			}
			for range 10 {
				z.Remove(fmt.Appendf(nil, "t%d", r.IntN(500)))
				if r.IntN(3) == 0 {
					z.Add(fmt.Appendf(nil, "t%d", r.IntN(500)), r.Float64(), &lim)
				}
			}
		}
		for i := 0; i < 500; i += 2 {
			if !met[fmt.Sprint("s", i)] {
				t.Fatalf("s%d was not met", i)
			}
		}
		if next := z.Scan(math.MaxUint64, 1, func([]byte, float64) {}); next != uint64(z.Len()-1) {
			t.Fatalf("an absurd cursor: next is %d of %d", next, z.Len())
		}
	}
}

// TestZSetStoredOrder rebuilds a large set the way a snapshot does; it must
// not be distinguishable afterwards, through deletions neither.
func TestZSetStoredOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	lim := DefaultLimits()
	a := &ZSet{}
	for range 20000 {
		if m := randomMember(r, 3000); r.IntN(3) == 0 {
			a.Remove(m)
		} else {
			a.Add(m, randomScore(r, 50), &lim)
		}
	}
	b := NewBigZSet(a.Len())
	a.EachStored(func(member []byte, score float64) { b.Add(member, score, &lim) })
	for _, z := range []*ZSet{a, b} {
		z.RemoveSpan(100, 200)
		z.PopMax()
		// Scores differ: only a search that ignores the tree's shape agrees.
		start, end := z.LexSpan(LexRange{LexBound{Kind: LexLowest}, LexBound{Member: "m0001"}}, false)
		z.RemoveSpan(start, end)
	}
	var orders [2]bytes.Buffer
	for i, z := range []*ZSet{a, b} {
		z.EachStored(func(member []byte, score float64) { fmt.Fprintln(&orders[i], member, score) })
	}
	if orders[0].Len() == 0 || orders[0].String() != orders[1].String() || a.MemUsage() != b.MemUsage() {
		t.Error("the copy differs")
	}
}

const benchmarkSize = 1 << 20

func benchmarkZSet(r *rand.Rand) *ZSet {
	lim := DefaultLimits()
	z := &ZSet{}
	for i := range benchmarkSize {
		z.Add(fmt.Appendf(nil, "member:%d", i), r.Float64(), &lim)
	}
	return z
}

func BenchmarkZSet(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	lim := DefaultLimits()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	z := benchmarkZSet(r)
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.Logf("%d members: %d bytes each, estimated %d", benchmarkSize, (after.HeapAlloc-before.HeapAlloc)/benchmarkSize, z.MemUsage()/benchmarkSize)
	members := make([][]byte, 1<<16)
	for i := range members {
		members[i] = fmt.Appendf(nil, "member:%d", r.IntN(benchmarkSize))
	}
	i := 0
	next := func() []byte { i++; return members[i%len(members)] }
	b.Run("Update", func(b *testing.B) {
		for b.Loop() {
			z.Add(next(), r.Float64(), &lim)
		}
	})
	b.Run("RemoveAdd", func(b *testing.B) {
		for b.Loop() {
			m := next()
			z.Remove(m)
			z.Add(m, r.Float64(), &lim)
		}
	})
	b.Run("Rank", func(b *testing.B) {
		for b.Loop() {
			z.Rank(next())
		}
	})
	b.Run("ByRank", func(b *testing.B) {
		for b.Loop() {
			z.ByRank(r.IntN(benchmarkSize))
		}
	})
	b.Run("ScoreSpan", func(b *testing.B) {
		for b.Loop() {
			f := r.Float64()
			z.ScoreSpan(ScoreRange{Min: f, Max: f + 0.001})
		}
	})
	b.Run("Range100", func(b *testing.B) {
		for b.Loop() {
			at := r.IntN(benchmarkSize - 100)
			z.Range(at, at+100, false, func([]byte, float64) bool { return true })
		}
	})
}

func BenchmarkZSetAddSmall(b *testing.B) {
	lim := DefaultLimits()
	z := &ZSet{}
	members := make([][]byte, 100)
	for i := range members {
		members[i] = fmt.Appendf(nil, "member:%d", i)
	}
	i := 0
	for b.Loop() {
		z.Add(members[i%100], float64(i*7919%1000), &lim)
		i++
	}
}
