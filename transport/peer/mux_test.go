package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/transport/peer/simnet"
)

// nodeID returns a 40 character node id.
func nodeID(name string) string { return strings.Repeat("0", 40-len(name)) + name }

// open opens a Mux on a simulated host of that name.
func open(t testing.TB, n *simnet.Net, name string, change ...func(*Options)) *Mux {
	t.Helper()
	o := Options{
		Addr: name + ":17001", NodeID: nodeID(name), Network: n.Host(name),
		ClusterID: func() string { return "cluster-1" },
	}
	for _, f := range change {
		f(&o)
	}
	m, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func inCluster(id string) func(*Options) {
	return func(o *Options) { o.ClusterID = func() string { return id } }
}

const (
	echo   = 1
	fail   = 2
	hang   = 3
	whoami = 4
)

func register(m *Mux) {
	m.Handle(echo, func(_ context.Context, _ string, req []byte) ([]byte, error) { return req, nil })
	m.Handle(fail, func(context.Context, string, []byte) ([]byte, error) { return nil, errors.New("no luck") })
	m.Handle(hang, func(ctx context.Context, _ string, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() })
	m.HandleInline(whoami, func(from string, _, dst []byte) []byte { return append(dst, from...) })
}

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		a, b := open(t, n, "a"), open(t, n, "b")
		defer a.Close()
		defer b.Close()
		register(b)
		ctx := context.Background()

		for _, size := range []int{0, 1, bulkSize - 1, bulkSize, readBuffer, 5 << 20} {
			req := bytes.Repeat([]byte{7}, size)
			if got, err := a.Call(ctx, nodeID("b"), "b:17001", echo, req); err != nil || !bytes.Equal(got, req) {
				t.Errorf("echo of %d: %d bytes, %v", size, len(got), err)
			}
		}
		if got, err := a.Call(ctx, "", "b:17001", whoami, nil); err != nil || string(got) != nodeID("a") {
			t.Errorf("who am I: %q, %v", got, err)
		}
		var remote *RemoteError
		if _, err := a.Call(ctx, "", "b:17001", fail, nil); !errors.As(err, &remote) || remote.Msg != "no luck" || errors.Is(err, ErrNotDelivered) {
			t.Errorf("failing handler: %v", err)
		}
		for name, c := range map[string]struct {
			node, addr string
			service    byte
			req        []byte
			want       error
		}{
			"no such service": {nodeID("b"), "b:17001", 99, nil, ErrNotDelivered},
			"nobody there":    {nodeID("c"), "c:17001", echo, nil, ErrNotDelivered},
			"another node":    {nodeID("c"), "b:17001", echo, nil, ErrIdentity},
			"too large":       {nodeID("b"), "b:17001", echo, make([]byte, 64<<20), ErrTooLarge},
		} {
			_, err := a.Call(ctx, c.node, c.addr, c.service, c.req)
			if !errors.Is(err, c.want) || !errors.Is(err, ErrNotDelivered) {
				t.Errorf("%s: %v", name, err)
			}
		}
		done := make(chan string, 1)
		a.Go(nodeID("b"), "b:17001", whoami, nil, 0, func(got []byte, err error) { done <- fmt.Sprint(string(got), err) })
		if got := <-done; got != nodeID("a")+"<nil>" {
			t.Errorf("asynchronous: %s", got)
		}
	})
}

func TestCallTimeLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		a, b := open(t, n, "a"), open(t, n, "b")
		defer a.Close()
		defer b.Close()
		register(b)
		ended := make(chan error, 1)
		b.Handle(hang, func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		})
		start := time.Now()
		_, err := a.Call(context.Background(), "", "b:17001", hang, nil)
		if !errors.Is(err, ErrTimeout) && !strings.Contains(err.Error(), "deadline") || errors.Is(err, ErrNotDelivered) {
			t.Errorf("default limit: %v", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("default limit took %v", d)
		}
		<-ended
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(10*time.Millisecond, cancel)
		start = time.Now()
		if _, err := a.Call(ctx, "", "b:17001", hang, nil); !errors.Is(err, context.Canceled) || errors.Is(err, ErrNotDelivered) {
			t.Errorf("cancelled: %v", err)
		}
		if err := <-ended; err != context.Canceled {
			t.Errorf("the handler's context ended with %v", err)
		}
		if d := time.Since(start); d != 10*time.Millisecond {
			t.Errorf("cancelling took %v", d)
		}
		long, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if _, err := a.Call(long, "", "b:17001", hang, nil); err == nil {
			t.Error("no error")
		}
		if d := time.Since(start); d < 20*time.Second {
			t.Errorf("a slow but living peer was given up after %v", d)
		}
	})
}

func TestClusterMismatchIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		a := open(t, n, "a")
		other, none := open(t, n, "other", inCluster("cluster-2")), open(t, n, "none", inCluster(""))
		for _, m := range []*Mux{a, other, none} {
			defer m.Close()
			register(m)
		}
		ctx := context.Background()
		if _, err := a.Call(ctx, "", "other:17001", echo, nil); !errors.Is(err, ErrCluster) {
			t.Errorf("other cluster: %v", err)
		}
		if _, err := a.Call(ctx, "", "none:17001", echo, nil); err != nil {
			t.Errorf("to a node of no cluster: %v", err)
		}
		if _, err := none.Call(ctx, "", "a:17001", echo, nil); err != nil {
			t.Errorf("from a node of no cluster: %v", err)
		}
		if other.Up(nodeID("a")) || !none.Up(nodeID("a")) {
			t.Error("wrong nodes up")
		}
	})
}

func TestGarbageIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		a := open(t, n, "a")
		defer a.Close()
		hi := hello{code: purposeMux, cluster: "cluster-1", node: nodeID("b"), last: "b:1"}
		for name, in := range map[string][]byte{
			"http":         []byte("GET / HTTP/1.1\r\n\r\n"),
			"version":      append([]byte(handshakeMagic), 99, purposeMux, 0, 0, 0),
			"no node":      hello{code: purposeMux, cluster: "cluster-1"}.append(nil),
			"purpose":      hello{code: 9, node: nodeID("b")}.append(nil),
			"silence":      nil,
			"half":         hi.append(nil)[:20],
			"frame kind":   append(hi.append(nil), 0, 0, 0, 10, frameVersion, 77, 0, 0, 0, 0, 0, 0, 0, 0),
			"frame length": append(hi.append(nil), 0xff, 0xff, 0xff, 0xff, frameVersion, kindPing, 0, 0, 0, 0, 0, 0, 0, 0),
			"raft":         append(hi.append(nil), 0, 0, 0, 12, frameVersion, kindGroup, 0, 0, 0, 0, 0, 0, 0, 0, 1, 255),
		} {
			c, err := n.Host("b").Dial(context.Background(), "a:17001")
			if err != nil {
				t.Fatal(err)
			}
			c.Write(in)
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				for buf := make([]byte, 100); err == nil; {
					_, err = c.Read(buf)
				}
			}()
			select {
			case <-closed:
			case <-time.After(5 * time.Second):
				t.Errorf("%s: connection stays open", name)
			}
			c.Close()
		}
	})
}

// TestResetFailsPendingCallsAndRedials: a reset is noticed at once by callers and
// by OnDown, and the restarted peer is reachable again within 100 ms.
func TestResetFailsPendingCallsAndRedials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		a, b := open(t, n, "a"), open(t, n, "b")
		defer a.Close()
		register(b)
		var down atomic.Value
		a.OnDown(func(id string) { down.Store(id) })
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		errs := make(chan error, 10)
		for range cap(errs) {
			go func() { _, err := a.Call(ctx, nodeID("b"), "b:17001", hang, nil); errs <- err }()
		}
		synctest.Wait()
		if !a.Up(nodeID("b")) || !b.Up(nodeID("a")) {
			t.Fatal("not up")
		}
		start := time.Now()
		n.Crash("b")
		for range cap(errs) {
			if err := <-errs; !errors.Is(err, ErrConnectionLost) || errors.Is(err, ErrNotDelivered) {
				t.Errorf("pending call: %v", err)
			}
		}
		synctest.Wait()
		if time.Since(start) != 0 || down.Load() != nodeID("b") || a.Up(nodeID("b")) {
			t.Errorf("after %v, down: %v", time.Since(start), down.Load())
		}
		b.Close()
		for range 50 { // fails fast while it is away
			if _, err := a.Call(ctx, nodeID("b"), "b:17001", echo, nil); !errors.Is(err, ErrNotDelivered) {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		b = open(t, n, "b")
		defer b.Close()
		register(b)
		start = time.Now()
		for {
			if _, err := a.Call(ctx, nodeID("b"), "b:17001", echo, nil); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if d := time.Since(start); d > 100*time.Millisecond {
			t.Errorf("reachable after %v", d)
		}
	})
}

