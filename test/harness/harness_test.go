package harness

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/quorate/quorate/test/wire"
)

func needRedis(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
}

func TestKillRestartAndWipe(t *testing.T) {
	needRedis(t)
	ctx := context.Background()
	c := New(t, Options{Kind: Redis{}, Nodes: 1, Args: []string{"--appendonly", "yes", "--appendfsync", "always"}})
	do := func(args ...string) string {
		t.Helper()
		r, err := wire.Once(ctx, c.Addr(0), replyTimeout, args...)
		if err != nil {
			t.Fatal(err)
		}
		return string(r.Str)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do("SET", "k", "v")
	pid := c.Node(0).Pid()
	must(c.Kill(0))
	if c.Node(0).Running() || c.Node(0).Pid() != 0 || c.Node(0).Crashed() != nil {
		t.Fatal("killed, but reported otherwise")
	}
	must(c.Restart(0))
	must(c.WaitReady(ctx))
	if got := do("GET", "k"); got != "v" || c.Node(0).Pid() == pid {
		t.Fatalf("after restart: GET k = %q", got)
	}
	if err := c.Wipe(0); err == nil {
		t.Fatal("wiped a running node")
	}
	must(c.Terminate(0))
	must(c.Wipe(0))
	must(c.Restart(0))
	must(c.WaitReady(ctx))
	if got := do("GET", "k"); got != "" {
		t.Fatalf("after wipe: GET k = %q", got)
	}
	if cpu, err := CPUTime(c.Pids()); err != nil || cpu < 0 {
		t.Errorf("CPUTime: %v, %v", cpu, err)
	}
	if rss, err := ResidentBytes(c.Pids()); err != nil || rss < 1<<20 {
		t.Errorf("ResidentBytes: %v, %v", rss, err)
	}
}

func TestStartReportsLogOfNodeThatExits(t *testing.T) {
	needRedis(t)
	dir := t.TempDir()
	_, err := Start(context.Background(), Options{Kind: Redis{}, Nodes: 1, Dir: dir, Args: []string{"--no-such-directive", "1"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-directive") {
		t.Fatalf("err = %v, want the node's log in it", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Fatalf("left behind: %v, %v", left, err)
	}
}

func TestFreePortsAreDistinct(t *testing.T) {
	got, err := FreePorts(50, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range got {
		if seen[p] || p < firstPort || p > lastPort {
			t.Fatalf("port %d in %v", p, got)
		}
		seen[p] = true
	}
}
