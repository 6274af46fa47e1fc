package security

import (
	"errors"
	"fmt"
	"strings"
)

// SetError says which rule of several is wrong, and why.
type SetError struct {
	Rule string
	Err  error
}

// Error returns what ACL SETUSER says.
func (e *SetError) Error() string {
	return "Error in ACL SETUSER modifier '" + cString(e.Rule) + "': " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *SetError) Unwrap() error { return e.Err }

// unmatched is the error about the word with the opening parenthesis.
type unmatched struct{ word string }

func (e *unmatched) Error() string {
	return "Unmatched parenthesis in acl selector starting at '" + cString(e.word) + "'."
}

// ErrName is returned for a name that no user can have.
var ErrName = errors.New("Usernames can't contain spaces or null characters")

// cString returns what C sees of a text.
func cString(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

// applyAll applies rules as they come in the words of a command or a line.
func (r *Rules) applyAll(words []string) error {
	rules, err := joinSelectors(words)
	if err != nil {
		return err
	}
	for _, rule := range rules {
		if err := r.Apply(rule); err != nil {
			return &SetError{rule, err}
		}
	}
	return nil
}

// joinSelectors joins the words of a selector, which may be several, to one rule.
func joinSelectors(words []string) ([]string, error) {
	var out []string
	open := -1 // where a selector began
	for i, w := range words {
		ends := strings.HasSuffix(w, ")")
		switch {
		case open >= 0:
			if ends {
				out = append(out, strings.Join(words[open:i+1], " "))
				open = -1
			}
		case strings.HasPrefix(w, "(") && !ends:
			open = i
		default:
			out = append(out, w)
		}
	}
	if open >= 0 {
		return nil, &unmatched{words[open]}
	}
	return out, nil
}

// splitQuoted cuts the inside of a selector into words, with quotes as in a
// command typed to the server. Quotes that don't match give no words at all.
func splitQuoted(text string) (words []string) {
	for i := 0; ; {
		for i < len(text) && isSpace(text[i]) {
			i++
		}
		if i == len(text) || text[i] == 0 {
			return words
		}
		var word []byte
		quote := byte(0)
		for ; ; i++ {
			if i == len(text) || text[i] == 0 {
				if quote != 0 {
					return nil
				}
				break
			}
			c := text[i]
			switch {
			case quote == 0 && isSpace(c):
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
				continue
			case quote == '\'' && c == '\\' && i+1 < len(text) && text[i+1] == '\'':
				word = append(word, '\'')
				i++
				continue
			case quote == '"' && c == '\\' && i+1 < len(text):
				n, b := unescape(text[i+1:])
				word = append(word, b)
				i += n
				continue
			case quote != 0 && c == quote:
				if i+1 < len(text) && !isSpace(text[i+1]) {
					return nil
				}
				quote = 0
				continue
			default:
				word = append(word, c)
				continue
			}
			break
		}
		words = append(words, string(word))
	}
}

// unescape reads what follows a backslash between double quotes: the number of
// bytes it takes, and the byte it means.
func unescape(s string) (int, byte) {
	if len(s) >= 3 && s[0] == 'x' {
		var b byte
		if n, err := fmt.Sscanf(s[1:3], "%02x", &b); n == 1 && err == nil && isHex(s[1]) && isHex(s[2]) {
			return 3, b
		}
	}
	switch s[0] {
	case 'n':
		return 1, '\n'
	case 'r':
		return 1, '\r'
	case 't':
		return 1, '\t'
	case 'b':
		return 1, '\b'
	case 'a':
		return 1, '\a'
	}
	return 1, s[0]
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

func isSpace(c byte) bool { return strings.IndexByte(" \t\n\v\f\r", c) >= 0 }

// ParsePermissions returns rules that allow what Rules.Permissions wrote down.
func ParsePermissions(set *Commands, text string) (*Rules, error) {
	r := NewRules(set, false)
	if err := r.applyAll(strings.Split(text, " ")); err != nil {
		return nil, err
	}
	return r, nil
}
