package sim

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/node"
)

var (
	seedFlag = flag.Uint64("sim.seed", 0, "seed of the fault plan; 0 draws one")
	runsFlag = flag.Int("sim.runs", 2, "number of fault runs")
	timeFlag = flag.Duration("sim.time", time.Minute, "virtual time of a fault run")
)

// TestFaults runs registers under random partitions, delays, crashes and
// restarts, and checks that every answer fits one order of the operations and
// that the replicas end up equal.
func TestFaults(t *testing.T) {
	for i := range *runsFlag {
		seed := *seedFlag
		if seed == 0 {
			seed = rand.Uint64()
		}
		t.Run(fmt.Sprint("run", i), func(t *testing.T) {
			t.Logf("seed %d (-sim.seed=%d)", seed, seed)
			var w *workload
			synctest.Test(t, func(t *testing.T) { w = faultRun(t, seed) })
			w.check(t)
		})
	}
}

func faultRun(t *testing.T, seed uint64) *workload {
	c := newCluster(t, 3, seed, func(_ int, o *node.Options) { o.Group = smallSnapshots })
	defer c.close()
	c.wait("all slots served", time.Minute, c.served)
	w := c.run(8, seed)
	for end := time.Now().Add(*timeFlag); time.Now().Before(end); {
		time.Sleep(time.Duration(200+c.rng.IntN(1500)) * time.Millisecond)
		undo := c.fault()
		time.Sleep(time.Duration(100+c.rng.IntN(3000)) * time.Millisecond)
		if c.rng.IntN(3) == 0 { // another one on top of it
			second := c.fault()
			time.Sleep(time.Duration(100+c.rng.IntN(2000)) * time.Millisecond)
			second()
		}
		undo()
	}
	c.wait("calm after the faults", time.Minute, c.served)
	w.finish(200)
	c.settled()
	return w
}

// fault breaks something and returns what mends it.
func (c *cluster) fault() (undo func()) {
	i, j := c.rng.IntN(len(c.members)), c.rng.IntN(len(c.members)-1)
	if j >= i {
		j++
	}
	a, b := c.members[i].name, c.members[j].name
	switch kind := c.rng.IntN(7); kind {
	case 0:
		c.t.Logf("%s is cut off", a)
		c.net.Isolate(a)
		return func() { c.net.Rejoin(a) }
	case 1:
		c.t.Logf("%s doesn't hear %s", b, a)
		c.net.Cut(a, b)
		return func() { c.net.Heal(a, b) }
	case 2:
		c.t.Logf("%s hears nobody", a)
		for _, m := range c.members {
			c.net.Cut(m.name, a)
		}
		return func() {
			for _, m := range c.members {
				c.net.Heal(m.name, a)
			}
		}
	case 3:
		c.t.Logf("%s to %s is slow", a, b)
		c.net.SetDelay(a, b, 80*time.Millisecond, 150*time.Millisecond)
		return func() { c.net.SetDelay(a, b, 0, 0) }
	case 4:
		c.t.Logf("%s crashes", a)
		c.crash(i)
		return func() { c.start(i) }
	case 5:
		c.t.Logf("the disk of %s is slow", a)
		c.members[i].slow.Store(int64(200 * time.Millisecond))
		return func() { c.members[i].slow.Store(0) }
	default:
		c.t.Logf("%s and %s crash", a, b)
		c.crash(i)
		c.crash(j)
		return func() { c.start(i); c.start(j) }
	}
}

