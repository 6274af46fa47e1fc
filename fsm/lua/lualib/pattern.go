package lualib

import (
	lua "github.com/yuin/gopher-lua"
)

// Limits of the pattern matcher.
const (
	maxCaptures = 32    // as in Lua 5.1
	maxDepth    = 10000 // nested calls; Lua 5.1 runs out of C stack instead
)

// Lengths of captures that are no lengths.
const (
	capOpen     = -1 // "(" seen, ")" not yet
	capPosition = -2 // "()"
)

type capture struct {
	start, length int
}

// matcher matches one of Lua 5.1's patterns (reference manual, section 5.4.1)
// against a subject. It spends a step for each comparison.
type matcher struct {
	L     *lua.LState
	b     *Budget
	src   string
	pat   string
	caps  [maxCaptures]capture
	level int
	depth int
}

// match tries the pattern from pat[p:] at src[s:] and returns the end of the
// match, or -1.
func (m *matcher) match(s, p int) int {
	m.depth++
	if m.depth > maxDepth {
		fail(m.L, "pattern too complex")
	}
	end := m.run(s, p)
	m.depth--
	return end
}

func (m *matcher) run(s, p int) int {
	for p < len(m.pat) {
		m.b.Spend(m.L, 1)
		switch c := m.pat[p]; {
		case c == '(' && m.at(p+1) == ')':
			return m.open(s, p+2, capPosition)
		case c == '(':
			return m.open(s, p+1, capOpen)
		case c == ')':
			return m.close(s, p+1)
		case c == '$' && p+1 == len(m.pat):
			if s == len(m.src) {
				return s
			}
			return -1
		case c == '%' && m.at(p+1) == 'b' && p+1 < len(m.pat):
			if s = m.balance(s, p+2); s < 0 {
				return -1
			}
			p += 4
			continue
		case c == '%' && m.at(p+1) == 'f':
			p += 2
			if m.at(p) != '[' {
				fail(m.L, "missing '[' after '%%f' in pattern")
			}
			end := m.classEnd(p)
			before, here := byte(0), byte(0)
			if s > 0 {
				before = m.src[s-1]
			}
			if s < len(m.src) {
				here = m.src[s]
			}
			if m.inSet(before, p, end-1) || !m.inSet(here, p, end-1) {
				return -1
			}
			p = end
			continue
		case c == '%' && isDigit(m.at(p+1)):
			if s = m.backReference(s, m.pat[p+1]); s < 0 {
				return -1
			}
			p += 2
			continue
		}
		end := m.classEnd(p)
		switch m.at(end) {
		case '?':
			if m.single(s, p, end) {
				if r := m.match(s+1, end+1); r >= 0 {
					return r
				}
			}
			p = end + 1
		case '*':
			return m.longest(s, p, end)
		case '+':
			if !m.single(s, p, end) {
				return -1
			}
			return m.longest(s+1, p, end)
		case '-':
			return m.shortest(s, p, end)
		default:
			if !m.single(s, p, end) {
				return -1
			}
			s++
			p = end
		}
	}
	return s
}

// at is the byte of the pattern at p, 0 behind its end. A pattern holds no
// zero byte: Lua 5.1 ends a pattern there.
func (m *matcher) at(p int) byte {
	if p < len(m.pat) {
		return m.pat[p]
	}
	return 0
}

// classEnd is the position behind the single-character class at p.
func (m *matcher) classEnd(p int) int {
	c := m.pat[p]
	p++
	switch c {
	case '%':
		if p >= len(m.pat) {
			fail(m.L, "malformed pattern (ends with '%%')")
		}
		return p + 1
	case '[':
		if m.at(p) == '^' {
			p++
		}
		for first := true; first || m.at(p) != ']'; first = false {
			m.b.Spend(m.L, 1)
			if p >= len(m.pat) {
				fail(m.L, "malformed pattern (missing ']')")
			}
			p++
			if m.pat[p-1] == '%' && p < len(m.pat) {
				p++
			}
		}
		return p + 1
	}
	return p
}

// single tells whether the class pat[p:end] matches the byte at s.
func (m *matcher) single(s, p, end int) bool {
	if s >= len(m.src) {
		return false
	}
	switch c := m.src[s]; m.pat[p] {
	case '.':
		return true
	case '%':
		return inClass(c, m.pat[p+1])
	case '[':
		return m.inSet(c, p, end-1)
	default:
		return m.pat[p] == c
	}
}

