package compat

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Generator makes steps from a seed. The same seed, families and skip list give
// the same steps, apart from absolute times. Not safe for concurrent use.
type Generator struct {
	r        *rand.Rand
	families []string
	skip     map[string]bool
	now      time.Time
	numKeys  int    // the last %# written, for %w
	own      string // family whose keys %k means
	ids      int    // where the IDs of stream entries are
}

// NewGenerator returns a generator for these families (all if empty) that
// never makes the commands to skip (upper-case names).
func NewGenerator(seed uint64, families, skip []string) (*Generator, error) {
	g := &Generator{r: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), skip: map[string]bool{}, now: time.Now()}
	for _, s := range skip {
		g.skip[strings.ToUpper(s)] = true
	}
	if len(families) == 0 {
		families = familyNames()
	}
	for _, f := range families {
		if _, ok := templates[f]; !ok && f != "multi" {
			return nil, fmt.Errorf("unknown family %q; known: %s", f, strings.Join(familyNames(), " "))
		}
	}
	g.families = families
	return g, nil
}

func familyNames() []string {
	names := []string{"multi"}
	for f := range templates {
		names = append(names, f)
	}
	slices.Sort(names)
	return names
}

// Steps returns about n steps.
func (g *Generator) Steps(n int) []Step {
	var out []Step
	for len(out) < n {
		out = append(out, g.next()...)
	}
	return out
}

// next makes one step, or a few that belong together.
func (g *Generator) next() []Step {
	conn := g.r.IntN(connections)
	family := pick(g, g.families)
	switch {
	case g.oneIn(500):
		return []Step{{Conn: conn, Args: pick(g, [][]string{{"FLUSHDB"}, {"FLUSHALL"}, {"flushall", "SYNC"}, {"FLUSHDB", "async"}, {"FLUSHALL", "now"}})}}
	case family == "multi":
		if g.oneIn(3) {
			return g.transaction(conn)
		}
		family = pick(g, g.plainFamilies())
	case family == "keys" && g.oneIn(60):
		return g.expiry(conn)
	case family == "keys" && g.oneIn(150):
		return g.otherDatabase(conn)
	}
	return []Step{{Conn: conn, Args: g.command(family)}}
}