// TestSilentPeerIsGivenUp: without a reset only silence tells; ten idle minutes are none.
func TestSilentPeerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		a, b := open(t, n, "a"), open(t, n, "b")
		defer a.Close()
		defer b.Close()
		register(b)
		call := func(limit time.Duration) error {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			_, err := a.Call(ctx, nodeID("b"), "b:17001", echo, []byte("x"))
			return err
		}
		if err := call(time.Second); err != nil {
			t.Fatal(err)
		}
		before := a.link("b:17001").conn.Load()
		time.Sleep(10 * time.Minute)
		if err := call(time.Second); err != nil || a.link("b:17001").conn.Load() != before {
			t.Fatalf("idle connection was given up: %v", err)
		}
		n.Isolate("b")
		start := time.Now()
		if err := call(time.Minute); !errors.Is(err, ErrConnectionLost) {
			t.Errorf("over a cut link: %v", err)
		}
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("noticed after %v", d)
		}
		time.Sleep(10 * time.Second)
		n.Rejoin("b")
		start = time.Now()
		for call(time.Second) != nil {
			time.Sleep(time.Millisecond)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("reachable after %v", d)
		}
	})
}

// TestStuckWriterDoesNotHoldUpCallers: with the link cut and the buffers full,
// calls still end in time, and memory stays bounded.
func TestStuckWriterDoesNotHoldUpCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		a, b := open(t, n, "a"), open(t, n, "b")
		defer b.Close()
		register(b)
		if _, err := a.Call(context.Background(), "", "b:17001", echo, nil); err != nil {
			t.Fatal(err)
		}
		n.Cut("a", "b")
		big := make([]byte, 30<<20)
		start := time.Now()
		var wg sync.WaitGroup
		var refused atomic.Int64
		for i := range 10 {
			wg.Go(func() {
				req := big
				if i%2 == 1 {
					req = nil
				}
				ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
				defer cancel()
				_, err := a.Call(ctx, "", "b:17001", echo, req)
				if err == nil {
					t.Error("answered over a cut link")
				}
				if errors.Is(err, ErrNotDelivered) {
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		if d := time.Since(start); d > 600*time.Millisecond {
			t.Errorf("took %v", d)
		}
		if refused.Load() == 0 {
			t.Error("150 MiB were queued")
		}
		a.Close() // with the writer stuck
	})
}

func TestCloseEndsEverythingOverTCP(t *testing.T) {
	before := runtime.NumGoroutine()
	newMux := func(name string) *Mux {
		m, err := Open(Options{Addr: "127.0.0.1:0", NodeID: nodeID(name)})
		if err != nil {
			t.Fatal(err)
		}
		register(m)
		return m
	}
	a, b := newMux("a"), newMux("b")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := a.Call(context.Background(), nodeID("b"), b.Addr(), echo, nil); err != nil {
		t.Fatal(err)
	}
	idle, err := net.Dial("tcp", b.Addr()) // never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for _, addr := range []string{b.Addr(), silent.Addr().String()} {
		wg.Go(func() {
			if _, err := a.Call(ctx, "", addr, hang, nil); err == nil {
				t.Error("no error")
			}
		})
	}
	for a.link(silent.Addr().String()).conn.Load() == nil && !dialling(a.link(silent.Addr().String())) {
		runtime.Gosched()
	}
	start := time.Now()
	a.Close()
	b.Close()
	wg.Wait()
	if d := time.Since(start); d > 500*time.Millisecond {
		t.Errorf("closing took %v", d)
	}
	for runtime.NumGoroutine() > before { // finished goroutines take a moment to go
		if time.Since(start) > 5*time.Second {
			buf := make([]byte, 1<<16)
			t.Fatalf("goroutines left:\n%s", buf[:runtime.Stack(buf, true)])
		}
		runtime.Gosched()
	}
	if _, err := a.Call(ctx, "", b.Addr(), echo, nil); !errors.Is(err, ErrNotDelivered) {
		t.Errorf("after Close: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func dialling(l *link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attempt != nil
}
