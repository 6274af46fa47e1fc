package backup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/redcon"
)

// Access says how to get into a server.
type Access struct {
	Addr     string // host:port
	User     string // "": the default user
	Password string // "": without AUTH
	// Timeout is how long nothing may move on a connection. A server that is asked
	// for a group writes its file before it sends the first byte.
	Timeout time.Duration
}

// conn is a connection to a server. One goroutine uses it.
type conn struct {
	addr string
	net  idleConn
	r    *bufio.Reader
	out  []byte
	db   int
	stop func() bool
}

// idleConn gives up when nothing moves for too long.
type idleConn struct {
	net.Conn
	timeout time.Duration
}

func (c idleConn) Read(b []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(c.timeout)) // fails only where Read does
	return c.Conn.Read(b)
}

// writeChunk is how much must be taken within one timeout.
const writeChunk = 256 << 10

func (c idleConn) Write(b []byte) (sent int, err error) {
	for sent < len(b) && err == nil {
		_ = c.SetWriteDeadline(time.Now().Add(c.timeout))
		var n int
		n, err = c.Conn.Write(b[sent:min(len(b), sent+writeChunk)])
		sent += n
	}
	return sent, err
}

// dial connects to addr as a says, and lets go of the connection when ctx ends.
func (a Access) dial(ctx context.Context, addr string) (*conn, error) {
	d := net.Dialer{Timeout: min(a.Timeout, 10*time.Second)}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &conn{addr: addr, net: idleConn{nc, a.Timeout}, stop: context.AfterFunc(ctx, func() { nc.Close() })}
	c.r = bufio.NewReaderSize(c.net, 64<<10)
	if a.Password == "" {
		return c, nil
	}
	auth := []string{"AUTH", a.Password}
	if a.User != "" {
		auth = []string{"AUTH", a.User, a.Password}
	}
	if _, err := c.do(auth...); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *conn) close() {
	c.stop()
	c.net.Close()
}

// refusal is an error reply.
type refusal struct{ addr, text string }

func (r refusal) Error() string { return r.addr + ": " + r.text }

// code is the first word.
func (r refusal) code() string {
	word, _, _ := strings.Cut(r.text, " ")
	return word
}

// isPassing reports whether an error may be over soon: a lost connection, an election.
// What was asked for may have happened.
func isPassing(err error) bool {
	var r refusal
	if !errors.As(err, &r) {
		var network net.Error
		return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errLost) || errors.As(err, &network)
	}
	switch r.code() {
	case "TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "BUSY", "UNCERTAIN", "NOREPLICAS", "READONLY", "ASK", "MISCONF":
		return true
	}
	return false
}

// moved returns where a redirection leads.
func moved(err error) (addr string, ok bool) {
	var r refusal
	if !errors.As(err, &r) || r.code() != "MOVED" {
		return "", false
	}
	words := strings.Fields(r.text)
	if len(words) < 3 {
		return "", false
	}
	addr = words[2]
	if strings.HasPrefix(addr, ":") { // the host that was asked
		addr = net.JoinHostPort(hostOf(r.addr), addr[1:])
	}
	return addr, true
}

func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}

// reply is a reply that is no error.
type reply struct {
	text  []byte // of a string, nil for null
	n     int64  // of a number
	elems []reply
}

var errBadReply = errors.New("the server speaks another protocol")

// send puts a command into the buffer.
func (c *conn) send(args ...[]byte) {
	c.out = redcon.AppendArray(c.out, len(args))
	for _, a := range args {
		c.out = redcon.AppendBulk(c.out, a)
	}
}

func (c *conn) sendWords(args ...string) {
	c.out = redcon.AppendArray(c.out, len(args))
	for _, a := range args {
		c.out = redcon.AppendBulkString(c.out, a)
	}
}

func (c *conn) flush() error {
	_, err := c.net.Write(c.out)
	if cap(c.out) > 4<<20 {
		c.out = nil
	}
	c.out = c.out[:0]
	return err
}

// do sends a command and returns its reply; an error reply is a refusal.
func (c *conn) do(args ...string) (reply, error) {
	c.sendWords(args...)
	if err := c.flush(); err != nil {
		return reply{}, err
	}
	return c.receive()
}

// line reads one line without its end.
func (c *conn) line() ([]byte, error) {
	b, err := c.r.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, bufio.ErrBufferFull) {
			err = errBadReply
		}
		return nil, err
	}
	if len(b) < 3 || b[len(b)-2] != '\r' {
		return nil, fmt.Errorf("%w: %.80q", errBadReply, b)
	}
	return b[:len(b)-2], nil
}

// receive reads one reply.
func (c *conn) receive() (reply, error) {
	line, err := c.line()
	if err != nil {
		return reply{}, err
	}
	kind, text := line[0], line[1:]
	switch kind {
	case '+':
		return reply{text: append([]byte{}, text...)}, nil
	case '-':
		return reply{}, refusal{c.addr, string(text)}
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || kind != ':' && n > 1<<31 {
		return reply{}, fmt.Errorf("%w: %.80q", errBadReply, line)
	}
	switch {
	case kind == ':':
		return reply{n: n}, nil
	case (kind == '$' || kind == '*') && n < 0:
		return reply{}, nil
	case kind == '$':
		b := make([]byte, n+2)
		if _, err := io.ReadFull(c.r, b); err != nil {
			return reply{}, err
		}
		return reply{text: b[:n:n]}, nil
	case kind == '*':
		var all []reply
		var refused error
		for ; n > 0; n-- {
			e, err := c.receive()
			if err != nil && !errors.As(err, new(refusal)) {
				return reply{}, err
			}
			refused = errors.Join(refused, err)
			all = append(all, e)
		}
		return reply{elems: all}, refused
	}
	return reply{}, fmt.Errorf("%w: %.80q", errBadReply, line)
}

func isRefusal(err error) bool { return errors.As(err, new(refusal)) }

// errElsewhere is of what another server has.
var errElsewhere = errors.New("it is elsewhere")

// isUncertain reports whether an error reply leaves open whether the command ran.
func isUncertain(err error) bool {
	var r refusal
	return errors.As(err, &r) && r.code() == "UNCERTAIN"
}