func (g *Generator) plainFamilies() []string {
	var out []string
	for _, f := range g.families {
		if f != "multi" {
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		return []string{"string"}
	}
	return out
}

// transaction makes WATCH, MULTI, commands, EXEC or DISCARD, with now and then
// a write by the other connection in between, and a word that is out of place.
func (g *Generator) transaction(conn int) []Step {
	var out []Step
	add := func(conn int, args ...string) { out = append(out, Step{Conn: conn, Args: args}) }
	if g.oneIn(3) {
		add(conn, g.casing("WATCH"), g.anyKey(), g.anyKey())
	}
	if g.oneIn(4) {
		add(1-conn, g.command(pick(g, g.plainFamilies()))...)
	}
	if g.oneIn(6) {
		add(conn, pick(g, []string{"UNWATCH", "EXEC", "DISCARD"}))
	}
	add(conn, g.casing("MULTI"))
	for range g.r.IntN(6) {
		args := g.command(pick(g, g.plainFamilies()))
		for isConfigSet(args) { // it takes effect behind the transaction: docs/divergence.md
			args = g.command(pick(g, g.plainFamilies()))
		}
		add(conn, args...)
		if g.oneIn(8) {
			add(1-conn, g.command(pick(g, g.plainFamilies()))...)
		}
	}
	if g.oneIn(8) {
		odd := [][]string{{"MULTI"}, {"WATCH", g.anyKey()}, {"UNWATCH"}, {"EXEC", "now"}, {"NOSUCHCOMMAND", "a"}, {"GET"}}
		add(conn, pick(g, odd)...)
	}
	if g.oneIn(7) {
		add(conn, g.casing("DISCARD"))
	} else {
		add(conn, g.casing("EXEC"))
	}
	return out
}

func isConfigSet(args []string) bool {
	return len(args) > 1 && strings.EqualFold(args[0], "CONFIG") && strings.EqualFold(args[1], "SET")
}

// expiry lets a key die while both servers are watched: a short time to live,
// a pause that is much longer, and a look at the key.
func (g *Generator) expiry(conn int) []Step {
	k := g.anyKey()
	first := [][]string{{"SET", k, "short", "PX", "20"}, {"PSETEX", k, "15", "short"}, {"PEXPIRE", k, "10"}}
	return []Step{{Conn: conn, Args: pick(g, first)}, {Pause: 60 * time.Millisecond},
		{Conn: conn, Args: []string{pick(g, []string{"EXISTS", "TTL", "TYPE", "PERSIST", "DEL", "LLEN", "INCR"}), k}},
		{Conn: conn, Args: []string{"EXISTS", k}}}
}

// otherDatabase works in another database for a moment.
func (g *Generator) otherDatabase(conn int) []Step {
	out := []Step{{Conn: conn, Args: []string{"SELECT", pick(g, []string{"1", "2", "15", "16", "-1", "x", "99999999999999999999"})}}}
	for range 1 + g.r.IntN(4) {
		out = append(out, Step{Conn: conn, Args: g.command(pick(g, g.plainFamilies()))})
	}
	return append(out, Step{Conn: conn, Args: []string{"SELECT", "0"}})
}

// command fills in one of the family's templates, sometimes wrongly.
func (g *Generator) command(family string) []string {
	for {
		g.own = family
		args := g.expand(pick(g, templates[family]))
		if g.skip[strings.ToUpper(args[0])] {
			continue
		}
		if family != "lex" { // there, odd arguments would let odd scores in
			g.spoil(&args)
		}
		args[0] = g.casing(args[0])
		return g.tame(args)
	}
}

// spoil makes about one command in ten wrong: too few arguments, too many, or
// one that does not belong.
func (g *Generator) spoil(args *[]string) {
	a := *args
	switch {
	case g.oneIn(40) && len(a) > 1:
		a = a[:len(a)-1-g.r.IntN(min(2, len(a)-1))]
	case g.oneIn(50):
		a = append(a, pick(g, oddWords))
	case g.oneIn(25) && len(a) > 2:
		a[2+g.r.IntN(len(a)-2)] = pick(g, append(oddWords, oddNumbers...))
	case g.oneIn(40) && len(a) > 3:
		i, j := 2+g.r.IntN(len(a)-2), 2+g.r.IntN(len(a)-2)
		a[i], a[j] = a[j], a[i]
	}
	*args = a
}

// tame changes what would make the comparison itself unsafe: times to live that
// end during the run, offsets that make huge strings, and negative counts that ask for billions of elements.
func (g *Generator) tame(args []string) []string {
	live := func(i int, ms bool) {
		limit := int64(100)
		if ms {
			limit *= 1000
		}
		if i >= len(args) {
			return
		}
		if n, err := strconv.ParseInt(args[i], 10, 64); err == nil && n > 0 && n < limit {
			args[i] = strconv.FormatInt(limit+g.r.Int64N(limit*1000), 10)
		}
	}
	tameWait(args)
	args = tameServer(args)
	switch name := strings.ToUpper(args[0]); name {
	case "EXPIRE", "SETEX", "PEXPIRE", "PSETEX":
		live(2, name[0] == 'P')
	case "SET", "GETEX":
		for i := range args {
			switch strings.ToUpper(args[i]) {
			case "EX":
				live(i+1, false)
			case "PX":
				live(i+1, true)
			}
		}
	case "SETBIT", "BITFIELD": // a string of 512 MB takes as long as a timeout to compare
		for i := 2; i < len(args); i++ {
			if n, err := strconv.ParseInt(args[i], 10, 64); err == nil && n > 10_000 && n < 1<<32 {
				args[i] = "301"
			}
		}
	case "EVAL", "EVAL_RO", "EVALSHA", "EVALSHA_RO", "FCALL", "FCALL_RO": // a NaN prints with another sign
		for i := range args {
			if f, err := strconv.ParseFloat(args[i], 64); err == nil && f != f {
				args[i] = "3"
			}
		}
	case "SORT", "SORT_RO":
		return tameSort(args)
	case "RESTORE", "RESTORE-ASKING":
		live(2, true)
	case "SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER":
		const tooSmallForRedis = -1 << 63 // refused, so harmless
		for i := range args {
			if n, err := strconv.ParseInt(args[i], 10, 64); err == nil && n < -200 && n != tooSmallForRedis {
				args[i] = "-7"
			}
		}
	}
	return args
}

func (g *Generator) oneIn(n int) bool { return g.r.IntN(n) == 0 }

func pick[T any](g *Generator, from []T) T { return from[g.r.IntN(len(from))] }

// casing writes a word in lower or mixed case at times.
func (g *Generator) casing(w string) string {
	switch g.r.IntN(8) {
	case 0:
		return strings.ToLower(w)
	case 1:
		b := []byte(strings.ToLower(w))
		b[g.r.IntN(len(b))] &^= 0x20
		if strings.EqualFold(string(b), w) {
			return string(b)
		}
	}
	return w
}
