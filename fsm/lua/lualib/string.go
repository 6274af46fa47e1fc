package lualib

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// openString sets string and the metatable of strings.
func (l *libs) openString(L *lua.LState) {
	t := L.NewTable()
	register(L, t,
		[]string{"byte", "char", "dump", "find", "format", "gfind", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse", "sub", "upper"},
		[]lua.LGFunction{l.strByte, l.strChar, l.strDump, l.strFind, l.strFormat, l.strGmatch, l.strGmatch, l.strGsub, l.strLen, l.strLower, l.strMatch, l.strRep, l.strReverse, l.strSub, l.strUpper})
	L.SetGlobal("string", t)
	meta := L.NewTable()
	meta.RawSetString("__index", t)
	L.SetMetatable(lua.LString(""), meta)
}

// pushString pushes a string that the library has made, paying for it.
func (l *libs) pushString(L *lua.LState, s string) int {
	L.Push(lua.LString(s))
	return 1
}

// pay spends what work on n bytes costs, and the memory of a result of that
// size. It comes before the work.
func (l *libs) pay(L *lua.LState, n int) {
	l.b.Spend(L, 1+int64(n)/16)
	l.b.Grow(L, int64(n)+16)
}

// position turns a position in a script (1 is the first byte, -1 the last)
// into one from the start.
func position(pos int64, length int) int64 {
	if pos < 0 {
		pos += int64(length) + 1
	}
	return max(pos, 0)
}

// slice gives the bounds of bytes i to j of a string.
func slice(i, j int64, length int) (start, end int) {
	i, j = max(position(i, length), 1), min(position(j, length), int64(length))
	if i > j {
		return 0, 0
	}
	return int(i - 1), int(j)
}

func (l *libs) strLen(L *lua.LState) int {
	l.b.Spend(L, 1)
	L.Push(lua.LNumber(len(checkString(L, 1))))
	return 1
}

func (l *libs) strSub(L *lua.LState) int {
	s := checkString(L, 1)
	start, end := slice(checkInt64(L, 2), optInt64(L, 3, -1), len(s))
	l.pay(L, 0) // a part shares the whole's memory
	return l.pushString(L, s[start:end])
}

func (l *libs) strByte(L *lua.LState) int {
	s := checkString(L, 1)
	i := optInt64(L, 2, 1)
	first := position(i, len(s))
	start, end := slice(first, optInt64(L, 3, first), len(s))
	if end-start > maxStack-L.GetTop() {
		fail(L, "stack overflow (string slice too long)")
	}
	l.b.Spend(L, 1+int64(end-start))
	for _, c := range []byte(s[start:end]) {
		L.Push(lua.LNumber(c))
	}
	return end - start
}

func (l *libs) strChar(L *lua.LState) int {
	n := L.GetTop()
	l.pay(L, n)
	out := make([]byte, n)
	for i := range out {
		c := checkInt(L, i+1)
		if c != int(byte(c)) {
			argError(L, i+1, "invalid value")
		}
		out[i] = byte(c)
	}
	return l.pushString(L, string(out))
}

// strDump refuses every function, as Lua does those that are not written in
// Lua: there is no byte code that another server could load.
func (l *libs) strDump(L *lua.LState) int {
	checkFunction(L, 1)
	fail(L, "unable to dump given function")
	return 0
}

func (l *libs) mapBytes(L *lua.LState, fn func(byte) byte) int {
	s := checkString(L, 1)
	l.pay(L, len(s))
	out := []byte(s)
	for i, c := range out {
		out[i] = fn(c)
	}
	return l.pushString(L, string(out))
}

func (l *libs) strLower(L *lua.LState) int {
	return l.mapBytes(L, func(c byte) byte {
		if isUpper(c) {
			c |= 0x20
		}
		return c
	})
}

func (l *libs) strUpper(L *lua.LState) int {
	return l.mapBytes(L, func(c byte) byte {
		if isLower(c) {
			c &^= 0x20
		}
		return c
	})
}

func (l *libs) strReverse(L *lua.LState) int {
	s := checkString(L, 1)
	l.pay(L, len(s))
	out := make([]byte, len(s))
	for i := range len(s) {
		out[len(s)-1-i] = s[i]
	}
	return l.pushString(L, string(out))
}

func (l *libs) strRep(L *lua.LState) int {
	s, n := checkString(L, 1), int64(checkInt(L, 2))
	if n <= 0 || s == "" {
		return l.pushString(L, "")
	}
	total := int64(len(s)) * n // below 2^31 each at most: strings are bounded by the budget
	if int64(len(s)) > (1<<62)/n {
		total = 1 << 62
	}
	l.b.Grow(L, total)
	l.b.Spend(L, 1+total/16)
	return l.pushString(L, strings.Repeat(s, int(n)))
}

// patternOf is a pattern up to its first zero byte, where Lua 5.1 stops.
func patternOf(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

func (l *libs) strFind(L *lua.LState) int  { return l.findOrMatch(L, true) }
func (l *libs) strMatch(L *lua.LState) int { return l.findOrMatch(L, false) }

func (l *libs) findOrMatch(L *lua.LState, find bool) int {
	src, whole := checkString(L, 1), checkString(L, 2)
	from := int(min(max(position(optInt64(L, 3, 1), len(src))-1, 0), int64(len(src))))
	pat := patternOf(whole)
	if find && (L.ToBool(4) || !strings.ContainsAny(pat, "^$*+?.([%-")) {
		l.b.Spend(L, 1+int64(len(src)-from)/16+int64(len(whole))/16)
		i := strings.Index(src[from:], whole)
		if i < 0 {
			L.Push(lua.LNil)
			return 1
		}
		L.Push(lua.LNumber(from + i + 1))
		L.Push(lua.LNumber(from + i + len(whole)))
		return 2
	}
	pat, anchored := strings.CutPrefix(pat, "^")
	m := &matcher{L: L, b: l.b, src: src, pat: pat}
	for s := from; ; s++ {
		l.b.Spend(L, 1)
		m.level = 0
		if e := m.match(s, 0); e >= 0 {
			if !find {
				return m.push(s, e, true)
			}
			L.Push(lua.LNumber(s + 1))
			L.Push(lua.LNumber(e))
			return 2 + m.push(s, e, false)
		}
		if s >= len(src) || anchored {
			L.Push(lua.LNil)
			return 1
		}
	}
}

func (l *libs) strGmatch(L *lua.LState) int {
	src, pat := checkString(L, 1), patternOf(checkString(L, 2))
	next := 0
	l.pay(L, 128)
	L.Push(L.NewFunction(func(L *lua.LState) int {
		m := &matcher{L: L, b: l.b, src: src, pat: pat}
		for s := next; s <= len(src); s++ {
			l.b.Spend(L, 1)
			m.level = 0
			if e := m.match(s, 0); e >= 0 {
				next = e
				if e == s {
					next++
				}
				return m.push(s, e, true)
			}
		}
		return 0
	}))
	return 1
}
