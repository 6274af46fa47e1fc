package transport

import "bytes"

// splitInline splits the line of an inline command into arguments, as Redis's
// sdssplitargs does: blanks separate; "..." knows the escapes \n \r \t \b \a
// and \xHH; '...' knows only \'; a closing quote must end the argument. It
// reports false for unbalanced quotes. redcon's own splitting differs in the
// escapes, so lines don't go through it. Arguments are slices of line, which is
// overwritten where an argument is shorter than what stood there.
func splitInline(dst [][]byte, line []byte) ([][]byte, bool) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	for i := 0; ; {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) {
			return dst, true
		}
		start, out := i, i
		for i < len(line) && !endsWord(line[i]) {
			c := line[i]
			if c != '"' && c != '\'' {
				line[out] = c
				out++
				i++
				continue
			}
			var ok bool
			if out, i, ok = unquote(line, out, i); !ok {
				return dst, false
			}
			if i < len(line) && !isSpace(line[i]) {
				return dst, false
			}
		}
		dst = append(dst, line[start:out:out])
	}
}

// unquote moves the text of the quoted part that begins at i to out and returns
// the positions behind both.
func unquote(line []byte, out, i int) (int, int, bool) {
	quote := line[i]
	for i++; i < len(line); i++ {
		c := line[i]
		switch {
		case c == quote:
			return out, i + 1, true
		case quote == '\'' && c == '\\' && i+1 < len(line) && line[i+1] == '\'':
			i++
			c = '\''
		case quote == '"' && c == '\\' && i+3 < len(line) && line[i+1] == 'x' && isHex(line[i+2]) && isHex(line[i+3]):
			c = hexDigit(line[i+2])<<4 | hexDigit(line[i+3])
			i += 3
		case quote == '"' && c == '\\' && i+1 < len(line):
			i++
			c = unescape(line[i])
		}
		line[out] = c
		out++
	}
	return out, i, false
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

// endsWord reports whether c ends an argument outside quotes: fewer bytes than
// separate arguments.
func endsWord(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// isSpace is C's isspace.
func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func hexDigit(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
