package transport

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/quorate/quorate/fsm"
)

// hearing connects a group's machine to the server, which is made after it.
type hearing struct{ srv atomic.Pointer[Server] }

func (h *hearing) Changed(client int64, key []byte) {
	if s := h.srv.Load(); s != nil {
		s.Tracker().Changed(client, key)
	}
}

func (h *hearing) Replaced() {
	if s := h.srv.Load(); s != nil {
		s.Tracker().Replaced()
	}
}

func (h *hearing) Applied() {
	if s := h.srv.Load(); s != nil {
		s.Tracker().Applied()
	}
}

// hearingServer is a plain server whose clients are told of changes.
func hearingServer(t testing.TB) (*Server, string) {
	h := &hearing{}
	g := newFakeGroup(fsm.Options{Tracker: h, Events: func(class byte, event string, db int, key []byte) {
		if s := h.srv.Load(); s != nil {
			s.Event(class, event, db, key)
		}
	}})
	s, addr := startServer(t, Options{Router: plainRouter{g}})
	h.srv.Store(s)
	return s, addr
}

// readValue reads one reply or push and returns it as text: "+OK", "$v", "_",
// ">[$message $a $b]".
func readValue(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	n, _ := strconv.Atoi(line[1:])
	switch line[0] {
	case '$', '=':
		if n < 0 {
			return "_", nil
		}
		b := make([]byte, n+2)
		if _, err := io.ReadFull(r, b); err != nil {
			return "", err
		}
		if string(b[n:]) != "\r\n" {
			return "", fmt.Errorf("a string of %d bytes ends with %q", n, b[n:])
		}
		return "$" + string(b[:n]), nil
	case '%':
		n *= 2
		fallthrough
	case '*', '>', '~':
		parts := make([]string, n)
		for i := range parts {
			if parts[i], err = readValue(r); err != nil {
				return "", err
			}
		}
		return line[:1] + "[" + strings.Join(parts, " ") + "]", nil
	case '+', '-', ':', '_':
		return line, nil
	}
	return "", fmt.Errorf("a reply that begins with %q", line)
}

