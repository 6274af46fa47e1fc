package lualib

import (
	"math"
	"math/bits"

	lua "github.com/yuin/gopher-lua"
)

// openBit sets bit, the 32-bit operations of Lua BitOp 1.0.
func (l *libs) openBit(L *lua.LState) {
	t := L.NewTable()
	unary := func(name string, fn func(uint32) uint32) {
		t.RawSetString(name, L.NewFunction(func(L *lua.LState) int {
			return pushBits(L, fn(checkBits(L, 1)))
		}))
	}
	shift := func(name string, fn func(b uint32, n int) uint32) {
		t.RawSetString(name, L.NewFunction(func(L *lua.LState) int {
			b := checkBits(L, 1)
			return pushBits(L, fn(b, int(checkBits(L, 2)&31)))
		}))
	}
	fold := func(name string, fn func(a, b uint32) uint32) {
		t.RawSetString(name, L.NewFunction(func(L *lua.LState) int {
			b := checkBits(L, 1)
			for i := 2; i <= L.GetTop(); i++ {
				b = fn(b, checkBits(L, i))
			}
			return pushBits(L, b)
		}))
	}
	unary("tobit", func(b uint32) uint32 { return b })
	unary("bnot", func(b uint32) uint32 { return ^b })
	unary("bswap", bits.ReverseBytes32)
	shift("lshift", func(b uint32, n int) uint32 { return b << n })
	shift("rshift", func(b uint32, n int) uint32 { return b >> n })
	shift("arshift", func(b uint32, n int) uint32 { return uint32(int32(b) >> n) })
	shift("rol", func(b uint32, n int) uint32 { return bits.RotateLeft32(b, n) })
	shift("ror", func(b uint32, n int) uint32 { return bits.RotateLeft32(b, -n) })
	fold("band", func(a, b uint32) uint32 { return a & b })
	fold("bor", func(a, b uint32) uint32 { return a | b })
	fold("bxor", func(a, b uint32) uint32 { return a ^ b })
	t.RawSetString("tohex", L.NewFunction(bitHex))
	L.SetGlobal("bit", t)
}

// checkBits normalises a number to 32 bits as BitOp documents it: adding
// 2^52+2^51 leaves the rounded number in the low bits of the double.
func checkBits(L *lua.LState, n int) uint32 {
	x := checkNumber(L, n)
	if x != x {
		return 0 // Go's NaN has a bit there that C's has not
	}
	return uint32(math.Float64bits(x + 6755399441055744.0))
}

func pushBits(L *lua.LState, b uint32) int {
	L.Push(lua.LNumber(int32(b)))
	return 1
}

func bitHex(L *lua.LState) int {
	b := checkBits(L, 1)
	n, digits := int32(8), "0123456789abcdef"
	if L.GetTop() > 1 && L.Get(2) != lua.LNil {
		n = int32(checkBits(L, 2))
	} else if L.GetTop() > 1 {
		checkBits(L, 2)
	}
	if n < 0 {
		n, digits = -max(n, -8), "0123456789ABCDEF"
	}
	out := make([]byte, min(n, 8))
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = digits[b&15]
		b >>= 4
	}
	L.Push(lua.LString(out))
	return 1
}
