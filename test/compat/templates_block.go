package compat

import (
	"slices"
	"strings"
)

// Commands that can wait: where there is data they answer at once, and where
// there is none they wait for a moment that has a limit. Nobody else writes
// meanwhile, so that what they answer is certain.
func init() {
	const (
		lists  = "(list:0|list:1|list:2|list:3|list:4|%a)"
		zsets  = "(zset:0|zset:1|zset:2|zset:3|zset:4|%a)"
		stream = "(stream:0|stream:1|stream:2)"
		side   = "(LEFT|RIGHT|LEFT|RIGHT|LEFT|RIGHT|UP)"
		counts = "[COUNT %n|COUNT 1 COUNT 2|COUNT]"
	)
	templates["block"] = []string{
		"BLPOP <" + lists + "> %T", "BRPOP <" + lists + "> %T", "BRPOPLPUSH " + lists + " " + lists + " %T",
		"BLMOVE " + lists + " " + lists + " " + side + " " + side + " %T",
		"BLMPOP %T 1 " + lists + " " + side + " " + counts, "BLMPOP %T 2 " + lists + " " + lists + " " + side + " " + counts, "BLMPOP %T (0|-1|3|x) " + lists + " LEFT",
		"BZPOPMIN <" + zsets + "> %T", "BZPOPMAX <" + zsets + "> %T",
		"BZMPOP %T 1 " + zsets + " (MIN|MAX|MID) " + counts, "BZMPOP %T 2 " + zsets + " " + zsets + " (MIN|MAX) " + counts, "BZMPOP %T (0|-1|3|x) " + zsets + " MIN",
		"XREAD [COUNT %n] BLOCK %B1 STREAMS " + stream + " (0|$|%J)", "XREAD BLOCK %B1 [COUNT %n] STREAMS " + stream + " " + stream + " (0|$|%J) (0|$|%J)",
		"XREADGROUP GROUP %G %C [COUNT %n] BLOCK %B1 [NOACK] STREAMS " + stream + " (%N|%N|0|%J)",
		"XREADGROUP GROUP %G %C BLOCK %B1 STREAMS " + stream + " " + stream + " %N (%N|0)",
		// What they take from.
		"RPUSH " + lists + " <%v>", "RPUSH " + lists + " <%v>", "ZADD " + zsets + " <%s %m>", "ZADD " + zsets + " <%s %m>",
		"XADD " + stream + " %I f %v", "XGROUP CREATE " + stream + " %G ($|0) MKSTREAM", "XDEL " + stream + " %J", "DEL " + stream, "EXPIRE " + lists + " %t",
	}
}

// Limits of a wait: in seconds, and for streams in milliseconds. None is zero,
// which means for ever, in any notation, and none is long.
var (
	timeouts  = []string{"0.001", "0.002", "0.01", ".001", "1e-3", "0.0001"}
	oddLimits = []string{"-1", "-0.1", "-inf", "nan", "x", "", "1e400", "1e17", "9223372036854775808", "0.1x", " 1"}
	waitsMs   = []string{"1", "2", "5"}
	oddWaits  = []string{"-1", "x", "", "1.5", "+1", "9223372036854775808"}
)

func (g *Generator) blockWord(w string) (string, bool) {
	switch w {
	case "T":
		return g.or(8, oddLimits, func() string { return pick(g, timeouts) }), true
	case "B1":
		return g.or(8, oddWaits, func() string { return pick(g, waitsMs) }), true
	}
	return "", false
}

// tameWait gives a wait a limit of the lists above, wherever it stands after
// arguments were left out, exchanged or added.
func tameWait(args []string) {
	limit := func(i int, ok []string, odd []string) {
		if i > 0 && i < len(args) && !slices.Contains(ok, args[i]) && !slices.Contains(odd, args[i]) {
			args[i] = ok[0]
		}
	}
	switch strings.ToUpper(args[0]) {
	case "BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BZPOPMIN", "BZPOPMAX":
		limit(len(args)-1, timeouts, oddLimits)
	case "BLMPOP", "BZMPOP":
		limit(1, timeouts, oddLimits)
	case "XREAD", "XREADGROUP":
		for i, a := range args {
			if strings.EqualFold(a, "BLOCK") {
				limit(i+1, waitsMs, oddWaits)
			}
		}
	}
}