func (c *client) value() string {
	c.t.Helper()
	v, err := readValue(c.r)
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

// values sends commands and compares what comes then.
func (c *client) values(commands string, want ...string) {
	c.t.Helper()
	c.send(strings.Split(commands, "; ")...)
	for i, w := range want {
		if got := c.value(); got != w {
			c.t.Fatalf("%s: value %d is %s, want %s", commands, i, got, w)
		}
	}
}

func resp3(t testing.TB, addr string) *client {
	c := dial(t, addr)
	c.send("hello 3")
	c.value()
	return c
}

// TestPushesAmongReplies has messages come while a session runs pipelines: every
// reply and every message must be whole and in its order.
func TestPushesAmongReplies(t *testing.T) {
	_, addr := hearingServer(t)
	const publishers, messages, pipelines, depth = 3, 400, 150, 12
	c := resp3(t, addr)
	c.values("subscribe news", ">[$subscribe $news :1]")
	var wg sync.WaitGroup
	for p := range publishers {
		pub := dial(t, addr)
		wg.Go(func() {
			for i := range messages {
				pub.send(fmt.Sprintf("publish news %d-%d", p, i))
				if v := pub.value(); v != ":1" {
					t.Errorf("publish: %s", v)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for i := range pipelines {
			var lines []string
			for j := range depth {
				lines = append(lines, fmt.Sprintf("echo %d.%d", i, j), "set k v", "get k")
			}
			c.send(lines...)
		}
	})
	var next [publishers]int
	reply := 0
	for heard := 0; heard < publishers*messages || reply < pipelines*depth*3; {
		v := c.value()
		if rest, ok := strings.CutPrefix(v, ">[$message $news $"); ok {
			var p, i int
			fmt.Sscanf(rest, "%d-%d]", &p, &i)
			if i != next[p] {
				t.Fatalf("message %d of publisher %d came where %d was next", i, p, next[p])
			}
			next[p]++
			heard++
			continue
		}
		want := []string{fmt.Sprintf("$%d.%d", reply/3/depth, reply/3%depth), "+OK", "$v"}[reply%3]
		if v != want {
			t.Fatalf("reply %d is %s, want %s", reply, v, want)
		}
		reply++
	}
	wg.Wait()
}

// TestSlowSubscriber: a subscriber that doesn't read is closed, at the hard limit
// at once, at the soft one after its time, and publishers never wait for it.
func TestSlowSubscriber(t *testing.T) {
	for _, limit := range []string{"hard", "soft"} {
		t.Run(limit, func(t *testing.T) {
			s, addr := hearingServer(t)
			if limit == "hard" {
				s.Limits().PubSubHard.Store(1 << 20)
			} else {
				s.Limits().PubSubHard.Store(0)
				s.Limits().PubSubSoft.Store(1 << 20)
				s.Limits().PubSubSoftSecs.Store(1)
			}
			slow, pub := dial(t, addr), dial(t, addr)
			slow.values("subscribe a", "*[$subscribe $a :1]")
			text := strings.Repeat("x", 50_000)
			for range 500 { // much more than the system's buffers take
				pub.send("publish a " + text)
				if v := pub.value(); v != ":1" && v != ":0" {
					t.Fatal(v)
				}
			}
			eventually(t, "the session has ended", func() bool { return s.Stats().Connected == 1 })
			if s.Stats().Limited != 1 {
				t.Errorf("%d sessions closed by a limit, want 1", s.Stats().Limited)
			}
		})
	}
}

// TestCachesStayRight runs clients that cache what they read, beside writers. A
// client obeys what comes in the order it comes; when all is quiet, no cache may
// hold anything but the newest value.
func TestCachesStayRight(t *testing.T) {
	for _, options := range []string{"on", "on noloop", "on bcast", "on bcast prefix k"} {
		t.Run(options, func(t *testing.T) {
			_, addr := hearingServer(t)
			const keys, clients, rounds = 6, 3, 150
			caches := make([]map[string]string, clients)
			conns := make([]*client, clients)
			var seeds [clients]uint64
			for i := range clients {
				caches[i], conns[i], seeds[i] = map[string]string{}, resp3(t, addr), rand.Uint64()
				conns[i].values("client tracking "+options, "+OK")
			}
			t.Log("seeds", seeds)
			obey := func(cache map[string]string, push string) {
				if push == ">[$invalidate _]" {
					clear(cache)
				}
				inner := strings.TrimSuffix(strings.TrimPrefix(push, ">[$invalidate *["), "]]")
				for _, k := range strings.Fields(inner) {
					delete(cache, strings.TrimPrefix(k, "$"))
				}
			}
			var wg sync.WaitGroup
			for i := range clients {
				wg.Go(func() {
					rnd, c, cache := rand.New(rand.NewPCG(seeds[i], 1)), conns[i], caches[i]
					for n := range rounds {
						var lines, asked []string
						for range 1 + rnd.IntN(5) {
							k := fmt.Sprint("k", rnd.IntN(keys))
							if rnd.IntN(3) == 0 {
								lines, asked = append(lines, fmt.Sprintf("set %s %d.%d", k, i, n)), append(asked, "")
								// Only what is read counts: with NOLOOP nobody tells a client of
								// its own write.
								lines, asked = append(lines, "get "+k), append(asked, k)
							} else {
								lines, asked = append(lines, "get "+k), append(asked, k)
							}
						}
						if rnd.IntN(100) == 0 {
							lines, asked = append(lines, "flushall"), append(asked, "")
						}
						c.send(lines...)
						for len(asked) > 0 {
							v, err := readValue(c.r)
							if err != nil {
								t.Error(err)
								return
							}
							if v[0] == '>' {
								obey(cache, v)
								continue
							}
							if asked[0] != "" {
								cache[asked[0]] = v
							}
							asked = asked[1:]
						}
					}
				})
			}
			wg.Wait()
			truth := dial(t, addr)
			for i, c := range conns {
				// A message that waits comes behind the first PONG at the latest.
				for range 2 {
					c.send("ping")
					v := c.value()
					for ; v != "+PONG"; v = c.value() {
						obey(caches[i], v)
					}
				}
				for k, v := range caches[i] {
					truth.send("get " + k)
					if now := truth.value(); now != v {
						t.Errorf("client %d caches %s = %s, it is %s", i, k, v, now)
					}
				}
			}
		})
	}
}

// TestPushesToRedirect: a session that never asked for anything is told of the
// keys of another, while it waits for input and while it doesn't.
func TestPushesToRedirect(t *testing.T) {
	_, addr := hearingServer(t)
	a, b, w := resp3(t, addr), resp3(t, addr), dial(t, addr)
	b.send("client id")
	id := b.value()[1:]
	a.values("client tracking on redirect "+id+"; get k; get l", "+OK", "_", "_")
	w.values("set k 1", "+OK")
	if v := b.value(); v != ">[$invalidate *[$k]]" {
		t.Fatal(v)
	}
	b.values("subscribe x; hello 2", ">[$subscribe $x :1]")
	b.value()
	w.values("set l 1", "+OK")
	if v := b.value(); v != "*[$message $__redis__:invalidate *[$l]]" {
		t.Fatal(v)
	}
	a.values("get k", "$1")
	b.Close()
	eventually(t, "the other session has ended", func() bool {
		w.send("client list id " + id)
		return w.value() == "$"
	})
	w.values("set k 2", "+OK")
	if v := a.value(); v != ">[$tracking-redir-broken :"+id+"]" {
		t.Fatal(v)
	}
	a.values("client trackinginfo", "%[$flags ~[$on $broken_redirect] $redirect :"+id+" $prefixes *[]]")
}
