package transport

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// target is the server to which MIGRATE moves keys. One goroutine uses it.
type target struct {
	conn *patientConn
	r    *bufio.Reader
}

// Errors of Redis for a target that doesn't answer.
const (
	errTargetConnect = "IOERR error or timeout connecting to the client"
	errTargetWrite   = "IOERR error or timeout writing to target instance"
	errTargetRead    = "IOERR error or timeout reading to target instance"
)

// longestDial bounds how long a session that is to end can hang in a connect.
const longestDial = 10 * time.Second

// dialTarget connects to a server for a session. timeout is for each step.
func dialTarget(s *Session, host string, port []byte, timeout time.Duration) (*target, string) {
	n, err := strconv.Atoi(string(port))
	if err != nil {
		n = 0 // as C's atoi
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(timeout, longestDial))
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(n&0xffff)))
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, errTargetWrite // Redis finds that out when it writes
	case err != nil:
		return nil, errTargetConnect
	}
	pc := &patientConn{Conn: c, timeout: timeout, gone: func() bool { return s.killed.Load() || s.srv.closing.Load() }}
	return &target{conn: pc, r: bufio.NewReaderSize(pc, 4096)}, ""
}

// write sends a command.
func (t *target) write(args [][]byte) (problem string) {
	b := append(strconv.AppendInt([]byte{'*'}, int64(len(args)), 10), "\r\n"...)
	for _, a := range args {
		b = append(strconv.AppendInt(append(b, '$'), int64(len(a)), 10), "\r\n"...)
		b = append(append(b, a...), "\r\n"...)
	}
	if _, err := t.conn.Write(b); err != nil {
		return errTargetWrite
	}
	return ""
}

// read reads the one-line reply to a command and returns the text of an error.
func (t *target) read() (refused, problem string) {
	line, err := t.r.ReadSlice('\n')
	if err != nil || len(line) < 3 {
		return "", errTargetRead
	}
	switch line[0] {
	case '-':
		return string(line[1 : len(line)-2]), ""
	case '+':
		return "", ""
	}
	return "", errTargetRead // it speaks another language
}

// patientConn gives up when nothing moves for the timeout, or its session has to end.
type patientConn struct {
	net.Conn
	timeout time.Duration
	gone    func() bool
}

// glance is how often a wait looks whether the session has to end.
const glance = 200 * time.Millisecond

// Read implements net.Conn.
func (c *patientConn) Read(b []byte) (n int, err error) {
	err = c.patiently(func(deadline time.Time) (int, error) {
		c.SetReadDeadline(deadline)
		n, err = c.Conn.Read(b)
		return n, err
	})
	return n, err
}

// Write implements net.Conn.
func (c *patientConn) Write(b []byte) (sent int, err error) {
	for err == nil && sent < len(b) {
		err = c.patiently(func(deadline time.Time) (int, error) {
			c.SetWriteDeadline(deadline)
			n, err := c.Conn.Write(b[sent:min(sent+flushAt, len(b))])
			sent += n
			return n, err
		})
	}
	return sent, err
}

// patiently repeats a step until it moves something, fails or takes too long.
func (c *patientConn) patiently(step func(deadline time.Time) (int, error)) error {
	end := time.Now().Add(c.timeout)
	for {
		next := time.Now().Add(glance)
		if next.After(end) {
			next = end
		}
		n, err := step(next)
		if n > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || !next.Before(end) || c.gone() {
			return err
		}
	}
}
