package keyspace

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/quorate/quorate/fsm/listpack"
)

func packOf(elements ...string) listpack.LP {
	lp := listpack.New()
	for _, e := range elements {
		lp = lp.Append([]byte(e))
	}
	return lp
}

func TestZSetFromListpack(t *testing.T) {
	lim := DefaultLimits()
	for _, good := range [][]string{
		{}, {"a", "1"}, {"10", "-inf", "a", "-inf", "b", "1.5", "a2", "+inf"}, {"10", "3", "9", "3"},
	} {
		z, err := ZSetFromListpack(packOf(good...), &lim)
		if err != nil || z.Len() != len(good)/2 || z.Encoding() != "listpack" {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range [][]string{
		{"a"}, {"a", "1", "b"}, {"a", "x"}, {"a", "nan"}, {"a", ""}, {"a", "2", "b", "1"},
		{"b", "1", "a", "1"}, {"a", "1", "a", "1"}, {"a", "1", "b", "2", "a", "3"}, {"9", "3", "10", "3"},
	} {
		if _, err := ZSetFromListpack(packOf(bad...), &lim); !errors.Is(err, ErrCorruptZSet) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := ZSetFromListpack([]byte("nonsense"), &lim); !errors.Is(err, listpack.ErrCorrupt) {
		t.Errorf("no listpack: %v", err)
	}
	lp := listpack.New()
	for i := range 129 {
		lp = lp.Append([]byte(strconv.Itoa(i + 1000))).Append([]byte("7"))
	}
	if z, err := ZSetFromListpack(lp, &lim); err != nil || z.Encoding() != "skiplist" || z.Len() != 129 {
		t.Errorf("129 members: %v", err)
	}
}

// FuzzZSetFromListpack: whatever is accepted is a set on which everything
// works and which reads back.
func FuzzZSetFromListpack(f *testing.F) {
	f.Add([]byte(packOf("a", "1", "b", "1.5", "10", "inf")))
	f.Add([]byte(packOf("10", "-5", "9", "-5", "x", "1e+20")))
	lim := DefaultLimits()
	f.Fuzz(func(t *testing.T, b []byte) {
		z, err := ZSetFromListpack(b, &lim)
		if err != nil {
			return
		}
		all := contents(z, 0, z.Len(), false)
		if !slices.IsSortedFunc(all, comparePairs) {
			t.Fatalf("not in order: %v", all)
		}
		for i, p := range all {
			if rank, ok := z.Rank([]byte(p.member)); !ok || rank != i {
				t.Fatalf("Rank(%q) = %d, %v, want %d", p.member, rank, ok, i)
			}
		}
		for _, p := range all {
			z.Add([]byte(p.member), -p.score, &lim)
		}
		for range all {
			if _, _, ok := z.PopMax(); !ok {
				t.Fatal("a member is missing")
			}
		}
		if z.Len() != 0 {
			t.Fatal("a member is left")
		}
	})
}

// TestZSetAgainstRedis applies the same operations here and in a redis-server:
// the bytes of the listpack, the encoding and the answers to ranges agree, in
// sets of several scores also those to lex ranges.
func TestZSetAgainstRedis(t *testing.T) {
	redis := startRedis(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	lim := DefaultLimits()
	for round := range 60 {
		redis.do("DEL", "z")
		z := &ZSet{}
		universe, distinct := 10+r.IntN(400), 1+r.IntN(10)*r.IntN(2)
		for range 10 + r.IntN(300) {
			member := randomMember(r, universe)
			if r.IntN(4) == 0 {
				redis.do("ZREM", "z", string(member))
				z.Remove(member)
				if z.Len() == 0 {
					z = &ZSet{}
				}
				continue
			}
			score := float64(r.IntN(distinct))
			switch r.IntN(8) * round % 3 {
			case 1:
				score = randomScore(r, 100)
			case 2:
				score = []float64{math.Copysign(0, -1), 1 << 62, -1 << 62, 1 << 63, 1e17, 123456789012345678, 0.1, 5e-324}[r.IntN(8)]
			}
			redis.do("ZADD", "z", string(AppendFloat(nil, score)), string(member))
			z.Add(member, score, &lim)
		}
		if z.Len() == 0 {
			continue
		}
		if want := redis.do("OBJECT", "ENCODING", "z"); want != "$"+z.Encoding() {
			t.Fatalf("round %d: %s, Redis %s", round, z.Encoding(), want)
		}
		if b, ok := z.Packed(); ok {
			dump := redis.do("DUMP", "z")[1:]
			if got := dump[max(0, len(dump)-10-len(b)) : len(dump)-10]; got != string(b) {
				t.Fatalf("round %d: the listpack is\n%x, in Redis\n%x", round, b, got)
			}
			if again, err := ZSetFromListpack(slices.Clone(b), &lim); err != nil || again.Len() != z.Len() {
				t.Fatalf("round %d: not read back: %v", round, err)
			}
		}
		compareRanges(t, r, redis, z, universe)
	}
}

func compareRanges(t *testing.T, r *rand.Rand, redis *redisServer, z *ZSet, universe int) {
	t.Helper()
	compare := func(want []string, start, end int, reverse, scores bool) {
		t.Helper()
		var got []string
		for _, p := range contents(z, start, end, reverse) {
			got = append(got, p.member)
			if scores {
				got = append(got, string(AppendFloat(nil, p.score)))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d, %d, %v:\n%q, Redis\n%q\nall %v", start, end, reverse, got, want, contents(z, 0, z.Len(), false))
		}
	}
	compare(redis.list("ZRANGE", "z", "0", "-1", "WITHSCORES"), 0, z.Len(), false, true)
	scores := []string{"-inf", "+inf", "(1", "1", "", "(", "( 0", " 2", "(2", "3", "1e400", "(-1e400", "0.1", "5\x00x", "-0"}
	_, lo := z.ByRank(0)
	_, hi := z.ByRank(z.Len() - 1)
	for range 20 {
		min, max := scores[r.IntN(len(scores))], scores[r.IntN(len(scores))]
		sr, err := ParseScoreRange([]byte(min), []byte(max))
		if err != nil {
			t.Fatalf("%q, %q: %v", min, max, err)
		}
		start, end := z.ScoreSpan(sr)
		compare(redis.list("ZRANGEBYSCORE", "z", min, max), start, end, false, false)
		compare(redis.list("ZREVRANGEBYSCORE", "z", max, min), start, end, true, false)
		if z.big() != nil && lo != hi {
			continue // Redis's answer depends on chance
		}
		min, max = randomLexText(r, universe), randomLexText(r, universe)
		lr, err := ParseLexRange([]byte(min), []byte(max))
		if err != nil {
			t.Fatalf("%q, %q: %v", min, max, err)
		}
		start, end = z.LexSpan(lr, false)
		compare(redis.list("ZRANGEBYLEX", "z", min, max), start, end, false, false)
		start, end = z.LexSpan(lr, true)
		compare(redis.list("ZREVRANGEBYLEX", "z", max, min), start, end, true, false)
	}
}

func randomLexText(r *rand.Rand, universe int) string {
	member := string(randomMember(r, universe))
	return []string{"[" + member, "(" + member, "-", "+", "[", "(", "-\x00x", "[" + member[:1]}[r.IntN(8)]
}

func TestRangeParsers(t *testing.T) {
	for _, bad := range []string{"nan", "(nan", "x", "1 ", "((1", "1x", " ", "0x1p"} {
		if _, err := ParseScoreRange([]byte("1"), []byte(bad)); err != ErrScoreRange {
			t.Errorf("score bound %q: %v", bad, err)
		}
		if _, err := ParseScoreRange([]byte(bad), []byte("1")); err != ErrScoreRange {
			t.Errorf("score bound %q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "a", "++", "-a", "+\x01", "]a"} {
		if _, err := ParseLexRange([]byte("-"), []byte(bad)); err != ErrLexRange {
			t.Errorf("lex bound %q: %v", bad, err)
		}
		if _, err := ParseLexRange([]byte(bad), []byte("-")); err != ErrLexRange {
			t.Errorf("lex bound %q: %v", bad, err)
		}
	}
	sr, err := ParseScoreRange([]byte("(1.5"), []byte("+inf"))
	if err != nil || sr != (ScoreRange{Min: 1.5, Max: math.Inf(1), MinExcl: true}) {
		t.Errorf("%+v, %v", sr, err)
	}
	if sr.Contains(1.5) || !sr.Contains(2) || !sr.Contains(math.Inf(1)) {
		t.Error("Contains is wrong")
	}
	lr, err := ParseLexRange([]byte("(a"), []byte("[b"))
	if err != nil || lr != (LexRange{LexBound{LexExclusive, "a"}, LexBound{LexInclusive, "b"}}) {
		t.Errorf("%+v, %v", lr, err)
	}
}
