package compat

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/quorate/quorate/test/wire"
)

// policy says how the two replies to a command are compared.
type policy int

const (
	exact       policy = iota
	unordered          // the same members in any order
	pairs              // the same pairs of members in any order
	timeLeft           // times may differ by the time between two calls
	anyOrder           // aggregates at any depth have their members in any order
	nearScores         // numbers may differ in the last bits
	timesInside        // the same, but for such times in a reply about a stream
	payload            // see agreeOwn
	sticky             // see agreeOwn

	// The policies below need the servers to themselves: they ask and change
	// more than the one command. See alone.

	popped      // any members of the set, the same number; then made equal again
	chosen      // any members of the collection, the same number
	anyKeyName  // any existing key
	iteration   // the same elements over a whole iteration
	keyCount    // equal, once expired keys have been deleted
	newDatabase // exact; the connection's database changes
	waiting     // no command
)

var policies = map[string]policy{
	"SMEMBERS": unordered, "SINTER": unordered, "SUNION": unordered, "SDIFF": unordered, "KEYS": unordered,
	"HKEYS": unordered, "HVALS": unordered, "HGETALL": pairs,
	"TTL": timeLeft, "PTTL": timeLeft, "EXPIRETIME": timeLeft, "PEXPIRETIME": timeLeft,
	"SPOP": popped, "SRANDMEMBER": chosen, "HRANDFIELD": chosen, "ZRANDMEMBER": chosen, "RANDOMKEY": anyKeyName,
	"SCAN": iteration, "SSCAN": iteration, "HSCAN": iteration, "ZSCAN": iteration,
	"DBSIZE": keyCount, "SELECT": newDatabase,
}

func policyOf(s Step) policy {
	if s.Pause != 0 {
		return waiting
	}
	return policies[s.name()]
}

// alone reports whether the policy forbids other commands on the wire at the
// same time, and the command inside a transaction.
func (p policy) alone() bool { return p >= popped }

// timeToleranceMs is how far apart two times may be: seconds are rounded, and a
// loaded machine may delay one of two servers.
const timeToleranceMs = 2000

// agree compares two replies by a policy that needs nothing but them.
func agree(p policy, name string, sut, oracle wire.Reply) bool {
	if bytes.Equal(sut.Raw, oracle.Raw) {
		return true
	}
	if p == sticky {
		return agreeOwn(p, sut, oracle)
	}
	if sut.Kind != oracle.Kind || sut.Null != oracle.Null {
		return false
	}
	switch p {
	case payload:
		return agreeOwn(p, sut, oracle)
	case unordered:
		return oracle.IsAggregate() && slices.Equal(sortedRaw(sut.Elems, 1), sortedRaw(oracle.Elems, 1))
	case nearScores:
		return sameButLastBits(sut, oracle)
	case anyOrder:
		return sameInAnyOrder(sut, oracle)
	case pairs:
		return oracle.IsAggregate() && len(oracle.Elems)%2 == 0 && len(sut.Elems) == len(oracle.Elems) &&
			slices.Equal(sortedRaw(sut.Elems, 2), sortedRaw(oracle.Elems, 2))
	case timeLeft:
		a, ok := sut.Int()
		b, ok2 := oracle.Int()
		tolerance := int64(timeToleranceMs)
		if !strings.HasPrefix(name, "P") {
			tolerance /= 1000
		}
		return ok && ok2 && a >= 0 && b >= 0 && a-b <= tolerance && b-a <= tolerance
	case timesInside:
		return sameButTimes(sut, oracle)
	}
	return false
}

// agreeExec compares the replies of EXEC, each by the policy of its command.
func agreeExec(queued []Step, sut, oracle wire.Reply) bool {
	if bytes.Equal(sut.Raw, oracle.Raw) {
		return true
	}
	if sut.Kind != oracle.Kind || sut.Null != oracle.Null || len(sut.Elems) != len(oracle.Elems) || len(oracle.Elems) != len(queued) {
		return false
	}
	for i, q := range queued {
		if !agree(policyOf(q), q.name(), sut.Elems[i], oracle.Elems[i]) {
			return false
		}
	}
	return true
}

// sameButLastBits compares lists of members and distances, which the C library
// rounds otherwise.
func sameButLastBits(a, b wire.Reply) bool {
	if len(a.Elems) != len(b.Elems) {
		return false
	}
	for i, x := range a.Elems {
		y := b.Elems[i]
		f, err := strconv.ParseFloat(string(x.Str), 64)
		g, err2 := strconv.ParseFloat(string(y.Str), 64)
		if !bytes.Equal(x.Raw, y.Raw) && (err != nil || err2 != nil || math.Abs(f-g) > math.Abs(g)*1e-14) {
			return false
		}
	}
	return true
}

// sameInAnyOrder compares replies whose parts, at any depth, come from hash
// tables.
func sameInAnyOrder(a, b wire.Reply) bool { return inOrder(a) == inOrder(b) }

// inOrder is a reply as bytes, with the members of each aggregate sorted; those
// of a map as pairs.
func inOrder(r wire.Reply) string {
	if !r.IsAggregate() || r.Null {
		return string(r.Raw)
	}
	width := 1
	if r.Kind == '%' {
		width = 2
	}
	var parts []string
	for i := 0; i+width <= len(r.Elems); i += width {
		part := ""
		for j := i; j < i+width; j++ {
			if j > 0 && string(r.Elems[j-1].Str) == "notes" { // about keys, in words of one's own
				continue
			}
			part += inOrder(r.Elems[j])
		}
		parts = append(parts, part)
	}
	slices.Sort(parts)
	return string(r.Kind) + strings.Join(parts, "") + "end"
}

// sortedRaw returns the bytes of each group of n members, sorted.
func sortedRaw(elems []wire.Reply, n int) []string {
	var out []string
	for i := 0; i+n <= len(elems); i += n {
		var b strings.Builder
		for _, e := range elems[i : i+n] {
			b.Write(e.Raw)
		}
		out = append(out, b.String())
	}
	slices.Sort(out)
	return out
}

// distinct returns the sorted groups without repetitions.
func distinct(elems []wire.Reply, n int) []string { return slices.Compact(sortedRaw(elems, n)) }

// contains reports whether every part is among all; with each at most once if
// noRepeat. Both are lists of raw groups.
func contains(all, part []string, noRepeat bool) bool {
	left := map[string]int{}
	for _, a := range all {
		left[a]++
	}
	for _, p := range part {
		if left[p] == 0 {
			return false
		}
		if noRepeat {
			left[p]--
		}
	}
	return true
}
