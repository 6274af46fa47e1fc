package keyspace

import (
	"math"
	"strconv"
	"unsafe"
)

// Numbers in text follow C's strtod in the "C" locale, because that is what
// Redis hands its arguments to: decimal and hexadecimal fractions, "inf",
// "infinity" and "nan" in any case. The functions here decide on top of it
// what Redis accepts, and print what Redis prints.

// numeral is the longest prefix of a text that strtod would convert.
type numeral struct {
	kind     numeralKind
	negative bool
	hex      bool
	nonzero  bool // a digit of the significand is not zero
	exponent bool // has an exponent part
	from, to int  // the converted part, sign included; from skips white space
}

type numeralKind uint8

const (
	notNumeral numeralKind = iota
	finiteNumeral
	infiniteNumeral
	nanNumeral
)

// ParseFloat reads a score or another double argument the way Redis 7.0's
// string2d does: the whole text must be one number without white space in
// front, a value that overflows or vanishes is refused (a denormal one is
// not), and so is NaN. Infinities are accepted: callers for which they make
// no sense refuse them themselves.
func ParseFloat(b []byte) (float64, bool) {
	if f, ok := shortInteger(b); ok {
		return f, true
	}
	n := scanNumeral(b)
	if n.kind == notNumeral || n.kind == nanNumeral || n.from != 0 || n.to != len(b) {
		return 0, false
	}
	f, inRange := n.double(b)
	return f, inRange
}

// shortInteger reads what most scores are: an integer of at most 15 digits,
// which a double holds exactly.
func shortInteger(b []byte) (float64, bool) {
	digits := b
	if len(b) > 0 && b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 15 {
		return 0, false
	}
	n := int64(0)
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	f := float64(n)
	if len(digits) < len(b) {
		f = -f // keeps the sign of "-0"
	}
	return f, true
}

// scanNumeral finds the prefix of b that strtod would convert.
func scanNumeral(b []byte) numeral {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] >= '\t' && b[i] <= '\r') {
		i++
	}
	n := numeral{from: i}
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		n.negative = b[i] == '-'
		i++
	}
	switch {
	case hasFold(b[i:], "infinity"):
		n.kind, n.to = infiniteNumeral, i+8
	case hasFold(b[i:], "inf"):
		n.kind, n.to = infiniteNumeral, i+3
	case hasFold(b[i:], "nan"):
		n.kind, n.to = nanNumeral, i+3
	case hasFold(b[i:], "0x") && n.scanDigits(b, i+2, true):
	default:
		n.scanDigits(b, i, false)
	}
	return n
}

// scanDigits reads significand and exponent from position i on and reports
// whether there was at least one digit.
func (n *numeral) scanDigits(b []byte, i int, hex bool) bool {
	digits, point := 0, false
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c == '.' && !point:
			point = true
			continue
		case c >= '0' && c <= '9', hex && isHexLetter(c):
			digits++
			n.nonzero = n.nonzero || c != '0'
			continue
		}
		break
	}
	if digits == 0 {
		return false
	}
	n.kind, n.hex, n.to = finiteNumeral, hex, i
	mark := byte('e')
	if hex {
		mark = 'p'
	}
	if i < len(b) && b[i]|0x20 == mark {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
			n.exponent, n.to = true, i+1
		}
	}
	return true
}

func isHexLetter(c byte) bool { c |= 0x20; return c >= 'a' && c <= 'f' }

// hasFold reports whether b begins with the lower-case letters of prefix,
// whatever their case in b.
func hasFold(b []byte, prefix string) bool {
	if len(b) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

// double converts the numeral, which was found in b and is finite or infinite.
// inRange is false where strtod reports ERANGE together with zero or infinity.
func (n *numeral) double(b []byte) (f float64, inRange bool) {
	if n.kind == infiniteNumeral {
		if n.negative {
			return math.Inf(-1), true
		}
		return math.Inf(1), true
	}
	text := b[n.from:n.to]
	if n.hex && !n.exponent {
		text = append(append(make([]byte, 0, len(text)+2), text...), "p0"...)
	}
	// ParseFloat copies the text before it puts it into an error. The numeral
	// has been scanned, so that the only error left is one of range.
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(text), len(text)), 64)
	return f, err == nil && (f != 0 || !n.nonzero)
}

// AppendFloat appends f the way Redis 7.0 prints scores in RESP2 replies and
// in files: C's "%.17g", and "inf", "-inf" or "nan".
func AppendFloat(dst []byte, f float64) []byte {
	switch {
	case f == math.Trunc(f) && math.Abs(f) < 1e15 && (f != 0 || !math.Signbit(f)):
		return strconv.AppendInt(dst, int64(f), 10)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(f):
		return append(dst, "nan"...)
	}
	return strconv.AppendFloat(dst, f, 'g', 17, 64)
}
