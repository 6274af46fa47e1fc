package config

import (
	"errors"
	"fmt"
	"strings"
)

// errUnbalanced is returned by Split for a quote that is not closed, or that is
// closed in the middle of a word.
var errUnbalanced = errors.New("Unbalanced quotes in configuration line")

// Split cuts a line into words by the rules of Redis's configuration files:
// words are separated by white space; "..." may hold \n \r \t \b \a \xHH and \
// before any other byte; '...' may hold \' and nothing else special. After a
// closing quote there must be white space or the end.
func Split(line string) ([]string, error) {
	var words []string
	i := 0
	for {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) {
			return words, nil
		}
		var word []byte
		for i < len(line) && !endsWord(line[i]) {
			var err error
			switch line[i] {
			case '"':
				word, i, err = doubleQuoted(word, line, i+1)
			case '\'':
				word, i, err = singleQuoted(word, line, i+1)
			default:
				word = append(word, line[i])
				i++
				continue
			}
			if err == nil && i < len(line) && !isSpace(line[i]) {
				err = errUnbalanced
			}
			if err != nil {
				return nil, err
			}
			break // a closed quote ends the word, whatever kind of space follows
		}
		words = append(words, string(word))
	}
}

// doubleQuoted appends the text up to the closing quote to word and returns the position after it.
func doubleQuoted(word []byte, line string, i int) ([]byte, int, error) {
	for ; i < len(line); i++ {
		switch {
		case line[i] == '"':
			return word, i + 1, nil
		case line[i] != '\\' || i+1 == len(line):
			word = append(word, line[i])
		case line[i+1] == 'x' && i+3 < len(line) && isHex(line[i+2]) && isHex(line[i+3]):
			word = append(word, hexDigit(line[i+2])<<4|hexDigit(line[i+3]))
			i += 3
		default:
			i++
			c := line[i]
			if at := strings.IndexByte("nrtba", c); at >= 0 {
				c = "\n\r\t\b\a"[at]
			}
			word = append(word, c)
		}
	}
	return nil, i, errUnbalanced
}

// singleQuoted is doubleQuoted for '...'.
func singleQuoted(word []byte, line string, i int) ([]byte, int, error) {
	for ; i < len(line); i++ {
		switch {
		case line[i] == '\'':
			return word, i + 1, nil
		case line[i] == '\\' && i+1 < len(line) && line[i+1] == '\'':
			i++
		}
		word = append(word, line[i])
	}
	return nil, i, errUnbalanced
}

// Quote returns s in double quotes so that Split gives s back, whatever its bytes.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\', '"':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\a':
			b.WriteString(`\a`)
		case '\b':
			b.WriteString(`\b`)
		default:
			if c < ' ' || c > '~' {
				fmt.Fprintf(&b, `\x%02x`, c)
			} else {
				b.WriteByte(c)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}

// quoteIfNeeded leaves a plain word as it is.
func quoteIfNeeded(s string) string {
	if words, err := Split(s); err == nil && len(words) == 1 && words[0] == s {
		return s
	}
	return Quote(s)
}

// isSpace is C's isspace.
func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// endsWord is narrower than isSpace: Redis takes \v and \f for part of a word that has begun.
func endsWord(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func isHex(c byte) bool { return hexDigit(c) < 16 }

// hexDigit is the value of a hexadecimal digit, 255 for other bytes.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
