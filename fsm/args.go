package fsm

import (
	"math"
	"strconv"

	"github.com/quorate/quorate/fsm/keyspace"
)

// isWord reports whether an argument is the word given in upper case, in any
// case of letters.
func isWord(arg []byte, upper string) bool {
	if len(arg) != len(upper) {
		return false
	}
	for i, c := range arg {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != upper[i] {
			return false
		}
	}
	return true
}

// intArg parses argument i as an int64, or writes the error.
func (c *ReadCall) intArg(i int) (int64, bool) {
	n, ok := keyspace.ParseInt(c.Args[i])
	if !ok {
		c.Error(errNotInteger)
	}
	return n, ok
}

// intArgIn parses argument i as an integer from lo to hi, or writes the error.
func (c *ReadCall) intArgIn(i int, lo, hi int64) (int64, bool) {
	n, ok := c.intArg(i)
	if ok && (n < lo || n > hi) {
		c.Error("ERR value is out of range, value must between " + strconv.FormatInt(lo, 10) + " and " + strconv.FormatInt(hi, 10))
		return 0, false
	}
	return n, ok
}

// dbArg parses argument i as the number of a database, or writes the error.
func (c *ReadCall) dbArg(i int) (int, bool) {
	n, ok := c.intArgIn(i, math.MinInt32, math.MaxInt32)
	if ok && (n < 0 || n >= int64(c.m.ks.Databases())) {
		c.Error(errDBIndex)
		return 0, false
	}
	return int(n), ok
}

// clustered reports whether the group serves only some slots, which rules out
// databases other than 0.
func (c *ReadCall) clustered() bool { return c.m.owned != nil }

// cString returns an argument as Redis prints it with %s: up to a zero byte.
func cString(arg []byte) string {
	for i, c := range arg {
		if c == 0 {
			return string(arg[:i])
		}
	}
	return string(arg)
}
