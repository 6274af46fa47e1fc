package transport

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
)

// Clients that increment a counter with WATCH, GET, MULTI, SET, EXEC lose no
// increment and see each failed EXEC as null.
func TestWatchCounter(t *testing.T) {
	_, _, addr := plainServer(t)
	dial(t, addr).do("set n 0", "+OK\r\n")
	const workers, each = 4, 25
	var wg sync.WaitGroup
	for range workers {
		c := dial(t, addr)
		wg.Add(1)
		go func() {
			defer wg.Done()
			line := func() string {
				l, err := c.r.ReadString('\n')
				if err != nil {
					t.Error(err)
				}
				return strings.TrimSpace(l)
			}
			for done := 0; done < each && !t.Failed(); {
				c.send("watch n", "get n")
				line()
				line()
				n, _ := strconv.Atoi(line())
				c.send("multi", fmt.Sprintf("set n %d", n+1), "exec")
				line()
				line()
				switch got := line(); got {
				case "*1":
					line()
					done++
				case "*-1":
				default:
					t.Errorf("EXEC: %q", got)
				}
			}
		}()
	}
	wg.Wait()
	dial(t, addr).do("get n", fmt.Sprintf("$3\r\n%d\r\n", workers*each))
}

func TestWatchEndsWithTheSession(t *testing.T) {
	s, g, addr := plainServer(t)
	for _, end := range []string{"exec", "discard", "reset", "unwatch", "quit", ""} {
		c := dial(t, addr)
		c.do("watch a b", "+OK\r\n")
		if end == "exec" || end == "discard" {
			c.do("multi", "+OK\r\n")
		}
		if end != "" {
			c.send(end)
			c.r.ReadString('\n')
		}
		c.Close()
	}
	eventually(t, "all sessions are gone", func() bool { return s.Stats().Connected == 0 })
	// Touching the keys finds no watch left to mark.
	g.mu.Lock()
	defer g.mu.Unlock()
	if left := fmt.Sprintf("%+v", g.m); strings.Contains(left, "watches:{keys:map[{") {
		t.Errorf("keys are still watched: %s", left)
	}
}

// Another client's write between WATCH and EXEC, with the transaction and
// commands of the session in one pipeline.
func TestWatchAcrossClients(t *testing.T) {
	_, _, addr := plainServer(t)
	a, b := dial(t, addr), dial(t, addr)
	a.do("watch k", "+OK\r\n")
	b.do("set k other", "+OK\r\n")
	a.send("get k", "multi", "set k mine", "client setname never", "select 5", "exec", "client getname", "get k")
	a.want("$5\r\nother\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*-1\r\n$-1\r\n$5\r\nother\r\n")
	a.send("watch k", "multi", "set k mine", "client setname joe", "select 5", "set k five", "exec", "client getname", "get k", "select 0", "get k")
	a.want("+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*4\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n$3\r\njoe\r\n$4\r\nfive\r\n+OK\r\n$4\r\nmine\r\n")
}

// TestSubcommandOfAnExceptionsName makes sure that SLOWLOG RESET waits for EXEC
// although RESET doesn't.
func TestSubcommandOfAnExceptionsName(t *testing.T) {
	reset := &Command{Run: func(s *Session, _ [][]byte) { s.Simple("slowlog reset") }, Spec: command.Spec{Name: "RESET", Arity: 2, Since: "1"}}
	slowlog := &Command{Spec: command.Spec{Name: "SLOWLOG", Arity: -2, Since: "1"}, Sub: []*Command{reset}}
	_, addr := startServer(t, Options{Router: plainRouter{newFakeGroup(fsm.Options{})}, Table: NewTable(slowlog)})
	const want = "+OK\r\n+QUEUED\r\n*1\r\n+slowlog reset\r\n"
	if got := everything(t, addr, "multi\r\nslowlog reset\r\nexec\r\n"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestReplyLen(t *testing.T) {
	for _, c := range []struct {
		reply string
		n     int
	}{
		{"+OK\r\nrest", 5}, {"$-1\r\n+", 5}, {"$3\r\nabc\r\n:", 9}, {"*-1\r\n*", 5}, {"*2\r\n:1\r\n$1\r\nx\r\n+", 15}, {"%1\r\n+a\r\n*1\r\n:1\r\n:", 16},
		{"=7\r\ntxt:abc\r\n_", 13}, {"~0\r\n~", 4}, {"|1\r\n+a\r\n+b\r\n:1\r\n:", 16}, {"$3\r\nab", 0}, {"*1\r\n", 0}, {"", 0}, {"*x\r\n", 0}, {"_\r\n", 3}, {",1.5\r\n", 6},
	} {
		if got := replyLen([]byte(c.reply)); got != c.n {
			t.Errorf("%q: %d, want %d", c.reply, got, c.n)
		}
	}
}
