package transport

import (
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/quorate/quorate/command"
)

// info is what a session shows to others: a copy, taken when it starts to wait.
type info struct {
	name            string
	cmd             *command.Spec // running or run last; nil: none yet
	flags           string
	db, multi, resp int
	redirect        int64
	qbuf, qbufFree  int
	argvMem         int
	replyBuf        int
	used            time.Time
	waiting         bool // for input
	held            int  // bytes that a quiet session could give back
}

// opSize is about what one step of a unit takes.
const opSize = 128

// publish copies the session's state to where other goroutines may look.
func (s *Session) publish(waiting bool) {
	i := info{name: s.name, cmd: s.last, flags: s.flags(), db: s.db, multi: -1, resp: s.out.Proto,
		qbuf: len(s.in.buf), qbufFree: cap(s.in.buf) - len(s.in.buf), replyBuf: cap(s.out.Buf), argvMem: s.unitBytes, used: s.used, waiting: waiting,
		redirect: s.redirection(),
		held:     cap(s.in.buf) + cap(s.in.args)*24 + cap(s.out.Buf) + cap(s.side.Buf) + cap(s.unit.Ops)*opSize}
	if s.tx.open {
		i.multi = len(s.tx.queue)
	}
	s.mu.Lock()
	s.info = i
	s.mu.Unlock()
}

func (s *Session) flags() string {
	f := ""
	if s.following.Load() {
		f += "S"
	}
	if s.monitoring {
		f += "O"
	}
	if s.subs.any() {
		f += "P"
	}
	if s.tx.open {
		f += "x"
	}
	if s.blocked.Load() != nil {
		f += "b"
	}
	if s.track != nil {
		f += "t"
		if s.track.broken.Load() {
			f += "R"
		}
		if s.track.bcast {
			f += "B"
		}
	}
	if s.ending {
		f += "c"
	}
	if s.readonly {
		f += "r"
	}
	if s.noEvict {
		f += "e"
	}
	if f == "" {
		return "N"
	}
	return f
}

// describe appends the session's line of CLIENT LIST, in the format of
// redis-server 7.0.15. Safe for concurrent use.
func (s *Session) describe(dst []byte) []byte {
	s.mu.Lock()
	i := s.info
	s.mu.Unlock()
	now := time.Now()
	pending, backlog := int(s.pending.Load()), int(s.backlog.Load())
	multiMem := int(s.queued.Load())
	name := i.name
	field := func(name string, value int) {
		dst = append(append(append(dst, ' '), name...), '=')
		dst = strconv.AppendInt(dst, int64(value), 10)
	}
	dst = append(dst, "id="...)
	dst = strconv.AppendInt(dst, s.id, 10)
	dst = append(append(dst, " addr="...), s.addr...)
	dst = append(append(dst, " laddr="...), s.laddr...)
	field("fd", s.fd)
	dst = append(append(dst, " name="...), name...)
	field("age", int(now.Sub(s.created)/time.Second))
	field("idle", int(now.Sub(i.used)/time.Second))
	dst = append(append(dst, " flags="...), i.flags...)
	field("db", i.db)
	field("sub", int(s.subs.counts[channels].Load()))
	field("psub", int(s.subs.counts[patterns].Load()))
	field("ssub", int(s.subs.counts[shardChannels].Load()))
	field("multi", i.multi)
	field("qbuf", i.qbuf)
	field("qbuf-free", i.qbufFree)
	field("argv-mem", i.argvMem)
	field("multi-mem", multiMem)
	field("rbs", i.replyBuf)
	field("rbp", i.replyBuf)
	field("obl", pending)
	chunks := 0
	if backlog > 0 {
		chunks = 1
	}
	field("oll", chunks)
	field("omem", backlog)
	field("tot-mem", i.qbuf+i.qbufFree+i.argvMem+multiMem+i.replyBuf+backlog)
	dst = append(dst, " events=r"...)
	if pending+backlog > 0 {
		dst = append(dst, 'w')
	}
	cmd := "NULL"
	if i.cmd != nil {
		cmd = i.cmd.FullName()
	}
	dst = append(append(dst, " cmd="...), cmd...)
	dst = append(append(append(dst, " user="...), s.User().Name...), " redir="...)
	dst = strconv.AppendInt(dst, i.redirect, 10)
	field("resp", i.resp)
	return append(dst, '\n')
}

// address returns a as CLIENT LIST prints it; clients of a unix socket have none
// and show the socket's path.
func address(a, local net.Addr) string {
	if a == nil {
		return "?:0"
	}
	if a.Network() == "unix" {
		return local.String() + ":0"
	}
	text := a.String()
	if host, port, err := net.SplitHostPort(text); err == nil && strings.HasPrefix(host, "::ffff:") {
		return net.JoinHostPort(host[7:], port)
	} else if err == nil && strings.Contains(host, ":") {
		return "[" + host + "]:" + port
	}
	return text
}

// descriptor returns the file descriptor of a connection, or 0.
func descriptor(c net.Conn) (fd int) {
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			if err := raw.Control(func(p uintptr) { fd = int(p) }); err != nil {
				return 0
			}
		}
	}
	return fd
}
