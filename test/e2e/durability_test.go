package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quorate/quorate/test/harness"
)

// killAll ends all nodes with SIGKILL as nearly at once as can be, and starts
// them again.
func killAll(t *testing.T, c *harness.Cluster) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range c.Len() {
		wg.Add(1)
		// Ends with the process it kills; waited for below.
		go func() {
			defer wg.Done()
			if err := c.Kill(i); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	for i := range c.Len() {
		must(t, c.Restart(i))
	}
	must(t, c.WaitReady(context.Background()))
}

// TestKillAll kills all nodes of a cluster at once while clients write.
func TestKillAll(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	// A small limit, so that a kill may fall into the writing of a snapshot.
	c := startNodes(t, "--quorate-snapshot-log-bytes", "1mb")
	var before []*load
	for round := range scaled(3, 1) {
		l := startLoad(t, c.Addrs(), 16, fmt.Sprint("all", round), nil)
		l.wait(100 + rnd.Int64N(200))
		killAll(t, c)
		l.wait(20)
		l.finish()
		for _, old := range before {
			old.check()
		}
		before = append(before, l)
	}
	replicasAgree(t, c)
}

// TestKillPlain does the same to a single node.
func TestKillPlain(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	c := startPlain(t, "--appendfsync", "always", "--quorate-snapshot-log-bytes", "1mb")
	var before []*load
	for round := range scaled(5, 2) {
		l := startLoad(t, c.Addrs(), 16, fmt.Sprint("plain", round), nil)
		l.wait(200 + rnd.Int64N(400))
		killAll(t, c)
		l.wait(20)
		l.finish()
		for _, old := range before {
			old.check()
		}
		before = append(before, l)
	}
	// The same keys come out of the log and out of a snapshot.
	digest := text(t, c.Addr(0), "DEBUG", "DIGEST")
	compact(t, c.Addr(0))
	killAll(t, c)
	if got := text(t, c.Addr(0), "DEBUG", "DIGEST"); got != digest {
		t.Errorf("digest is %s after a restart from a snapshot, was %s", got, digest)
	}
}

// fill writes values of some size until so many bytes have been written to
// every group.
func fill(t *testing.T, c *harness.Cluster, own []home, name string, total int) {
	t.Helper()
	const size, atOnce = 16 << 10, 8
	value := strings.Repeat("0123456789abcdef", size/16)
	var wg sync.WaitGroup
	for _, h := range own {
		for part := range atOnce {
			wg.Add(1)
			// Ends when its share is written; waited for below.
			go func() {
				defer wg.Done()
				cl := newClient(c.Addrs(), askTimeout, rand.New(rand.NewPCG(uint64(part), uint64(h.node))))
				defer cl.close()
				for i := part; i*size < total; i += atOnce {
					// Few keys, written again and again: the log grows, the state doesn't.
					if _, err := cl.read("SET", h.key(name, i%32), strconv.Itoa(i)+value); err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
	}
	wg.Wait()
}

// snapshotsOf counts the snapshots in a node's log.
func snapshotsOf(t *testing.T, c *harness.Cluster, node int, line string) int {
	t.Helper()
	log, err := os.ReadFile(c.Node(node).LogPath())
	must(t, err)
	return strings.Count(string(log), line)
}

// compactedBeyond reports whether the first two nodes have deleted entries of a group that
// come behind its last on a third.
func compactedBeyond(t *testing.T, c *harness.Cluster, third map[string]map[string]string) bool {
	t.Helper()
	for group, f := range third {
		last, err := strconv.Atoi(f["last"])
		must(t, err)
		line := regexp.MustCompile(`group-` + strings.TrimPrefix(group, "group") + `\.raft: compacting logs: from=\d+ to=(\d+)`)
		nodes := 0
		for i := range 2 {
			log, err := os.ReadFile(c.Node(i).LogPath())
			must(t, err)
			for _, m := range line.FindAllStringSubmatch(string(log), -1) {
				if to, _ := strconv.Atoi(m[1]); to > last {
					nodes++
					break
				}
			}
		}
		if nodes == 2 {
			return true
		}
	}
	return false
}

// TestSnapshots has the log compacted while a node is away: it catches up by a
// snapshot.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	c := startNodes(t, "--quorate-snapshot-log-bytes", "1mb", "--loglevel", "verbose")
	own := homes(t, c)
	fill(t, c, own, "before", scaled(6<<20, 3<<20))
	for i := range c.Len() {
		eventually(t, "the logs are compacted", func() error {
			if n := snapshotsOf(t, c, i, "snapshot complete up to"); n < 3 {
				return fmt.Errorf("node %d has taken %d snapshots", i+1, n)
			}
			return nil
		})
	}
	var has map[string]map[string]string
	eventually(t, "what node 3 has", func() (err error) { has, err = groupLines(c.Addr(2)); return err })
	must(t, c.Kill(2))
	// More than trails a snapshot (about 16 MiB), so that the log alone won't do. How many entries
	// that is depends on how the writes have met.
	for gone := false; !gone; gone = compactedBeyond(t, c, has) {
		fill(t, c, own[:2], "while away", scaled(24<<20, 20<<20))
		for i := range 2 {
			save(t, c.Addr(i))
		}
	}
	l := startLoad(t, c.Addrs(), 4, "away", nil)
	l.wait(50)
	restored := snapshotsOf(t, c, 2, "Installed remote snapshot")
	must(t, c.Restart(2))
	must(t, c.WaitReady(context.Background()))
	homes(t, c)
	l.finish()
	replicasAgree(t, c)
	if n := snapshotsOf(t, c, 2, "Installed remote snapshot"); n <= restored {
		t.Errorf("node 3 has caught up without a snapshot (%d before, %d now)", restored, n)
	}
	// Everything once more from the disk.
	killAll(t, c)
	homes(t, c)
	replicasAgree(t, c)
	l.check()
}

// TestSave is SAVE, BGSAVE and LASTSAVE, and what they leave on the disk.
func TestSave(t *testing.T) {
	t.Parallel()
	c := startPlain(t)
	addr := c.Addr(0)
	for _, cmd := range []string{"SET s v", "SET n 12345", "RPUSH l a b c", "SADD set 1 2 3", "SADD words x y", "HSET h f v g w",
		"ZADD z 1 a 2.5 b", "SET ttl v EX 10000"} {
		if _, err := ask(addr, strings.Fields(cmd)...); err != nil && !strings.Contains(err.Error(), "unknown command") {
			t.Fatal(err) // a type this server doesn't have (docs/divergence.md) is none to save
		}
	}
	last := func() int64 {
		t.Helper()
		r, err := ask(addr, "LASTSAVE")
		must(t, err)
		n, ok := r.Int()
		if !ok {
			t.Fatalf("LASTSAVE: %q", r.Raw)
		}
		return n
	}
	before := last()
	// LASTSAVE counts whole seconds.
	eventually(t, "the clock has gone on", func() error {
		if time.Now().Unix() <= before {
			return fmt.Errorf("still the same second")
		}
		return nil
	})
	if got := text(t, addr, "BGSAVE"); got != "Background saving started" {
		t.Fatalf("BGSAVE: %s", got)
	}
	eventually(t, "LASTSAVE shows that BGSAVE is done", func() error {
		if n := last(); n <= before {
			return fmt.Errorf("it is %d, was %d", n, before)
		}
		return nil
	})
	if info := text(t, addr, "INFO", "persistence"); !strings.Contains(info, "rdb_last_bgsave_status:ok") ||
		!strings.Contains(info, "rdb_bgsave_in_progress:0") || !strings.Contains(info, "rdb_changes_since_last_save:0") {
		t.Errorf("INFO persistence after BGSAVE:\n%s", info)
	}
	text(t, addr, "SET", "another", "v")
	if got := text(t, addr, "SAVE"); got != "OK" {
		t.Fatalf("SAVE: %s", got)
	}
	compact(t, addr)
	files := snapshotFiles(t, c, 0)
	if len(files) == 0 {
		t.Fatal("no snapshot on the disk")
	}
	digest := text(t, addr, "DEBUG", "DIGEST")
	must(t, c.Terminate(0))
	t.Run("redis-check-rdb", func(t *testing.T) {
		check := tool(t, "redis-check-rdb")
		for _, f := range files {
			out, err := runTool("", check, f)
			if err != nil || !strings.Contains(out, "RDB looks OK!") {
				t.Errorf("%s: %v\n%s", f, err, out)
			}
		}
	})
	t.Run("redis-server loads it", func(t *testing.T) {
		tool(t, "redis-server")
		newest := files[0]
		for _, f := range files {
			a, err := os.Stat(f)
			must(t, err)
			b, err := os.Stat(newest)
			must(t, err)
			if a.ModTime().After(b.ModTime()) {
				newest = f
			}
		}
		rdb, err := os.ReadFile(newest)
		must(t, err)
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "dump.rdb"), rdb, 0o600))
		r := harness.New(t, harness.Options{Kind: harness.Redis{}, Nodes: 1,
			Args: []string{"--dir", dir, "--enable-debug-command", "yes"}})
		if got := text(t, r.Addr(0), "DEBUG", "DIGEST"); got != digest {
			t.Errorf("redis-server has digest %s of our snapshot, we have %s", got, digest)
		}
	})
	must(t, c.Restart(0))
	must(t, c.WaitReady(context.Background()))
	if got := text(t, addr, "DEBUG", "DIGEST"); got != digest {
		t.Errorf("digest is %s after a restart, was %s", got, digest)
	}
}
