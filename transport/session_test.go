package transport

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/store"
)

func TestReplyForErrors(t *testing.T) {
	moved := func() string { return "MOVED 1 a:1" }
	for _, c := range []struct {
		err            error
		plain, cluster string
	}{
		{store.ErrNotLeader, "TRYAGAIN ", "MOVED 1 a:1"},
		{store.ErrNoQuorum, "CLUSTERDOWN The cluster is down", "CLUSTERDOWN The cluster is down"},
		{store.ErrOverloaded, "TRYAGAIN ", "TRYAGAIN "},
		{store.ErrNoSpace, "MISCONF ", "MISCONF "},
		{store.ErrTooLarge, "ERR ", "ERR "},
		{store.ErrClosed, "TRYAGAIN ", "CLUSTERDOWN "},
		{store.ErrUncertain, "UNCERTAIN the outcome of the command is unknown: it may or may not be executed", "UNCERTAIN "},
		{errors.New("something new"), "UNCERTAIN ", "UNCERTAIN "},
	} {
		for _, wrapped := range []error{c.err, fmt.Errorf("propose: %w", c.err)} {
			if got := replyFor(wrapped, false, moved); !strings.HasPrefix(got, c.plain) {
				t.Errorf("plain %v: %q", wrapped, got)
			}
			if got := replyFor(wrapped, true, moved); !strings.HasPrefix(got, c.cluster) {
				t.Errorf("cluster %v: %q", wrapped, got)
			}
		}
	}
}

func TestErrorsKeepTheirPlace(t *testing.T) {
	_, g, addr := plainServer(t)
	c := dial(t, addr)
	g.failWith(store.ErrUncertain)
	const uncertain = "-UNCERTAIN the outcome of the command is unknown: it may or may not be executed\r\n"
	c.send("set a 1", "ping", "get a", "get", "multi", "set a 2", "exec", "echo x")
	c.want(uncertain + "+PONG\r\n" + uncertain + "-ERR wrong number of arguments for 'get' command\r\n+OK\r\n+QUEUED\r\n" + uncertain + "$1\r\nx\r\n")
	c.do("watch a", uncertain)
	g.failWith(nil)
	c.do("get a", "$-1\r\n")
}

func TestPipelineIsOneUnit(t *testing.T) {
	s, g, addr := plainServer(t)
	c := dial(t, addr)
	var in, out strings.Builder
	for i := range 50 {
		fmt.Fprintf(&in, "set k%d v\r\nping\r\nget k%d\r\n", i, i)
		out.WriteString("+OK\r\n+PONG\r\n$1\r\nv\r\n")
	}
	io.WriteString(c, in.String())
	c.want(out.String())
	if n := g.units.Load(); n > 3 {
		t.Errorf("150 commands took %d units", n)
	}

	const many = 100000
	g.units.Store(0)
	go io.WriteString(c, strings.Repeat("get nokey\r\n", many))
	c.want(strings.Repeat("$-1\r\n", many))
	if n := g.units.Load(); n < many/1024 || n > many/100 {
		t.Errorf("%d commands took %d units", many, n)
	}
	c.do("ping", "+PONG\r\n")
	if n := s.Stats().Commands; n < many {
		t.Errorf("%d commands are counted", n)
	}
}

func TestClientListFormat(t *testing.T) {
	s, _, addr := plainServer(t)
	c := dial(t, addr)
	io.WriteString(c, "*2\r\n$6\r\nCLIENT\r\n$4\r\nLIST\r\n")
	line, _ := c.r.ReadString('\n')
	line, _ = c.r.ReadString('\n')
	want := regexp.MustCompile(`^id=\d+ addr=127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:\d+ fd=\d+ name= age=\d+ idle=0 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=26 qbuf-free=\d+ argv-mem=\d+ multi-mem=0 rbs=\d+ rbp=\d+ obl=0 oll=0 omem=0 tot-mem=\d+ events=r cmd=client\|list user=default redir=-1 resp=2\n$`)
	if !want.MatchString(line) {
		t.Errorf("line %q", line)
	}
	c.want("\r\n")
	c.do("client setname joe", "+OK\r\n")
	c.do("multi", "+OK\r\n")
	c.do("select 3", "+QUEUED\r\n")
	eventually(t, "published", func() bool {
		text := string(s.sessions.all()[0].describe(nil))
		return strings.Contains(text, "name=joe ") && strings.Contains(text, " multi=1 ") && strings.Contains(text, "flags=x ") &&
			strings.Contains(text, " cmd=select ")
	})
}

func TestClientKill(t *testing.T) {
	s, _, addr := plainServer(t)
	a, b, c := dial(t, addr), dial(t, addr), dial(t, addr)
	for _, x := range []*client{a, b, c} {
		x.do("ping", "+PONG\r\n")
	}
	a.do("client kill "+b.LocalAddr().String(), "+OK\r\n")
	b.closed()
	a.do("client kill id "+fmt.Sprint(s.lastID.Load())+" type normal user default", ":1\r\n")
	c.closed()
	a.do("client kill addr "+a.LocalAddr().String()+" skipme no", ":1\r\n")
	a.closed()
	eventually(t, "sessions are gone", func() bool { return s.Stats().Connected == 0 })
}

