package compat

import (
	"bytes"
	"strconv"

	"github.com/quorate/quorate/test/wire"
)

// Streams. An entry's ID is given, so that both servers have the same; what
// depends on the moment (idle times, "*") is left out or made to be zero.
func init() {
	templates["stream"] = []string{
		"XADD %k %I <%d %v>", "XADD %k %I <%d %v>", "XADD %k %I f %v g %v", "XADD %k %I f %v g %v", "XADD %k %I f %v g %v",
		"XADD %k [NOMKSTREAM] [MAXLEN|MINID] [=|~] %n [LIMIT %n] %I <%d %v>",
		"XADD %k [NOMKSTREAM] [MAXLEN [=|~] %n [LIMIT %n]|MINID [=|~] %J] %I f %v", "XADD %k MAXLEN ~ %n %I f %v", "XADD %k %J f %v [g]",
		"XTRIM %k MAXLEN [=|~] %n [LIMIT %n]", "XTRIM %k MINID [=|~] %J [LIMIT %n]", "XTRIM %k [MAXLEN %n] [MINID %J] [LIMIT 3]",
		"XLEN %k", "XDEL %k <%J>", "XDEL %k %J %J",
		"XRANGE %k %B %B [COUNT %n]", "XREVRANGE %k %B %B [COUNT %n]", "XRANGE %k - +", "XREVRANGE %k + - [COUNT %n]",
		"XREAD [COUNT %n] STREAMS %k %J", "XREAD [COUNT %n] STREAMS %k %k %J ($|0|0-0|%J)", "XREAD COUNT %n STREAMS %k [%k] [%J|$]",
		"XREADGROUP GROUP %G %C [COUNT %n] STREAMS %k %N", "XREADGROUP GROUP %G %C [COUNT %n] [NOACK] STREAMS %k (%N|0|%J)",
		"XREADGROUP GROUP %G %C [COUNT %n] STREAMS %k %k %N (%N|0|$|%J)", "XREADGROUP GROUP %G %C COUNT %n STREAMS %k 0",
		"XREADGROUP [NOACK] [GROUP %G %C] [COUNT %n] STREAMS %k %N",
		"XGROUP CREATE %k %G ($|0|%J) [MKSTREAM] [ENTRIESREAD %n]", "XGROUP CREATE %k %G ($|0|%J) MKSTREAM",
		"XGROUP SETID %k %G ($|0|%J|+) [ENTRIESREAD %n]", "XGROUP DESTROY %k %G", "XGROUP CREATECONSUMER %k %G %C",
		"XGROUP DELCONSUMER %k %G %C", "XGROUP NOSUCH %k %G", "XGROUP CREATE %k %G",
		"XACK %k %G <%J>", "XACK %k %G %J %J",
		"XCLAIM %k %G %C 0 <%J> [IDLE %n] [RETRYCOUNT %n] [FORCE] [JUSTID] [LASTID %J]", "XCLAIM %k %G %C (0|-5|x|3600000) %J [JUSTID] [TIME %n|FORCE|NOSUCH]",
		"XCLAIM %k %G %C 0 %J FORCE [JUSTID]", "XAUTOCLAIM %k %G %C 0 %B [COUNT %n] [JUSTID]", "XAUTOCLAIM %k %G %C 0 0 [COUNT %n] [JUSTID]",
		"XPENDING %k %G", "XPENDING %k %G (-|%B) (+|%B) 0 [%C]", "XPENDING %k %G [IDLE (0|3600000|-1|x)] %B (+|%B) %n [%C]", "XPENDING %k %G [IDLE 3600000] %B",
		"XINFO STREAM %k", "XINFO STREAM %k [NOFULL] [COUNT %n]", "XINFO GROUPS %k", "XINFO CONSUMERS %k %G", "XINFO STREAM %k FULL [COUNT %n]", "XINFO NOSUCH %k",
		"XSETID %k %J [ENTRIESADDED %n] [MAXDELETEDID %J]", "XSETID %k %I",
		"OBJECT ENCODING %k", "TYPE %k", "COPY %k %k REPLACE", "DEL %k", "RENAME %k %k",
	}
	typedFamilies["stream"] = true
	values["stream"] = struct {
		args   []string
		policy policy
	}{[]string{"XRANGE", "-", "+"}, exact}
	policies["XPENDING"] = timesInside
	policies["XINFO"] = timesInside
}

// sameButTimes compares replies of XINFO and XPENDING. Times that may differ
// are Unix times in ms, idle times, which stand third of four, and what follows
// the word "idle".
func sameButTimes(a, b wire.Reply) bool {
	if bytes.Equal(a.Raw, b.Raw) {
		return true
	}
	if a.Kind != b.Kind || !a.IsAggregate() || len(a.Elems) != len(b.Elems) {
		return false
	}
	const unixTimes = 1e12
	for i, x := range a.Elems {
		y := b.Elems[i]
		n, ok := x.Int()
		m, ok2 := y.Int()
		idle := len(a.Elems) == 4 && i == 2 || i > 0 && string(a.Elems[i-1].Str) == "idle"
		if ok && ok2 && (idle || n > unixTimes && m > unixTimes) {
			if n-m > timeToleranceMs || m-n > timeToleranceMs {
				return false
			}
		} else if !sameButTimes(x, y) {
			return false
		}
	}
	return true
}

// streamWord returns what a placeholder of streams stands for.
func (g *Generator) streamWord(w string) (word string, ok bool) {
	id := func(ahead int) string {
		ms := max(0, g.ids+ahead-g.r.IntN(15))
		if g.oneIn(3) {
			return strconv.Itoa(ms)
		}
		return strconv.Itoa(ms) + "-" + strconv.Itoa(g.r.IntN(4))
	}
	switch w {
	case "I": // the ID of a new entry: they grow
		if g.oneIn(4) {
			g.ids++
		}
		return g.or(30, oddIDs, func() string {
			if g.oneIn(5) {
				return id(2)
			}
			return strconv.Itoa(g.ids) + "-*"
		}), true
	case "J": // the ID of an entry, mostly of one that may be there
		return g.or(25, oddIDs, func() string { return id(0) }), true
	case "B": // one end of a range of IDs
		return g.or(8, []string{"-", "+", "(", "(-", "(+", "(0", "(0-0", "(18446744073709551615-18446744073709551615", "(1-*"},
			func() string { return pick(g, []string{"", "("}) + id(1) }), true
	case "N": // new entries
		return ">", true
	case "G":
		return pick(g, []string{"g0", "g1", "g1", ""}), true
	case "C":
		return pick(g, []string{"alice", "bob", "c\x00\xff", ""}), true
	}
	return "", false
}

// oddIDs are the edges of what servers parse as IDs. The largest is left out:
// behind it, no stream takes anything.
var oddIDs = []string{"0-0", "0", "-", "+", "1-", "-1", "1--1", "1--0", " 1-1", "1- 1", "+5-+1", "007-08", "1-1-1", "x", "1-x", "", "*1", "1-**", "$", ">",
	"18446744073709551616", "1-18446744073709551616", "18446744073709551616-*", "0-*", "1-2\x00x", "\x001", "0-1"}
