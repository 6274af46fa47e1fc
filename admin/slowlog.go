package admin

import (
	"fmt"
	"sync"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/transport"
)

// Limits of what the slow log keeps of a command, as in Redis.
const (
	slowArgs     = 32  // arguments
	slowArgBytes = 128 // bytes of one
)

// slowEntry is one entry of the slow log.
type slowEntry struct {
	id         int64
	at         int64 // Unix seconds
	micros     int64
	args       []string
	addr, name string
}

// slowLog keeps the commands that took long, the youngest first. Safe for
// concurrent use.
type slowLog struct {
	mu      sync.Mutex
	next    int64
	entries []slowEntry // guarded by mu; the oldest first
}

func (l *slowLog) add(c transport.SlowCommand, limit int64) {
	e := slowEntry{at: time.Now().Unix(), micros: c.Took.Microseconds(), args: trimArgs(redact(c.Spec, c.Args)), addr: c.Addr, name: c.Name}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.id = l.next
	l.next++
	l.entries = append(l.entries, e)
	if extra := int64(len(l.entries)) - limit; extra > 0 {
		clear(l.entries[:extra])
		l.entries = l.entries[extra:]
	}
}

// latest returns up to n entries, the youngest first; all for n < 0.
func (l *slowLog) latest(n int64) []slowEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 0 || n > int64(len(l.entries)) {
		n = int64(len(l.entries))
	}
	out := make([]slowEntry, n)
	for i := range out {
		out[i] = l.entries[len(l.entries)-1-i]
	}
	return out
}

func (l *slowLog) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

func (l *slowLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}

// trimArgs shortens what would make an entry large.
func trimArgs(args [][]byte) []string {
	n := min(len(args), slowArgs)
	out := make([]string, n)
	for i := range out {
		if i == slowArgs-1 && len(args) > slowArgs {
			out[i] = fmt.Sprintf("... (%d more arguments)", len(args)-slowArgs+1)
		} else if a := args[i]; len(a) > slowArgBytes {
			out[i] = fmt.Sprintf("%s... (%d more bytes)", a[:slowArgBytes], len(a)-slowArgBytes)
		} else {
			out[i] = string(a)
		}
	}
	return out
}

// secretConfigs are the directives whose values nobody may read in a log.
var secretConfigs = []string{"masteruser", "masterauth", "requirepass", "tls-key-file-pass", "tls-client-key-file-pass"}

// redact replaces the arguments of a command that are secret.
func redact(spec *command.Spec, args [][]byte) [][]byte {
	out := append([][]byte(nil), args...)
	hide := func(i int) {
		if i < len(out) {
			out[i] = []byte("(redacted)")
		}
	}
	switch spec.FullName() {
	case "auth":
		for i := 1; i < len(out); i++ {
			hide(i)
		}
	case "acl|setuser":
		for i := 2; i < len(out); i++ {
			hide(i)
		}
	case "hello":
		for i := 2; i < len(args); i++ {
			if word(args[i], "AUTH") {
				hide(i + 1)
				hide(i + 2)
				break
			}
		}
	case "migrate":
		for i := 6; i < len(args); i++ {
			if word(args[i], "AUTH") {
				hide(i + 1)
				i++
			} else if word(args[i], "AUTH2") {
				hide(i + 1)
				hide(i + 2)
				i += 2
			} else if word(args[i], "KEYS") {
				break
			}
		}
	case "config|set":
		for i := 2; i+1 < len(args); i += 2 {
			for _, name := range secretConfigs {
				if word(args[i], name) {
					hide(i + 1)
				}
			}
		}
	}
	return out
}

func (a *Admin) slowlogCommand() *transport.Command {
	flags := command.Admin | command.Loading | command.Stale
	all := "request_policy:all_nodes"
	return &transport.Command{
		Spec: command.Spec{Name: "SLOWLOG", Arity: -2, Group: "server", Since: "2.2.12", Complexity: "That of the subcommand.",
			Summary: "A container of the commands about the slow log."},
		Sub: []*transport.Command{
			{Run: a.slowlogGet, Spec: command.Spec{Name: "GET", Arity: -2, Flags: flags, Group: "server", Since: "2.2.12", Syntax: "[count]",
				Complexity: "O(N), N: entries returned", Summary: "Returns the latest entries.", Tips: []string{all, "nondeterministic_output"}}},
			{Run: func(s *transport.Session, _ [][]byte) { s.Int(int64(a.slow.len())) },
				Spec: command.Spec{Name: "LEN", Arity: 2, Flags: flags, Group: "server", Since: "2.2.12", Complexity: "O(1)",
					Summary: "Returns the number of entries.", Tips: []string{all, "response_policy:agg_sum", "nondeterministic_output"}}},
			{Run: func(s *transport.Session, _ [][]byte) { a.slow.reset(); s.OK() },
				Spec: command.Spec{Name: "RESET", Arity: 2, Flags: flags, Group: "server", Since: "2.2.12", Complexity: "O(N), N: entries",
					Summary: "Deletes all entries.", Tips: []string{all, "response_policy:all_succeeded"}}},
			{Run: slowlogHelp, Spec: helpSpec("server", "6.2.0", command.Loading|command.Stale)},
		},
	}
}

func (a *Admin) slowlogGet(s *transport.Session, args [][]byte) {
	count := int64(10)
	if len(args) > 3 {
		s.Error("ERR unknown subcommand or wrong number of arguments for '" + string(args[1]) + "'. Try SLOWLOG HELP.")
		return
	}
	if len(args) == 3 {
		n, ok := keyspace.ParseInt(args[2])
		if !ok || n < -1 {
			s.Error("ERR count should be greater than or equal to -1")
			return
		}
		count = n
	}
	entries := a.slow.latest(count)
	s.Array(len(entries))
	for _, e := range entries {
		s.Array(6)
		s.Int(e.id)
		s.Int(e.at)
		s.Int(e.micros)
		s.Array(len(e.args))
		for _, arg := range e.args {
			s.BulkString(arg)
		}
		s.BulkString(e.addr)
		s.BulkString(e.name)
	}
}

func slowlogHelp(s *transport.Session, _ [][]byte) {
	help(s, "SLOWLOG",
		"GET [<count>]", "    Return the latest entries (10, or <count>; -1: all): number, time, microseconds,", "    arguments, the client's address and its name.",
		"LEN", "    Return the number of entries.",
		"RESET", "    Delete all entries.")
}
