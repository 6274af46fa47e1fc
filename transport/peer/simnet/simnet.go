// Package simnet is a network in memory for simulations: hosts with names, and
// between each two of them, in each direction, a link with a delay that can be
// cut. It offers byte streams with the semantics of TCP: what was written arrives
// in order and complete or the connection is reset; a cut link holds bytes until
// it heals, and the writer notices nothing until its buffer is full.
//
// It uses only package time and works in a testing/synctest bubble. Random
// choices come from one seed, in the order in which goroutines ask for them: a
// seed repeats the choices, not their assignment. Deadlines of connections are not supported:
// setting one returns os.ErrNoDeadline.
package simnet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

// Net is a network of hosts. All methods may be called concurrently.
type Net struct {
	mu      sync.Mutex
	rng     *rand.Rand
	links   map[[2]string]*link
	hosts   map[string]*Host
	conns   map[*conn]struct{}
	changed chan struct{} // closed and replaced when a cut is made or healed
}

// link is one direction between two hosts. Guarded by Net.mu.
type link struct {
	cut           bool
	delay, jitter time.Duration
}

// New returns a network without delays or cuts.
func New(seed uint64) *Net {
	return &Net{
		rng:     rand.New(rand.NewPCG(seed, 0)),
		links:   map[[2]string]*link{},
		hosts:   map[string]*Host{},
		conns:   map[*conn]struct{}{},
		changed: make(chan struct{}),
	}
}

// Host returns the host of that name, made if there is none. Addresses on it
// are "name:port".
func (n *Net) Host(name string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[name]
	if h == nil {
		h = &Host{net: n, name: name, listeners: map[string]*listener{}, nextPort: 40000}
		n.hosts[name] = h
	}
	return h
}

// Cut holds everything that from sends to to, including what is on the way, until
// Heal. Connecting needs both directions.
func (n *Net) Cut(from, to string) { n.setCut(from, to, true) }

// Heal ends a Cut; what was held arrives after the link's delay.
func (n *Net) Heal(from, to string) { n.setCut(from, to, false) }

// Isolate cuts both directions between a host and all other known hosts.
func (n *Net) Isolate(host string) { n.eachOther(host, true) }

// Rejoin heals what Isolate cut.
func (n *Net) Rejoin(host string) { n.eachOther(host, false) }

func (n *Net) eachOther(host string, cut bool) {
	n.mu.Lock()
	var others []string
	for name := range n.hosts {
		if name != host {
			others = append(others, name)
		}
	}
	n.mu.Unlock()
	for _, o := range others {
		n.setCut(host, o, cut)
		n.setCut(o, host, cut)
	}
}

// SetDelay makes bytes sent from now on take delay, plus up to jitter, from from
// to to. Bytes never overtake each other.
func (n *Net) SetDelay(from, to string, delay, jitter time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.linkLocked(from, to)
	l.delay, l.jitter = delay, jitter
}

// Reset resets all connections between two hosts; both ends notice at once.
func (n *Net) Reset(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		if (c.local.host == a && c.remote.host == b) || (c.local.host == b && c.remote.host == a) {
			c.resetLocked()
			c.in.breakLocked(syscall.ECONNRESET)
			delete(n.conns, c)
		}
	}
}

// Crash closes the host's listeners and resets its connections, as when its
// process is killed: its own ends fail at once; of what it had sent and what has
// not arrived, a random part is lost, and then the other end finds the connection
// reset, over a cut link only after it heals. The host can listen and dial again.
func (n *Net) Crash(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h := n.hosts[host]; h != nil {
		for _, l := range h.listeners {
			l.closeLocked()
		}
	}
	for c := range n.conns {
		if c.local.host == host {
			c.out.truncateLocked(n.rng)
			c.resetLocked()
			c.in.breakLocked(syscall.ECONNRESET)
			delete(n.conns, c)
		}
	}
}

func (n *Net) setCut(from, to string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.linkLocked(from, to)
	if l.cut == cut {
		return
	}
	l.cut = cut
	close(n.changed)
	n.changed = make(chan struct{})
	for c := range n.conns {
		if c.in.link == l {
			c.in.linkChangedLocked()
		}
	}
}

