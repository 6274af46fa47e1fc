package lualib

import (
	"math"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// directive is one % of a format string, as in C's printf.
type directive struct {
	minus, plus, space, alt, zero bool
	width                         int
	prec                          int // -1: none given
}

func (l *libs) strFormat(L *lua.LState) int {
	format := checkString(L, 1)
	top := L.GetTop()
	arg := 1
	var out []byte
	for i := 0; i < len(format); i++ {
		l.b.Spend(L, 1)
		if format[i] != '%' {
			out = l.grow(L, out, format[i:i+1])
			continue
		}
		if i++; i < len(format) && format[i] == '%' {
			out = l.grow(L, out, "%")
			continue
		}
		if arg++; arg > top {
			argError(L, arg, "no value")
		}
		d, n := parseDirective(L, format[i:])
		i += n
		verb := byte(0)
		if i < len(format) {
			verb = format[i]
		}
		out = l.grow(L, out, l.directive(L, d, verb, arg))
	}
	return l.pushString(L, string(out))
}

func parseDirective(L *lua.LState, s string) (d directive, n int) {
	d.prec = -1
	at := func() byte {
		if n < len(s) {
			return s[n]
		}
		return 0
	}
	for ; at() != 0 && strings.IndexByte("-+ #0", at()) >= 0; n++ {
		switch at() {
		case '-':
			d.minus = true
		case '+':
			d.plus = true
		case ' ':
			d.space = true
		case '#':
			d.alt = true
		case '0':
			d.zero = true
		}
	}
	if n >= 6 {
		fail(L, "invalid format (repeated flags)")
	}
	two := func() (v int) {
		for k := 0; k < 2 && isDigit(at()); k++ {
			v = v*10 + int(at()-'0')
			n++
		}
		return v
	}
	d.width = two()
	if at() == '.' {
		n++
		d.prec = two()
	}
	if isDigit(at()) {
		fail(L, "invalid format (width or precision too long)")
	}
	return d, n
}

func (l *libs) directive(L *lua.LState, d directive, verb byte, arg int) string {
	switch verb {
	case 'c':
		c := byte(checkNumberInt(L, arg))
		return cString(d.pad("", string([]byte{c}), false))
	case 'd', 'i':
		v := checkNumberInt(L, arg)
		sign, digits := d.sign(v < 0), strconv.FormatUint(magnitude(v), 10)
		return d.integer(sign, digits)
	case 'o', 'u', 'x', 'X':
		return d.unsigned(verb, toUint64(checkNumber(L, arg)))
	case 'e', 'E', 'f', 'g', 'G':
		return d.float(verb, checkNumber(L, arg))
	case 'q':
		return l.quote(L, checkString(L, arg))
	case 's':
		s := checkString(L, arg)
		if d.prec < 0 && len(s) >= 100 {
			return s // kept whole, zero bytes and all
		}
		s = cString(s)
		if d.prec >= 0 && d.prec < len(s) {
			s = s[:d.prec]
		}
		return d.pad("", s, false)
	case 0:
		fail(L, "invalid option '%%' to 'format'")
	default:
		fail(L, "invalid option '%%%c' to 'format'", verb)
	}
	return ""
}

func checkNumberInt(L *lua.LState, arg int) int64 { return toInt64(checkNumber(L, arg)) }

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// cString is a string as C sees it: up to its first zero byte.
func cString(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

func (d directive) sign(negative bool) string {
	switch {
	case negative:
		return "-"
	case d.plus:
		return "+"
	case d.space:
		return " "
	}
	return ""
}

// pad fills to the width: zeros go between the prefix and the rest.
func (d directive) pad(prefix, s string, zeros bool) string {
	fill := d.width - len(prefix) - len(s)
	switch {
	case fill <= 0:
		return prefix + s
	case d.minus:
		return prefix + s + strings.Repeat(" ", fill)
	case zeros && d.zero:
		return prefix + strings.Repeat("0", fill) + s
	}
	return strings.Repeat(" ", fill) + prefix + s
}

func (d directive) integer(prefix, digits string) string {
	if d.prec == 0 && digits == "0" {
		digits = ""
	}
	if len(digits) < d.prec {
		digits = strings.Repeat("0", d.prec-len(digits)) + digits
	}
	return d.pad(prefix, digits, d.prec < 0)
}

func (d directive) unsigned(verb byte, v uint64) string {
	switch verb {
	case 'o':
		digits := strconv.FormatUint(v, 8)
		if d.alt && (v != 0 || d.prec == 0) {
			d.prec = max(d.prec, len(digits)+1)
			if v == 0 {
				return d.pad("", "0", false)
			}
			if d.zero && !d.minus && d.width > d.prec {
				d.prec = d.width
			}
		}
		return d.integer("", digits)
	case 'x', 'X':
		digits, prefix := strconv.FormatUint(v, 16), ""
		if d.alt && v != 0 {
			prefix = "0x"
		}
		if verb == 'X' {
			digits, prefix = strings.ToUpper(digits), strings.ToUpper(prefix)
		}
		return d.integer(prefix, digits)
	}
	return d.integer("", strconv.FormatUint(v, 10))
}

func (d directive) float(verb byte, f float64) string {
	lower := verb | 0x20
	var s string
	prefix := d.sign(math.Signbit(f))
	if f != f {
		prefix = "-" // as FormatNumber
	}
	special := f != f || math.IsInf(f, 0)
	switch {
	case f != f:
		s = "nan"
	case special:
		s = "inf"
	default:
		if d.prec < 0 {
			d.prec = 6
		}
		if lower == 'g' {
			d.prec = max(d.prec, 1)
		}
		s = strconv.FormatFloat(math.Abs(f), lower, d.prec, 64)
		if d.alt {
			s = keepPoint(s, lower, d.prec)
		}
	}
	if verb != lower {
		s = strings.ToUpper(s)
	}
	return d.pad(prefix, s, !special)
}

// keepPoint is what # does to a float: a point always, and with g the zeros
// that are usually dropped.
func keepPoint(s string, verb byte, prec int) string {
	mantissa, exp := s, ""
	if i := strings.IndexByte(s, 'e'); i >= 0 {
		mantissa, exp = s[:i], s[i:]
	}
	if !strings.Contains(mantissa, ".") {
		mantissa += "."
	}
	if verb == 'g' {
		digits := len(strings.TrimLeft(strings.Replace(mantissa, ".", "", 1), "0"))
		if digits == 0 {
			digits = 1 // zero itself
		}
		mantissa += strings.Repeat("0", max(prec-digits, 0))
	}
	return mantissa + exp
}

// quote is %q: a string that Lua's reader turns back into s.
func (l *libs) quote(L *lua.LState, s string) string {
	l.pay(L, 4*len(s)+2)
	var out strings.Builder
	out.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\', '\n':
			out.WriteByte('\\')
			out.WriteByte(c)
		case '\r':
			out.WriteString(`\r`)
		case 0:
			out.WriteString(`\000`)
		default:
			out.WriteByte(c)
		}
	}
	out.WriteByte('"')
	return out.String()
}
