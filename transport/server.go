package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/nonblock"
	"github.com/quorate/quorate/security"
)

// Server accepts clients. Its methods are safe for concurrent use.
type Server struct {
	// Fixed after construction.
	opts  Options
	log   hclog.Logger
	specs map[*fsm.Command]*command.Spec
	users *security.Users
	done  chan struct{} // closed when Close begins

	sessions    registry
	stats       counters
	pause       pause
	paused      atomic.Int64 // sessions that wait for it
	inputBytes  atomic.Int64 // capacity of all input buffers, and MULTI queues
	outputBytes atomic.Int64 // in writes that are under way
	lastID      atomic.Int64
	hub         hub
	tracker     tracker
	monitors    monitors
	feeds       feeds
	untidy      atomic.Bool   // DEBUG PAUSE-CRON
	recheck     chan struct{} // capacity 1: slots may have left this node
	closing     atomic.Bool
	blocked     atomic.Int64   // sessions that wait for a blocking command
	timed       atomic.Int64   // those of them that don't wait for ever
	wg          sync.WaitGroup // listeners, sessions, the janitor

	mu        sync.Mutex
	listeners map[net.Listener]struct{} // guarded by mu; nil after Close
}

// New returns a server without listeners. Close must be called in the end.
func New(o Options) *Server {
	if o.Databases == 0 {
		o.Databases = 16
	}
	if o.Version == "" {
		o.Version = "7.0.15"
	}
	if o.Limits == nil {
		o.Limits = NewLimits()
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	s := &Server{opts: o, log: o.Logger, specs: map[*fsm.Command]*command.Spec{}, done: make(chan struct{}),
		listeners: map[net.Listener]struct{}{}}
	if s.users = o.Users; s.users == nil {
		s.users = security.NewUsers(SecurityCommands(o.Table))
	}
	s.recheck = make(chan struct{}, 1)
	s.tracker.lookup = s.sessions.find
	s.feeds.db = -1
	for _, n := range o.Table.All() {
		s.note(n)
		for _, sub := range Subcommands(n) {
			s.note(sub)
		}
	}
	s.wg.Add(1)
	go s.janitor()
	return s
}

func (s *Server) note(n *Node) {
	if n.Item.Data != nil {
		s.specs[n.Item.Data] = n.Spec
	}
}

// specOf returns the table's spec of a step, nil for a transaction, whose EXEC
// the session has reported, and for a reply that was known before.
func (s *Server) specOf(op *fsm.Op) *command.Spec {
	if op.Cmd != nil {
		if spec := s.specs[op.Cmd]; spec != nil {
			return spec
		}
		// Another form of a command, under its name (fsm.Command.For, Logged).
		if n := s.opts.Table.Find([]byte(op.Cmd.Name)); n != nil {
			return n.Spec
		}
	}
	return nil
}

// Users returns the users that sessions can be.
func (s *Server) Users() *security.Users { return s.users }

// Table returns the server's commands.
func (s *Server) Table() *Table { return s.opts.Table }

// Limits returns the limits, which may be changed.
func (s *Server) Limits() *Limits { return s.opts.Limits }

// Listen opens TCP listeners on all addresses ("host:port") and serves them in
// the background. If one can't be opened, none is. An address that begins with
// "-" may be missing on this machine.
func (s *Server) Listen(addrs ...string) ([]net.Addr, error) {
	var open []net.Listener
	var bound []net.Addr
	for _, a := range addrs {
		optional := len(a) > 0 && a[0] == '-'
		if optional {
			a = a[1:]
		}
		l, err := net.Listen("tcp", a)
		if err != nil {
			if optional {
				s.log.Info("optional address is not available", "addr", a, "reason", err)
				continue
			}
			for _, l := range open {
				l.Close()
			}
			return nil, fmt.Errorf("listen on %s: %w", a, err)
		}
		open = append(open, l)
		bound = append(bound, l.Addr())
	}
	for _, l := range open {
		s.start(l)
	}
	return bound, nil
}

// start serves a listener in a goroutine. Owned by Server; it stops when the
// listener closes, which Close does.
func (s *Server) start(l net.Listener) {
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		if err := s.Serve(l); err != nil {
			s.log.Error("listener ended", "addr", l.Addr(), "reason", err)
		}
	}()
}

