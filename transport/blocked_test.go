package transport

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/store"
)

// waiting waits until n sessions are blocked.
func waiting(t testing.TB, s *Server, n int64) {
	t.Helper()
	eventually(t, fmt.Sprint(n, " blocked sessions"), func() bool { return s.Stats().Blocked == n })
}

func TestBlockingReplies(t *testing.T) {
	s, _, addr := plainServer(t)
	for _, c := range []struct{ wait, push, reply string }{
		{"BLPOP k 0", "RPUSH k a b", "*2\r\n$1\r\nk\r\n$1\r\na\r\n"},
		{"BRPOP j k 0", "RPUSH k a b", "*2\r\n$1\r\nk\r\n$1\r\nb\r\n"},
		{"BLMOVE k d LEFT RIGHT 0", "RPUSH k a", "$1\r\na\r\n"},
		{"BRPOPLPUSH k d 0", "RPUSH k a", "$1\r\na\r\n"},
		{"BLMPOP 0 2 j k RIGHT COUNT 2", "RPUSH k a b c", "*2\r\n$1\r\nk\r\n*2\r\n$1\r\nc\r\n$1\r\nb\r\n"},
		{"BZPOPMIN k 0", "ZADD k 1 a 2 b", "*3\r\n$1\r\nk\r\n$1\r\na\r\n$1\r\n1\r\n"},
		{"BZPOPMAX j k 0", "ZADD k 1 a 2 b", "*3\r\n$1\r\nk\r\n$1\r\nb\r\n$1\r\n2\r\n"},
		{"BZMPOP 0 1 k MIN COUNT 5", "ZADD k 1 a", "*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"},
	} {
		w, p := dial(t, addr), dial(t, addr)
		w.send(c.wait, "PING")
		waiting(t, s, 1)
		p.do("SET j x", "+OK\r\n") // of another type: the waiter goes on waiting
		p.do("DEL j", ":1\r\n")
		p.send(c.push)
		w.want(c.reply + "+PONG\r\n")
		if _, err := p.r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		p.do("FLUSHALL", "+OK\r\n")
	}
}

// slowList is a SlowObserver that wants everything.
type slowList struct {
	mu    sync.Mutex
	lines []string
}

func (l *slowList) Wants(time.Duration) bool { return true }

func (l *slowList) Slow(c SlowCommand) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(bytes.Join(c.Args, []byte(" "))))
}

// What waited is reported when it is served, behind what served it, and as
// failed if it ended in an error.
func TestBlockingReported(t *testing.T) {
	g := newFakeGroup(fsm.Options{})
	r, slow := &recorder{calls: map[string]int{}}, &slowList{}
	s, addr := startServer(t, Options{Router: plainRouter{g}, Observer: r, Slow: slow})
	w, p := dial(t, addr), dial(t, addr)
	w.send("SET x 1", "BLPOP k 0", "PING")
	w.want("+OK\r\n")
	waiting(t, s, 1)
	r.mu.Lock()
	if r.calls["blpop"] != 0 {
		t.Error("reported while it waits")
	}
	r.mu.Unlock()
	p.do("RPUSH k a", ":1\r\n")
	w.want("*2\r\n$1\r\nk\r\n$1\r\na\r\n+PONG\r\n")
	w.send("BLMOVE k x LEFT LEFT 0", "PING")
	waiting(t, s, 1)
	p.do("RPUSH k a", ":1\r\n")
	w.want("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n+PONG\r\n")
	w.do("BLPOP nothing 0.01", "*-1\r\n")
	w.do("PING", "+PONG\r\n")
	r.mu.Lock()
	defer r.mu.Unlock()
	if got, want := fmt.Sprint(r.calls), "map[blmove!:1 blpop:2 ping:3 rpush:2 set:1]"; got != want {
		t.Errorf("observed %s, want %s", got, want)
	}
	slow.mu.Lock()
	defer slow.mu.Unlock()
	if got, want := slow.lines, []string{"SET x 1", "RPUSH k a", "BLPOP k 0", "PING", "RPUSH k a", "BLMOVE k x LEFT LEFT 0", "PING", "PING"}; !sameLines(got, want) {
		t.Errorf("slow: %q", got)
	}
}

