package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/store/fault"
	"github.com/quorate/quorate/test/harness"
)

var faultRounds = flag.Int("e2e.faultrounds", 0, "how often the tests of faults go through all points; 0: through four that are drawn")

// faultBinary builds the server with the points at which it can be ended.
func faultBinary(t *testing.T) string {
	t.Helper()
	root, err := harness.Root()
	must(t, err)
	path := filepath.Join(t.TempDir(), "quorate-faults")
	build := exec.Command("go", "build", "-tags", "faults", "-o", path, ".")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build with faults: %v\n%s", err, out)
	}
	return path
}

// startFaulty starts a cluster of such servers, with a log that begins segments and
// takes snapshots often.
func startFaulty(t *testing.T) *harness.Cluster {
	t.Helper()
	return harness.New(t, harness.Options{Binary: faultBinary(t), Env: []string{"QUORATE_FAULT_SEGMENT=262144"},
		Args: []string{"--enable-debug-command", "yes", "--quorate-snapshot-log-bytes", "1mb"}})
}

// plan starts a node again with a fault planned, or with none.
func plan(t *testing.T, c *harness.Cluster, node int, what string) {
	t.Helper()
	must(t, c.Kill(node))
	c.Node(node).SetEnv("QUORATE_FAULT=" + what)
	must(t, c.Restart(node))
}

// strikes writes until the node has ended by the fault.
func strikes(t *testing.T, c *harness.Cluster, node int, what string) {
	t.Helper()
	exited := c.Node(node).Exited()
	value := strings.Repeat("0123456789abcdef", 4<<10)
	client := newClient(c.Addrs(), time.Second, rand.New(rand.NewPCG(1, 1)))
	defer client.close()
	// Before a segment is given up 16 MiB of each group have to be written.
	const limit = 4 * patience
	deadline := time.Now().Add(limit)
	for i := 0; ; i++ {
		select {
		case <-exited:
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has not struck within %v", what, limit)
		}
		// What becomes of each is the load's business.
		_, _, _ = client.try("SET", fmt.Sprint("filler:", i%64), value)
	}
}

// TestKillAtPoints ends a node at each named point, a different node each time,
// while clients write, and starts it again without any repair; the last point of
// all is met while a log is opened that an earlier kill has left.
func TestKillAtPoints(t *testing.T) {
	t.Parallel()
	c := startFaulty(t)
	must(t, c.WaitReady(context.Background()))
	homes(t, c)
	l := startLoad(t, c.Addrs(), 8, "points", nil)
	l.wait(50)
	r := newRand(t)
	points, hit, first := fault.Points, 0, r.IntN(3)
	if *faultRounds == 0 {
		points = nil
		for _, i := range r.Perm(len(fault.Points))[:4] {
			points = append(points, fault.Points[i])
		}
	}
	for round := range max(*faultRounds, 1) {
		for i, point := range points {
			node := (i + round) % c.Len()
			// What a killed process has written stays, synced or not.
			policy := []string{"always", "everysec", "no"}[(first+round)%3]
			c.Node(node).SetArgs("--appendfsync", policy)
			start := time.Now()
			// Later ones each round, so that they fall elsewhere.
			what := fmt.Sprintf("kill:%s:%d", point, 1+round*3)
			switch {
			case strings.HasPrefix(point, "vote:"):
				what = fmt.Sprintf("kill:%s:1", point)
				votes(t, c, node, what)
			case point == "log: before a torn end is wiped":
				what = fmt.Sprintf("kill:%s:1", point)
				plan(t, c, node, "kill:log: after a batch is written:7")
				strikes(t, c, node, what)
				plan(t, c, node, what)
				waitExit(t, c, node, what)
			default:
				plan(t, c, node, what)
				strikes(t, c, node, what)
			}
			if tail := c.Node(node).LogTail(3); !strings.Contains(tail, "fault: killed at "+point) {
				t.Fatalf("%s: the node has ended otherwise:\n%s", what, c.Node(node).LogTail(10))
			}
			hit++
			plan(t, c, node, "")
			must(t, c.WaitReady(context.Background()))
			l.wait(20)
			t.Logf("%s, appendfsync %s: node %d, %v", what, policy, node+1, time.Since(start).Round(time.Millisecond))
		}
	}
	l.finish()
	homes(t, c)
	replicasAgree(t, c)
	killAll(t, c)
	homes(t, c)
	replicasAgree(t, c)
	l.check()
	if want := max(*faultRounds, 1) * len(points); hit != want {
		t.Errorf("%d faults have struck, want %d", hit, want)
	}
}

// votes has a node end at a vote: others ask for it when a leader is gone.
func votes(t *testing.T, c *harness.Cluster, node int, what string) {
	t.Helper()
	plan(t, c, node, what)
	exited := c.Node(node).Exited()
	other := (node + 1) % c.Len()
	deadline := time.Now().Add(patience)
	for {
		select {
		case <-exited:
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has not struck within %v", what, patience)
		}
		plan(t, c, other, "")
		select {
		case <-exited:
			return
		case <-time.After(3 * time.Second):
		}
	}
}

func waitExit(t *testing.T, c *harness.Cluster, node int, what string) {
	t.Helper()
	select {
	case <-c.Node(node).Exited():
	case <-time.After(patience):
		t.Fatalf("%s has not struck within %v", what, patience)
	}
}

// TestBrokenDisk has the log's writes and syncs fail on one node: it must end with a
// message that says what failed, the others go on, and without the fault it comes back.
func TestBrokenDisk(t *testing.T) {
	t.Parallel()
	c := startFaulty(t)
	must(t, c.WaitReady(context.Background()))
	homes(t, c)
	l := startLoad(t, c.Addrs(), 4, "broken", nil)
	for i, point := range fault.Errors {
		node := i % c.Len()
		what := fmt.Sprintf("error:%s:1", point)
		plan(t, c, node, what)
		strikes(t, c, node, what)
		if code := c.Node(node).ExitCode(); code <= 0 {
			t.Errorf("%s: exit status %d", point, code)
		}
		text, err := os.ReadFile(c.Node(node).LogPath())
		must(t, err)
		if !strings.Contains(string(text), "of the log") || !strings.Contains(string(text), "input/output error") {
			t.Errorf("%s: the log doesn't say what failed:\n%s", point, c.Node(node).LogTail(10))
		}
		t.Logf("%s: %s", point, c.Node(node).LogTail(1))
		l.wait(20) // by the others
		plan(t, c, node, "")
		must(t, c.WaitReady(context.Background()))
	}
	l.finish()
	homes(t, c)
	replicasAgree(t, c)
}
