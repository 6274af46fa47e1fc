package transport

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/resp"
)

// TestMessagesWhileBlocked: a session that waits hears what others do, and what
// comes before a reply or behind it does so there, too.
func TestMessagesWhileBlocked(t *testing.T) {
	s, addr := hearingServer(t)
	w, c := dial(t, addr), resp3(t, addr)
	c.values("subscribe x; client tracking on; get a; get b", ">[$subscribe $x :1]", "+OK", "_", "_")
	c.send("blpop k 0", "get z")
	waiting(t, s, 1)
	w.values("publish x 1; set a 1; publish x 2", ":1", "+OK", ":1")
	for _, want := range []string{">[$message $x $1]", ">[$invalidate *[$a]]", ">[$message $x $2]"} {
		if v := c.value(); v != want {
			t.Fatalf("got %s, want %s", v, want)
		}
	}
	w.values("rpush k v", ":1")
	for _, want := range []string{"*[$k $v]", "_"} {
		if v := c.value(); v != want {
			t.Fatalf("got %s, want %s", v, want)
		}
	}
	w.values("set z 1", "+OK")
	if v := c.value(); v != ">[$invalidate *[$z]]" {
		t.Fatal(v)
	}
	// In a WAIT and in a pause.
	c.send("wait 1 0")
	waiting(t, s, 1)
	w.values("set b 1", "+OK")
	if v := c.value(); v != ">[$invalidate *[$b]]" {
		t.Fatal(v)
	}
	w.values("client unblock "+clientID(t, addr, "wait"), ":1")
	if v := c.value(); v != ":0" {
		t.Fatal(v)
	}
	w.values("client pause 100000 write", "+OK")
	c.send("set c 1")
	eventually(t, "a session in the pause", func() bool { return s.Stats().Paused == 1 })
	s.Publish([]byte("x"), []byte("3")) // PUBLISH would wait, too
	if v := c.value(); v != ">[$message $x $3]" {
		t.Fatal(v)
	}
	w.values("client unpause", "+OK")
	if v := c.value(); v != "+OK" {
		t.Fatal(v)
	}
}

// clientID returns the number of the client that is blocked in a command.
func clientID(t *testing.T, addr, cmd string) string {
	c := dial(t, addr)
	c.send("client list")
	list := c.value()
	m := regexp.MustCompile(`id=(\d+) .* flags=\S*b\S* .* cmd=` + cmd + ` `).FindStringSubmatch(list)
	if m == nil {
		t.Fatalf("nobody runs %s: %s", cmd, list)
	}
	return m[1]
}

// TestBlockedRedirect: the first message that a session ever gets comes while it
// is blocked.
func TestBlockedRedirect(t *testing.T) {
	s, addr := hearingServer(t)
	a, b, w := resp3(t, addr), resp3(t, addr), dial(t, addr)
	b.send("client id")
	id := b.value()[1:]
	b.send("blpop k 0")
	waiting(t, s, 1)
	a.values("client tracking on redirect "+id+"; get x", "+OK", "_")
	w.values("set x 1", "+OK")
	if v := b.value(); v != ">[$invalidate *[$x]]" {
		t.Fatal(v)
	}
	w.values("rpush k v", ":1")
	if v := b.value(); v != "*[$k $v]" {
		t.Fatal(v)
	}
}

// TestPopsOfWaitersAreTracked: what a waiter takes is the change of its client.
func TestPopsOfWaitersAreTracked(t *testing.T) {
	s, addr := hearingServer(t)
	w, own, other := dial(t, addr), resp3(t, addr), resp3(t, addr)
	own.values("client tracking on bcast noloop", "+OK")
	other.values("client tracking on bcast", "+OK")
	own.send("blmove k d left left 0")
	waiting(t, s, 1)
	w.values("rpush k v", ":1")
	for _, want := range []string{">[$invalidate *[$k]]", ">[$invalidate *[$d $k]]"} {
		if v := other.value(); v != want {
			t.Fatalf("got %s, want %s", v, want)
		}
	}
	// The push was of another client, the pop and the copy its own. What is told of
	// the push may come before the reply or behind it.
	got := []string{own.value(), own.value()}
	slices.Sort(got)
	if got[0] != "$v" || got[1] != ">[$invalidate *[$k]]" {
		t.Errorf("got %v", got)
	}
	own.values("ping", "+PONG")
}

