package geo

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// bigSin returns the sine of x by its power series in 300 bits.
func bigSin(x float64) *big.Float {
	f := func(v float64) *big.Float { return new(big.Float).SetPrec(300).SetFloat64(v) }
	sum, term := f(x), f(x)
	square := new(big.Float).Mul(f(x), f(x))
	for n := 2.0; n < 80; n += 2 {
		term.Mul(term, square)
		term.Quo(term, f(-n*(n+1)))
		sum.Add(sum, term)
	}
	return sum
}

// bigCos returns the cosine of x by its power series in 300 bits.
func bigCos(x float64) *big.Float {
	f := func(v float64) *big.Float { return new(big.Float).SetPrec(300).SetFloat64(v) }
	sum, term := f(1), f(1)
	square := new(big.Float).Mul(f(x), f(x))
	for n := 1.0; n < 80; n += 2 {
		term.Mul(term, square)
		term.Quo(term, f(-n*(n+1)))
		sum.Add(sum, term)
	}
	return sum
}

func rounded(x *big.Float) float64 {
	f, _ := x.Float64()
	return f
}

// arguments calls check with numbers up to limit, many of them small.
func arguments(t *testing.T, limit float64, check func(x float64)) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for _, x := range []float64{0, 1e-300, 1e-20, 1e-9, 1.0 / 128, 1.0 / 64, 0.5, 0.7, 0.9999999, 1} {
		check(x)
	}
	for range 4000 {
		check(r.Float64() * limit)
		check(r.Float64() * limit * math.Exp2(float64(-r.IntN(40))))
	}
}

// TestSinCos compares with series of 300 bits.
func TestSinCos(t *testing.T) {
	arguments(t, 3.17, func(x float64) {
		for _, x := range []float64{x, -x} {
			if got, want := sin(x), rounded(bigSin(x)); got != want {
				t.Errorf("sin(%v) = %v, want %v", x, got, want)
			}
			if got, want := cos(x), rounded(bigCos(x)); got != want {
				t.Errorf("cos(%v) = %v, want %v", x, got, want)
			}
		}
	})
}

// TestAsin checks that the sines of the two middles between the result and its
// neighbours lie on both sides of the argument.
func TestAsin(t *testing.T) {
	arguments(t, 1, func(x float64) {
		y := asin(x)
		if x < 1e-100 {
			if y != x {
				t.Errorf("asin(%v) = %v", x, y)
			}
			return
		}
		side := func(to float64) int {
			// A double in the middle of two exists for neither: scale by a half bit.
			m := new(big.Float).SetPrec(300).SetFloat64(y)
			m.Add(m, new(big.Float).SetFloat64(math.Nextafter(y, to)))
			m.Quo(m, big.NewFloat(2))
			sum, term := new(big.Float).Copy(m), new(big.Float).Copy(m)
			square := new(big.Float).SetPrec(300).Mul(m, m)
			for n := 2.0; n < 80; n += 2 {
				term.Mul(term, square)
				term.Quo(term, big.NewFloat(-n*(n+1)))
				sum.Add(sum, term)
			}
			return sum.Cmp(big.NewFloat(x))
		}
		if side(0) > 0 || side(2) < 0 && x < 1 {
			t.Errorf("asin(%v) = %v is not the nearest", x, y)
		}
	})
	if asin(1) != math.Pi/2 {
		t.Errorf("asin(1) = %v", asin(1))
	}
}

func BenchmarkDistance(b *testing.B) {
	p, q := Point{13.361389, 38.115556}, Point{15.087269, 37.502669}
	for b.Loop() {
		Distance(p, q)
	}
}

func BenchmarkFinderOutside(b *testing.B) {
	f := NewFinder(&Shape{Center: Point{13.361389, 38.115556}, Unit: 1, Radius: 100000})
	for b.Loop() {
		f.Distance(Point{15.087269, 37.502669})
	}
}
