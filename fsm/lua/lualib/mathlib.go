package lualib

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

// openMath sets math, without random and randomseed. The functions are Go's:
// all replicas must run on one architecture for the last digit of math.sin and
// its like to agree.
func (l *libs) openMath(L *lua.LState) {
	t := L.NewTable()
	one := func(name string, fn func(float64) float64) {
		t.RawSetString(name, L.NewFunction(func(L *lua.LState) int {
			L.Push(lua.LNumber(fn(checkNumber(L, 1))))
			return 1
		}))
	}
	two := func(name string, fn func(a, b float64) float64) {
		t.RawSetString(name, L.NewFunction(func(L *lua.LState) int {
			a := checkNumber(L, 1)
			L.Push(lua.LNumber(fn(a, checkNumber(L, 2))))
			return 1
		}))
	}
	one("abs", math.Abs)
	one("acos", math.Acos)
	one("asin", math.Asin)
	one("atan", math.Atan)
	one("ceil", math.Ceil)
	one("cos", math.Cos)
	one("cosh", math.Cosh)
	one("deg", func(f float64) float64 { return f / (math.Pi / 180) })
	one("exp", math.Exp)
	one("floor", math.Floor)
	one("log", math.Log)
	one("log10", math.Log10)
	one("rad", func(f float64) float64 { return f * (math.Pi / 180) })
	one("sin", math.Sin)
	one("sinh", math.Sinh)
	one("sqrt", math.Sqrt)
	one("tan", math.Tan)
	one("tanh", math.Tanh)
	two("atan2", math.Atan2)
	two("fmod", math.Mod)
	two("mod", math.Mod)
	two("pow", math.Pow)
	register(L, t, []string{"frexp", "ldexp", "max", "min", "modf"},
		[]lua.LGFunction{mathFrexp, mathLdexp, mathMax, mathMin, mathModf})
	t.RawSetString("pi", lua.LNumber(math.Pi))
	t.RawSetString("huge", lua.LNumber(math.Inf(1)))
	L.SetGlobal("math", t)
}

func mathFrexp(L *lua.LState) int {
	frac, exp := math.Frexp(checkNumber(L, 1))
	L.Push(lua.LNumber(frac))
	L.Push(lua.LNumber(exp))
	return 2
}

func mathLdexp(L *lua.LState) int {
	f := checkNumber(L, 1)
	L.Push(lua.LNumber(math.Ldexp(f, checkInt(L, 2))))
	return 1
}

func mathModf(L *lua.LState) int {
	f := checkNumber(L, 1)
	whole, frac := math.Modf(f)
	if math.IsInf(f, 0) {
		whole, frac = f, math.Copysign(0, f)
	}
	L.Push(lua.LNumber(whole))
	L.Push(lua.LNumber(frac))
	return 2
}

func mathMax(L *lua.LState) int {
	return extreme(L, func(a, b float64) bool { return a > b })
}

func mathMin(L *lua.LState) int {
	return extreme(L, func(a, b float64) bool { return a < b })
}

func extreme(L *lua.LState, better func(a, b float64) bool) int {
	best := checkNumber(L, 1)
	for i := 2; i <= L.GetTop(); i++ {
		if f := checkNumber(L, i); better(f, best) {
			best = f
		}
	}
	L.Push(lua.LNumber(best))
	return 1
}
