package lualib

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

func (j *jsonLib) encode(L *lua.LState) int {
	if L.GetTop() != 1 {
		argError(L, 1, "expected 1 argument")
	}
	e := &jsonEncoder{jsonLib: j, L: L, slots: 1}
	e.value(L.Get(1), 0)
	return j.pushString(L, string(e.out))
}

type jsonEncoder struct {
	*jsonLib
	L     *lua.LState
	out   []byte
	slots int // of its stack that the C function would use by now
}

func (e *jsonEncoder) write(s string) {
	e.out = e.grow(e.L, e.out, s)
}

func (e *jsonEncoder) value(v lua.LValue, depth int) {
	e.b.Spend(e.L, 1)
	switch v := v.(type) {
	case lua.LString:
		e.text(string(v))
	case lua.LNumber:
		e.number(float64(v))
	case lua.LBool:
		if v {
			e.write("true")
		} else {
			e.write("false")
		}
	case *lua.LTable:
		if depth++; depth > e.encodeDepth || e.slots+3 > maxStack {
			fail(e.L, "Cannot serialise, excessive nesting (%d)", depth)
		}
		if n := e.arrayLength(v); n > 0 {
			e.array(v, n, depth)
		} else {
			e.object(v, depth)
		}
	default:
		if v != lua.LNil && v != lua.LValue(Null) {
			fail(e.L, "Cannot serialise %s: type not supported", v.Type())
		}
		e.write("null")
	}
}

// arrayLength is the length of the array that a table is, or at most 0 for an
// object: an array has only positive integers for keys and few holes.
func (e *jsonEncoder) arrayLength(t *lua.LTable) int {
	most, items := 0.0, 0
	array := true
	e.each(e.L, t, func(k, _ lua.LValue) bool {
		n, ok := k.(lua.LNumber)
		if array = ok && n >= 1 && float64(n) == math.Floor(float64(n)); !array {
			return false
		}
		most = max(most, float64(n))
		items++
		return true
	})
	if !array {
		return -1
	}
	if most > math.MaxInt32 {
		most = math.MinInt32 // as the conversion to C's int
	}
	if e.sparseRatio > 0 && most > float64(items)*float64(e.sparseRatio) && most > float64(e.sparseSafe) {
		if !e.sparseConvert {
			fail(e.L, "Cannot serialise table: excessively sparse array")
		}
		return -1
	}
	return int(most)
}

func (e *jsonEncoder) array(t *lua.LTable, n, depth int) {
	e.write("[")
	e.slots++
	defer func() { e.slots-- }()
	for i := 1; i <= n; i++ {
		if i > 1 {
			e.write(",")
		}
		e.value(get(t, i), depth)
	}
	e.write("]")
}

func (e *jsonEncoder) object(t *lua.LTable, depth int) {
	e.write("{")
	e.slots += 2
	defer func() { e.slots -= 2 }()
	first := true
	e.each(e.L, t, func(k, v lua.LValue) bool {
		if !first {
			e.write(",")
		}
		first = false
		switch k := k.(type) {
		case lua.LNumber:
			e.write(`"`)
			e.number(float64(k))
			e.write(`":`)
		case lua.LString:
			e.text(string(k))
			e.write(":")
		default:
			fail(e.L, "Cannot serialise %s: table key must be a number or string", k.Type())
		}
		e.value(v, depth)
		return true
	})
	e.write("}")
}

func (e *jsonEncoder) number(f float64) {
	if f != f || math.IsInf(f, 0) {
		switch e.encodeInvalid {
		case 0:
			fail(e.L, "Cannot serialise number: must not be NaN or Inf")
		case 2:
			e.write("null")
			return
		}
		if f != f {
			e.write("nan") // without the sign that %g gives it
			return
		}
	}
	e.write(formatG(f, e.precision))
}

const hexDigits = "0123456789abcdef"

// text writes a string with the escapes of cjson: the slash and DEL are
// escaped too, bytes above 127 pass as they are.
func (e *jsonEncoder) text(s string) {
	e.write(`"`)
	start := 0
	for i := range len(s) {
		esc := ""
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '/':
			esc = `\` + s[i:i+1]
		case c == '\b':
			esc = `\b`
		case c == '\t':
			esc = `\t`
		case c == '\n':
			esc = `\n`
		case c == '\f':
			esc = `\f`
		case c == '\r':
			esc = `\r`
		case c < 32 || c == 127:
			esc = `\u00` + hexDigits[c>>4:c>>4+1] + hexDigits[c&15:c&15+1]
		default:
			continue
		}
		e.write(s[start:i])
		e.write(esc)
		start = i + 1
	}
	e.write(s[start:])
	e.write(`"`)
}
