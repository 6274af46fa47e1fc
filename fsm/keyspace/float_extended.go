package keyspace

import "math/big"

// Extended is a number in the 80-bit format in which Redis computes
// INCRBYFLOAT and HINCRBYFLOAT on x86: a significand of 64 bits, rounded to
// nearest, ties to even. It is computed in software, so that every replica
// gets the same digits whatever its processor.
//
// Values below the smallest normal number keep their full significand, which
// no result can show: results have 17 decimals. The zero value is 0.
type Extended struct{ f big.Float }

const (
	extendedBits   = 64
	extendedMaxExp = 16384  // values are below 2^16384
	extendedMinExp = -16446 // 2^-16446, half the smallest denormal, rounds to zero

	// extendedMaxText is the size of Redis's buffer for these numbers
	// (MAX_LONG_DOUBLE_CHARS); a longer text is not a number.
	extendedMaxText = 5 * 1024
)

// ParseExtended reads a number for INCRBYFLOAT and HINCRBYFLOAT by the rules
// of Redis 7.0's string2ld: the whole text, shorter than 5 KiB, must be one
// number without white space in front; a value that overflows or vanishes is
// refused, and so is NaN. Infinities are accepted: see IsInf and Add.
func ParseExtended(b []byte) (Extended, bool) {
	var x Extended
	if len(b) >= extendedMaxText {
		return x, false
	}
	n := scanNumeral(b)
	if n.from != 0 || n.to != len(b) {
		return x, false
	}
	x.f.SetPrec(extendedBits)
	switch n.kind {
	case infiniteNumeral:
		x.f.SetInf(n.negative)
		return x, true
	case finiteNumeral:
		ok := x.setNumeral(&n, b)
		return x, ok
	}
	return x, false
}

// setNumeral sets x to the finite numeral found in b, correctly rounded. It
// reports false when the value overflows or vanishes.
func (x *Extended) setNumeral(n *numeral, b []byte) bool {
	digits, exp := n.significand(b)
	if len(digits) == 0 {
		if n.negative {
			x.f.Neg(&x.f)
		}
		return true
	}
	// A text of 5 KiB whose exponent lies this far out has a value far out
	// too, so the powers below stay small.
	const far = 40000
	if exp > far || exp < -far || !n.hex && (exp+len(digits) > 5000 || exp+len(digits) < -5000) {
		return false
	}
	base := 10
	if n.hex {
		base = 16
	}
	m, ok := new(big.Int).SetString(string(digits), base)
	if !ok {
		return false
	}
	// A Float without a precision takes the one that holds the integer
	// exactly; the one rounding is that of the last operation.
	significand := new(big.Float).SetInt(m)
	switch {
	case n.hex:
		x.f.Set(significand)
		x.f.SetMantExp(&x.f, exp)
	case exp >= 0:
		x.f.Mul(significand, new(big.Float).SetInt(pow10(exp)))
	default:
		x.f.Quo(significand, new(big.Float).SetInt(pow10(-exp)))
	}
	if n.negative {
		x.f.Neg(&x.f)
	}
	e := x.f.MantExp(nil) // |x| is 2^e times a fraction in [0.5, 1)
	return e <= extendedMaxExp && (e > extendedMinExp+1 || e == extendedMinExp+1 && x.f.MinPrec() > 1)
}

// significand returns the digits of the numeral found in b without leading
// zeros and without the point, and the power that scales them: of ten, or of
// two for a hexadecimal numeral.
func (n *numeral) significand(b []byte) (digits []byte, exp int) {
	text := b[n.from:n.to]
	if text[0] == '+' || text[0] == '-' {
		text = text[1:]
	}
	mark, perDigit := byte('e'), 1
	if n.hex {
		text, mark, perDigit = text[2:], 'p', 4
	}
	point := false
	for i, c := range text {
		switch {
		case c|0x20 == mark:
			return digits, exp + clampedInt(text[i+1:])
		case c == '.':
			point = true
			continue
		case c != '0' || len(digits) > 0:
			digits = append(digits, c)
		}
		if point {
			exp -= perDigit
		}
	}
	return digits, exp
}

// clampedInt reads a decimal integer that may be signed and of any length; a
// magnitude above a million is as good as any other.
func clampedInt(text []byte) int {
	n, negative := 0, false
	for _, c := range text {
		switch {
		case c == '-':
			negative = true
		case c >= '0' && c <= '9':
			n = min(n*10+int(c-'0'), 1_000_000)
		}
	}
	if negative {
		return -n
	}
	return n
}

func pow10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// IsInf reports whether x is one of the infinities.
func (x *Extended) IsInf() bool { return x.f.IsInf() }

// Thousandfold returns x times 1000, rounded up to an integer: seconds as
// milliseconds. False: it is not an int64.
func (x *Extended) Thousandfold() (n int64, ok bool) {
	if x.f.IsInf() {
		return 0, false
	}
	y := new(big.Float).SetPrec(extendedBits).Mul(&x.f, big.NewFloat(1000))
	whole, accuracy := y.Int64() // towards zero; clamped if it doesn't fit
	if y.IsInt() {
		return whole, accuracy == big.Exact
	}
	if accuracy == big.Below {
		whole++
	}
	return whole, true // with a fraction it is below 2^63
}

// Add returns x+y. It reports false where Redis answers "increment would
// produce NaN or Infinity": when an operand is infinite or the sum overflows.
func (x *Extended) Add(y *Extended) (sum Extended, ok bool) {
	if x.f.IsInf() || y.f.IsInf() {
		return sum, false
	}
	sum.f.SetPrec(extendedBits).Add(&x.f, &y.f)
	return sum, sum.f.MantExp(nil) <= extendedMaxExp
}

// Append appends x the way Redis prints the result of INCRBYFLOAT (its
// "human friendly" format): 17 decimals ("%.17Lf") without the zeros at the
// end, never with an exponent, and never "-0".
func (x *Extended) Append(dst []byte) []byte {
	if x.f.IsInf() {
		if x.f.Signbit() {
			return append(dst, "-inf"...)
		}
		return append(dst, "inf"...)
	}
	// Below 2^-58 all 17 decimals are zero, while the exact decimal form that
	// the conversion begins with takes milliseconds for the smallest numbers.
	if x.f.MantExp(nil) <= -58 {
		return append(dst, '0')
	}
	from := len(dst)
	dst = x.f.Append(dst, 'f', 17)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	if dst[len(dst)-1] == '.' {
		dst = dst[:len(dst)-1]
	}
	if string(dst[from:]) == "-0" {
		dst = append(dst[:from], '0')
	}
	return dst
}

// AppendIncrFloat appends the text of old+incr as INCRBYFLOAT and HINCRBYFLOAT
// store and answer it. See Add for when it reports false.
func AppendIncrFloat(dst []byte, old, incr *Extended) ([]byte, bool) {
	sum, ok := old.Add(incr)
	if !ok {
		return dst, false
	}
	return sum.Append(dst), true
}
