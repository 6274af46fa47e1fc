package keyspace

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTreeDeep grows trees of several levels in different orders and empties
// them in different orders. The invariants hold all the way, and the contents
// are those of a sorted slice.
func TestTreeDeep(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	const n = 12000
	orders := map[string]func(i int) int{
		"up":     func(i int) int { return i },
		"down":   func(i int) int { return n - 1 - i },
		"random": func() func(int) int { p := r.Perm(n); return func(i int) int { return p[i] } }(),
		// Many members at one place of the order: both sides of a gap.
		"gap": func(i int) int { return []int{i / 2, n - 1 - i/2}[i%2] },
	}
	lim := DefaultLimits()
	member := func(i int) []byte { return fmt.Appendf(nil, "%06d", i) }
	for _, in := range []string{"up", "down", "random", "gap"} {
		for _, out := range []string{"up", "down", "random", "gap"} {
			for _, perScore := range []int{1, 100} {
				z := NewBigZSet(0)
				for i := range n {
					k := orders[in](i)
					z.Add(member(k), float64(k/perScore), &lim)
				}
				z.big().checkTree(t)
				if in == "up" && z.big().root.kids.count[0] < treeFan*treeFan {
					t.Fatalf("growing at the edge: the first subtree has %d entries", z.big().root.kids.count[0])
				}
				left := make([]bool, n)
				for i := range left {
					left[i] = true
				}
				for i := range n {
					k := orders[out](i)
					if !z.Remove(member(k)) {
						t.Fatalf("%d is not there", k)
					}
					left[k] = false
					if i%2999 == 0 {
						var want []pair
						for j := range left {
							if left[j] {
								want = append(want, pair{string(member(j)), float64(j / perScore)})
							}
						}
						z.big().checkTree(t)
						if got := contents(z, 0, n, false); !slices.Equal(got, want) {
							t.Fatalf("in %s, out %s, step %d: contents differ", in, out, i)
						}
						slices.Reverse(want)
						if got := contents(z, 0, n, true); !slices.Equal(got, want) {
							t.Fatalf("in %s, out %s, step %d: contents backwards differ", in, out, i)
						}
						at := r.IntN(len(want))
						if m, _ := z.ByRank(len(want) - 1 - at); string(m) != want[at].member {
							t.Fatalf("ByRank: %s, want %s", m, want[at].member)
						}
						if rank, ok := z.Rank([]byte(want[at].member)); !ok || rank != len(want)-1-at {
							t.Fatalf("Rank(%s) = %d, want %d", want[at].member, rank, len(want)-1-at)
						}
						c := z.Clone()
						if c.PopMin(); c.Len() != z.Len()-1 {
							t.Fatal("a clone shares the original's tree")
						}
					}
				}
				if z.Len() != 0 || z.big().root.n != 0 || z.big().root.kids != nil {
					t.Fatal("something is left")
				}
			}
		}
	}
}

// TestTreeEdge goes back and forth where the right edge has just got new,
// nearly empty nodes on all levels.
func TestTreeEdge(t *testing.T) {
	lim := DefaultLimits()
	for _, full := range []int{treeFan, treeFan * treeFan, treeFan * (treeFan + 1)} {
		z := NewBigZSet(full + 3)
		for i := range full {
			z.Add(fmt.Appendf(nil, "%d", i), float64(i), &lim)
		}
		for _, beyond := range []int{1, 2, 1, 3} {
			for i := range beyond {
				z.Add(fmt.Appendf(nil, "%d", full+i), float64(full+i), &lim)
			}
			z.big().checkTree(t)
			for i := beyond - 1; i >= 0; i-- {
				if _, score, ok := z.PopMax(); !ok || score != float64(full+i) {
					t.Fatalf("PopMax = %v, want %d", score, full+i)
				}
				z.big().checkTree(t)
			}
		}
		for z.Len() > 0 {
			z.PopMin()
		}
		z.big().checkTree(t)
	}
}
