package simnet

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is one end of a connection.
type conn struct {
	net           *Net
	local, remote address
	in, out       *pipe
	closed        bool // guarded by net.mu
}

// connectLocked makes a connection and returns both ends.
func (n *Net) connectLocked(from, to address) (here, there *conn) {
	forth := newPipe(n, n.linkLocked(from.host, to.host))
	back := newPipe(n, n.linkLocked(to.host, from.host))
	here = &conn{net: n, local: from, remote: to, in: back, out: forth}
	there = &conn{net: n, local: to, remote: from, in: forth, out: back}
	n.conns[here] = struct{}{}
	n.conns[there] = struct{}{}
	return here, there
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	n, err := c.in.readLocked(b)
	if c.closed {
		n, err = 0, net.ErrClosed
	}
	return n, c.wrap("read", err)
}

// Write implements net.Conn. It waits only while the buffer is full.
func (c *conn) Write(b []byte) (int, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.out.broken != nil && c.in.endedLocked() && c.out.shut == nil {
		c.out.shut = syscall.EPIPE // this end has heard that the other has closed
	}
	n, err := c.out.writeLocked(b)
	if err != nil && c.closed {
		err = net.ErrClosed
	}
	return n, c.wrap("write", err)
}

// Close implements net.Conn. The other end reads what was sent, then io.EOF.
func (c *conn) Close() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.wrap("close", net.ErrClosed)
	}
	c.closed = true
	delete(c.net.conns, c)
	c.out.endLocked(io.EOF)
	c.in.breakLocked(net.ErrClosed)
	return nil
}

// resetLocked makes the other end find the connection reset, when the news
// arrives; writing at this end fails at once.
func (c *conn) resetLocked() {
	c.out.endLocked(syscall.ECONNRESET)
}

func (c *conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "sim", Source: c.local, Addr: c.remote, Err: err}
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn: not supported.
func (c *conn) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline implements net.Conn: not supported.
func (c *conn) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline implements net.Conn: not supported.
func (c *conn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// pipeBuffer is how many bytes can be on the way before a writer waits.
const pipeBuffer = 4 << 20

// pipe is one direction of a connection: segments in order, each with the time
// at which it arrives. Guarded by Net.mu.
type pipe struct {
	net  *Net
	link *link
	cond sync.Cond // on net.mu: something changed

	segments []segment
	size     int   // bytes in segments
	shut     error // why nothing more can be written
	broken   error // why nothing more can be read, at once
	timer    *time.Timer
}

// segment is bytes, or the end of the stream if end is set.
type segment struct {
	data []byte
	end  error
	due  time.Time
}

func newPipe(n *Net, l *link) *pipe {
	p := &pipe{net: n, link: l}
	p.cond.L = &n.mu
	return p
}

// readLocked waits for bytes that have arrived.
func (p *pipe) readLocked(b []byte) (int, error) {
	for {
		if p.broken != nil {
			return 0, p.broken
		}
		if len(b) == 0 {
			return 0, nil
		}
		if len(p.segments) > 0 && !p.link.cut {
			wait := time.Until(p.segments[0].due)
			if wait <= 0 {
				return p.takeLocked(b)
			}
			p.wakeInLocked(wait)
		}
		p.cond.Wait()
	}
}

// takeLocked returns what has arrived, as much as fits into b.
func (p *pipe) takeLocked(b []byte) (n int, err error) {
	for len(p.segments) > 0 && n < len(b) && time.Until(p.segments[0].due) <= 0 {
		s := &p.segments[0]
		if s.end != nil {
			if n == 0 {
				err = s.end // stays, for the next read
			}
			break
		}
		m := copy(b[n:], s.data)
		n += m
		s.data = s.data[m:]
		if len(s.data) == 0 {
			p.segments[0] = segment{}
			p.segments = p.segments[1:]
		}
	}
	p.size -= n
	if n > 0 {
		p.cond.Broadcast() // there is room for a writer
	}
	return n, err
}

// wakeInLocked wakes whoever waits, after d.
func (p *pipe) wakeInLocked(d time.Duration) {
	if p.timer == nil {
		p.timer = time.AfterFunc(d, func() {
			p.net.mu.Lock()
			p.cond.Broadcast()
			p.net.mu.Unlock()
		})
		return
	}
	p.timer.Reset(d)
}

func (p *pipe) writeLocked(b []byte) (n int, err error) {
	for {
		if p.shut != nil {
			return n, p.shut
		}
		if p.broken != nil { // nobody will read it, but this end cannot know yet
			return n + len(b), nil
		}
		if len(b) == 0 {
			return n, nil
		}
		room := pipeBuffer - p.size
		if room <= 0 {
			p.cond.Wait()
			continue
		}
		m := min(room, len(b))
		p.addLocked(segment{data: append([]byte(nil), b[:m]...)})
		p.size += m
		n += m
		b = b[m:]
	}
}

// addLocked sends a segment; it arrives after the link's delay and not before
// its predecessor.
func (p *pipe) addLocked(s segment) {
	s.due = time.Now().Add(p.net.lagLocked(p.link))
	if n := len(p.segments); n > 0 && p.segments[n-1].due.After(s.due) {
		s.due = p.segments[n-1].due
	}
	p.segments = append(p.segments, s)
	p.cond.Broadcast()
}

// endLocked lets the reader find err after everything sent, and writers fail.
func (p *pipe) endLocked(err error) {
	if p.shut != nil {
		return
	}
	p.shut = err
	if err == io.EOF {
		p.shut = net.ErrClosed
	}
	p.addLocked(segment{end: err})
}

// endedLocked says whether the news of the stream's end has arrived.
func (p *pipe) endedLocked() bool {
	return len(p.segments) > 0 && p.segments[0].end != nil && !p.link.cut && time.Until(p.segments[0].due) <= 0
}

// breakLocked makes reading fail at once. What is written from now on is lost.
func (p *pipe) breakLocked(err error) {
	if p.broken == nil {
		p.broken = err
	}
	p.segments, p.size = nil, 0
	if p.timer != nil {
		p.timer.Stop()
	}
	p.cond.Broadcast()
}

// truncateLocked loses a random part of what has not arrived.
func (p *pipe) truncateLocked(rng *rand.Rand) {
	arrived := 0
	if !p.link.cut {
		for arrived < len(p.segments) && time.Until(p.segments[arrived].due) <= 0 {
			arrived++
		}
	}
	keep := arrived + rng.IntN(len(p.segments)-arrived+1)
	if keep == len(p.segments) {
		return
	}
	p.shut = nil                     // an end that was sent may be lost as well; resetLocked sends another
	if p.segments[keep].end == nil { // in the middle of a segment
		p.segments[keep].data = p.segments[keep].data[:rng.IntN(len(p.segments[keep].data)+1)]
		keep++
	}
	p.segments = p.segments[:keep]
	p.size = 0
	for _, s := range p.segments {
		p.size += len(s.data)
	}
}

// linkChangedLocked lets what a cut has held arrive after the delay, in order.
func (p *pipe) linkChangedLocked() {
	if p.link.cut {
		return
	}
	earliest := time.Now().Add(p.link.delay)
	for i := range p.segments {
		if p.segments[i].due.Before(earliest) {
			p.segments[i].due = earliest
		}
	}
	p.cond.Broadcast()
}
