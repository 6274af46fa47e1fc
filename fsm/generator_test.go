package fsm

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/quorate/quorate/command"
)

// generator draws commands from the table. Most are sentences of the command's
// syntax, with keys that mostly hold the type that the command's group is
// about; the others are such sentences with something hostile done to them.
type generator struct {
	r         *rand.Rand
	cmds      []*Command // as often as their weight
	dbs       int
	clustered bool // all keys of a command share a slot
	oneTag    bool // all keys of all commands have tag, which tells the slot
	tag       int
	now       int64 // Unix ms, for expiries near it

	ids      int // where the IDs of stream entries are
	syntax   map[*Command][]*phrase
	literals map[*Command][]string // the words in capitals of the syntax
	groups   []string              // that have keys of their own
}

// weights say how often a command is drawn where the default of 10, and of 20
// for what makes data grow, isn't good: what destroys much at once is seldom.
var weights = map[string]int{
	"flushall": 1, "flushdb": 1, "swapdb": 2, "del": 5, "unlink": 3, "ltrim": 5, "keys": 2, "randomkey": 2, "scan": 4,
	"expire": 4, "pexpire": 4, "expireat": 4, "pexpireat": 4, "rename": 4, "renamenx": 4, "move": 5, "lcs": 4,
}

func newGenerator(r *rand.Rand) *generator {
	g := &generator{r: r, dbs: 3, now: scriptTime, syntax: map[*Command][]*phrase{}, literals: map[*Command][]string{}}
	groups := map[string]bool{"generic": true, "server": true}
	everyCommand(func(c *Command, name string) {
		if len(c.Sub) > 0 {
			return
		}
		weight := weights[name]
		if weight == 0 {
			weight = 10
			if c.Flags.Has(command.DenyOOM) {
				weight = 20
			}
		}
		for range weight {
			g.cmds = append(g.cmds, c)
		}
		g.syntax[c] = parseSyntax(c.Syntax)
		g.literals[c] = strings.FieldsFunc(c.Syntax, func(c rune) bool { return c < 'A' || c > 'Z' })
		if !groups[c.Group] {
			groups[c.Group] = true
			g.groups = append(g.groups, c.Group)
		}
	})
	return g
}

// op draws a command with its arguments and a database.
func (g *generator) op() Op {
	c := g.cmds[g.r.IntN(len(g.cmds))]
	args := g.sentence(c)
	tag := g.r.IntN(2)
	if g.oneTag {
		tag = g.tag
	}
	if g.r.IntN(4) == 0 {
		for range 1 + g.r.IntN(2) {
			args = g.spoil(c, args)
		}
	}
	args = g.fit(c, args)
	if g.clustered || g.r.IntN(8) > 0 {
		found, _ := c.AppendKeys(nil, args)
		for _, i := range found {
			args[i] = g.key(c, tag)
		}
	}
	op := Op{Cmd: c, Args: args, Slot: -1}
	if g.dbs > 1 && g.r.IntN(3) == 0 {
		op.DB = g.r.IntN(g.dbs)
	}
	return op
}

// named returns the arguments that name a command.
func named(c *Command) [][]byte {
	if c.Parent() != nil {
		return [][]byte{[]byte(c.Parent().Name), []byte(c.Name)}
	}
	return [][]byte{[]byte(c.Name)}
}

// sentence returns a command that its syntax allows.
func (g *generator) sentence(c *Command) [][]byte {
	if c.Name == "XREAD" || c.Name == "XREADGROUP" {
		return g.streamRead(c)
	}
	args := named(c)
	numKeys, keys := 0, 0 // where the number of keys stands, how many follow
	speak(g.r, g.syntax[c], func(word string) {
		name := strings.TrimRight(word, "0123456789")
		switch {
		case name == "numkeys":
			numKeys = len(args)
		case name == "key":
			keys++
		}
		args = append(args, g.argument(c, word, name))
	})
	if numKeys > 0 {
		args[numKeys] = strconv.AppendInt(nil, int64(keys), 10)
	}
	return args
}

// argument returns something for a word of the syntax. Names that are not
// listed stand for something that is stored or looked for.
func (g *generator) argument(c *Command, word, name string) []byte {
	if c.Group == "stream" {
		if arg := g.streamArgument(c, word, name); arg != nil {
			return arg
		}
	}
	if word == strings.ToUpper(word) {
		if g.r.IntN(4) == 0 {
			word = strings.ToLower(word)
		}
		return []byte(word)
	}
	small := func(from, to int) []byte { return strconv.AppendInt(nil, int64(from+g.r.IntN(to-from)), 10) }
	switch word {
	case "index1", "index2":
		return small(0, g.dbs)
	}
	switch name {
	case "key", "newkey", "source", "src", "destination", "dst":
		return g.key(c, g.r.IntN(2)) // op puts another where it is known to be a key
	case "db", "destination-db":
		return small(0, g.dbs)
	case "index", "start", "stop", "end":
		if c.Name == "ZRANGE" && g.r.IntN(2) == 0 {
			return g.bound()
		}
		return small(-12, 12)
	case "count", "rank":
		return small(-3, 8)
	case "offset", "limit", "len", "num-matches", "cursor":
		return small(0, 10)
	case "seconds":
		return small(0, 6)
	case "milliseconds":
		return small(0, 3000)
	case "unix-time-seconds":
		return strconv.AppendInt(nil, g.now/1000+int64(g.r.IntN(5)), 10)
	case "unix-time-milliseconds":
		return strconv.AppendInt(nil, g.now+int64(g.r.IntN(3000))-100, 10)
	case "increment", "decrement", "score", "weight":
		return g.number()
	case "min", "max":
		return g.bound()
	case "pattern":
		return []byte([]string{"*", "e*", "*1*", "[0-9]*", "?1"}[g.r.IntN(5)])
	}
	return g.word()
}

