package fsm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/quorate/quorate/fsm/keyspace"
)

// testSadd fills sets, which can be inputs of ZUNION and its relatives. It is a
// command of its own so that these tests need nothing but sorted sets.
var testSadd = &Command{Write: func(c *WriteCall) {
	key := c.Args[1]
	e, ok := c.modifyKind(key, keyspace.KindSet)
	if !ok {
		return
	}
	s := new(keyspace.Set)
	if e != nil {
		s = e.Set()
	} else {
		c.put(key, keyspace.NewSetValue(s))
	}
	n := int64(0)
	for _, member := range c.Args[2:] {
		if s.Add(member, c.Limits()) {
			n++
		}
	}
	c.modified(key)
	c.Int(n)
}}

func init() {
	testSadd.Name = "T.MEMBERS"
	writesByName[testSadd.Name] = testSadd
}

// zsetGenerator draws commands on sorted sets that mostly make sense: keys that
// exist, members that collide, ranges that hit, with a bad argument now and
// then. Each key has its use, so that ranges by bytes find equal scores.
type zsetGenerator struct{ *rand.Rand }

func (g zsetGenerator) of(choices ...string) string { return choices[g.IntN(len(choices))] }

func (g zsetGenerator) score() string {
	if g.IntN(3) > 0 {
		return fmt.Sprint(g.IntN(12) - 4)
	}
	return g.of("0.1", "0.2", "-0", "inf", "-inf", "1e17", "3.5", "1e300", "-1e300", "nan", "x", "4611686018427387904", "1e-7")
}

func (g zsetGenerator) member() string {
	if g.IntN(20) == 0 {
		return g.of("", "-1", "9223372036854775807", "007", "long member of more than the eight bytes there are")
	}
	return g.of("a", "b", "c", "d", "e", "f", "g", "1", "2", "3", "10", "-5")
}

func (g zsetGenerator) bound() string {
	return g.of("", "", "(") + g.score()
}

func (g zsetGenerator) lexBound() string {
	return g.of("-", "+", "["+g.member(), "("+g.member(), "["+g.member(), g.member())
}

func (g zsetGenerator) number() string {
	if g.IntN(15) == 0 {
		return g.of("9223372036854775807", "-9223372036854775808", "9223372036854775808", "x", "")
	}
	return fmt.Sprint(g.IntN(16) - 6)
}

// key returns the name of a sorted set, or of something else.
func (g zsetGenerator) key() string {
	if g.IntN(25) == 0 {
		return g.of("string", "missing", "set")
	}
	return g.of("z0", "z1", "z2", "lex")
}

// some returns from zero to n-1 draws of the choices.
func (g zsetGenerator) some(n int, choices ...string) (out []string) {
	for range g.IntN(n) {
		out = append(out, strings.Fields(g.of(choices...))...)
	}
	return out
}

func (g zsetGenerator) limit() string { return "LIMIT " + g.number() + " " + g.number() }

// sources returns the arguments of a combination from the number of keys on.
func (g zsetGenerator) sources() (out []string) {
	n := 1 + g.IntN(3)
	out = append(out, fmt.Sprint(n))
	for range n {
		out = append(out, g.of("z0", "z1", "z2", "lex", "set", "ints", "stored", g.key()))
	}
	if g.IntN(2) == 0 {
		out = append(out, "WEIGHTS")
		for range n {
			out = append(out, g.score())
		}
	}
	return append(out, g.some(2, "AGGREGATE MIN", "AGGREGATE MAX", "AGGREGATE SUM", "AGGREGATE x")...)
}

func (g zsetGenerator) command() []string {
	switch g.IntN(20) {
	case 0, 1, 2, 3, 4:
		return g.add()
	case 5:
		return []string{"ZINCRBY", g.of("z0", "z1", "z2"), g.score(), g.member()}
	case 6:
		return []string{"ZREM", g.key(), g.member(), g.member()}
	case 7:
		if g.IntN(2) == 0 {
			return append([]string{"T.MEMBERS", "set"}, g.member(), g.member())
		}
		return []string{"T.MEMBERS", "ints", fmt.Sprint(g.IntN(5)), fmt.Sprint(g.IntN(12))}
	case 8:
		return g.remove()
	case 9, 10, 11:
		return g.lookup()
	case 12, 13, 14:
		return g.queryRange()
	case 15:
		return append([]string{g.of("ZUNION", "ZINTER", "ZDIFF")}, append(g.sources(), g.some(2, "WITHSCORES")...)...)
	case 16, 17:
		return append([]string{g.of("ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"), g.of("stored", "stored", "z2")}, g.sources()...)
	case 18:
		return append([]string{"ZINTERCARD"}, append(g.sources()[:2], g.some(2, "LIMIT "+g.number())...)...)
	}
	return []string{"OBJECT", "ENCODING", g.of("z0", "z1", "z2", "lex", "stored")}
}

func (g zsetGenerator) add() []string {
	if g.IntN(3) == 0 {
		return []string{"ZADD", "lex", "0", g.member(), "0", g.member()}
	}
	args := append([]string{"ZADD", g.of("z0", "z1", "z2")}, g.some(3, "NX", "XX", "GT", "LT", "CH", "INCR")...)
	for range 1 + g.IntN(4) {
		args = append(args, g.score(), g.member())
	}
	return args
}

