package lua

import (
	"math"

	glua "github.com/yuin/gopher-lua"
)

// drand48 is the generator behind math.random: the 48-bit linear congruential
// one that POSIX specifies as lrand48, which is also Redis's.
type drand48 uint64

const mask48 = 1<<48 - 1

func (d *drand48) seed(n int32) { *d = drand48(uint64(uint32(n))<<16 | 0x330e) }

// next returns 31 random bits.
func (d *drand48) next() int64 {
	*d = (*d*0x5deece66d + 0xb) & mask48
	return int64(*d >> 17)
}

// random implements math.random of Redis 7.0.
func (e *env) random(L *glua.LState) int {
	e.inRun(L, "math.random")
	const most = math.MaxInt32
	r := float64(e.rand.next()%most) / most
	switch L.GetTop() {
	case 0:
		L.Push(glua.LNumber(r))
	case 1:
		u := checkInt(L, 1)
		if u < 1 {
			L.ArgError(1, "interval is empty")
		}
		L.Push(glua.LNumber(math.Floor(r*float64(u)) + 1))
	case 2:
		l, u := checkInt(L, 1), checkInt(L, 2)
		if l > u {
			L.ArgError(2, "interval is empty")
		}
		// The width overflows as C's int does.
		L.Push(glua.LNumber(math.Floor(r*float64(u-l+1)) + float64(l)))
	default:
		L.RaiseError("wrong number of arguments")
	}
	return 1
}

// randomSeed implements math.randomseed of Redis 7.0.
func (e *env) randomSeed(L *glua.LState) int {
	e.inRun(L, "math.randomseed")
	e.rand.seed(checkInt(L, 1))
	return 0
}

// checkInt reads an argument as C's int.
func checkInt(L *glua.LState, n int) int32 { return int32(toInteger(float64(L.CheckNumber(n)))) }

// toInteger converts as C does on common hardware: towards zero, and everything
// out of range to the smallest integer.
func toInteger(f float64) int64 {
	if f != f || f >= 1<<63 || f < -1<<63 {
		return math.MinInt64
	}
	return int64(f)
}