// TestCachedStreamReads: what XREAD found after it waited was read then. A
// change that comes later is told behind the reply.
func TestCachedStreamReads(t *testing.T) {
	s, addr := hearingServer(t)
	w, other, c := dial(t, addr), dial(t, addr), resp3(t, addr)
	c.values("client tracking on", "+OK")
	for i := range 200 {
		c.send("xread block 0 streams k 0")
		waiting(t, s, 1)
		w.send("xadd k 1-1 a b")
		other.send("hset other a b", "xadd k 9-9 a c")
		v := c.value()
		for ; v[0] == '>'; v = c.value() {
		}
		if !strings.Contains(v, "$9-9") {
			if v = c.value(); v != ">[$invalidate *[$k]]" {
				t.Fatalf("round %d: got %s", i, v)
			}
		}
		w.value()
		other.value()
		other.value()
		w.values("del k", ":1")
		// Whatever is still told of this round comes before the next.
		for c.send("ping"); c.value() != "+PONG"; {
		}
	}
}

// TestStreamsBlock: XREAD and XREADGROUP across a push of every kind.
func TestStreamsBlock(t *testing.T) {
	s, _, addr := plainServer(t)
	for _, c := range []struct{ before, wait, push, reply string }{
		{"PING", "XREAD BLOCK 0 STREAMS k $", "XADD k 1-1 f v", "*[*[$k *[*[$1-1 *[$f $v]]]]]"},
		{"XADD k 1-1 f v", "XREAD BLOCK 0 STREAMS j k 0 $", "XADD k 2-1 f w", "*[*[$k *[*[$2-1 *[$f $w]]]]]"},
		{"XADD k 1-1 f v", "XREAD COUNT 1 BLOCK 0 STREAMS k 5-0", "XADD k 5-1 f w", "*[*[$k *[*[$5-1 *[$f $w]]]]]"},
		{"XGROUP CREATE k g $ MKSTREAM", "XREADGROUP GROUP g c BLOCK 0 STREAMS k >", "XADD k 1-1 f v", "*[*[$k *[*[$1-1 *[$f $v]]]]]"},
		{"XGROUP CREATE k g $ MKSTREAM", "XREADGROUP GROUP g c NOACK BLOCK 0 STREAMS k >", "XADD k 1-1 f v", "*[*[$k *[*[$1-1 *[$f $v]]]]]"},
		{"XGROUP CREATE k g $ MKSTREAM", "XREADGROUP GROUP g c BLOCK 0 STREAMS k >", "XGROUP DESTROY k g",
			"-NOGROUP the consumer group this client was blocked on no longer exists"},
		{"XGROUP CREATE k g $ MKSTREAM", "XREADGROUP GROUP g c BLOCK 0 STREAMS k >", "DEL k",
			"-UNBLOCKED the stream key no longer exists"},
		{"XGROUP CREATE k g $ MKSTREAM", "XREADGROUP GROUP g c BLOCK 0 STREAMS k >", "SET k v",
			"-UNBLOCKED the stream key no longer exists"},
	} {
		w, p := dial(t, addr), dial(t, addr)
		p.send(c.before)
		p.value()
		w.send(c.wait, "PING")
		waiting(t, s, 1)
		p.do("SET other x", "+OK\r\n")
		p.send(c.push)
		p.value()
		if v := w.value(); v != c.reply {
			t.Errorf("%s, %s: got %s, want %s", c.wait, c.push, v, c.reply)
		}
		if v := w.value(); v != "+PONG" {
			t.Error(v)
		}
		p.do("FLUSHALL", "+OK\r\n")
	}
}

// TestStreamsOfTwo: of two clients that wait for two streams one gets the entry, and the
// other goes on waiting for both, also when something else happens to them.
func TestStreamsOfTwo(t *testing.T) {
	for wait, second := range map[string]string{
		"XREADGROUP GROUP g c COUNT 1 BLOCK 0 STREAMS j k > >": "j",
		"XREAD BLOCK 0 STREAMS j k 1-1 1-1":                    "k", // one entry is for both
	} {
		s, _, addr := plainServer(t)
		p := dial(t, addr)
		for _, key := range []string{"j", "k"} {
			p.send("XADD "+key+" 1-1 f v", "XGROUP CREATE "+key+" g $")
			p.value()
			p.value()
		}
		var ws []*client
		for i := range 2 {
			w := dial(t, addr)
			w.send(wait)
			waiting(t, s, int64(i+1))
			ws = append(ws, w)
		}
		p.send("XDEL j 1-1", "XGROUP SETID k g 0", "XGROUP SETID k g 1-1", "XACK k g 1-1", "EXPIRE j 1000", "SET other x")
		for _, want := range []string{":1", "+OK", "+OK", ":0", ":1", "+OK"} {
			if v := p.value(); v != want {
				t.Fatalf("got %s, want %s", v, want)
			}
		}
		waiting(t, s, 2)
		for i, key := range []string{"k", "j"} {
			p.send("XADD "+key+" 2-1 f v", "SET other x")
			if v := p.value() + p.value(); v != "$2-1+OK" {
				t.Fatal(v)
			}
			if i == 1 {
				key = second
			}
			if v, want := ws[i].value(), "*[*[$"+key+" *[*[$2-1 *[$f $v]]]]]"; v != want {
				t.Errorf("%s: got %s, want %s", wait, v, want)
			}
		}
	}
}