// Listing and killing clients while they come, work and go is what the race
// detector is for.
func TestListAndKillRace(t *testing.T) {
	_, _, addr := plainServer(t)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 15 {
				c := dial(t, addr)
				// Whatever fails here, fails because another one has killed it.
				io.WriteString(c, "client setname x\r\nwatch k\r\nset k v\r\nmulti\r\nget k\r\nexec\r\nselect 2\r\nclient list\r\nclient info\r\n")
				c.r.ReadByte()
				if i%3 == w%3 {
					io.WriteString(c, "client kill type normal skipme yes\r\n")
					c.r.ReadByte()
				}
				c.Close()
			}
		}()
	}
	wg.Wait()
}

func TestMaxClients(t *testing.T) {
	s, _, addr := plainServer(t)
	s.Limits().MaxClients.Store(2)
	a, b := dial(t, addr), dial(t, addr)
	a.do("ping", "+PONG\r\n")
	b.do("ping", "+PONG\r\n")
	c := dial(t, addr)
	c.want("-ERR max number of clients reached\r\n")
	c.closed()
	a.Close()
	eventually(t, "a place is free", func() bool { return s.Stats().Connected == 1 })
	dial(t, addr).do("ping", "+PONG\r\n")
	if n := s.Stats().Rejected; n != 1 {
		t.Errorf("%d rejected", n)
	}
}

// A client that doesn't read holds up itself and not much memory, and is closed
// in the end.
func TestSlowReader(t *testing.T) {
	s, _, addr := plainServer(t)
	c := dial(t, addr)
	c.do("set k "+strings.Repeat("v", 60000), "+OK\r\n")
	go io.WriteString(c, strings.Repeat("get k\r\n", 50000)) // 3 GB of replies
	eventually(t, "the session blocks in write", func() bool {
		all := s.sessions.all()
		return len(all) == 1 && all[0].pending.Load() > 0
	})
	// A unit is what one session can have to get rid of.
	if n := s.Stats().OutputBuffers; n > 3*unitReply {
		t.Errorf("%d bytes wait for a client that doesn't read", n)
	}
	dial(t, addr).do("ping", "+PONG\r\n")
	eventually(t, "the session is closed", func() bool {
		s.tidy(time.Now().Add(time.Hour))
		return s.Stats().Limited > 0
	})
	eventually(t, "its memory is free", func() bool { return s.Stats().OutputBuffers == 0 })
}

func TestTotalOutputLimit(t *testing.T) {
	s, _, addr := plainServer(t)
	s.Limits().WriteStall.Store(0)
	s.Limits().TotalOutput.Store(1)
	c := dial(t, addr)
	c.do("set k "+strings.Repeat("v", 60000), "+OK\r\n")
	go io.WriteString(c, strings.Repeat("get k\r\n", 5000))
	eventually(t, "closed", func() bool {
		s.tidy(time.Now())
		return s.Stats().Connected == 0
	})
}

func TestOutputHardLimit(t *testing.T) {
	s, _, addr := plainServer(t)
	c := dial(t, addr)
	c.do("set k "+strings.Repeat("v", 60000), "+OK\r\n")
	s.Limits().OutputHard.Store(10000)
	c.send("get k")
	c.closed()
}

// Clients that send a part of a command and stop cost what they have sent and a
// small constant.
func TestHalfOpenClientsAreCheap(t *testing.T) {
	s, _, addr := plainServer(t)
	const clients = 300
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	before := heap()
	var all []*client
	for i := range clients {
		c := dial(t, addr)
		io.WriteString(c, []string{"*1000000\r\n$3\r\n", "*2\r\n$536870912\r\nabc", strings.Repeat("x", 1000), "*1\r\n$"}[i%4])
		all = append(all, c)
	}
	eventually(t, "all have arrived", func() bool { return s.Stats().InputBytes >= clients/4*1000 && s.Stats().Connected == clients })
	if n := s.Stats().InputBuffers; n > clients*2*smallInput {
		t.Errorf("input buffers hold %d bytes", n)
	}
	// The test's own side has bufio readers of 4 KiB and the like.
	if per := (heap() - before) / clients; per > 40<<10 {
		t.Errorf("%d bytes a client", per)
	}
	runtime.KeepAlive(all)
}

func TestIdleTimeoutAndShrinking(t *testing.T) {
	s, _, addr := plainServer(t)
	c := dial(t, addr)
	c.do("set k "+strings.Repeat("v", 60000), "+OK\r\n")
	eventually(t, "published", func() bool {
		s.tidy(time.Now().Add(shrinkAfter))
		return s.Stats().InputBuffers == smallInput
	})
	c.do("get nokey", "$-1\r\n")
	s.Limits().IdleTimeout.Store(5)
	s.tidy(time.Now())
	c.do("ping", "+PONG\r\n")
	eventually(t, "closed", func() bool {
		s.tidy(time.Now().Add(time.Minute))
		return s.Stats().Connected == 0
	})
	c.closed()
}

