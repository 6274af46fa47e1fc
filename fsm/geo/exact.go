package geo

import "math"

// Sine, cosine and arc sine, rounded correctly (but for about one argument in
// 2^30, where the exact value lies too near the middle of two doubles).
//
// The functions of Go's package math may be off by a bit, and by another bit on
// another processor; GEOSEARCHSTORE with STOREDIST makes distances part of the
// replicated state. The C library that Redis calls rounds all but a few in a
// thousand correctly, so this is also what comes closest to Redis.
//
// The method: a sum of two doubles carries about 106 bits. An angle is cut
// into a multiple of 1/64, whose sine and cosine a table holds, and a rest of at
// most 1/128, for which a short power series does; the theorems of addition put
// them together.

// double2 is the unevaluated sum hi+lo, |lo| at most half an ulp of hi.
type double2 struct{ hi, lo float64 }

// exactSum returns a+b without error (Knuth's two-sum).
func exactSum(a, b float64) double2 {
	s := a + b
	t := s - a
	return double2{s, (a - (s - t)) + (b - t)}
}

// exactProduct returns a*b without error.
func exactProduct(a, b float64) double2 {
	p := float64(a * b)
	return double2{p, math.FMA(a, b, -p)}
}

// renormalized returns hi+lo where |hi| >= |lo|.
func renormalized(hi, lo float64) double2 {
	s := hi + lo
	return double2{s, lo - (s - hi)}
}

func (a double2) plus(b double2) double2 {
	s, t := exactSum(a.hi, b.hi), exactSum(a.lo, b.lo)
	r := renormalized(s.hi, s.lo+t.hi)
	return renormalized(r.hi, r.lo+t.lo)
}

func (a double2) minus(b double2) double2 { return a.plus(double2{-b.hi, -b.lo}) }

func (a double2) times(b double2) double2 {
	p := exactProduct(a.hi, b.hi)
	cross := float64(a.hi*b.lo) + float64(a.lo*b.hi)
	return renormalized(p.hi, p.lo+cross)
}

// over returns a/n; n is small.
func (a double2) over(n float64) double2 {
	q := a.hi / n
	p := exactProduct(q, n)
	rest := a.minus(p)
	return renormalized(q, (rest.hi+rest.lo)/n)
}

// root returns the square root of a, which is positive.
func (a double2) root() double2 {
	r := math.Sqrt(a.hi)
	if r == 0 {
		return double2{}
	}
	rest := a.minus(exactProduct(r, r))
	return renormalized(r, (rest.hi+rest.lo)/(2*r))
}

const (
	tableStep = 1.0 / 64
	tableSize = 204 // up to pi and a little
)

// sines and cosines hold those of i*tableStep.
var sines, cosines = func() (s, c [tableSize]double2) {
	// The series at tableStep in full length, and from there on by addition.
	h := double2{hi: tableStep}
	sin, cos := h, double2{hi: 1}
	term := h
	for n := 2.0; n < 20; n++ {
		term = term.times(h).over(n)
		signed := term
		if int(n)%4 >= 2 {
			signed = double2{-term.hi, -term.lo}
		}
		if int(n)%2 == 0 {
			cos = cos.plus(signed)
		} else {
			sin = sin.plus(signed)
		}
	}
	c[0] = double2{hi: 1}
	for i := 1; i < tableSize; i++ {
		s[i] = s[i-1].times(cos).plus(c[i-1].times(sin))
		c[i] = c[i-1].times(cos).minus(s[i-1].times(sin))
	}
	return s, c
}()

// sixth is 1/6.
var sixth = double2{hi: 1}.over(6)

// sinCos2 returns sine and cosine of x to about 85 bits; |x| is at most 3.18.
func sinCos2(x float64) (sin, cos double2) {
	negative := x < 0
	if negative {
		x = -x
	}
	i := int(x/tableStep + 0.5)
	r := x - float64(i)*tableStep // exact
	sinR, lessR := series(r)
	sin = sines[i].plus(cosines[i].times(sinR)).minus(sines[i].times(lessR))
	cos = cosines[i].minus(sines[i].times(sinR)).minus(cosines[i].times(lessR))
	if i == 0 {
		sin = sinR
	}
	if negative {
		sin.hi, sin.lo = -sin.hi, -sin.lo
	}
	return sin, cos
}

// series returns sin(r) and 1-cos(r) for |r| at most 1/128. Terms beyond the
// second are so small that plain doubles do.
func series(r float64) (sin, less double2) {
	square := exactProduct(r, r)
	q := square.hi
	third := square.times(double2{hi: r}).times(sixth)
	rest := float64(r*q) * float64(q*(1.0/120-float64(q*(1.0/5040-float64(q*(1.0/362880))))))
	sin = exactSum(r, -third.hi)
	sin = renormalized(sin.hi, sin.lo-third.lo+rest)
	rest = float64(q*q) * (1.0/24 - float64(q*(1.0/720-float64(q*(1.0/40320)))))
	less = renormalized(square.hi/2, square.lo/2-rest)
	return sin, less
}

// sin returns the sine of x, |x| at most 3.18.
func sin(x float64) float64 {
	s, _ := sinCos2(x)
	return s.hi
}

// cos returns the cosine of x, |x| at most 3.18.
func cos(x float64) float64 {
	_, c := sinCos2(x)
	return c.hi
}

// asin returns the arc sine of x from 0 to 1.
func asin(x float64) float64 {
	y := math.Asin(x) // near enough for one step of Newton's method
	s, c := sinCos2(y)
	other := double2{hi: 1}.minus(exactProduct(x, x)).root() // the cosine of the result
	d := c.times(double2{hi: x}).minus(s.times(other))       // the sine of what is missing
	return y + d.hi
}
