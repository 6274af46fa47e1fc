package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/nonblock"
)

// link is the way to one address: at most one dialled connection, made when
// somebody needs it and made again after it broke.
type link struct {
	m    *Mux
	addr string

	conn atomic.Pointer[outgoing] // nil if not connected
	idle int                      // guarded by m.mu: monitor ticks without use

	mu      sync.Mutex
	attempt *attempt      // a dial in progress
	pause   time.Duration // before the next dial, after failures
	next    time.Time     // no dial before
	lastErr error         // of the last dial
}

// attempt is a dial that everybody who needs the connection waits for.
type attempt struct {
	done chan struct{} // closed when conn or err is set
	conn *outgoing
	err  error
}

// Pauses between failed dials. The largest bounds how long a restarted node
// stays unreachable.
const (
	firstPause   = 10 * time.Millisecond
	longestPause = 80 * time.Millisecond
	idleTicks    = 300 // monitor ticks after which an unused, unconnected link is forgotten
)

func (m *Mux) link(addr string) *link {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.links[addr]
	if l == nil {
		l = &link{m: m, addr: addr}
		m.links[addr] = l
	}
	l.idle = 0
	return l
}

// get returns the connection, dialling if there is none. It gives up after limit,
// or when stop or cancel closes (nil channels never do). Errors wrap ErrNotDelivered.
func (l *link) get(limit time.Duration, stop, cancel <-chan struct{}) (*outgoing, error) {
	if c := l.conn.Load(); c != nil {
		return c, nil
	}
	a, err := l.dial()
	if err != nil {
		return nil, notDelivered(err)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-a.done:
		if a.err != nil {
			return nil, notDelivered(a.err)
		}
		return a.conn, nil
	case <-timer.C:
		return nil, notDelivered(fmt.Errorf("connect to %s: %w", l.addr, ErrTimeout))
	case <-stop:
		return nil, notDelivered(ErrClosed)
	case <-cancel:
		return nil, notDelivered(context.Canceled)
	case <-l.m.ctx.Done():
		return nil, notDelivered(ErrClosed)
	}
}

// dial returns the attempt in progress, started here if there was none. Soon
// after a failure it returns that failure instead.
func (l *link) dial() (*attempt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.attempt != nil {
		return l.attempt, nil
	}
	if c := l.conn.Load(); c != nil {
		a := &attempt{done: make(chan struct{}), conn: c}
		close(a.done)
		return a, nil
	}
	if l.lastErr != nil && time.Now().Before(l.next) {
		return nil, l.lastErr
	}
	a := &attempt{done: make(chan struct{})}
	// Owned by the Mux; ends by DialTimeout or Close. Reports through a.
	if !l.m.spawn(func() { l.connect(a) }) {
		return nil, ErrClosed
	}
	l.attempt = a
	return a, nil
}

func (l *link) connect(a *attempt) {
	conn, peer, err := l.m.dial(l.addr, purposeMux)
	l.mu.Lock()
	l.attempt = nil
	if err == nil {
		a.conn = newOutgoing(l, conn, peer)
		l.lastErr, l.pause = nil, 0
		l.conn.Store(a.conn)
		l.m.nodeUp(peer.node)
	} else {
		a.err = err
		l.lastErr = err
		l.pause = min(max(2*l.pause, firstPause), longestPause)
		l.next = time.Now().Add(l.pause)
	}
	l.mu.Unlock()
	close(a.done)
	if err == nil {
		a.conn.run() // this goroutine becomes the connection's reader
	}
}

// dialled is what the handshake told about a dialled connection.
type dialled struct {
	hello
	sent string // cluster id that we sent
}

// dial connects and shakes hands, within DialTimeout. The connection is tracked.
func (m *Mux) dial(addr string, purpose byte) (net.Conn, dialled, error) {
	ctx, cancel := context.WithTimeout(m.ctx, m.opts.DialTimeout)
	defer cancel()
	conn, err := m.opts.Network.Dial(ctx, addr)
	if err != nil {
		return nil, dialled{}, fmt.Errorf("peer: dial: %w", err)
	}
	conn = nonblock.Conn(conn)
	if !m.track(conn) {
		return nil, dialled{}, ErrClosed
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	d, err := m.greet(conn, purpose)
	if !stop() && err == nil {
		err = ErrTimeout
	}
	if err != nil {
		m.drop(conn)
		if ctx.Err() == context.DeadlineExceeded {
			err = errors.Join(ErrTimeout, err)
		}
		return nil, dialled{}, fmt.Errorf("peer: handshake with %s: %w", addr, err)
	}
	return conn, d, nil
}

// greet is the dialling end's part of the handshake.
func (m *Mux) greet(conn net.Conn, purpose byte) (dialled, error) {
	d := dialled{sent: m.cluster()}
	ours := hello{code: purpose, cluster: d.sent, node: m.opts.NodeID, last: m.addr}
	if _, err := conn.Write(ours.append(nil)); err != nil {
		return d, err
	}
	var err error
	if d.hello, err = readHello(conn); err != nil {
		return d, err
	}
	switch {
	case d.code == statusCluster || clustersDiffer(d.sent, d.cluster):
		return d, fmt.Errorf("%w: ours %q, theirs %q", ErrCluster, d.sent, d.cluster)
	case d.code != statusOK:
		return d, &RemoteError{Msg: "refused: " + d.last, Refused: true}
	case d.node == "":
		return d, fmt.Errorf("%w: no node id", ErrProtocol)
	}
	return d, nil
}