func (g zsetGenerator) remove() []string {
	switch g.IntN(7) {
	case 0:
		return []string{"ZREMRANGEBYRANK", g.key(), g.number(), g.number()}
	case 1:
		return []string{"ZREMRANGEBYSCORE", g.key(), g.bound(), g.bound()}
	case 2:
		return []string{"ZREMRANGEBYLEX", "lex", g.lexBound(), g.lexBound()}
	case 3:
		return append([]string{g.of("ZPOPMIN", "ZPOPMAX"), g.key()}, g.some(2, g.number())...)
	case 4:
		return append([]string{"ZMPOP", "2", g.key(), g.key(), g.of("MIN", "MAX")}, g.some(2, "COUNT "+g.number())...)
	}
	return []string{"DEL", g.of("z0", "z1", "z2", "lex", "set", "ints", "stored")}
}

func (g zsetGenerator) lookup() []string {
	switch g.IntN(7) {
	case 0:
		return []string{"ZCARD", g.key()}
	case 1:
		return []string{"ZSCORE", g.key(), g.member()}
	case 2:
		return []string{"ZMSCORE", g.key(), g.member(), g.member()}
	case 3:
		return []string{"ZRANK", g.key(), g.member()}
	case 4:
		return []string{"ZREVRANK", g.key(), g.member()}
	case 5:
		return []string{"ZCOUNT", g.key(), g.bound(), g.bound()}
	}
	return []string{"ZLEXCOUNT", "lex", g.lexBound(), g.lexBound()}
}

func (g zsetGenerator) queryRange() []string {
	withScores := g.some(2, "WITHSCORES")
	switch g.IntN(8) {
	case 0:
		return append([]string{"ZREVRANGE", g.key(), g.number(), g.number()}, withScores...)
	case 1, 2:
		name := g.of("ZRANGEBYSCORE", "ZREVRANGEBYSCORE")
		return append([]string{name, g.key(), g.bound(), g.bound()}, append(withScores, g.some(2, g.limit())...)...)
	case 3:
		return append([]string{g.of("ZRANGEBYLEX", "ZREVRANGEBYLEX"), "lex", g.lexBound(), g.lexBound()}, g.some(2, g.limit())...)
	}
	args, first := []string{"ZRANGE"}, 1
	if g.IntN(3) == 0 {
		args, first, withScores = []string{"ZRANGESTORE", "stored"}, 2, nil
	}
	switch g.IntN(3) {
	case 0:
		args = append(args, g.key(), g.number(), g.number())
	case 1:
		args = append(args, g.key(), g.bound(), g.bound(), "BYSCORE")
	case 2:
		args = append(args, "lex", g.lexBound(), g.lexBound(), "BYLEX")
	}
	args = append(args, g.some(2, "REV")...)
	if g.IntN(2) == 0 {
		args = append(args, strings.Fields(g.limit())...)
	}
	if args[first] == "lex" {
		withScores = nil
	}
	return append(args, withScores...)
}

// TestZSetsOnRedis sends random commands on sorted sets of either encoding to
// two machines and to redis-server and compares replies, events and in the end
// the contents.
func TestZSetsOnRedis(t *testing.T) {
	r := startRedis(t, true)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	g := zsetGenerator{rand.New(rand.NewPCG(seed, 11))}
	n := 0
	for round := 0; round < 6 && !t.Failed(); round++ {
		p := newPair(t, Options{})
		r.reset(t)
		for name, values := range map[string][]string{
			"zset-max-listpack-entries": {"128", "4", "0"}, "zset-max-listpack-value": {"64", "8", "64"},
		} {
			(&pairRunner{pair: p}).setLimit(name, values[round%3])
			r.setLimit(name, values[round%3])
		}
		p.proto = 2 + round%2
		r.setProto(p.proto)
		r.setEvents(true)
		p.do(0, [][]byte{[]byte("SET"), []byte("string"), []byte("x")})
		r.must("SET", "string", "x")
		r.drain()
		for range 200 {
			if n++; !compareZSetCommand(t, p, r, g.command()) {
				break
			}
		}
		for _, key := range []string{"z0", "z1", "z2", "lex", "stored"} {
			compareZSetCommand(t, p, r, []string{"ZRANGE", key, "0", "-1", "WITHSCORES"})
		}
		p.compare()
	}
	t.Logf("%d commands", n)
}

// compareZSetCommand runs one command everywhere and reports whether there was
// no difference.
func compareZSetCommand(t *testing.T, p *pair, r *redisServer, words []string) bool {
	t.Helper()
	var args [][]byte
	line := ""
	for _, w := range words {
		args = append(args, []byte(w))
		line += " " + quote([]byte(w))
	}
	var got []byte
	p.events = [2][]string{}
	if words[0] == "T.MEMBERS" {
		got = p.apply(0, Op{Cmd: testSadd, Args: args, Slot: -1})
		args = slices.Clone(args)
		args[0] = []byte("SADD")
	} else {
		got = p.do(0, args)
	}
	events := slices.DeleteFunc(slices.Clone(p.events[0]), func(e string) bool { return words[0] == "T.MEMBERS" })
	want, wantEvents := r.run(0, args)
	if words[0] == "T.MEMBERS" {
		wantEvents = nil
	}
	if string(got) != string(want) {
		t.Errorf("%s\n want %q\n got  %q", line, want, got)
		return false
	}
	if !slices.Equal(events, wantEvents) {
		t.Errorf("%s\n want events %q\n got         %q", line, wantEvents, events)
		return false
	}
	return true
}
