package transport

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/slots/hashslot"
)

// fakeGroup is a group without Raft: a machine behind a lock.
type fakeGroup struct {
	mu    sync.RWMutex
	m     *fsm.Machine
	index uint64
	fail  atomic.Pointer[error] // what Do and Watch return instead of running
	units atomic.Int64
	acked atomic.Int64
	gate  chan struct{} // if not nil, Do waits for it
}

func newFakeGroup(o fsm.Options) *fakeGroup {
	if o.Databases == 0 {
		o.Databases = 16
	}
	return &fakeGroup{m: fsm.New(o)}
}

func (g *fakeGroup) failWith(err error) {
	if err == nil {
		g.fail.Store(nil)
	} else {
		g.fail.Store(&err)
	}
}

func (g *fakeGroup) Do(u *fsm.Unit) error {
	g.units.Add(1)
	if g.gate != nil {
		<-g.gate
	}
	if err := g.fail.Load(); err != nil {
		return *err
	}
	if !u.Writes() {
		g.mu.RLock()
		defer g.mu.RUnlock()
		g.m.Read(u, time.Now().UnixMilli(), 1)
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now().UnixMilli()
	if w, ok := u.Watched(); ok && !g.m.WatchHolds(w, now) {
		u.Reply.NullArray()
		u = &fsm.Unit{Ops: u.Ops[1:], Reply: u.Reply}
	}
	data := fsm.AppendHeader(nil, fsm.Header{Time: now})
	data, _ = fsm.AppendUnit(data, u, 0, now, g.m.Index())
	g.index++
	if err := g.m.Apply(g.index, data, []*fsm.Unit{u}); err != nil {
		return err
	}
	return g.serve(now)
}

// serve does for waiters what a group's proposer does.
func (g *fakeGroup) serve(now int64) error {
	for g.m.Waiters().Due() {
		served := g.m.Claim(now, 100)
		data, db := fsm.AppendHeader(nil, fsm.Header{Time: now}), 0
		for _, u := range served {
			data, db = fsm.AppendUnit(data, u, db, now, g.m.Index())
		}
		g.index++
		if err := g.m.Apply(g.index, data, served); err != nil {
			return err
		}
		for _, u := range served {
			g.m.Waiters().Deliver(u, nil, false)
		}
	}
	return nil
}

func (g *fakeGroup) Acked(uint64) int { return int(g.acked.Load()) }

func (g *fakeGroup) DoStale(u *fsm.Unit) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	g.m.Read(u, time.Now().UnixMilli(), 1)
	return nil
}

func (g *fakeGroup) Watch(w *fsm.Watch, db int, keys [][]byte) error {
	if err := g.fail.Load(); err != nil {
		return *err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range keys {
		g.m.Watch(w, db, k, time.Now().UnixMilli())
	}
	return nil
}

func (g *fakeGroup) Unwatch(w *fsm.Watch) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.m.Unwatch(w)
}

// plainRouter is one group that serves everything.
type plainRouter struct{ g Group }

func (r plainRouter) Cluster() bool             { return false }
func (r plainRouter) Route(int) (Group, string) { return r.g, "" }
func (r plainRouter) Local(int) Group           { return r.g }
func (r plainRouter) Led() []Group              { return []Group{r.g} }
func (r plainRouter) Redirect(slot int) string  { return "" }

// slotRouter gives every group an equal share of the slots; slots of groups
// that are nil are elsewhere.
type slotRouter struct {
	groups []Group
	local  Group
}

func (r *slotRouter) Cluster() bool { return true }

func (r *slotRouter) Route(slot int) (Group, string) {
	if g := r.groups[slot*len(r.groups)/hashslot.Count]; g != nil {
		return g, ""
	}
	return nil, r.Redirect(slot)
}

func (r *slotRouter) Local(int) Group { return r.local }

func (r *slotRouter) Led() (led []Group) {
	for _, g := range r.groups {
		if g != nil {
			led = append(led, g)
		}
	}
	return led
}

func (r *slotRouter) Redirect(slot int) string { return "MOVED 1 127.0.0.1:7002" }

// startServer runs a server on a free port until the test ends.
func startServer(t testing.TB, o Options) (*Server, string) {
	t.Helper()
	if o.Table == nil {
		o.Table = NewTable()
	}
	s := New(o)
	addrs, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s, addrs[0].String()
}

func plainServer(t testing.TB) (*Server, *fakeGroup, string) {
	g := newFakeGroup(fsm.Options{})
	s, addr := startServer(t, Options{Router: plainRouter{g}})
	return s, g, addr
}

// client is a raw connection.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return &client{t, c, bufio.NewReader(c)}
}

// lines writes an inline request for each line.
func (c *client) send(lines ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// want reads as many bytes as expected and compares.
func (c *client) want(reply string) {
	c.t.Helper()
	got := make([]byte, len(reply))
	n, err := io.ReadFull(c.r, got)
	if string(got[:n]) != reply {
		c.t.Fatalf("got %q (%v), want %q", got[:n], err, reply)
	}
}

// do sends one inline command and compares the reply.
func (c *client) do(line, reply string) {
	c.t.Helper()
	c.send(line)
	c.want(reply)
}

// closed checks that the connection ends with nothing more sent.
func (c *client) closed() {
	c.t.Helper()
	if b, err := io.ReadAll(c.r); len(b) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
		c.t.Fatalf("expected the end of the connection, got %q, %v", b, err)
	}
}

// everything sends input, then closes the writing side and returns all replies.
func everything(t testing.TB, addr, input string) string {
	c := dial(t, addr)
	if _, err := io.WriteString(c, input); err != nil {
		t.Fatal(err)
	}
	c.Conn.(*net.TCPConn).CloseWrite()
	var b bytes.Buffer
	io.Copy(&b, c.r) // a reset ends it just as well
	return b.String()
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after 5 s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
