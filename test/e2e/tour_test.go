package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/test/harness"
)

// TestTour is what a new user might do, and what might happen to the cluster
// meanwhile: write, lose a leader, get it back, lose a disk.
func TestTour(t *testing.T) {
	cli := tool(t, "redis-cli")
	t.Parallel()
	c := startNodes(t)
	own := homes(t, c)

	// Keys through redis-cli by way of one node, the others by way of another.
	byCLI, byWire := scaled(1000, 200), scaled(9000, 800)
	var script strings.Builder
	for i := range byCLI {
		fmt.Fprintf(&script, "SET cli:%d value-%d\n", i, i)
	}
	began := time.Now()
	out, err := runTool(script.String(), cli, "-c", "-p", port(c, 0))
	if err != nil || strings.Count(out, "OK\n") != byCLI {
		t.Fatalf("redis-cli -c: %v, %d of %d OK:\n%.2000s", err, strings.Count(out, "OK\n"), byCLI, out)
	}
	t.Logf("%d keys by redis-cli -c in %v", byCLI, time.Since(began).Round(time.Millisecond))
	began = time.Now()
	bulk := startLoad(t, c.Addrs()[1:2], 32, "bulk", nil)
	bulk.wait(int64(byWire))
	bulk.finish()
	bulk.addrs = c.Addrs() // later checks must not depend on that one node
	t.Logf("%d keys by 32 clients in %v", bulk.total.Load(), time.Since(began).Round(time.Millisecond))
	if got := text(t, c.Addr(own[0].node), "DBSIZE"); got == "0" {
		t.Error("DBSIZE is 0 on a node that leads a group")
	}

	// The leader of a group dies while clients write to all groups.
	l := startLoad(t, c.Addrs(), 16, "kill", nil)
	l.wait(200)
	must(t, c.Kill(1))
	t.Logf("first write acknowledged %v after the death of a node (any slot)", l.firstAfter(time.Now()))
	l.wait(200)
	l.finish()
	bulk.check()
	readBack(t, cli, c, byCLI)

	// It comes back and leads its group again.
	must(t, c.Restart(1))
	must(t, c.WaitReady(context.Background()))
	if again := homes(t, c); again[1] != own[1] {
		t.Errorf("node 2 led %v, now leads %v", own[1], again[1])
	}
	replicasAgree(t, c)
	clusterIsClean(t, cli, c)

	// A disk is lost: the node comes back as another one, in the old one's place.
	was := text(t, c.Addr(2), "CLUSTER", "MYID")
	l = startLoad(t, c.Addrs(), 4, "wipe", nil)
	must(t, c.Kill(2))
	must(t, c.Wipe(2))
	must(t, c.Restart(2))
	must(t, c.WaitReady(context.Background()))
	again := homes(t, c)
	l.wait(20)
	l.finish()
	is := text(t, c.Addr(2), "CLUSTER", "MYID")
	if is == was || len(is) != 40 {
		t.Errorf("a wiped node has ID %s, before %s", is, was)
	}
	if again[2] != own[2] {
		t.Errorf("the node in its place leads %v, the old one led %v", again[2], own[2])
	}
	for i := range c.Len() {
		nodes := text(t, c.Addr(i), "CLUSTER", "NODES")
		if strings.Contains(nodes, was) || !strings.Contains(nodes, is) || strings.Count(nodes, "\n") != 3 || strings.Contains(nodes, "fail") {
			t.Errorf("CLUSTER NODES of %s:\n%s", c.Addr(i), nodes)
		}
	}
	replicasAgree(t, c)
	clusterIsClean(t, cli, c)
	bulk.check()
	l.check()
	readBack(t, cli, c, byCLI)

	// What the new node holds is enough to lose another one.
	must(t, c.Kill(0))
	bulk.check()
	must(t, c.Restart(0))
	must(t, c.WaitReady(context.Background()))
}

func port(c *harness.Cluster, node int) string {
	_, p, _ := strings.Cut(c.Addr(node), ":")
	return p
}

// clusterIsClean wants redis-cli to find nothing wrong.
func clusterIsClean(t *testing.T, cli string, c *harness.Cluster) {
	t.Helper()
	for i := range c.Len() {
		out, err := runTool("", cli, "--cluster", "check", c.Addr(i))
		for _, part := range []string{"[OK] All nodes agree about slots configuration.", "[OK] All 16384 slots covered."} {
			if err != nil || !strings.Contains(out, part) || strings.Contains(out, "[ERR]") || strings.Contains(out, "[WARNING]") {
				t.Errorf("redis-cli --cluster check %s: %v\n%s", c.Addr(i), err, out)
				break
			}
		}
	}
}

// readBack reads the keys that redis-cli wrote.
func readBack(t *testing.T, cli string, c *harness.Cluster, n int) {
	t.Helper()
	cl := newClient(c.Addrs(), askTimeout, rand.New(rand.NewPCG(1, 1)))
	defer cl.close()
	for i := range n {
		r, err := cl.read("GET", fmt.Sprint("cli:", i))
		if want := fmt.Sprint("value-", i); err != nil || string(r.Str) != want {
			t.Fatalf("GET cli:%d: %q %v", i, r.Raw, err)
		}
	}
	for i := range c.Len() { // and one key by redis-cli itself, through every living node
		if !c.Node(i).Running() {
			continue
		}
		if out, err := runTool("", cli, "-c", "-p", port(c, i), "GET", "cli:7"); err != nil || out != "value-7\n" {
			t.Errorf("redis-cli -c -p %s GET cli:7: %q %v", port(c, i), out, err)
		}
	}
}
