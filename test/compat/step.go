// Package compat compares a server with redis-server, command by command and
// byte by byte: a seeded generator makes commands, both servers run them, and
// the first reply that differs is reported with the shortest sequence of
// commands that still shows it.
//
//	go test ./test/compat                                   (a short run of everything)
//	go test ./test/compat -run TestCompat -timeout 1h -args -addr 127.0.0.1:6379 -n 100000 -seed 7
//
// The server under test is used in plain mode, and emptied: its keys, scripts and functions.
//
// A run is cut into chunks; each begins with no keys, scripts and functions and
// with the same settings, and ends with a comparison of the whole key space, so
// that a difference can be replayed from an empty server.
package compat

import (
	"fmt"
	"strings"
	"time"
)

// connections per server: number 0 speaks RESP2, number 1 RESP3.
const connections = 2

// Step is one command on one of the connections, or a pause.
type Step struct {
	Conn  int
	Args  []string
	Pause time.Duration // if not 0, wait instead of sending anything
}

// name is the command's name in upper case.
func (s Step) name() string {
	if len(s.Args) == 0 {
		return ""
	}
	return strings.ToUpper(s.Args[0])
}

// String gives the step as one would type it into redis-cli.
func (s Step) String() string {
	if s.Pause != 0 {
		return fmt.Sprintf("# wait %v", s.Pause)
	}
	words := make([]string, len(s.Args))
	for i, a := range s.Args {
		words[i] = quote(a)
	}
	text := strings.Join(words, " ")
	if s.Conn == 1 {
		text += "        # on the RESP3 connection"
	}
	return text
}

// quote puts an argument into redis-cli's double quotes where it needs them.
func quote(a string) string {
	plain := a != ""
	for i := range len(a) {
		if a[i] <= ' ' || a[i] > '~' || strings.IndexByte(`"'\#`, a[i]) >= 0 {
			plain = false
		}
	}
	if plain {
		return a
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(a) {
		switch c := a[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
