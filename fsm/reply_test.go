package fsm

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A reply in a script is written like redis-cli prints it, with more detail so
// that no two replies look the same: "(nil)" is $-1, "(nil array)" *-1, and
// "(null)" that of RESP3; maps, sets and pushes begin with a line of their own.

// render returns the lines for the first reply in b and the rest of b.
func render(b []byte, sorted bool) (lines []string, rest []byte) {
	head, rest, ok := bytes.Cut(b, []byte("\r\n"))
	if !ok || len(head) == 0 {
		panic(fmt.Sprintf("no reply: %q", b))
	}
	text := string(head[1:])
	switch head[0] {
	case '+':
		return []string{text}, rest
	case '-':
		return []string{"(error) " + text}, rest
	case ':':
		return []string{"(integer) " + text}, rest
	case ',':
		return []string{"(double) " + text}, rest
	case '_':
		return []string{"(null)"}, rest
	case '#':
		return []string{map[string]string{"t": "(true)", "f": "(false)"}[text]}, rest
	case '(':
		return []string{"(big number) " + text}, rest
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(fmt.Sprintf("no reply: %q", b))
	}
	switch head[0] {
	case '$', '=':
		if n < 0 {
			return []string{"(nil)"}, rest
		}
		line := quote(rest[:n])
		if head[0] == '=' {
			line = "(verbatim) " + line
		}
		if string(rest[n:n+2]) != "\r\n" {
			panic(fmt.Sprintf("bulk string without end: %q", b))
		}
		return []string{line}, rest[n+2:]
	case '*', '~', '%', '>':
		if n < 0 {
			return []string{"(nil array)"}, rest
		}
		return renderAll(head[0], n, rest, sorted)
	}
	panic(fmt.Sprintf("no reply: %q", b))
}

// renderAll returns the lines for the n elements of an aggregate.
func renderAll(kind byte, n int, b []byte, sorted bool) (lines []string, rest []byte) {
	title, each := map[byte]string{'*': "", '~': "(set)", '%': "(map)", '>': "(push)"}[kind], 1
	if kind == '%' {
		each = 2
	}
	if title != "" {
		lines = append(lines, title)
	} else if n == 0 {
		return []string{"(empty array)"}, b
	}
	var elements [][]string
	for range n {
		var element []string
		for range each {
			var part []string
			part, b = render(b, sorted)
			element = append(element, part...)
		}
		elements = append(elements, element)
	}
	if sorted {
		slices.SortFunc(elements, slices.Compare[[]string])
	}
	for i, element := range elements {
		indent := strconv.Itoa(i+1) + ") "
		for _, line := range element {
			lines = append(lines, indent+line)
			indent = strings.Repeat(" ", len(indent))
		}
	}
	return lines, b
}

// quote writes bytes like redis-cli does.
func quote(b []byte) string {
	out := []byte{'"'}
	for _, c := range b {
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c == '\n':
			out = append(out, `\n`...)
		case c == '\r':
			out = append(out, `\r`...)
		case c == '\t':
			out = append(out, `\t`...)
		case c < ' ' || c > '~':
			out = fmt.Appendf(out, `\x%02x`, c)
		default:
			out = append(out, c)
		}
	}
	return string(append(out, '"'))
}

// splitArgs splits a line into arguments with the quoting of redis-cli: "..."
// knows \n \r \t \xHH and \ before any byte, '...' only \'.
func splitArgs(line string) ([][]byte, error) {
	var args [][]byte
	for {
		line = strings.TrimLeft(line, " ")
		if line == "" {
			return args, nil
		}
		arg := []byte{}
		if end := line[0]; end == '"' || end == '\'' {
			i := 1
			for ; i < len(line) && line[i] != end; i++ {
				c := line[i]
				if c == '\\' && i+1 < len(line) && (end == '"' || line[i+1] == '\'') {
					i++
					switch c = line[i]; {
					case end == '\'':
					case c == 'n':
						c = '\n'
					case c == 'r':
						c = '\r'
					case c == 't':
						c = '\t'
					case c == 'x' && i+2 < len(line):
						n, err := strconv.ParseUint(line[i+1:i+3], 16, 8)
						if err != nil {
							return nil, err
						}
						c = byte(n)
						i += 2
					}
				}
				arg = append(arg, c)
			}
			if i == len(line) {
				return nil, fmt.Errorf("unfinished quotes: %s", line)
			}
			line = line[i+1:]
		} else {
			word, rest, _ := strings.Cut(line, " ")
			arg, line = []byte(word), rest
		}
		args = append(args, arg)
	}
}