// bound returns an end of a range of scores or bytes.
func (g *generator) bound() []byte {
	return append([]byte([]string{"", "(", "[", "-", "+", ""}[g.r.IntN(6)]), g.number()...)
}

func (g *generator) number() []byte {
	switch g.r.IntN(6) {
	case 0:
		return strconv.AppendFloat(nil, g.r.NormFloat64()*100, 'g', -1, 64)
	case 1:
		return []byte(hostile[g.r.IntN(len(hostile))])
	}
	return strconv.AppendInt(nil, int64(g.r.IntN(40)-20), 10)
}

// word returns something to store: mostly one of a few dozen, so that it is
// found again.
func (g *generator) word() []byte {
	switch g.r.IntN(12) {
	case 0:
		return []byte(hostile[g.r.IntN(len(hostile))])
	case 1:
		return strconv.AppendInt(nil, int64(g.r.Uint64())>>g.r.IntN(64), 10)
	case 2:
		if g.r.IntN(4) == 0 {
			return bytes.Repeat([]byte{"x\x00"[g.r.IntN(2)]}, g.r.IntN(5000))
		}
		return bytes.Repeat([]byte("ab"), g.r.IntN(60))
	case 3, 4, 5, 6:
		return strconv.AppendInt(nil, int64(g.r.IntN(30)), 10)
	}
	return fmt.Append(nil, "e", g.r.IntN(30))
}

// key returns a key for a command: there are four to a type, in two slots, and
// one in eight is of another type.
func (g *generator) key(c *Command, tag int) []byte {
	group := c.Group
	if group == "generic" || group == "server" || g.r.IntN(8) == 0 {
		group = g.groups[g.r.IntN(len(g.groups))]
	}
	if !g.clustered && g.r.IntN(4) == 0 {
		tag = g.r.IntN(2)
	}
	return fmt.Appendf(nil, "%s:%d{%d}", group, g.r.IntN(2), tag)
}

var hostile = []string{"", "0", "1", "-1", "2", "10", "100", "4000", "-4000", "1.5", "-0", "007", " 1", "1 ", "0x10", "1e400", "inf", "nan", "+5",
	"-inf", "+inf", "(1", "[a", "(", "-", "+", "1e-320", "-nan", "infinity", "1e308", "-1e308",
	"9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615", "18446744073709551616",
	"9223372036854775806", "-9223372036854775807", "4294967296", "2147483648", "-2147483649",
	"9223372036854775", "9223372036854776", "1700000000001", "1700000000", "1700000100", "hello world", "\x00\xff\r\n", "*", "[", "k*", "**?", "\\",
	"$5\r\nabcde\r\n", "MULTI", "a b", "12345678901234567890123456789012345678901234567890",
	"abcabba", "cbabac", "abcbdab", "3.0e3", "-2.5e-3", "0.1", "3.14159265358979"}

// anything returns something hostile, or a word that could belong there.
func (g *generator) anything(c *Command) []byte {
	switch literals := g.literals[c]; {
	case len(literals) > 0 && g.r.IntN(3) == 0:
		return []byte(literals[g.r.IntN(len(literals))])
	case g.r.IntN(4) == 0:
		return fmt.Append(nil, g.r.IntN(300)-50)
	case g.r.IntN(40) == 0:
		return make([]byte, g.r.IntN(5000))
	}
	return []byte(hostile[g.r.IntN(len(hostile))])
}

// spoil does something to the arguments: one becomes hostile, comes too much,
// is missing, or stands in another's place.
func (g *generator) spoil(c *Command, args [][]byte) [][]byte {
	first := len(named(c))
	if len(args) == first {
		return append(args, g.anything(c))
	}
	i := first + g.r.IntN(len(args)-first)
	j := first + g.r.IntN(len(args)-first)
	switch g.r.IntN(6) {
	case 0:
		rest := append([][]byte{g.anything(c)}, args[i:]...)
		return append(args[:i:i], rest...)
	case 1:
		return append(args[:i:i], args[i+1:]...)
	case 2:
		args[i], args[j] = args[j], args[i]
		return args
	}
	args[i] = g.anything(c)
	return args
}

// fit gives the arguments a number that the arity allows, as the session makes
// sure of.
func (g *generator) fit(c *Command, args [][]byte) [][]byte {
	for len(args) < max(c.Arity, -c.Arity) {
		args = append(args, g.anything(c))
	}
	if c.Arity > 0 {
		args = args[:c.Arity]
	}
	return args
}
