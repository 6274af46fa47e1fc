package lualib

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

func (l *libs) strGsub(L *lua.LState) int {
	src, pat := checkString(L, 1), patternOf(checkString(L, 2))
	repl := L.Get(3)
	switch repl.(type) {
	case lua.LNumber, lua.LString, *lua.LFunction, *lua.LTable:
	default:
		argError(L, 3, "string/function/table expected")
	}
	limit := optInt(L, 4, len(src)+1)
	pat, anchored := strings.CutPrefix(pat, "^")
	m := &matcher{L: L, b: l.b, src: src, pat: pat}
	var out []byte
	n, s := 0, 0
	for n < limit {
		l.b.Spend(L, 1)
		m.level = 0
		e := m.match(s, 0)
		if e >= 0 {
			n++
			out = l.replace(L, m, out, repl, s, e)
		}
		if e > s {
			s = e
		} else if s < len(src) {
			out = l.grow(L, out, src[s:s+1])
			s++
		} else {
			break
		}
		if anchored {
			break
		}
	}
	out = l.grow(L, out, src[s:])
	l.pushString(L, string(out))
	L.Push(lua.LNumber(n))
	return 2
}

// grow appends to out, paying for it.
func (l *libs) grow(L *lua.LState, out []byte, s string) []byte {
	l.b.Spend(L, int64(len(s))/16)
	l.b.Grow(L, 3*int64(len(s))) // the buffer's spare room and the string in the end
	return append(out, s...)
}

// replace appends what a match is replaced by.
func (l *libs) replace(L *lua.LState, m *matcher, out []byte, repl lua.LValue, s, e int) []byte {
	var v lua.LValue
	switch r := repl.(type) {
	case *lua.LFunction:
		L.Push(r)
		L.Call(m.push(s, e, true), 1)
		v = L.Get(-1)
		L.Pop(1)
	case *lua.LTable:
		v = L.GetTable(r, m.value(0, s, e))
	default:
		text, _ := asString(r)
		return l.expand(L, m, out, text, s, e)
	}
	if v == lua.LNil || v == lua.LFalse {
		return l.grow(L, out, m.src[s:e])
	}
	text, ok := asString(v)
	if !ok {
		fail(L, "invalid replacement value (a %s)", v.Type())
	}
	return l.grow(L, out, text)
}

// expand appends a replacement string with its captures put in.
func (l *libs) expand(L *lua.LState, m *matcher, out []byte, text string, s, e int) []byte {
	for i := 0; i < len(text); i++ {
		l.b.Spend(L, 1)
		if text[i] != '%' {
			out = l.grow(L, out, text[i:i+1])
			continue
		}
		i++
		switch {
		case i == len(text):
			out = l.grow(L, out, "\x00") // the byte behind a C string
		case text[i] == '0':
			out = l.grow(L, out, m.src[s:e])
		case isDigit(text[i]):
			part, _ := asString(m.value(int(text[i]-'1'), s, e))
			out = l.grow(L, out, part)
		default:
			out = l.grow(L, out, text[i:i+1])
		}
	}
	return out
}