func TestQueuedTransactionIsBounded(t *testing.T) {
	s, _, addr := plainServer(t)
	s.Limits().QueryBuffer.Store(100000)
	c := dial(t, addr)
	c.do("multi", "+OK\r\n")
	go io.WriteString(c, strings.Repeat("set k "+strings.Repeat("v", 1000)+"\r\n", 200))
	io.Copy(io.Discard, c.r)
	eventually(t, "closed and released", func() bool { return s.Stats().Connected == 0 && s.Stats().InputBuffers == 0 })
}

func TestUnauthenticatedLimits(t *testing.T) {
	g := newFakeGroup(fsm.Options{})
	s, addr := startServer(t, Options{Router: plainRouter{g}})
	s.Users().DefaultPassword("secret")
	for _, c := range []struct{ in, out string }{
		{"get a\r\nping\r\n", "-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n"},
		{"*11\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n"},
		{"*1\r\n$16385\r\n", "-ERR Protocol error: unauthenticated bulk length\r\n"},
		{"hello 3\r\n", "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time\r\n"},
		{"exec\r\n", "-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n"},
		{"quit\r\n", "+OK\r\n"},
	} {
		if got := everything(t, addr, c.in); got != c.out {
			t.Errorf("%q: %q", c.in, got)
		}
	}
}

// recorder is an Observer.
type recorder struct {
	mu    sync.Mutex
	calls map[string]int
}

func (r *recorder) Commands(spec *command.Spec, n int, _ time.Duration, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := spec.FullName()
	if failed {
		name += "!"
	}
	r.calls[name] += n
}

func (r *recorder) Failure(spec *command.Spec, ran bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ran {
		r.calls[spec.FullName()+"+!"]++
	} else {
		r.calls[spec.FullName()+"?"]++
	}
}

// TestErrorsOfScripts: an error counts once, for the command that a script
// called; the script itself has failed if it ends with it.
func TestErrorsOfScripts(t *testing.T) {
	for script, want := range map[string]string{
		"return redis.call('select',99)":         "map[eval!:1 select!:1]",
		"return redis.pcall('select',99)":        "map[eval!:1 select!:1]",
		"redis.pcall('select',99) return 1":      "map[eval:1 select!:1]",
		"return redis.call('incr','s')":          "map[eval!:1 incr:1 incr+!:1]",
		"return redis.call('nosuch')":            "map[eval!:1]",
		"return redis.call('get')":               "map[eval!:1 get?:1]",
		"return redis.error_reply('ERR my own')": "map[eval!:1]",
	} {
		g := newFakeGroup(fsm.Options{Databases: 16})
		r := &recorder{calls: map[string]int{}}
		s, addr := startServer(t, Options{Router: plainRouter{g}, Observer: r})
		c := dial(t, addr)
		c.send("set s text")
		c.want("+OK\r\n")
		r.mu.Lock()
		clear(r.calls)
		r.mu.Unlock()
		c.send(`eval "`+script+`" 0`, "echo end")
		c.value()
		c.value()
		r.mu.Lock()
		delete(r.calls, "echo")
		got := fmt.Sprint(r.calls)
		r.mu.Unlock()
		if got != want {
			t.Errorf("%s: observed %s, want %s", script, got, want)
		}
		wantErrors := int64(1)
		if n := s.Stats().ErrorReplies; n != wantErrors {
			t.Errorf("%s: %d errors, want %d", script, n, wantErrors)
		}
	}
}

func TestObserverAndErrorStats(t *testing.T) {
	g := newFakeGroup(fsm.Options{})
	r := &recorder{calls: map[string]int{}}
	s, addr := startServer(t, Options{Router: plainRouter{g}, Observer: r})
	c := dial(t, addr)
	c.send("set a 1", "get a", "get a", "ping", "set a 1 nosuchoption", "foo", "multi", "get a", "set b 1 bad", "client id", "exec", "client id")
	c.want("+OK\r\n$1\r\n1\r\n$1\r\n1\r\n+PONG\r\n-ERR syntax error\r\n-ERR unknown command 'foo', with args beginning with: \r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n$1\r\n1\r\n-ERR syntax error\r\n:1\r\n:1\r\n")
	want := "map[client|id:2 exec:1 get:3 multi:1 ping:1 set:1 set!:2]"
	r.mu.Lock()
	got := fmt.Sprint(r.calls)
	r.mu.Unlock()
	if got != strings.ReplaceAll(want, "exec:1", "exec:2") && got != want {
		t.Errorf("observed %s, want %s", got, want)
	}
	if e := s.Stats().Errors; e["ERR"] != 3 || len(e) != 1 {
		t.Errorf("errors %v", e)
	}
}