func (n *Net) linkLocked(from, to string) *link {
	key := [2]string{from, to}
	l := n.links[key]
	if l == nil {
		l = &link{}
		n.links[key] = l
	}
	return l
}

// lagLocked draws the delay of what is sent now.
func (n *Net) lagLocked(l *link) time.Duration {
	d := l.delay
	if l.jitter > 0 {
		d += time.Duration(n.rng.Int64N(int64(l.jitter)))
	}
	return d
}

// Host is one end of links. It has the methods Dial and Listen that peer.Network asks for.
type Host struct {
	net       *Net
	name      string
	listeners map[string]*listener // by port; guarded by net.mu
	nextPort  int
}

// address is a net.Addr.
type address struct{ host, port string }

func (a address) Network() string { return "sim" }
func (a address) String() string  { return net.JoinHostPort(a.host, a.port) }

func (h *Host) freePortLocked() string {
	h.nextPort++
	return fmt.Sprint(h.nextPort)
}

// Listen listens on "name:port", where name is the host's or empty; port 0
// chooses a free one.
func (h *Host) Listen(addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if host != "" && host != h.name {
		return nil, &net.OpError{Op: "listen", Net: "sim", Err: syscall.EADDRNOTAVAIL}
	}
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == "0" {
		port = h.freePortLocked()
	}
	if h.listeners[port] != nil {
		return nil, &net.OpError{Op: "listen", Net: "sim", Err: syscall.EADDRINUSE}
	}
	l := &listener{host: h, addr: address{h.name, port}}
	l.ready.L = &n.mu
	h.listeners[port] = l
	return l, nil
}

// Dial connects to "name:port". It takes the delay of both directions, waits
// while one of them is cut, and fails if nobody listens.
func (h *Host) Dial(ctx context.Context, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	n := h.net
	for _, way := range [][2]string{{h.name, host}, {host, h.name}} {
		if err := n.cross(ctx, way[0], way[1]); err != nil {
			return nil, &net.OpError{Op: "dial", Net: "sim", Addr: address{host, port}, Err: err}
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var l *listener
	if target := n.hosts[host]; target != nil {
		l = target.listeners[port]
	}
	if l == nil || len(l.queue) >= backlog {
		return nil, &net.OpError{Op: "dial", Net: "sim", Addr: address{host, port}, Err: syscall.ECONNREFUSED}
	}
	here, there := n.connectLocked(address{h.name, h.freePortLocked()}, l.addr)
	l.queue = append(l.queue, there)
	l.ready.Signal()
	return here, nil
}

// cross waits as long as one packet takes from one host to another.
func (n *Net) cross(ctx context.Context, from, to string) error {
	n.mu.Lock()
	lag := n.lagLocked(n.linkLocked(from, to))
	n.mu.Unlock()
	if lag > 0 {
		select {
		case <-time.After(lag):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for {
		n.mu.Lock()
		cut, changed := n.linkLocked(from, to).cut, n.changed
		n.mu.Unlock()
		if !cut {
			return ctx.Err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// backlog is how many connections wait for Accept.
const backlog = 128

// listener is a net.Listener.
type listener struct {
	host   *Host
	addr   address
	ready  sync.Cond // on net.mu
	queue  []*conn
	isShut bool
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	n := l.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(l.queue) == 0 && !l.isShut {
		l.ready.Wait()
	}
	if l.isShut {
		return nil, &net.OpError{Op: "accept", Net: "sim", Addr: l.addr, Err: net.ErrClosed}
	}
	c := l.queue[0]
	l.queue = l.queue[1:]
	return c, nil
}

// Close implements net.Listener. Connections not accepted yet are reset.
func (l *listener) Close() error {
	l.host.net.mu.Lock()
	defer l.host.net.mu.Unlock()
	if l.isShut {
		return net.ErrClosed
	}
	l.closeLocked()
	return nil
}

func (l *listener) closeLocked() {
	if l.isShut {
		return
	}
	l.isShut = true
	delete(l.host.listeners, l.addr.port)
	for _, c := range l.queue {
		c.resetLocked()
		c.in.breakLocked(syscall.ECONNRESET)
	}
	l.queue = nil
	l.ready.Broadcast()
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.addr }
