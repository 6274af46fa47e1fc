package peer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/quorate/quorate/nonblock"
)

// Mux is a node's peer port: the listener, the accepted connections and the
// dialled ones. All methods may be called concurrently.
type Mux struct {
	// Fixed after Open.
	opts     Options
	addr     string // advertised
	log      hclog.Logger
	listener net.Listener
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	calls    sync.Pool // *call; not global, since a call's timer belongs to a synctest bubble

	wg       sync.WaitGroup // all goroutines of the Mux and its connections
	services [256]atomic.Pointer[service]
	groups   atomic.Pointer[map[uint32]*GroupTransport] // replaced, never changed
	onDown   atomic.Pointer[func(nodeID string)]

	mu       sync.Mutex
	closed   bool
	conns    map[net.Conn]struct{} // every connection, so that Close can close it
	incoming map[*incoming]struct{}
	links    map[string]*link // by address
	peers    map[string]int   // connections that passed the handshake, by node id
}

// Open listens and starts serving.
func Open(o Options) (*Mux, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	ln, err := o.Network.Listen(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("peer: listen on %s: %w", o.Listen, err)
	}
	m := &Mux{
		opts: o, addr: o.Addr, log: o.Logger, listener: ln,
		conns:    map[net.Conn]struct{}{},
		incoming: map[*incoming]struct{}{},
		links:    map[string]*link{},
		peers:    map[string]int{},
	}
	if host, port, err := net.SplitHostPort(o.Addr); err == nil && port == "0" {
		if _, port, err = net.SplitHostPort(ln.Addr().String()); err == nil {
			m.addr = net.JoinHostPort(host, port)
		}
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.calls.New = func() any { return newCall() }
	m.groups.Store(&map[uint32]*GroupTransport{})
	// Owned by the Mux, stopped by Close, which waits. Failures are logged.
	m.wg.Go(m.accept)
	m.wg.Go(m.monitor)
	return m, nil
}

// Addr returns the advertised address.
func (m *Mux) Addr() string { return m.addr }

// Close stops listening, breaks all connections, closes all groups and waits for
// every goroutine. Pending calls return ErrClosed. It waits for running service
// handlers, whose context ends.
func (m *Mux) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		m.wg.Wait()
		return nil
	}
	m.closed = true
	conns := m.conns
	m.conns = map[net.Conn]struct{}{}
	m.mu.Unlock()

	m.cancel()
	err := m.listener.Close()
	for c := range conns {
		c.Close()
	}
	for _, g := range *m.groups.Load() {
		g.Close()
	}
	m.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}

// Up says whether a connection to or from the node exists.
func (m *Mux) Up(nodeID string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.peers[nodeID] > 0
}

// OnDown sets the function that is called when the last connection to and from a
// node has broken, as happens at once when its process dies. A broken connection
// proves nothing: the node may be alive. f must not block, and is not called
// because of Close.
func (m *Mux) OnDown(f func(nodeID string)) { m.onDown.Store(&f) }

func (m *Mux) nodeUp(id string) {
	m.mu.Lock()
	m.peers[id]++
	m.mu.Unlock()
}

func (m *Mux) nodeDown(id string) {
	m.mu.Lock()
	m.peers[id]--
	gone := m.peers[id] == 0
	if gone {
		delete(m.peers, id)
	}
	closed := m.closed
	m.mu.Unlock()
	if f := m.onDown.Load(); gone && !closed && f != nil {
		(*f)(id)
	}
}

// spawn runs f as a goroutine that Close waits for. After Close it returns false.
func (m *Mux) spawn(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.wg.Go(f)
	return true
}

// track registers a connection to be closed by Close. After Close it closes the
// connection and returns false.
func (m *Mux) track(c net.Conn) bool {
	m.mu.Lock()
	closed := m.closed
	if !closed {
		m.conns[c] = struct{}{}
	}
	m.mu.Unlock()
	if closed {
		c.Close()
	}
	return !closed
}

// drop closes a connection and forgets it.
func (m *Mux) drop(c net.Conn) {
	m.mu.Lock()
	delete(m.conns, c)
	m.mu.Unlock()
	c.Close()
}

func (m *Mux) cluster() string { return m.opts.ClusterID() }

func (m *Mux) group(id uint32) *GroupTransport { return (*m.groups.Load())[id] }

// setGroupLocked replaces the table of groups by one with (or, if g is nil, without) group id.
func (m *Mux) setGroupLocked(id uint32, g *GroupTransport) {
	next := maps.Clone(*m.groups.Load())
	if g != nil {
		next[id] = g
	} else {
		delete(next, id)
	}
	m.groups.Store(&next)
}

// accept accepts connections until the listener is closed. Errors such as "too
// many open files" are waited out with growing pauses.
func (m *Mux) accept() {
	var pause time.Duration
	for {
		conn, err := m.listener.Accept()
		if err != nil {
			if m.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			m.log.Error("accept failed", "error", err, "retry-in", pause)
			select {
			case <-time.After(pause):
			case <-m.ctx.Done():
				return
			}
			continue
		}
		pause = 0
		conn = nonblock.Conn(conn)
		m.mu.Lock()
		full := len(m.conns) >= m.opts.MaxIncoming
		m.mu.Unlock()
		if full {
			m.log.Warn("too many connections", "from", conn.RemoteAddr())
			conn.Close()
			continue
		}
		if m.track(conn) && !m.spawn(func() { m.serve(conn) }) {
			m.drop(conn)
		}
	}
}

// monitorTicks is the number of consecutive ticks without progress after which a
// connection is given up. Counting ticks, not time, spares the connections of a
// process that was itself stopped for a while.
const monitorTicks = 5

// monitor watches all connections for ends that went silent.
func (m *Mux) monitor() {
	tick := time.NewTicker(max(m.opts.StallTimeout/monitorTicks, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		m.mu.Lock()
		in := make([]*incoming, 0, len(m.incoming))
		for s := range m.incoming {
			in = append(in, s)
		}
		out := make([]*link, 0, len(m.links))
		for addr, l := range m.links {
			if l.conn.Load() != nil {
				l.idle = 0
				out = append(out, l)
			} else if l.idle++; l.idle > idleTicks {
				delete(m.links, addr)
			}
		}
		m.mu.Unlock()
		for _, s := range in {
			s.tick()
		}
		for _, l := range out {
			if c := l.conn.Load(); c != nil {
				c.tick()
			}
		}
	}
}
