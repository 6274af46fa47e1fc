package compat

import (
	"strconv"
	"strings"
)

const keysPerFamily = 5

// oddNumbers are the edges of what servers parse as integers.
var oddNumbers = []string{"0", "-0", "+1", "01", " 1", "1 ", "", "1.0", "1e2", "0x10", "x", "-1", "-100", "1000",
	"2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296",
	"9223372036854775807", "9223372036854775808", "-9223372036854775807", "-9223372036854775808", "-9223372036854775809",
	"18446744073709551615", "18446744073709551616", "99999999999999999999999", "4611686018427387904"}

// oddFloats are the edges of what servers parse and print as floats.
var oddFloats = []string{"0", "-0", "0.0", "1e5", "1E-5", ".5", "5.", "+3", "inf", "-inf", "+inf", "Infinity", "nan", "NaN",
	"1e308", "-1e308", "1e309", "1e-320", "1.7976931348623157e308", "4.9e-324", "0.1", "0.3", "3.0", "3.14159265358979",
	"1e17", "1e21", "123456789012345678", "9007199254740993", "17179869184.5", "0x1p3", "1_000", "", " 1", "1 ", "--1", "1e", "abc", "5.0e3"}

// oddValues are values at the edges of encodings.
var oddValues = []string{"", " ", "0", "-1", "00", "1.5", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
	"a\x00b", "\r\n", "\xff\xfe", "\"quoted\"", "caf\xc3\xa9", "*", "\\", strings.Repeat("x", 44), strings.Repeat("y", 45),
	strings.Repeat("z", 64), strings.Repeat("w", 65), strings.Repeat("12", 10), strings.Repeat("long value ", 30)}

// oddWords are option words and others, for places where they do not belong.
var oddWords = []string{"NX", "xx", "GET", "EX", "px", "KEEPTTL", "LIMIT", "WITHSCORES", "withvalues", "COUNT", "MATCH", "REV", "BYSCORE",
	"LEFT", "foo", "", "\x00", "0", "-1", "nan", "*", "GT", "LT", "CH", "INCR"}

func (g *Generator) key() string {
	if g.own == "lex" {
		return "lex:" + strconv.Itoa(g.r.IntN(3))
	}
	if _, typed := typedFamilies[g.own]; !typed || g.oneIn(9) {
		return g.anyKey()
	}
	return g.own + ":" + strconv.Itoa(g.r.IntN(keysPerFamily))
}

var typedFamilies = map[string]bool{"string": true, "hash": true, "list": true, "set": true, "zset": true}

// anyKey is a key of any type, but never one of the lex family: ranges of
// members are only defined while all scores are equal.
func (g *Generator) anyKey() string {
	if g.oneIn(25) {
		return pick(g, []string{"", "nokey", "bin\x00\xff", "{tag}a", "a b"})
	}
	return pick(g, []string{"string", "hash", "list", "set", "zset", "stream"}) + ":" + strconv.Itoa(g.r.IntN(keysPerFamily))
}

func (g *Generator) value() string {
	switch g.r.IntN(5) {
	case 0:
		return pick(g, oddValues)
	case 1:
		return strconv.Itoa(g.r.IntN(20_000) - 10_000)
	case 2:
		return g.float()
	}
	return "v" + strconv.Itoa(g.r.IntN(30))
}

func (g *Generator) integer() string {
	return g.or(3, oddNumbers, func() string { return strconv.Itoa(g.r.IntN(2000) - 1000) })
}

func (g *Generator) float() string {
	return g.or(3, oddFloats, func() string {
		switch g.r.IntN(3) {
		case 0:
			return strconv.Itoa(g.r.IntN(20) - 8)
		case 1:
			return strconv.FormatFloat(float64(g.r.IntN(4000)-2000)/100, 'f', -1, 64)
		}
		return strconv.FormatFloat(g.r.NormFloat64()*1e3, 'g', -1, 64)
	})
}

// member is a member of a set or sorted set: often an integer, so that intsets
// come into being, sometimes not, so that they end.
func (g *Generator) member() string {
	switch g.r.IntN(12) {
	case 0:
		return pick(g, oddValues)
	case 1, 2:
		return "m" + strconv.Itoa(g.r.IntN(30))
	case 3:
		return strconv.FormatInt(int64(g.r.Uint64()), 10)
	}
	return strconv.Itoa(g.r.IntN(700))
}

func (g *Generator) lexMember() string {
	const letters = "abcdefgh"
	n := 1 + g.r.IntN(3)
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[g.r.IntN(len(letters))]
	}
	return string(b)
}