// TestMoveCascade: what one waiter moves serves the next, also in a circle.
func TestMoveCascade(t *testing.T) {
	s, _, addr := plainServer(t)
	p := dial(t, addr)
	var ws []*client
	for i := range 5 {
		w := dial(t, addr)
		w.send(fmt.Sprintf("BLMOVE k%d k%d LEFT RIGHT 0", i, (i+1)%5))
		waiting(t, s, int64(i+1))
		ws = append(ws, w)
	}
	last := dial(t, addr)
	last.send("BLPOP k0 0")
	waiting(t, s, 6)
	p.do("RPUSH k0 v", ":1\r\n")
	for _, w := range append(ws, last) {
		if v := w.value(); v != "$v" && v != "*[$k0 $v]" {
			t.Error(v)
		}
	}
	p.send("DBSIZE")
	if v := p.value(); v != ":0" {
		t.Errorf("keys that are left: %s", v)
	}
}

// TestUnblockWhileServing: CLIENT UNBLOCK comes too late for a command that is on
// its way again, unless it finds nothing after all.
func TestUnblockWhileServing(t *testing.T) {
	s, g, addr := plainServer(t)
	apply := func(u *fsm.Unit) {
		data := fsm.AppendHeader(nil, fsm.Header{Time: time.Now().UnixMilli()})
		data, _ = fsm.AppendUnit(data, u, 0, 0, g.m.Index())
		g.index++
		if err := g.m.Apply(g.index, data, []*fsm.Unit{u}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ how, taken, reply string }{
		{"", "", "*2\r\n$1\r\nk\r\n$1\r\nv\r\n"}, {" ERROR", "", "*2\r\n$1\r\nk\r\n$1\r\nv\r\n"},
		{"", "LPOP k", "*-1\r\n"}, {" ERROR", "LPOP k", "-" + errUnblocked + "\r\n"},
	} {
		w, p := dial(t, addr), dial(t, addr)
		w.send("BLPOP k 0")
		waiting(t, s, 1)
		id := clientID(t, addr, "blpop")
		run := func(line string) {
			var args [][]byte
			for _, word := range strings.Fields(line) {
				args = append(args, []byte(word))
			}
			node, problem := lookup(s.opts.Table, args)
			if problem != "" {
				t.Fatal(problem)
			}
			op := fsm.Op{Cmd: node.Item.Data.For(args), Args: args, Slot: -1}
			apply(&fsm.Unit{Ops: []fsm.Op{op}, Reply: &resp.Writer{Discard: true}})
		}
		g.mu.Lock()
		run("RPUSH k v")
		served := g.m.Claim(time.Now().UnixMilli(), 10)
		if len(served) != 1 {
			t.Fatalf("%d waiters are served", len(served))
		}
		g.mu.Unlock()
		p.do("CLIENT UNBLOCK "+id+c.how, ":0\r\n")
		g.mu.Lock()
		if c.taken != "" {
			run(c.taken)
		}
		apply(served[0])
		g.m.Waiters().Deliver(served[0], nil, false)
		g.mu.Unlock()
		w.want(c.reply)
	}
}

// TestMonitorBlocking: a blocking command is shown once, when it comes.
func TestMonitorBlocking(t *testing.T) {
	s, addr := hearingServer(t)
	m, c, w := dial(t, addr), dial(t, addr), dial(t, addr)
	m.values("monitor", "+OK")
	c.send("blpop k 0")
	waiting(t, s, 1)
	w.values("rpush k v; ping", ":1", "+PONG")
	for _, want := range []string{`"blpop" "k" "0"`, `"rpush" "k" "v"`, `"ping"`} {
		if v := m.value(); !strings.HasSuffix(v, "] "+want) {
			t.Fatalf("got %s, want %s", v, want)
		}
	}
}
