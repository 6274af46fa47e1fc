package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quorate/quorate/test/harness"
)

// migrate moves the log of a node that is stopped and has it start on that.
func migrate(t *testing.T, c *harness.Cluster, node int, to string) {
	t.Helper()
	bin, err := harness.Binary()
	must(t, err)
	out, err := runTool("", bin, "log", "migrate", "--dir", c.Node(node).Dir(), "--to", to)
	if err != nil || !strings.Contains(out, "The log is in "+to+" now") {
		t.Fatalf("log migrate --to %s: %v\n%s", to, err, out)
	}
	c.Node(node).SetArgs("--quorate-log-store", to)
}

// TestMigrateLog moves a single node's log there and back; all it has is the log.
func TestMigrateLog(t *testing.T) {
	t.Parallel()
	c := startPlain(t)
	for i := range 500 {
		text(t, c.Addr(0), "SET", fmt.Sprint("k", i), fmt.Sprint("v", i))
	}
	digest := text(t, c.Addr(0), "DEBUG", "DIGEST")
	for _, to := range []string{"boltdb", "shared", "boltdb"} {
		must(t, c.Kill(0))
		// With the other store it doesn't start, and says what to do.
		c.Node(0).SetArgs("--quorate-log-store", to)
		must(t, c.Node(0).Start())
		waitExit(t, c, 0, "a start with "+to)
		want := fmt.Sprintf("quorate log migrate --dir %s/quorate-data --to %s", c.Node(0).Dir(), to)
		if tail := c.Node(0).LogTail(5); !strings.Contains(tail, want) {
			t.Errorf("no %q in\n%s", want, tail)
		}
		migrate(t, c, 0, to)
		must(t, c.Restart(0))
		must(t, c.WaitReady(context.Background()))
		if got := text(t, c.Addr(0), "DEBUG", "DIGEST"); got != digest {
			t.Fatalf("the digest is %s with the log in %s, was %s", got, to, digest)
		}
		text(t, c.Addr(0), "SET", to, "v")
		digest = text(t, c.Addr(0), "DEBUG", "DIGEST")
	}
}

// TestMigrateCluster moves the logs of a cluster node by node while clients write.
func TestMigrateCluster(t *testing.T) {
	t.Parallel()
	c := startNodes(t, "--quorate-snapshot-log-bytes", "1mb")
	homes(t, c)
	l := startLoad(t, c.Addrs(), 8, "migrate", nil)
	l.wait(200)
	for i := range c.Len() {
		must(t, c.Terminate(i))
		migrate(t, c, i, "boltdb")
		must(t, c.Restart(i))
		must(t, c.WaitReady(context.Background()))
		l.wait(50)
	}
	l.finish()
	homes(t, c)
	replicasAgree(t, c)
	killAll(t, c)
	homes(t, c)
	l.check()
}

// TestLogIsGone: a node whose log has lost its files must not begin a new one.
func TestLogIsGone(t *testing.T) {
	t.Parallel()
	c := startPlain(t)
	text(t, c.Addr(0), "SET", "k", "v")
	must(t, c.Kill(0))
	log := filepath.Join(c.Node(0).Dir(), "quorate-data", "log")
	away := filepath.Join(t.TempDir(), "log")
	must(t, os.Rename(log, away))
	must(t, os.Mkdir(log, 0o700))
	must(t, c.Node(0).Start())
	waitExit(t, c, 0, "a start without the log")
	if tail := c.Node(0).LogTail(5); !strings.Contains(tail, "the log is gone from") {
		t.Errorf("a log without segments was taken for one:\n%s", tail)
	}
	must(t, os.Remove(log))
	must(t, os.Rename(away, log))
	must(t, c.Restart(0))
	must(t, c.WaitReady(context.Background()))
	if got := text(t, c.Addr(0), "GET", "k"); got != "v" {
		t.Errorf("GET k is %q", got)
	}
}
