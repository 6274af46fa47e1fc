package fsm

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/quorate/quorate/resp"
)

func arguments(line string) (args [][]byte) {
	for _, w := range strings.Fields(line) {
		args = append(args, []byte(w))
	}
	return args
}

// TestSortInCluster: patterns name keys that can be anywhere, so that they are
// refused there, unless nothing is looked up.
func TestSortInCluster(t *testing.T) {
	for line, want := range map[string]string{
		"SORT k":                    "",
		"SORT k BY nosort":          "",
		"SORT k BY w_*":             "-ERR BY option of SORT denied in Cluster mode.\r\n",
		"SORT k BY nosort BY w_*":   "-ERR BY option of SORT denied in Cluster mode.\r\n",
		"SORT k GET #":              "-ERR GET option of SORT denied in Cluster mode.\r\n",
		"SORT k ALPHA FOO GET x":    "-ERR syntax error\r\n",
		"SORT k LIMIT 0 1 STORE BY": "",
	} {
		m := New(Options{Databases: 1, Cluster: true})
		c := &ReadCall{Writer: &resp.Writer{Proto: 2}, Args: arguments(line), m: m}
		if _, ok := c.sortQuery(false); ok != (want == "") || string(c.Buf) != want {
			t.Errorf("%s: %v, %q, want %q", line, ok, c.Buf, want)
		}
	}
}

// TestSortKeys: the keys that are found are those that run, however the words
// are placed.
func TestSortKeys(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	words := []string{"STORE", "store", "BY", "GET", "LIMIT", "0", "1", "ALPHA", "x", "#"}
	stored := 0
	for range 20000 {
		line := "SORT k"
		for range r.IntN(9) {
			line += " " + words[r.IntN(len(words))]
		}
		c := &ReadCall{Writer: &resp.Writer{Proto: 2}, Args: arguments(line), m: New(Options{Databases: 1})}
		q, ok := c.sortQuery(false)
		if !ok {
			continue
		}
		keys, _ := sortKeys(c.Args)
		if q.store == nil && len(keys) != 1 || q.store != nil && (len(keys) != 2 || string(c.Args[keys[1]]) != string(q.store)) {
			t.Fatalf("%s: keys %v, stores at %q", line, keys, q.store)
		}
		if q.store != nil {
			stored++
		}
	}
	if stored < 100 {
		t.Errorf("only %d valid commands with STORE", stored)
	}
}

// TestPartialSort compares the part that was asked for with a full sort, also
// for the sequences that make quicksort slow.
func TestPartialSort(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 3000 {
		s := make([]int, 1+r.IntN(300))
		for i := range s {
			switch r.IntN(3) {
			case 0:
				s[i] = i
			case 1:
				s[i] = len(s) - i
			default:
				s[i] = r.IntN(1 + r.IntN(len(s)))
			}
		}
		want := slices.Clone(s)
		slices.Sort(want)
		first := r.IntN(len(s))
		last := first + r.IntN(len(s)-first)
		depth := r.IntN(30) // few splits: the other algorithm
		sortPart(s, first, last, depth, func(a, b *int) int { return cmp.Compare(*a, *b) })
		if !slices.Equal(s[first:last+1], want[first:last+1]) {
			t.Fatalf("%d to %d: %v, want %v", first, last, s[first:last+1], want[first:last+1])
		}
		slices.Sort(s)
		if !slices.Equal(s, want) {
			t.Fatalf("elements were lost: %v, want %v", s, want)
		}
	}
}