// Serve accepts clients from l until the server or l is closed. It returns nil
// after Close.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.listeners == nil {
		s.mu.Unlock()
		return l.Close()
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	delay := time.Duration(0)
	for {
		conn, err := l.Accept()
		if err == nil {
			delay = 0
			s.accept(conn)
			continue
		}
		if s.closing.Load() {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			s.mu.Lock()
			delete(s.listeners, l)
			s.mu.Unlock()
			return err
		}
		// Out of descriptors, or the client is gone already: neither is a reason
		// to stop accepting.
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		s.log.Warn("accept failed", "reason", err, "retry", delay)
		select {
		case <-time.After(delay):
		case <-s.done:
			return nil
		}
	}
}

// accept starts a session on conn, or refuses it.
func (s *Server) accept(conn net.Conn) {
	s.stats.connections.Add(1)
	if tcp, ok := conn.(*net.TCPConn); ok {
		if secs := s.opts.Limits.TCPKeepAlive.Load(); secs > 0 {
			every := time.Duration(secs) * time.Second
			tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: every, Interval: max(every/3, time.Second), Count: 3})
		} else {
			tcp.SetKeepAlive(false)
		}
	}
	if s.opts.Limits.ProtectedMode.Load() && s.users.Default().Rules().NoPass() && !loopback(conn.RemoteAddr()) {
		s.refuse(conn, denied)
		return
	}
	// The lock orders this against Close: a session is either refused here or
	// seen there.
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listeners == nil {
		conn.Close()
		return
	}
	c := newSession(s, nonblock.Conn(conn), s.lastID.Add(1))
	if !s.sessions.add(c, s.opts.Limits.MaxClients.Load()) {
		s.refuse(conn, "-"+errMaxClients+"\r\n")
		return
	}
	s.wg.Add(1)
	// Owned by Server. Stops when its connection closes; Close closes it and waits.
	go func() {
		defer s.wg.Done()
		defer s.sessions.remove(c)
		c.serve()
	}()
}

// refuse tells the client why and closes. A client that doesn't read must not
// hold up the listener; a fresh socket takes so little without blocking.
func (s *Server) refuse(conn net.Conn, reply string) {
	s.stats.rejected.Add(1)
	conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := conn.Write([]byte(reply)); err != nil {
		s.log.Debug("refused client is gone", "reason", err)
	}
	conn.Close()
}

func loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

// Quiet waits until no client has sent a command for pause, or ctx ends: the
// time that clients need to follow their redirects to another node.
func (s *Server) Quiet(ctx context.Context, pause time.Duration) {
	for before := s.stats.commands.Load(); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		now := s.stats.commands.Load()
		if now == before {
			return
		}
		before = now
	}
}

// Close stops accepting, lets units that are running finish, and closes all
// connections; those that aren't through when ctx ends are cut off. It returns
// when all goroutines of the server have ended: a group must answer its units,
// with an error at the latest when it is closed itself.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	first := s.listeners != nil
	s.closing.Store(true) // before the listeners close, so that Serve knows why
	for l := range s.listeners {
		l.Close()
	}
	s.listeners = nil
	s.mu.Unlock()
	if first {
		close(s.done)
	}
	for _, c := range s.sessions.all() {
		c.conn.SetReadDeadline(time.Unix(1, 0)) // wakes those that wait for input
	}
	ended := make(chan struct{})
	go func() { // Owned by this call. Stops when all others have, reports on ended.
		s.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	for _, c := range s.sessions.all() {
		c.kill()
	}
	<-ended
	return ctx.Err()
}