// TestSlowDiskOfLeader shows that a leader that has sent an entry to the others
// before it has it on its own disk answers, and lets anybody see it, only after.
func TestSlowDiskOfLeader(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, seed, nil)
		defer c.close()
		c.wait("all slots served", 2*time.Minute, c.served)
		c.wait("node 0 leads group 1", 2*time.Minute, func() bool { return c.nodeAt(0).Groups()[1].Serving() != 0 })
		key := keyLedBy(t, c, 0)
		time.Sleep(time.Second) // all have applied it
		before := c.nodeAt(0).Groups()[1].Status().LastIndex
		const held = time.Second
		c.members[0].held.Store(int64(held))
		defer c.members[0].held.Store(0)
		start := time.Now()
		answered := make(chan time.Duration)
		go func() {
			if reply, _, err := do(c.nodeAt(0), "SET", key, "new"); reply != "+OK\r\n" || err != nil {
				t.Errorf("SET: %q, %v", reply, err)
			}
			answered <- time.Since(start)
		}()
		synctest.Wait()
		time.Sleep(held / 2)
		// By now both followers have it, and nobody may act on it.
		for i := range 3 {
			g := c.nodeAt(i).Groups()[1]
			var applied uint64
			g.View(func(m *fsm.Machine) { applied = m.Index() })
			if last := g.Status().LastIndex; last != before+1 || applied != before {
				t.Errorf("node %d: last entry %d, applied %d, want %d and %d", i, last, applied, before+1, before)
			}
		}
		if took := <-answered; took < held {
			t.Errorf("answered after %v, before the leader's disk had it", took)
		}
	})
}

// TestPausedLeader is the case that broke hashicorp/raft's VerifyLeader: a
// leader that doesn't notice that time passes, whose peers elect another one,
// and that hears only old answers. It must not answer a read.
func TestPausedLeader(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		// Node 0 believes in its leadership for seconds, as if it were paused;
		// the others give up after 300 ms.
		c := newCluster(t, 3, seed, slow(0))
		defer c.close()
		c.wait("all slots served", 2*time.Minute, c.served)
		old := c.nodeAt(0)
		// Whoever serves the slots first gives them to the preferred node a little later.
		c.wait("node 0 leads group 1 and no other", 2*time.Minute, func() bool {
			for id, g := range old.Groups() {
				if (g.Serving() != 0) != (id == 1) {
					return false
				}
			}
			return c.served()
		})
		key := keyLedBy(t, c, 0)
		refused, stale := 0, 0
		for round := range 10 {
			// What the others answer is held on its way; what node 0 sends is lost.
			for _, peer := range []string{"n1", "n2"} {
				c.net.SetDelay(peer, "n0", 0, 0)
				c.net.Cut(peer, "n0")
				c.net.Cut("n0", peer)
			}
			value := fmt.Sprint("new", round)
			c.wait("another leader takes a write", time.Minute, func() bool {
				for i := 1; i < 3; i++ {
					if reply, _, err := do(c.nodeAt(i), "SET", key, value); reply == "+OK\r\n" && err == nil {
						return true
					}
				}
				return false
			})
			// The old answers arrive now, and only those.
			c.net.Heal("n1", "n0")
			c.net.Heal("n2", "n0")
			for range 20 {
				if old.Groups()[1].Serving() == 0 {
					break
				}
				reply, redirected, err := do(old, "GET", key)
				switch {
				case err != nil || redirected:
					refused++
				case parse(reply) != value:
					stale++
				}
			}
			c.net.Heal("n0", "n1")
			c.net.Heal("n0", "n2")
			c.wait("node 0 leads again", 2*time.Minute, func() bool { return old.Groups()[1].Serving() != 0 && c.served() })
		}
		t.Logf("%d reads refused, %d stale", refused, stale)
		if stale > 0 {
			t.Fatalf("%d stale reads", stale)
		}
		if refused == 0 {
			t.Fatal("no read met a leader that didn't know: the test proves nothing")
		}
	})
}

// keyLedBy returns a key of the group that node i leads.
func keyLedBy(t *testing.T, c *cluster, i int) string {
	for k := range 1000 {
		key := fmt.Sprint("key", k)
		if reply, redirected, err := do(c.nodeAt(i), "SET", key, "old"); !redirected && err == nil && reply == "+OK\r\n" {
			return key
		}
	}
	t.Fatalf("node %d leads nothing", i)
	return ""
}
