package lualib

import (
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

// token is a kind of JSON token, by the name that errors give it.
type token string

// The tokens of JSON.
const (
	tokObjBegin token = "T_OBJ_BEGIN"
	tokObjEnd   token = "T_OBJ_END"
	tokArrBegin token = "T_ARR_BEGIN"
	tokArrEnd   token = "T_ARR_END"
	tokString   token = "T_STRING"
	tokNumber   token = "T_NUMBER"
	tokBoolean  token = "T_BOOLEAN"
	tokNull     token = "T_NULL"
	tokColon    token = "T_COLON"
	tokComma    token = "T_COMMA"
	tokEnd      token = "T_END"
)

// jsonDecoder reads one text. After next, tok is the token, at its index, and
// v its value.
type jsonDecoder struct {
	*jsonLib
	L     *lua.LState
	s     string
	pos   int
	tok   token // for bytes that are no token: what is wrong with them
	index int
	v     lua.LValue
	depth int
	slots int // of its stack that the C function would use by now
}

func (j *jsonLib) decode(L *lua.LState) int {
	if L.GetTop() != 1 {
		argError(L, 1, "expected 1 argument")
	}
	d := &jsonDecoder{jsonLib: j, L: L, s: checkString(L, 1), slots: 1}
	if len(d.s) >= 2 && (d.s[0] == 0 || d.s[1] == 0) {
		fail(L, "JSON parser does not support UTF-16 or UTF-32")
	}
	d.next()
	v := d.value()
	if d.next(); d.tok != tokEnd {
		d.expected("the end")
	}
	L.Push(v)
	return 1
}

func (d *jsonDecoder) expected(what string) {
	fail(d.L, "Expected %s but found %s at character %d", what, string(d.tok), d.index+1)
}

func (d *jsonDecoder) value() lua.LValue {
	switch d.tok {
	case tokString, tokNumber, tokBoolean, tokNull:
		return d.v
	case tokObjBegin:
		return d.object()
	case tokArrBegin:
		return d.array()
	}
	d.expected("value")
	return lua.LNil
}

func (d *jsonDecoder) descend(slots int) {
	d.depth++
	if d.depth > d.decodeDepth || d.slots+slots+1 > maxStack {
		fail(d.L, "Found too many nested data structures (%d) at character %d", d.depth, d.pos)
	}
	d.slots += slots
	d.b.Grow(d.L, 128)
}

func (d *jsonDecoder) ascend(slots int) {
	d.depth--
	d.slots -= slots
}

func (d *jsonDecoder) object() lua.LValue {
	d.descend(2)
	defer d.ascend(2)
	t := d.L.NewTable()
	if d.next(); d.tok == tokObjEnd {
		return t
	}
	for {
		if d.tok != tokString {
			d.expected("object key string")
		}
		key := d.v
		if d.next(); d.tok != tokColon {
			d.expected("colon")
		}
		d.next()
		v := d.value()
		d.b.Grow(d.L, 96)
		t.RawSet(key, v)
		if d.next(); d.tok == tokObjEnd {
			return t
		}
		if d.tok != tokComma {
			d.expected("comma or object end")
		}
		d.next()
	}
}

func (d *jsonDecoder) array() lua.LValue {
	d.descend(1)
	defer d.ascend(1)
	t := d.L.NewTable()
	if d.next(); d.tok == tokArrEnd {
		return t
	}
	for i := 1; ; i++ {
		v := d.value()
		d.b.Grow(d.L, 32)
		t.RawSetInt(i, v)
		if d.next(); d.tok == tokArrEnd {
			return t
		}
		if d.tok != tokComma {
			d.expected("comma or array end")
		}
		d.next()
	}
}

// next reads a token. A zero byte ends the text like its end.
func (d *jsonDecoder) next() {
	for d.peek(0) == ' ' || d.peek(0) == '\t' || d.peek(0) == '\n' || d.peek(0) == '\r' {
		d.pos++
		d.b.Spend(d.L, 1)
	}
	d.b.Spend(d.L, 1)
	d.index = d.pos
	single := func(t token) {
		d.tok = t
		d.pos++
	}
	switch c := d.peek(0); c {
	case '{':
		single(tokObjBegin)
	case '}':
		single(tokObjEnd)
	case '[':
		single(tokArrBegin)
	case ']':
		single(tokArrEnd)
	case ',':
		single(tokComma)
	case ':':
		single(tokColon)
	case 0:
		d.tok = tokEnd
	case '"':
		d.text()
	default:
		d.word(c)
	}
}

// word reads a number or a literal.
func (d *jsonDecoder) word(c byte) {
	literal := func(word string, t token, v lua.LValue) bool {
		if len(d.s)-d.pos < len(word) || d.s[d.pos:d.pos+len(word)] != word {
			return false
		}
		d.pos += len(word)
		d.tok, d.v = t, v
		return true
	}
	switch {
	case c == '-' || isDigit(c):
		if !d.decodeInvalid && d.invalidNumber() {
			d.wrong("invalid number")
			return
		}
		d.number()
	case literal("true", tokBoolean, lua.LTrue), literal("false", tokBoolean, lua.LFalse), literal("null", tokNull, Null):
	case (c == '+' || c|0x20 == 'i' || c|0x20 == 'n') && d.decodeInvalid && d.invalidNumber():
		d.number()
	default:
		d.wrong("invalid token")
	}
}

func (d *jsonDecoder) peek(n int) byte {
	if d.pos+n < len(d.s) {
		return d.s[d.pos+n]
	}
	return 0
}

func (d *jsonDecoder) wrong(what string) {
	d.tok = token(what)
	d.index = d.pos
}

// invalidNumber tells numbers apart that C knows and JSON does not: with a
// plus, hexadecimal, leading zeros, infinity.
func (d *jsonDecoder) invalidNumber() bool {
	p := d.s[d.pos:]
	if p[0] == '+' {
		return true
	}
	if p[0] == '-' {
		p = p[1:]
	}
	if p == "" {
		return false
	}
	if p[0] == '0' {
		return len(p) > 1 && (p[1]|0x20 == 'x' || isDigit(p[1]))
	}
	if p[0] <= '9' {
		return false
	}
	return hasFold(p, "inf") || hasFold(p, "nan")
}

func (d *jsonDecoder) number() {
	end := d.pos
	for end < len(d.s) && (isAlnum(d.s[end]) || d.s[end] == '+' || d.s[end] == '-' || d.s[end] == '.' || d.s[end] == '(' || d.s[end] == ')' || d.s[end] == '_') {
		end++
	}
	d.b.Spend(d.L, int64(end-d.pos)/4)
	f, n := strtod(d.s[d.pos:end])
	if n == 0 {
		d.wrong("invalid number")
		return
	}
	d.pos += n
	d.tok, d.v = tokNumber, lua.LNumber(f)
}

func (d *jsonDecoder) text() {
	d.pos++
	var out []byte
	for {
		d.b.Spend(d.L, 1)
		switch c := d.peek(0); c {
		case '"':
			d.pos++
			d.tok, d.v = tokString, lua.LString(out)
			return
		case 0:
			d.wrong("unexpected end of string")
			return
		case '\\':
			if wrong := d.escape(&out); wrong != "" {
				d.wrong(wrong)
				return
			}
		default:
			start := d.pos
			for c := d.peek(0); c != '"' && c != 0 && c != '\\'; c = d.peek(0) {
				d.pos++
			}
			d.b.Spend(d.L, int64(d.pos-start)/16)
			out = d.grow(d.L, out, d.s[start:d.pos])
		}
	}
}

// escape reads what a backslash introduces and says what is wrong with it.
func (d *jsonDecoder) escape(out *[]byte) string {
	c := d.peek(1)
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		r, n := d.unicode()
		if n == 0 {
			return "invalid unicode escape code"
		}
		*out = d.grow(d.L, *out, string(utf8.AppendRune(nil, r)))
		d.pos += n
		return ""
	default:
		return "invalid escape code"
	}
	*out = d.grow(d.L, *out, string([]byte{c}))
	d.pos += 2
	return ""
}

// unicode reads a \u escape, a pair of them for a surrogate pair, and gives
// its length, 0 if it is wrong.
func (d *jsonDecoder) unicode() (rune, int) {
	r := d.hex4(2)
	if r < 0 {
		return 0, 0
	}
	if r&0xF800 != 0xD800 {
		return r, 6
	}
	if r&0x400 != 0 || d.peek(6) != '\\' || d.peek(7) != 'u' {
		return 0, 0
	}
	low := d.hex4(8)
	if low < 0 || low&0xFC00 != 0xDC00 {
		return 0, 0
	}
	return (r&0x3FF<<10 | low&0x3FF) + 0x10000, 12
}

func (d *jsonDecoder) hex4(at int) rune {
	var r rune
	for i := range 4 {
		c := d.peek(at + i)
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case isXdigit(c):
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}
