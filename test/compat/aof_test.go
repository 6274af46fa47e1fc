package compat

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// TestLogExport runs commands of all families, stops the server, and has a stock
// redis-server load what "quorate log export" writes, and what appendonly has kept: the
// digests are equal. They are, too, when the server begins with files of redis-server.
func TestLogExport(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server, the oracle, is not installed")
	}
	binary, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64N(1e9)
	}
	t.Logf("seed %d", seed)
	g, err := NewGenerator(seed, split(*familiesFlag), split(*skipFlag))
	if err != nil {
		t.Fatal(err)
	}
	steps := func(n int) []Step {
		// The next server has another password, limit and so on: CONFIG isn't in the log.
		return slices.DeleteFunc(g.Steps(n), func(s Step) bool { return s.name() == "CONFIG" || s.name() == "DEBUG" })
	}
	ctx, dir := t.Context(), t.TempDir()
	start := func(kind harness.Kind, dir string) (*harness.Cluster, *wire.Conn) {
		t.Helper()
		c := harness.New(t, harness.Options{Kind: kind, Nodes: 1, Args: append([]string{"--dir", dir, "--appendonly", "yes", "--appendfsync", "no"}, debugArgs...)})
		return c, dial(ctx, t, c.Addr(0))
	}
	stop := func(c *harness.Cluster) {
		t.Helper()
		if err := c.Stop(); err != nil {
			t.Fatal(err)
		}
	}

	c, conn := start(harness.Quorate{}, dir)
	before, behind := steps(*chunkFlag), steps(*chunkFlag)
	send(ctx, t, c.Addr(0), before)
	must(t, conn, "SAVE")
	eventually(t, "the first rewrite is over", func() bool { r, err := conn.Do("BGREWRITEAOF"); return err == nil && !r.IsError() })
	// A replica beside the files: both get effects, each with a database of its own selected.
	replica := dial(ctx, t, startRedis(t, debugArgs...))
	send(ctx, t, c.Addr(0), behind[:len(behind)/2])
	follow(t, replica, c.Addr(0))
	send(ctx, t, c.Addr(0), behind[len(behind)/2:])
	stay(t, conn)
	caughtUp(t, conn, replica)
	digest := must(t, conn, "DEBUG", "DIGEST")
	if got := must(t, replica, "DEBUG", "DIGEST"); got != digest {
		t.Errorf("a replica: digest %s, want %s\n%s", got, digest, differing(t, conn, replica, append(before, behind...)))
	}
	if strings.Trim(digest, "+0\r\n") == "" {
		t.Fatal("there is no data to compare")
	}
	stop(c)
	export := t.TempDir()
	out, err := exec.Command(binary, "log", "export", "--dir", dir, "--out", filepath.Join(export, "appendonlydir")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	kept, conn := start(harness.Redis{}, dir)
	if got := must(t, conn, "DEBUG", "DIGEST"); got != digest {
		source, ours := start(harness.Quorate{}, dir)
		t.Errorf("redis-server with what was kept: digest %s, want %s\n%s", got, digest, differing(t, ours, conn, append(before, behind...)))
		stop(source)
	}
	stop(kept)
	redis, conn := start(harness.Redis{}, export)
	if got := must(t, conn, "DEBUG", "DIGEST"); got != digest {
		source, ours := start(harness.Quorate{}, dir)
		t.Errorf("redis-server with the export: digest %s, want %s\n%s", got, digest, differing(t, ours, conn, append(before, behind...)))
		stop(source)
	}
	send(ctx, t, redis.Addr(0), steps(*chunkFlag))
	stay(t, conn)
	stop(redis)
	// What redis-server itself makes of its files counts: they don't hold all of its state.
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(export)); err != nil {
		t.Fatal(err)
	}
	redis, conn = start(harness.Redis{}, copied)
	digest = must(t, conn, "DEBUG", "DIGEST")
	stop(redis)
	ours, conn := start(harness.Quorate{}, export)
	if got := must(t, conn, "DEBUG", "DIGEST"); got != digest {
		t.Errorf("with files of redis-server: digest %s, want %s", got, digest)
	}
	stop(ours)
}

// stay lets no key expire any more, so that digests can be compared later, and waits until
// those are deleted that have: they are in a digest, and not in files.
func stay(t *testing.T, c *wire.Conn) {
	t.Helper()
	for db := range databases {
		must(t, c, "SELECT", strconv.Itoa(db))
		r, err := c.Do("KEYS", "*")
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range r.Strings() {
			if ttl, err := c.Do("TTL", k); err != nil {
				t.Fatal(err)
			} else if n, ok := ttl.Int(); ok && n >= 0 && n < 1000 {
				must(t, c, "PERSIST", k)
			}
		}
		eventually(t, "what has expired is deleted", func() bool {
			keys, err := c.Do("KEYS", "*")
			if err != nil {
				t.Fatal(err)
			}
			return must(t, c, "DBSIZE") == fmt.Sprintf(":%d\r\n", len(keys.Elems))
		})
	}
}
