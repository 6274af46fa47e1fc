package fsm

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
)

// unlike are commands whose replies Redis and this server don't share, for
// reasons that scripts and other tests show: see their "# differs" lines.
var unlike = map[string]bool{
	"dbsize":          true, // reads delete expired keys there
	"randomkey":       true,
	"scan":            true,
	"object|idletime": true,
	"object|help":     true,
	"xgroup|help":     true,
	"xinfo|help":      true,
	"memory|usage":    true,
	"memory|help":     true,
	"sort":            true, // shows the order of sets; a number out of range is held against later ones there
	"sort_ro":         true,
	"restore":         true, // damaged payloads are refused that Redis takes
	"restore-asking":  true,
	"object|refcount": true, // a copied integer is not a shared one there
}

// comparable reports whether a command must reply the same as on Redis.
func comparable(c *Command) bool {
	name := c.FullName()
	switch {
	case unlike[name], c.Name == "HELP": // our words are our own
		return false
	case c.Group == "scripting": // pairs has an order of its own there, tables have addresses
		return false
	case c.Group == "stream":
		return true // what they reply that isn't determined is the time, which both have
	case c.Flags.Has(command.Blocking):
		return false
	case name == "ttl" || name == "pttl" || name == "object|encoding":
		return true
	}
	return !slices.Contains(c.Tips, "nondeterministic_output")
}

// waits reports whether Redis could block on a command.
func waits(op *Op) bool {
	return op.Cmd.Flags.Has(command.Blocking) && slices.ContainsFunc(op.Args, func(a []byte) bool { return isWord(a, "BLOCK") })
}

// byBytes reports whether a command asks for a range by bytes. Sorted sets here have
// different scores, for which such a range isn't specified: Redis looks where its
// skiplist leads it.
func byBytes(op *Op) bool {
	return strings.Contains(op.Cmd.Name, "LEX") || slices.ContainsFunc(op.Args, func(a []byte) bool { return isWord(a, "BYLEX") })
}

// TestRandomCommandsOnRedis sends the same random commands with hostile
// arguments to two machines and to redis-server and compares every reply.
func TestRandomCommandsOnRedis(t *testing.T) {
	r := startRedis(t, true)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	g := newGenerator(rnd)
	g.cmds = slices.DeleteFunc(g.cmds, func(c *Command) bool { return !comparable(c) })
	deadline := time.Now().Add(3 * time.Second / 2)
	n := 0
	for (n < 1000 || time.Now().Before(deadline)) && !t.Failed() { // a busy machine gets the time it needs
		p := newPair(t, Options{})
		r.reset(t)
		p.apply(0, Limit("proto-max-bulk-len", 1<<20))
		r.setLimit("proto-max-bulk-len", "1048576")
		p.now += 12345
		var history []string
		for range 300 {
			p.now = notDue(p.leader, p.now+rnd.Int64N(100))
			r.setTime(p.now)
			op := g.op()
			if waits(&op) || byBytes(&op) {
				continue
			}
			line := ""
			for _, a := range op.Args {
				line += " " + quote(a)
			}
			history = append(history, line)
			sorted := slices.Contains(op.Cmd.Tips, "nondeterministic_output_order")
			theirs, _ := r.run(op.DB, op.Args)
			want, _ := render(theirs, sorted)
			got, _ := render(p.do(op.DB, op.Args), sorted)
			if n++; !slices.Equal(got, want) {
				t.Errorf("database %d at %d:%s\n want %q\n got  %q\n after %q", op.DB, p.now, line, want, got, history[max(0, len(history)-40):])
				break
			}
		}
	}
	t.Logf("%d commands", n)
	if n < 1000 && !t.Failed() {
		t.Errorf("only %d commands", n)
	}
}

// notDue returns the first time from now on at which no key expires: to the
// millisecond, Redis lets it live on and this server doesn't.
func notDue(m *Machine, now int64) int64 {
	taken := map[int64]bool{}
	for i := range m.ks.Databases() {
		m.ks.DB(i).Scan(0, math.MaxInt, func(e *keyspace.Entry) { taken[e.ExpireAt()] = true })
	}
	for taken[now] {
		now++
	}
	return now
}
