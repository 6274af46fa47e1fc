package lua

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"strings"
	"sync/atomic"

	glua "github.com/yuin/gopher-lua"
)

// Flags of a script or function.
type Flags uint8

// The flags of Redis 7.0. Compat is that of a script without a "#!" line.
const (
	NoWrites Flags = 1 << iota
	AllowOOM
	AllowStale
	NoCluster
	AllowCrossSlot
	Compat
)

// flagNames are the names in the order in which FUNCTION LIST shows them.
var flagNames = []struct {
	flag Flags
	name string
}{
	{NoWrites, "no-writes"}, {AllowOOM, "allow-oom"}, {AllowStale, "allow-stale"},
	{NoCluster, "no-cluster"}, {AllowCrossSlot, "allow-cross-slot-keys"},
}

// Has reports whether all flags of g are set in f.
func (f Flags) Has(g Flags) bool { return f&g == g }

// Names returns the names of the flags.
func (f Flags) Names() []string {
	var names []string
	for _, d := range flagNames {
		if f.Has(d.flag) {
			names = append(names, d.name)
		}
	}
	return names
}

func flagNamed(name string) (Flags, bool) {
	for _, d := range flagNames {
		if d.name == name {
			return d.flag, true
		}
	}
	return 0, false
}

// Script is a compiled script of EVAL. It is never changed, but for Wrote.
type Script struct {
	SHA   string // of Body, 40 hexadecimal digits
	Body  string
	Flags Flags
	proto *glua.FunctionProto

	// Wrote says that the last run reached a command that writes. It is a hint
	// of this process.
	Wrote atomic.Bool
}

// SHA1 returns the name of a script: its SHA1 in hexadecimal.
func SHA1(body []byte) string {
	sum := sha1.Sum(body)
	return hex.EncodeToString(sum[:])
}

// NewScript compiles a script. The error's text is the error reply.
func NewScript(body string) (*Script, error) {
	flags, skip, problem := scriptShebang(body)
	if problem != "" {
		return nil, errors.New("ERR " + problem)
	}
	proto, err := compile(body[skip:], "user_script")
	if err != nil {
		return nil, errors.New("ERR Error compiling script (new function): " + err.Error())
	}
	return &Script{SHA: SHA1([]byte(body)), Body: body, Flags: flags, proto: proto}, nil
}

// ScriptFlags returns the flags that a script's first line gives it; false: the
// line is wrong.
func ScriptFlags(body string) (Flags, bool) {
	flags, _, problem := scriptShebang(body)
	return flags, problem == ""
}

// scriptShebang reads the first line of a script: "#!lua flags=...". It returns
// the length of that line without its end, so that lines keep their numbers.
func scriptShebang(body string) (flags Flags, skip int, problem string) {
	if !strings.HasPrefix(body, "#!") {
		return Compat, 0, ""
	}
	line, _, ok := strings.Cut(body, "\n")
	if !ok || strings.Contains(line, "\x00") {
		return 0, 0, "Invalid script shebang"
	}
	parts, ok := splitArgs(line)
	if !ok || len(parts) == 0 {
		return 0, 0, "Invalid engine in script shebang"
	}
	if parts[0] != "#!lua" {
		return 0, 0, "Unexpected engine in script shebang: " + parts[0]
	}
	for _, p := range parts[1:] {
		list, ok := strings.CutPrefix(p, "flags=")
		if !ok {
			return 0, 0, "Unknown lua shebang option: " + p
		}
		if list == "" {
			continue
		}
		for _, name := range strings.Split(list, ",") {
			flag, ok := flagNamed(name)
			if !ok {
				return 0, 0, "Unexpected flag in script shebang: " + name
			}
			flags |= flag
		}
	}
	return flags, len(line), ""
}

// splitArgs splits a line into words with the quoting of redis-cli. It reports
// false for unbalanced quotes.
func splitArgs(line string) (words []string, ok bool) {
	i := 0
	for {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) {
			return words, true
		}
		var word []byte
		for i < len(line) && !isSpace(line[i]) {
			if c := line[i]; c != '"' && c != '\'' {
				word = append(word, c)
				i++
				continue
			}
			var part []byte
			if part, i, ok = quoted(line, i); !ok {
				return nil, false
			}
			word = append(word, part...)
			if i < len(line) && !isSpace(line[i]) {
				return nil, false
			}
		}
		words = append(words, string(word))
	}
}

// quoted reads a quoted string that begins at i and returns where it ends.
func quoted(line string, i int) (text []byte, end int, ok bool) {
	quote := line[i]
	for i++; i < len(line); i++ {
		c := line[i]
		switch {
		case c == quote:
			return text, i + 1, true
		case c == '\\' && quote == '\'':
			if i+1 < len(line) && line[i+1] == '\'' {
				i++
				c = '\''
			}
		case c == '\\' && i+3 < len(line) && line[i+1] == 'x':
			if b, err := hex.DecodeString(line[i+2 : i+4]); err == nil {
				c = b[0]
				i += 3
				break
			}
			i++
			c = 'x'
		case c == '\\' && i+1 < len(line):
			i++
			c = line[i]
			if at := strings.IndexByte("nrtba", c); at >= 0 {
				c = "\n\r\t\b\a"[at]
			}
		}
		text = append(text, c)
	}
	return nil, i, false
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
