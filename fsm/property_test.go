package fsm

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestReplicasAgree sends long random sequences of all commands with hostile
// arguments through a leader and a follower: alone and in transactions, in
// several databases, with time passing and expired keys being deleted. Both
// must agree after every entry, and nothing may panic.
func TestReplicasAgree(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	g := newGenerator(r)
	deadline := time.Now().Add(3 * time.Second / 2)
	entries := 0
	for round := 0; time.Now().Before(deadline); round++ {
		p := newPair(t, Options{Databases: 3})
		p.apply(0, Limit("proto-max-bulk-len", 4096))
		for range 400 {
			p.now += r.Int64N(100) - 10 // the clock of a new leader may be behind
			p.now = max(p.now, p.leader.now)
			p.proto = 2 + r.IntN(2)
			var ops []Op
			for range 1 + r.IntN(3) {
				if r.IntN(4) == 0 {
					tx := Op{Tx: []Op{}}
					for range r.IntN(4) {
						tx.Tx = append(tx.Tx, g.op())
					}
					ops = append(ops, tx)
				} else {
					ops = append(ops, g.op())
				}
			}
			p.apply(r.IntN(3), ops...)
			entries++
			if entries%50 == 0 {
				p.compare()
			}
		}
		p.compare()
	}
	t.Logf("%d entries", entries)
	if entries < 1000 {
		t.Errorf("only %d entries", entries)
	}
}

// generator draws commands from the table.
type generator struct {
	r    *rand.Rand
	cmds []*Command
	// options are the words in capitals of each command's syntax.
	options map[*Command][]string
}

func newGenerator(r *rand.Rand) *generator {
	g := &generator{r: r, options: map[*Command][]string{}}
	everyCommand(func(c *Command, name string) {
		if len(c.Sub) > 0 {
			return
		}
		g.cmds = append(g.cmds, c)
		if name == "flushall" || name == "flushdb" || name == "swapdb" {
			return // seldom enough for something to grow
		}
		for range 9 {
			g.cmds = append(g.cmds, c)
		}
		if len(c.Syntax) > 40 { // with options: more to try
			g.cmds = append(g.cmds, g.cmds[len(g.cmds)-9:]...)
		}
		for _, w := range strings.FieldsFunc(c.Syntax, func(c rune) bool { return c < 'A' || c > 'Z' }) {
			g.options[c] = append(g.options[c], w)
		}
	})
	return g
}

// op draws a command with as many arguments as its arity allows, keys from a
// small set where keys belong and anything elsewhere.
func (g *generator) op() Op {
	c := g.cmds[g.r.IntN(len(g.cmds))]
	n := c.Arity
	if n < 0 {
		n = -n + g.r.IntN(5)
	}
	args := [][]byte{[]byte(c.Name)}
	if c.Parent() != nil {
		args = [][]byte{[]byte(c.Parent().Name), []byte(c.Name)}
	}
	for len(args) < n {
		args = append(args, g.anything(c))
	}
	found, _ := c.AppendKeys(nil, args)
	for _, i := range found {
		args[i] = fmt.Append(nil, "k", g.r.IntN(6))
	}
	return Op{Cmd: c, Args: args, DB: g.r.IntN(3), Slot: -1}
}

var hostile = []string{"", "0", "1", "-1", "2", "10", "100", "4000", "-4000", "1.5", "-0", "007", " 1", "1 ", "0x10", "1e400", "inf", "nan", "+5",
	"9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615", "18446744073709551616",
	"9223372036854775", "9223372036854776", "1700000000001", "1700000000", "1700000100", "hello world", "\x00\xff\r\n", "*", "[", "k*", "**?", "\\",
	"$5\r\nabcde\r\n", "MULTI", "a b", "12345678901234567890123456789012345678901234567890",
	"abcabba", "cbabac", "abcbdab", "3.0e3", "-2.5e-3", "0.1", "3.14159265358979"}

func (g *generator) anything(c *Command) []byte {
	switch options := g.options[c]; {
	case len(options) > 0 && g.r.IntN(2) == 0:
		return []byte(options[g.r.IntN(len(options))])
	case g.r.IntN(3) == 0:
		return fmt.Append(nil, g.r.IntN(300)-50)
	case g.r.IntN(40) == 0:
		return make([]byte, g.r.IntN(5000))
	}
	return []byte(hostile[g.r.IntN(len(hostile))])
}
