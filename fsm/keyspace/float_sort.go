package keyspace

import "math"

// ParseWeight reads a number by which SORT sorts, the way C's strtod does for
// Redis 7.0: white space in front and anything behind a zero byte is ignored,
// an empty text is 0, infinities are allowed. NaN, overflow and results so near
// to zero that they lose digits are refused.
func ParseWeight(b []byte) (float64, bool) {
	if f, ok := shortInteger(b); ok {
		return f, true
	}
	n := scanNumeral(b)
	if n.kind == notNumeral {
		return 0, len(b) == 0 || b[0] == 0
	}
	if n.kind == nanNumeral || n.to < len(b) && b[n.to] != 0 {
		return 0, false
	}
	const smallestNormal = 0x1p-1022
	f, inRange := n.double(b)
	return f, inRange && (!n.nonzero || math.Abs(f) >= smallestNormal)
}
