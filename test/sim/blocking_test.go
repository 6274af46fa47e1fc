package sim

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
)

// blocked runs a blocking command at node n. It returns the waiter once the
// command waits.
func blocked(t *testing.T, n *node.Node, args ...string) (w *fsm.Waiter, woken *atomic.Bool) {
	t.Helper()
	woken = &atomic.Bool{}
	w = &fsm.Waiter{Wake: func() { woken.Store(true) }}
	b := make([][]byte, len(args))
	for i, a := range args {
		b[i] = []byte(a)
	}
	slot := int(hashslot.Of(b[1]))
	g, redirect := n.Route(slot)
	if g == nil {
		t.Fatal(redirect)
	}
	reply := &resp.Writer{Proto: 2}
	err := g.Do(&fsm.Unit{Ops: []fsm.Op{{Cmd: byName[args[0]], Args: b, Slot: slot}}, Reply: reply, Waiter: w})
	if err != nil || !w.Blocked() || len(reply.Buf) > 0 {
		t.Fatalf("%v: %v, waits: %v, replied %q", args, err, w.Blocked(), reply.Buf)
	}
	return w, woken
}

// TestBlocking runs waiters through pushes, giving up, and the loss of their leader.
func TestBlocking(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, seed, nil)
		defer c.close()
		c.wait("all slots served", 2*time.Minute, c.served)
		c.wait("node 0 leads group 1 and no other", 2*time.Minute, func() bool {
			for id, g := range c.nodeAt(0).Groups() {
				if (g.Serving() != 0) != (id == 1) {
					return false
				}
			}
			return c.served()
		})
		key := keyLedBy(t, c, 0)
		leader := c.nodeAt(0)
		run := func(want string, args ...string) {
			t.Helper()
			if reply, _, err := do(leader, args...); err != nil || reply != want {
				t.Fatalf("%v: %q, %v, want %q", args, reply, err, want)
			}
		}
		run(":1\r\n", "DEL", key)

		// Parking costs no entry, an element reaches the first, and nobody else
		// sees it: neither behind the push in its unit nor in the next command.
		g := leader.Groups()[1]
		first, woken := blocked(t, leader, "BLPOP", key, "0")
		second, _ := blocked(t, leader, "BLPOP", key, "0")
		b := func(s string) []byte { return []byte(s) }
		reply := &resp.Writer{Proto: 2}
		slot := int(hashslot.Of(b(key)))
		if err := g.Do(&fsm.Unit{Reply: reply, Ops: []fsm.Op{
			{Cmd: byName["RPUSH"], Args: [][]byte{b("RPUSH"), b(key), b("a")}, Slot: slot},
			{Cmd: byName["LLEN"], Args: [][]byte{b("LLEN"), b(key)}, Slot: slot},
			{Cmd: byName["RPUSH"], Args: [][]byte{b("RPUSH"), b(key), b("b"), b("c")}, Slot: slot},
			{Cmd: byName["LRANGE"], Args: [][]byte{b("LRANGE"), b(key), b("0"), b("-1")}, Slot: slot},
		}}); err != nil || string(reply.Buf) != ":1\r\n:0\r\n:2\r\n*1\r\n$1\r\nc\r\n" {
			t.Fatalf("pushes: %q, %v", reply.Buf, err)
		}
		for i, w := range []*fsm.Waiter{first, second} {
			end, reply, err := w.Result()
			if want := fmt.Sprintf("*2\r\n$%d\r\n%s\r\n$1\r\n%s\r\n", len(key), key, "ab"[i:i+1]); end != fsm.Served || string(reply) != want || err != nil {
				t.Fatalf("waiter %d: %d, %q, %v", i, end, reply, err)
			}
		}
		if !woken.Load() {
			t.Fatal("a waiter was served and not woken")
		}
		run(":1\r\n", "DEL", key)

		// One that has given up gets nothing, and the element stays.
		gone, _ := blocked(t, leader, "BLPOP", key, "0")
		if !gone.End(fsm.Left) || gone.End(fsm.TimedOut) {
			t.Fatal("a wait must end once")
		}
		run(":1\r\n", "RPUSH", key, "stays")
		run(":1\r\n", "LLEN", key)
		run(":1\r\n", "DEL", key)

		// The leader is cut off: its waiters are told, and what is pushed at the
		// next leader stays there.
		w, woken := blocked(t, leader, "BLPOP", key, "0")
		c.net.Isolate("n0")
		c.wait("the waiter is told", time.Minute, woken.Load)
		if end, _, _ := w.Result(); end != fsm.Deposed {
			t.Fatalf("the wait ended with %d", end)
		}
		c.wait("another leader takes a push", time.Minute, func() bool {
			for i := 1; i < 3; i++ {
				if reply, redirected, err := do(c.nodeAt(i), "RPUSH", key, "x"); err == nil && !redirected && reply == ":1\r\n" {
					return true
				}
			}
			return false
		})
		c.net.Rejoin("n0")
		c.wait("calm", time.Minute, c.served)
		c.wait("node 0 leads again", 2*time.Minute, func() bool { return leader.Groups()[1].Serving() != 0 })
		run(":1\r\n", "LLEN", key)
		c.settled()
	})
}
