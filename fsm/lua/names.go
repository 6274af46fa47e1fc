package lua

import (
	"math"
	"strconv"
	"strings"

	glua "github.com/yuin/gopher-lua"
)

// describe names a value for an error as Lua 5.1 does: "local 'x' (a nil
// value)", or "a nil value" where the code doesn't tell a name. n is the
// register it stands in, or a constant.
func (o operands) describe(n int, v glua.LValue) string {
	kind := "a " + v.Type().String() + " value"
	if n >= 256 {
		return kind
	}
	if name := nameOf(o.f.Fn, o.f.Pc-1, n, 0); name != "" {
		return name + " (" + kind + ")"
	}
	return kind
}

// nameOf finds out what stands in a register when the instruction at pc runs.
func nameOf(fn *glua.LFunction, pc, reg, depth int) string {
	p := fn.Proto
	if name, ok := fn.LocalName(reg+1, pc+1); ok && !strings.HasPrefix(name, "(") {
		return "local '" + name + "'"
	}
	if depth > 8 {
		return ""
	}
	constant := func(n int) string {
		if n >= 0 && n < len(p.Constants) {
			if s, ok := p.Constants[n].(glua.LString); ok {
				return string(s)
			}
		}
		return "?"
	}
	for i := pc - 1; i >= 0; i-- {
		inst := p.Code[i]
		if int(inst>>18)&0xff != reg {
			continue
		}
		c := int(inst>>9) & 0x1ff
		switch int(inst >> 26) {
		case glua.OP_GETGLOBAL:
			return "global '" + constant(int(inst&0x3ffff)) + "'"
		case glua.OP_GETTABLE, glua.OP_GETTABLEKS:
			if c >= 256 {
				return "field '" + constant(c-256) + "'"
			}
			return "field '?'"
		case glua.OP_SELF:
			return "method '" + constant(c-256) + "'"
		case glua.OP_GETUPVAL:
			if b := int(inst & 0x1ff); b < len(p.DbgUpvalues) {
				return "upvalue '" + p.DbgUpvalues[b] + "'"
			}
			return ""
		case glua.OP_MOVE:
			if b := int(inst & 0x1ff); b < reg {
				return nameOf(fn, i, b, depth+1)
			}
			return ""
		case glua.OP_EQ, glua.OP_LT, glua.OP_LE, glua.OP_TEST, glua.OP_JMP, glua.OP_SETTABLE,
			glua.OP_SETTABLEKS, glua.OP_SETGLOBAL, glua.OP_SETUPVAL, glua.OP_RETURN:
			continue
		default:
			return ""
		}
	}
	return ""
}

// formatNumber writes a number as Lua 5.1 does: printf's %.14g.
func formatNumber(f float64) string { return formatG(f, 14) }

// formatArgument writes a number as redis.call does: printf's %.17g.
func formatArgument(f float64) string { return formatG(f, 17) }

// formatG is printf's %.<digits>g.
func formatG(f float64, digits int) string {
	switch {
	case f == math.Trunc(f) && math.Abs(f) < 1e14:
		if f == 0 && math.Signbit(f) {
			return "-0"
		}
		return strconv.FormatInt(int64(f), 10)
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		// The sign of a NaN depends on the processor: it is not shown as it is,
		// but as 0/0 has it where Redis mostly runs.
		return "-nan"
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', digits-1, 64), "e")
	exp, _ := strconv.Atoi(exponent) // FormatFloat has written it
	if exp >= -4 && exp < digits {
		return trimZeros(strconv.FormatFloat(f, 'f', digits-1-exp, 64))
	}
	sign := "+"
	if exp < 0 {
		sign, exp = "-", -exp
	}
	power := strconv.Itoa(exp)
	if len(power) < 2 {
		power = "0" + power
	}
	return trimZeros(mantissa) + "e" + sign + power
}

func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

// parseNumber reads a number as Lua 5.1 does when it converts a string:
// strtod's decimal and hexadecimal notation, white space around it.
func parseNumber(s string) (float64, bool) {
	s = strings.Trim(s, " \t\n\v\f\r")
	if s == "" || strings.Contains(s, "_") {
		return 0, false
	}
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 {
		return 0, false
	}
	if len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x' && !strings.ContainsAny(digits, ".pP") {
		n, err := strconv.ParseUint(digits[2:], 16, 64)
		if err != nil {
			return 0, false
		}
		if s[0] == '-' {
			return -float64(n), true
		}
		return float64(n), true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}
