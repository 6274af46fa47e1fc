package lualib

import (
	"math"
	"strconv"
	"strings"
)

// FormatNumber is a number as Lua 5.1 prints it: "%.14g". A NaN is "-nan",
// which is what x86 prints for 0/0: the sign of a NaN differs between
// architectures.
func FormatNumber(f float64) string {
	if f == float64(int32(toInt64(f))) && f != 0 {
		return strconv.Itoa(int(f))
	}
	return formatG(f, 14)
}

// formatG is "%.<prec>g" in C.
func formatG(f float64, prec int) string {
	switch {
	case f != f:
		return "-nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	return strconv.FormatFloat(f, 'g', max(prec, 1), 64)
}

// ParseNumber is the number that a string stands for where Lua 5.1 wants one:
// decimal, hexadecimal, inf or nan, with white space around it.
func ParseNumber(s string) (float64, bool) {
	s, _, _ = strings.Cut(s, "\x00")
	f, n := strtod(s)
	if n == 0 || strings.Trim(s[n:], " \t\n\v\f\r") != "" {
		return 0, false
	}
	return f, true
}

// strtod reads the longest number at the start of s as C does and reports how
// many bytes it took, 0 for none.
func strtod(s string) (f float64, n int) {
	i := 0
	for i < len(s) && strings.IndexByte(" \t\n\v\f\r", s[i]) >= 0 {
		i++
	}
	start := i
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	neg := i > start && s[start] == '-'
	if w, size := strtodWord(s[i:]); size > 0 {
		if neg {
			w = -w
		}
		return w, i + size
	}
	digits, hex := i, false
	if hasFold(s[i:], "0x") && (hexAt(s, i+2) || i+2 < len(s) && s[i+2] == '.' && hexAt(s, i+3)) {
		hex = true
		i += 2
		digits = i
	}
	isDigit := func(at int) bool {
		return at < len(s) && ('0' <= s[at] && s[at] <= '9') || hex && hexAt(s, at)
	}
	for isDigit(i) {
		i++
	}
	seen := i > digits
	if i < len(s) && s[i] == '.' && (seen || isDigit(i+1)) {
		for i++; isDigit(i); i++ {
			seen = true
		}
	}
	if !seen {
		return 0, 0
	}
	text := s[start:i]
	if e := exponent(s[i:], hex); e > 0 {
		text += s[i : i+e]
		i += e
	} else if hex {
		text += "p0"
	}
	f, _ = strconv.ParseFloat(text, 64) // out of range is infinity, as in C
	return f, i
}

// strtodWord reads infinity and not-a-number.
func strtodWord(s string) (float64, int) {
	switch {
	case hasFold(s, "infinity"):
		return math.Inf(1), 8
	case hasFold(s, "inf"):
		return math.Inf(1), 3
	case hasFold(s, "nan"):
		n := 3
		if n < len(s) && s[n] == '(' {
			end := n + 1
			for end < len(s) && (isAlnum(s[end]) || s[end] == '_') {
				end++
			}
			if end < len(s) && s[end] == ')' {
				n = end + 1
			}
		}
		return math.NaN(), n
	}
	return 0, 0
}

// exponent is the length of the exponent at the start of s.
func exponent(s string, hex bool) int {
	letter := byte('e')
	if hex {
		letter = 'p'
	}
	if len(s) < 2 || s[0]|0x20 != letter {
		return 0
	}
	i := 1
	if s[i] == '+' || s[i] == '-' {
		i++
	}
	start := i
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	if i == start {
		return 0
	}
	return i
}

func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func hexAt(s string, i int) bool {
	return i < len(s) && isXdigit(s[i])
}
