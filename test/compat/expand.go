package compat

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"strings"
)

// expand fills in a template. Words stand for themselves, and
//
//	[a|b c]   an alternative, or nothing
//	(a|b c)   an alternative
//	<a b>     one to four times, rarely hundreds of times
//	%x        an argument; see argument
//
// Brackets nest.
func (g *Generator) expand(template string) []string {
	args, rest := g.sequence(template)
	if rest != "" {
		panic("compat: unbalanced template " + template)
	}
	return args
}

// sequence expands words up to the end, or to a bracket or bar it does not own.
func (g *Generator) sequence(t string) (args []string, rest string) {
	for {
		t = strings.TrimLeft(t, " ")
		if t == "" || strings.IndexByte("|])>", t[0]) >= 0 {
			return args, t
		}
		switch t[0] {
		case '[', '(':
			optional := t[0] == '['
			var choices [][]string
			for {
				var c []string
				c, t = g.sequence(t[1:])
				choices = append(choices, c)
				if t[0] != '|' {
					break
				}
			}
			t = t[1:]
			if !optional || g.oneIn(3) {
				args = append(args, pick(g, choices)...)
			}
		case '<':
			times := 1 + g.r.IntN(4)
			if g.oneIn(40) {
				times = 100 + g.r.IntN(500)
			}
			body := t[1:]
			for range times {
				var a []string
				a, t = g.sequence(body)
				args = append(args, a...)
			}
			t = t[1:]
		default:
			end := strings.IndexAny(t, " |])>")
			if end < 0 {
				end = len(t)
			}
			args = append(args, g.word(t[:end])...)
			t = t[end:]
		}
	}
}

func (g *Generator) word(w string) []string {
	if w[0] != '%' {
		return []string{g.casing(w)}
	}
	one := func(s string) []string { return []string{s} }
	for _, words := range []func(string) (string, bool){g.blockWord, g.serverWord, g.streamWord} {
		if s, ok := words(w[1:]); ok {
			return one(s)
		}
	}
	switch w[1:] {
	case "k":
		return one(g.key())
	case "a":
		return one(g.anyKey())
	case "v":
		return one(g.value())
	case "i":
		return one(g.integer())
	case "n": // a count
		return one(g.or(6, oddNumbers, func() string { return strconv.Itoa(g.r.IntN(12) - 3) }))
	case "x": // an index into a list or a range
		return one(g.or(8, oddNumbers, func() string { return strconv.Itoa(g.r.IntN(40) - 20) }))
	case "o": // an offset into a string: small, or far beyond what is allowed
		return one(g.or(10, []string{"-1", "536870912", "2147483648", "9223372036854775807", "x"},
			func() string { return strconv.Itoa(g.r.IntN(60)) }))
	case "f":
		return one(g.float())
	case "s": // a score that is always valid, for sorted sets that grow
		return one(strconv.FormatFloat(float64(g.r.IntN(200)-60)/4, 'g', -1, 64))
	case "m":
		return one(g.member())
	case "d":
		return one(g.or(5, oddValues, func() string { return "f" + strconv.Itoa(g.r.IntN(12)) }))
	case "r": // one end of a range of scores
		return one(g.or(4, []string{"-inf", "+inf", "(inf", "(-inf", "(", "nan", "(1", "(2.5", "1e3", "( 1", ""},
			func() string { return pick(g, []string{"", "("}) + strconv.Itoa(g.r.IntN(20)-8) }))
	case "l": // one end of a range of members
		return one(g.or(4, []string{"-", "+", "[", "(", "", "a", "[\x00", "(\xff"},
			func() string { return pick(g, []string{"[", "("}) + g.lexMember() }))
	case "y":
		return one(g.lexMember())
	case "z": // a key that never has a sorted set: where scores differ, ranges of members aren't defined
		return one(pick(g, []string{"w_1", "h_1", "sl:2", "none"}))
	case "t": // seconds
		return one(g.or(6, oddNumbers, func() string { return strconv.FormatInt(100+g.r.Int64N(1e6), 10) }))
	case "p": // milliseconds
		return one(g.or(6, oddNumbers, func() string { return strconv.FormatInt(100_000+g.r.Int64N(1e9), 10) }))
	case "u": // a time in seconds
		return one(g.or(5, oddNumbers, func() string { return strconv.FormatInt(g.now.Unix()+2000+g.r.Int64N(1e6), 10) }))
	case "U": // a time in milliseconds
		return one(g.or(5, oddNumbers, func() string { return strconv.FormatInt(g.now.UnixMilli()+2e6+g.r.Int64N(1e9), 10) }))
	case "g":
		return one(pick(g, []string{"*", "*:0", "string:*", "h?sh:[01]", "[^s]*", "*\\*", "[", "[a", "f[1-3]", "*1*", "", "a", "m*", "\\", "[z-a]*", "*[0-9]"}))
	case "b":
		return one(pick(g, []string{"0", "1", "2", "15", "16", "-1", "x"}))
	case "#":
		return g.countedKeys()
	case "w":
		return g.weights()
	case "S":
		return one(pick(g, scripts))
	case "R": // a script that no %H names
		return one(pick(g, scripts) + " --")
	case "H": // the name of a script that may have been loaded
		sum := sha1.Sum([]byte(pick(g, scripts)))
		return one(hex.EncodeToString(sum[:]))
	case "L":
		return one(pick(g, libraries))
	}
	if s, ok := g.ownWord(w[1:]); ok {
		return one(s)
	}
	panic("compat: unknown placeholder " + w)
}

// or returns one of odd in one of n cases, otherwise usual().
func (g *Generator) or(n int, odd []string, usual func() string) string {
	if g.oneIn(n) {
		return pick(g, odd)
	}
	return usual()
}

// countedKeys is "numkeys key ...", the number now and then wrong.
func (g *Generator) countedKeys() []string {
	g.numKeys = 1 + g.r.IntN(3)
	out := []string{strconv.Itoa(g.numKeys)}
	if g.oneIn(15) {
		out[0] = pick(g, []string{"0", "-1", "4", "x", "9223372036854775807", "2147483648", ""})
	}
	for range g.numKeys {
		out = append(out, g.key())
	}
	return out
}

func (g *Generator) weights() []string {
	n := g.numKeys
	if g.oneIn(12) {
		n++
	}
	var out []string
	for range n {
		out = append(out, g.float())
	}
	return out
}
