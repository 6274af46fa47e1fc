package transport

import (
	"bytes"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/resp"
)

// monitors are the sessions that sent MONITOR. Safe for concurrent use.
type monitors struct {
	n    atomic.Int32 // lets everything be skipped while there are none
	mu   sync.Mutex
	list []*Session
}

func (m *monitors) add(s *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, s)
	m.n.Add(1)
}

func (m *monitors) remove(s *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, c := range m.list {
		if c == s {
			m.list = append(m.list[:i:i], m.list[i+1:]...)
			m.n.Add(-1)
			return
		}
	}
}

func monitorCommand() *Command {
	return &Command{Run: monitor, Spec: command.Spec{Name: "MONITOR", Arity: 1,
		Flags: command.Admin | command.NoScript | command.Loading | command.Stale, Group: "server", Since: "1.0.0",
		Summary: "Shows every command that the server runs."}}
}

// monitor implements MONITOR. Redis answers nothing to a connection that monitors
// already.
func monitor(s *Session, _ [][]byte) {
	if s.monitoring {
		return
	}
	s.ownPushes()
	s.monitoring = true
	s.srv.monitors.add(s)
	s.OK()
}

func (s *Session) stopMonitoring() {
	if s.monitoring {
		s.monitoring = false
		s.srv.monitors.remove(s)
	}
}

const errMonitoring = "ERR Replica can't interact with the keyspace"

// refusesMonitor reports whether a session that monitors may not send the
// command: it counts as a replica in Redis.
func refusesMonitor(spec *command.Spec) bool {
	return spec.Flags&(command.Write|command.ReadOnly|command.MayReplicate) != 0
}

// monitored reports whether somebody wants to see commands: one atomic load.
func (s *Session) monitored() bool { return s.srv.monitors.n.Load() > 0 }

// show prints a command to those who monitor.
func (s *Session) show(spec *command.Spec, args [][]byte, db int) {
	// What runs a script is shown before its commands all the same.
	if !s.monitored() || spec.Flags&(command.Admin|command.SkipMonitor) != 0 && spec.Group != "scripting" {
		return
	}
	s.showFrom(s.addr, spec, args, db)
}

// showFrom prints a command as sent by somebody; "lua" is a script.
func (s *Session) showFrom(who string, spec *command.Spec, args [][]byte, db int) {
	m := &s.srv.monitors
	m.mu.Lock()
	defer m.mu.Unlock()
	line := monitorLine(time.Now(), db, who, spec, args)
	msg := &message{write: func(w *resp.Writer) { w.Raw(line) }}
	for _, c := range m.list {
		c.tell(msg)
	}
}

// showTx prints the commands of a transaction that has run. db is what was
// selected before it.
func (s *Session) showTx(tx *transaction, db int) {
	for i := range tx.queue {
		q := &tx.queue[i]
		db = s.selected(q, db)
		s.show(q.node.Spec, q.args, db)
	}
}

// ranTx reports whether a reply of EXEC says that the transaction has run.
func ranTx(reply []byte) bool {
	return len(reply) > 1 && reply[0] == '*' && reply[1] != '-'
}

// monitorLine formats a command as redis-server 7.0.15 does, with passwords left out.
func monitorLine(now time.Time, db int, addr string, spec *command.Spec, args [][]byte) []byte {
	us := now.UnixMicro()
	b := append(make([]byte, 0, 128), '+')
	b = strconv.AppendInt(b, us/1e6, 10)
	b = append(b, '.')
	frac := strconv.Itoa(int(us % 1e6))
	b = append(append(b, "000000"[len(frac):]...), frac...)
	b = append(b, " ["...)
	b = strconv.AppendInt(b, int64(db), 10)
	b = append(append(append(b, ' '), addr...), ']')
	hide := secrets(spec, args)
	for i, a := range args {
		b = append(b, ' ')
		if hide(i) {
			b = append(b, `"(redacted)"`...)
		} else {
			b = appendQuoted(b, a)
		}
	}
	return append(b, '\r', '\n')
}

// secrets says which arguments of a command must not be shown.
func secrets(spec *command.Spec, args [][]byte) func(i int) bool {
	switch spec.Name {
	case "AUTH":
		return func(i int) bool { return i > 0 }
	case "HELLO":
		for i := 2; i < len(args); i++ {
			if bytes.EqualFold(args[i], []byte("AUTH")) {
				return func(n int) bool { return n == i+1 || n == i+2 }
			}
		}
	case "MIGRATE":
		for i := 6; i < len(args); i++ {
			switch {
			case bytes.EqualFold(args[i], []byte("AUTH")):
				return func(n int) bool { return n == i+1 }
			case bytes.EqualFold(args[i], []byte("AUTH2")):
				return func(n int) bool { return n == i+1 || n == i+2 }
			case bytes.EqualFold(args[i], []byte("KEYS")):
				return func(int) bool { return false }
			}
		}
	}
	return func(int) bool { return false }
}

// appendQuoted appends an argument in quotes, with everything escaped that isn't
// printable ASCII.
func appendQuoted(b, arg []byte) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, c := range arg {
		switch {
		case c == '\\' || c == '"':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\a':
			b = append(b, '\\', 'a')
		case c == '\b':
			b = append(b, '\\', 'b')
		case c < ' ' || c > '~':
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
