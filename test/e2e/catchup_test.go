package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quorate/quorate/test/harness"
)

// unfinished returns the directories of snapshots that a node is receiving or writing.
func unfinished(t *testing.T, c *harness.Cluster, node int) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(c.Node(node).Dir(), "quorate-data", "group-*", "snapshots", "*.tmp"))
	must(t, err)
	return found
}

// TestCatchUpKilled has a node come back after its groups' logs were compacted several times
// beyond what it has, under load. While it gets snapshots it is killed, and so are
// those that send them. In the end it has everything, without any repair.
func TestCatchUpKilled(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	c := startNodes(t, "--quorate-snapshot-log-bytes", "2mb")
	own := homes(t, c)
	// A state that takes a while to send.
	value := noise(8 << 10)
	for _, h := range own {
		tag := h.key("t", 0)
		pipelined(t, c.Addr(h.node), scaled(2000, 800), func(i int) []string {
			return []string{"SET", fmt.Sprintf("{%s}%d", tag, i), value}
		})
	}
	must(t, c.Kill(2))
	l := startLoad(t, c.Addrs(), 4, "catch up", nil)
	away := func() {
		// More than trails a snapshot (16 MiB), so that the log alone won't do.
		fill(t, c, own[:2], "while away", 20<<20)
		for i := range 2 {
			save(t, c.Addr(i))
		}
	}
	away()
	installed := 0
	for round := range scaled(6, 2) {
		must(t, c.Restart(2))
		var left []string
		eventually(t, "a snapshot is on its way", func() error {
			if left = unfinished(t, c, 2); len(left) > 0 {
				return nil
			}
			if n := snapshotsOf(t, c, 2, "Installed remote snapshot"); n > installed {
				installed = n
				return nil
			}
			return fmt.Errorf("nothing to be seen of one")
		})
		if rnd.IntN(3) == 0 {
			// Whoever sends it, node 0 or 1.
			i := rnd.IntN(2)
			must(t, c.Kill(i))
			must(t, c.Restart(i))
		}
		must(t, c.Kill(2))
		left = unfinished(t, c, 2)
		if round%2 == 1 {
			must(t, c.WaitReady(context.Background()))
			away()
		}
		if len(left) == 0 {
			continue
		}
		must(t, c.Restart(2))
		eventually(t, "what was left is deleted", func() error {
			for _, dir := range left {
				if _, err := os.Stat(dir); err == nil {
					return fmt.Errorf("%s is there", dir)
				}
			}
			return nil
		})
		must(t, c.Kill(2))
	}
	must(t, c.Restart(2))
	must(t, c.WaitReady(context.Background()))
	l.wait(50)
	l.finish()
	replicasAgree(t, c)
	if n := snapshotsOf(t, c, 2, "Installed remote snapshot"); n == 0 {
		t.Error("no snapshot was installed")
	}
	for i := range c.Len() {
		log, err := os.ReadFile(c.Node(i).LogPath())
		must(t, err)
		if strings.Contains(string(log), "would risk data") {
			t.Errorf("node %d stopped by itself", i+1)
		}
	}
}