// sameLines compares without regard to the order, which differs between connections.
func sameLines(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

func TestBlockingEnds(t *testing.T) {
	s, g, addr := plainServer(t)
	w, p := dial(t, addr), dial(t, addr)
	w.send("CLIENT ID")
	id, _ := w.r.ReadString('\n')
	id = strings.TrimSpace(id[1:])

	w.do("BLPOP k 0.01", "*-1\r\n")
	w.do("BLMOVE k j LEFT LEFT 0.01", "*-1\r\n")
	p.do("CLIENT UNBLOCK "+id, ":0\r\n")
	for _, c := range []struct{ how, reply string }{
		{"", "*-1\r\n"}, {" timeout", "*-1\r\n"}, {" ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"},
	} {
		w.send("BLPOP k 0")
		waiting(t, s, 1)
		p.do("CLIENT UNBLOCK "+id+c.how, ":1\r\n")
		w.want(c.reply)
	}
	// Not in transactions.
	w.send("MULTI", "BLPOP k 0", "BLMOVE k j LEFT LEFT 0", "EXEC")
	w.want("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n*-1\r\n$-1\r\n")

	// The flag, and one that was killed.
	w.send("BLPOP k 100")
	waiting(t, s, 1)
	p.send("CLIENT LIST ID " + id)
	if line, err := p.r.ReadString('\n'); err == nil {
		line, _ = p.r.ReadString('\n')
		if !strings.Contains(line, " flags=b ") || !strings.Contains(line, " cmd=blpop ") {
			t.Errorf("CLIENT LIST: %s", line)
		}
	}
	p.want("\r\n")
	p.do("CLIENT KILL ID "+id, ":1\r\n")
	w.closed()
	waiting(t, s, 0)
	p.do("RPUSH k stays", ":1\r\n")
	p.do("LLEN k", ":1\r\n")
	p.do("DEL k", ":1\r\n")

	// The node is deposed.
	w = dial(t, addr)
	w.send("BLPOP k 0")
	waiting(t, s, 1)
	g.m.Waiters().Drop(fsm.Deposed)
	w.want("-" + errDeposed + "\r\n")
	w.closed()
	// And so before the command could wait.
	g.failWith(store.ErrNotLeader)
	dial(t, addr).do("BLPOP k 0", "-TRYAGAIN The leader is not known yet, nothing was executed\r\n")
	g.failWith(nil)
}

// TestBlockedInput sends more than the query buffer holds while blocked.
func TestBlockedInput(t *testing.T) {
	s, _, addr := plainServer(t)
	s.Limits().QueryBuffer.Store(100 << 10)
	w, p := dial(t, addr), dial(t, addr)
	w.send("BLPOP k 0", strings.Repeat("PING\r\n", 9999)+"PING")
	waiting(t, s, 1)
	p.do("RPUSH k x", ":1\r\n")
	w.want("*2\r\n$1\r\nk\r\n$1\r\nx\r\n" + strings.Repeat("+PONG\r\n", 10000))
	w.send("BLPOP k 0")
	waiting(t, s, 1)
	go w.Write(make([]byte, 1<<20)) // ends with the connection
	waiting(t, s, 0)
	p.do("RPUSH k y", ":1\r\n")
	p.do("LLEN k", ":1\r\n")
}

func TestFirstComeFirstServed(t *testing.T) {
	s, _, addr := plainServer(t)
	const n = 100
	var ws []*client
	for i := range n {
		ws = append(ws, dial(t, addr))
		ws[i].send("BLPOP other k 0")
		waiting(t, s, int64(i+1))
	}
	p := dial(t, addr)
	for i := 0; i < n; i += 4 {
		p.send(fmt.Sprintf("RPUSH k %03d %03d %03d %03d", i, i+1, i+2, i+3))
	}
	for i, w := range ws {
		w.want(fmt.Sprintf("*2\r\n$1\r\nk\r\n$3\r\n%03d\r\n", i))
	}
}

// TestElementsUnderKills pushes while clients block, get their elements and are
// killed: every element is delivered once, is still there, or was on its way to a
// client that was killed.
func TestElementsUnderKills(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s, g, addr := plainServer(t)
	var mu sync.Mutex
	got := map[string]int{}
	var stop atomic.Bool
	var lost atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		wg.Add(1)
		go func() { // ends with stop
			defer wg.Done()
			for !stop.Load() {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				c := &client{t, conn, bufio.NewReader(conn)}
				for range rnd.IntN(20) {
					fmt.Fprintf(conn, "BLPOP q%d q 0.02\r\n", rnd.IntN(3))
					conn.SetReadDeadline(time.Now().Add(time.Duration(rnd.IntN(30)) * time.Millisecond))
					line, err := c.r.ReadString('\n')
					if err != nil {
						lost.Add(1) // may have been on its way
						break
					}
					if line == "*-1\r\n" {
						continue
					}
					conn.SetReadDeadline(time.Now().Add(5 * time.Second))
					for range 3 {
						c.r.ReadString('\n')
					}
					value, _ := c.r.ReadString('\n')
					mu.Lock()
					got[strings.TrimSpace(value)]++
					mu.Unlock()
				}
				conn.Close()
			}
		}()
	}
	p := dial(t, addr)
	rnd := rand.New(rand.NewPCG(seed, 99))
	const pushes = 2000
	for i := range pushes {
		key := []string{"q", "q0", "q1", "q2"}[rnd.IntN(4)]
		p.send(fmt.Sprintf("RPUSH %s v%d", key, i))
		if line, err := p.r.ReadString('\n'); err != nil || line[0] != ':' {
			t.Fatal(line, err)
		}
	}
	stop.Store(true)
	wg.Wait()
	waiting(t, s, 0)
	left := 0
	for _, key := range []string{"q", "q0", "q1", "q2"} {
		p.send("LLEN " + key)
		var n int
		if _, err := fmt.Fscanf(p.r, ":%d\r\n", &n); err != nil {
			t.Fatal(err)
		}
		left += n
	}
	for v, n := range got {
		if n > 1 {
			t.Errorf("%s was delivered %d times", v, n)
		}
	}
	missing := int64(pushes - left - len(got))
	t.Logf("%d delivered, %d left, %d lost with %d broken connections", len(got), left, missing, lost.Load())
	if missing < 0 || missing > lost.Load() || len(got) < 100 {
		t.Errorf("%d of %d elements are missing, %d connections were broken", missing, pushes, lost.Load())
	}
	if n := g.m.Waiters().Len(); n != 0 {
		t.Errorf("%d waiters are left behind", n)
	}
}

func TestWait(t *testing.T) {
	s, g, addr := plainServer(t)
	c, p := dial(t, addr), dial(t, addr)
	c.do("SET k v", "+OK\r\n")
	c.do("WAIT 0 0", ":0\r\n")
	c.do("WAIT 1 20", ":0\r\n")
	c.do("WAIT x 0", "-ERR value is not an integer or out of range\r\n")
	c.do("WAIT 0 x", "-ERR timeout is not an integer or out of range\r\n")
	c.do("WAIT 0 -1", "-ERR timeout is negative\r\n")
	c.send("MULTI", "WAIT 2 0", "EXEC")
	c.want("+OK\r\n+QUEUED\r\n*1\r\n:0\r\n")
	c.send("WAIT 2 0")
	waiting(t, s, 1)
	g.acked.Store(1)
	p.send("PING")
	p.want("+PONG\r\n")
	g.acked.Store(2)
	c.want(":2\r\n")
	c.send("WAIT 3 0")
	waiting(t, s, 1)
	c.Conn.Close()
	waiting(t, s, 0)
}