// inClass tells whether c belongs to the class that a letter after % names.
func inClass(c, class byte) bool {
	var in bool
	switch class | 0x20 {
	case 'a':
		in = isAlpha(c)
	case 'c':
		in = isCntrl(c)
	case 'd':
		in = isDigit(c)
	case 'l':
		in = isLower(c)
	case 'p':
		in = isPunct(c)
	case 's':
		in = isSpace(c)
	case 'u':
		in = isUpper(c)
	case 'w':
		in = isAlnum(c)
	case 'x':
		in = isXdigit(c)
	case 'z':
		in = c == 0
	default:
		return class == c
	}
	if !isAlpha(class) {
		return class == c
	}
	return in != isUpper(class)
}

// inSet tells whether c belongs to the set whose brackets are at p and end.
func (m *matcher) inSet(c byte, p, end int) bool {
	m.b.Spend(m.L, 1+int64(end-p)/8)
	p++
	negated := m.pat[p] == '^'
	if negated {
		p++
	}
	for ; p < end; p++ {
		switch {
		case m.pat[p] == '%':
			p++
			if inClass(c, m.pat[p]) {
				return !negated
			}
		case m.pat[p+1] == '-' && p+2 < end:
			if m.pat[p] <= c && c <= m.pat[p+2] {
				return !negated
			}
			p += 2
		case m.pat[p] == c:
			return !negated
		}
	}
	return negated
}

// balance matches %bxy, whose x is at p.
func (m *matcher) balance(s, p int) int {
	if p+1 >= len(m.pat) {
		fail(m.L, "unbalanced pattern")
	}
	if s >= len(m.src) || m.src[s] != m.pat[p] {
		return -1
	}
	depth := 1
	for i := s + 1; i < len(m.src); i++ {
		m.b.Spend(m.L, 1)
		switch m.src[i] {
		case m.pat[p+1]:
			if depth--; depth == 0 {
				return i + 1
			}
		case m.pat[p]:
			depth++
		}
	}
	return -1
}

// longest matches as many repetitions as leave a match for the rest.
func (m *matcher) longest(s, p, end int) int {
	n := 0
	for m.single(s+n, p, end) {
		m.b.Spend(m.L, 1)
		n++
	}
	for ; n >= 0; n-- {
		m.b.Spend(m.L, 1)
		if r := m.match(s+n, end+1); r >= 0 {
			return r
		}
	}
	return -1
}

// shortest matches as few repetitions as leave a match for the rest.
func (m *matcher) shortest(s, p, end int) int {
	for {
		m.b.Spend(m.L, 1)
		if r := m.match(s, end+1); r >= 0 {
			return r
		}
		if !m.single(s, p, end) {
			return -1
		}
		s++
	}
}

func (m *matcher) open(s, p, kind int) int {
	if m.level >= maxCaptures {
		fail(m.L, "too many captures")
	}
	m.caps[m.level] = capture{start: s, length: kind}
	m.level++
	r := m.match(s, p)
	if r < 0 {
		m.level--
	}
	return r
}

func (m *matcher) close(s, p int) int {
	for l := m.level - 1; l >= 0; l-- {
		if m.caps[l].length != capOpen {
			continue
		}
		m.caps[l].length = s - m.caps[l].start
		r := m.match(s, p)
		if r < 0 {
			m.caps[l].length = capOpen
		}
		return r
	}
	fail(m.L, "invalid pattern capture")
	return -1
}

func (m *matcher) backReference(s int, digit byte) int {
	l := int(digit) - '1'
	if l < 0 || l >= m.level || m.caps[l].length == capOpen {
		fail(m.L, "invalid capture index")
	}
	n := max(m.caps[l].length, 0)
	if m.caps[l].length == capPosition {
		return -1 // its length is far beyond any subject in Lua 5.1
	}
	m.b.Spend(m.L, 1+int64(n)/8)
	if len(m.src)-s < n || m.src[m.caps[l].start:m.caps[l].start+n] != m.src[s:s+n] {
		return -1
	}
	return s + n
}

// value is capture l of a match from s to e; without captures, the first is
// the whole match.
func (m *matcher) value(l, s, e int) lua.LValue {
	if l >= m.level {
		if l != 0 {
			fail(m.L, "invalid capture index")
		}
		return lua.LString(m.src[s:e])
	}
	switch c := m.caps[l]; c.length {
	case capOpen:
		fail(m.L, "unfinished capture")
		return lua.LNil
	case capPosition:
		return lua.LNumber(c.start + 1)
	default:
		return lua.LString(m.src[c.start : c.start+c.length])
	}
}

// push pushes all captures and returns their number; whole asks for the whole
// match where there are none.
func (m *matcher) push(s, e int, whole bool) int {
	n := m.level
	if n == 0 && whole {
		n = 1
	}
	for i := range n {
		m.L.Push(m.value(i, s, e))
	}
	return n
}
