package wire

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"time"
)

// Conn is one client connection. Not safe for concurrent use.
type Conn struct {
	net.Conn
	br      *bufio.Reader
	out     []byte
	timeout time.Duration
}

// Dial connects to addr. Every later Flush and Read has timeout to finish.
func Dial(ctx context.Context, addr string, timeout time.Duration) (*Conn, error) {
	d := net.Dialer{Timeout: timeout}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: c, br: bufio.NewReaderSize(c, 32<<10), timeout: timeout}, nil
}

// Send buffers one command; Flush puts it on the wire.
func (c *Conn) Send(args ...string) { c.out = AppendCommand(c.out, args...) }

// SendBytes buffers one command of binary arguments.
func (c *Conn) SendBytes(args ...[]byte) { c.out = AppendCommand(c.out, args...) }

// Flush writes everything buffered.
func (c *Conn) Flush() error {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	_, err := c.Write(c.out)
	c.out = c.out[:0]
	return err
}

// Receive reads one reply.
func (c *Conn) Receive() (Reply, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.timeout)); err != nil {
		return Reply{}, err
	}
	raw, err := ReadRaw(c.br, nil)
	if err != nil {
		return Reply{}, err
	}
	return Parse(raw)
}

// Do sends one command and reads its reply. An error reply is a Reply, not an error.
func (c *Conn) Do(args ...string) (Reply, error) {
	c.Send(args...)
	if err := c.Flush(); err != nil {
		return Reply{}, err
	}
	return c.Receive()
}

// Once connects, runs one command, and disconnects; an error reply is an error.
func Once(ctx context.Context, addr string, timeout time.Duration, args ...string) (Reply, error) {
	c, err := Dial(ctx, addr, timeout)
	if err != nil {
		return Reply{}, err
	}
	defer c.Close()
	r, err := c.Do(args...)
	if err == nil && r.IsError() {
		err = fmt.Errorf("%s: %s", args[0], r.Str)
	}
	return r, err
}
