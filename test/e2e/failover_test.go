package e2e

import (
	"context"
	"flag"
	"slices"
	"testing"
	"time"
)

var rounds = flag.Int("e2e.rounds", 2, "how often the tests of interruptions repeat each fault, to measure it")

// TestFailoverTime measures how long the slots of a leader that dies can't be
// written. Not parallel, so that the figure means something.
func TestFailoverTime(t *testing.T) {
	c := startNodes(t)
	var took []time.Duration
	n := min(*rounds, scaled(*rounds, 1))
	for round := range n {
		own := homes(t, c)
		victim := own[round%c.Len()]
		l := startLoad(t, c.Addrs(), 4, "failover", func(w, i int) string {
			return victim.key("failover", (round*10+w)*1_000_000+i)
		})
		l.wait(50)
		must(t, c.Kill(victim.node))
		took = append(took, l.firstAfter(time.Now()))
		l.wait(50)
		l.finish()
		must(t, c.Restart(victim.node))
		must(t, c.WaitReady(context.Background()))
	}
	slices.Sort(took)
	t.Logf("kill -9 of a leader to the first write acknowledged on its slots: median %v, max %v, all %v",
		took[len(took)/2], took[len(took)-1], took)
	// The timers are 300 ms; ten times a fair election allows for a busy machine.
	if m := took[len(took)-1]; m > 6*time.Second {
		t.Errorf("a failover took %v", m)
	}
}

// TestHandOverTime measures how long a planned stop of a leader keeps clients
// from writing to its slots. No write may be left uncertain by it.
func TestHandOverTime(t *testing.T) {
	c := startNodes(t)
	var gaps []time.Duration
	n := min(*rounds, scaled(*rounds, 1))
	for round := range n {
		own := homes(t, c)
		victim := own[round%c.Len()]
		l := startLoad(t, c.Addrs(), 4, "handover", func(w, i int) string {
			return victim.key("handover", (round*10+w)*1_000_000+i)
		})
		l.wait(50)
		from := time.Now()
		must(t, c.Terminate(victim.node))
		exited := time.Since(from)
		l.wait(50)
		gap := l.gap(from, time.Now())
		l.finish()
		if len(l.unknown) > 0 {
			t.Errorf("a planned stop left writes uncertain: %v", l.unknown)
		}
		if code := c.Node(victim.node).ExitCode(); code != 0 {
			t.Errorf("exit status %d after SIGTERM", code)
		}
		gaps = append(gaps, gap)
		t.Logf("SIGTERM: longest interruption %v, exit after %v", gap, exited)
		must(t, c.Restart(victim.node))
		must(t, c.WaitReady(context.Background()))
		if again := homes(t, c); again[victim.node] != victim {
			t.Errorf("leadership did not return: %v, was %v", again[victim.node], victim)
		}
	}
	slices.Sort(gaps)
	t.Logf("SIGTERM of a leader, longest time without an acknowledged write on its slots: median %v, max %v, all %v",
		gaps[len(gaps)/2], gaps[len(gaps)-1], gaps)
	if m := gaps[len(gaps)-1]; m > 4*time.Second {
		t.Errorf("a planned stop interrupted writes for %v", m)
	}
}
