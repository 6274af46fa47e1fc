package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorate/quorate/aof"
	"github.com/quorate/quorate/test/harness"
)

// loadsFiles requires that redis-server, started on a copy of a node's append-only files, has a
// digest. It is started again until it has: the files follow within a second or a rewrite.
func loadsFiles(t *testing.T, c *harness.Cluster, node int, digest string) (addr string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		addr, err := onFiles(t, filepath.Join(c.Node(node).Dir(), "appendonlydir"))
		if err == nil {
			if d := text(t, addr, "DEBUG", "DIGEST"); d == digest {
				return addr
			} else {
				err = fmt.Errorf("digest %s, want %s", d, digest)
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("node %d: redis-server on its append-only files: %v", node, err)
		}
	}
}

// onFiles starts redis-server on a copy of append-only files. They may be rewritten meanwhile,
// which is an error.
func onFiles(t *testing.T, path string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	from := aof.Dir{Path: path, Name: "appendonly.aof"}
	to := aof.Dir{Path: filepath.Join(dir, "appendonlydir"), Name: from.Name}
	must(t, os.Mkdir(to.Path, 0o700))
	m, err := from.Manifest()
	if err != nil || m == nil {
		return "", fmt.Errorf("no manifest: %w", err)
	}
	for _, f := range slices.Backward(m.Files()) { // the last one grows, those before it are complete
		b, err := os.ReadFile(filepath.Join(from.Path, f.Name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to.Path, f.Name), b, 0o600)
		}
		if err != nil {
			return "", err
		}
	}
	must(t, to.WriteManifest(m))
	server := tool(t, "redis-server")
	ports, err := harness.FreePorts(1, 0)
	must(t, err)
	p := harness.NewProcess("redis", dir, server, "--port", strconv.Itoa(ports[0]), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--enable-debug-command", "yes")
	must(t, p.Start())
	t.Cleanup(func() { must(t, p.Kill()) })
	exited, addr := p.Exited(), harness.Addr(ports[0])
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if _, err = ask(addr, "DBSIZE"); err == nil {
			return addr, nil
		}
		select {
		case <-exited:
			return "", errors.New(p.LogTail(10))
		default:
		}
		if time.Now().After(deadline) {
			return "", err
		}
	}
}

// TestAppendOnlyCluster: with appendonly yes each node of a cluster keeps append-only files with
// which redis-server has all keys of the node's groups, whatever the groups do meanwhile.
func TestAppendOnlyCluster(t *testing.T) {
	c := startNodes(t, "--appendonly", "yes", "--save", "")
	hs := homes(t, c)
	all := func(when string) (addrs []string) {
		t.Helper()
		replicasAgree(t, c)
		digest := text(t, c.Addr(0), "DEBUG", "DIGEST")
		for i := range c.Len() {
			addrs = append(addrs, loadsFiles(t, c, i, digest))
		}
		t.Log("all files have ", digest, " ", when)
		return addrs
	}
	for i, h := range hs {
		addr := c.Addr(h.node)
		text(t, addr, "SET", h.key("string", i), "v", "EX", "100000")
		text(t, addr, "RPUSH", h.key("list", i), "a", "b", "c")
		text(t, addr, "SADD", h.key("set", i), "1", "2", "3", "4", "5", "6")
		text(t, addr, "XADD", h.key("stream", i), "*", "f", "v")
		text(t, addr, "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('seven', function() return 7 end)")
	}
	eventually(t, "there is the function", func() error { // the digest doesn't tell
		for _, redis := range all("in the beginning") {
			if r, err := ask(redis, "FCALL", "seven", "0"); err != nil || string(r.Str) != "7" {
				return fmt.Errorf("FCALL: %q %v", r.Raw, err)
			}
		}
		return nil
	})

	// What draws lots and looks at the clock, and transactions that are one in the files, too.
	for i, h := range hs {
		addr := c.Addr(h.node)
		text(t, addr, "SPOP", h.key("set", i), "2")
		text(t, addr, "INCRBYFLOAT", h.key("float", i), "0.1")
		text(t, addr, "EVAL", "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('PEXPIRE', KEYS[1], 100000000)", "1", h.key("script", i), "x")
	}
	all("after commands that depend on chance and time")

	// Rewrites beside writes to all groups: a counter in each of them, of which no step may be
	// missing, and pairs whose sum is 0.
	m := startMovers(t, c, hs)
	eventually(t, "the movers move", func() error {
		for _, n := range m.acked() {
			if n == 0 {
				return errors.New("not yet")
			}
		}
		return nil
	})
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range c.Len() {
		// Ends when stop is set; the test waits.
		wg.Go(func() {
			for !stop.Load() {
				_, _ = ask(c.Addr(i), "BGREWRITEAOF") // or one is under way
				time.Sleep(300 * time.Millisecond)
			}
		})
	}
	looked := 0
	for deadline := time.Now().Add(8 * time.Second); time.Now().Before(deadline) || looked == 0 && time.Now().Before(deadline.Add(patience)); {
		before := m.acked()
		time.Sleep(1500 * time.Millisecond) // the files may be a second behind, and the followers a moment
		if redis, err := onFiles(t, filepath.Join(c.Node(looked%3).Dir(), "appendonlydir")); err == nil {
			m.consistent(t, redis, before)
			looked++
		}
	}
	stop.Store(true)
	wg.Wait()
	m.stop()
	if looked == 0 {
		t.Error("the files were never looked at")
	}
	info := text(t, c.Addr(0), "INFO", "persistence")
	for _, want := range []string{"aof_enabled:1\r\n", "aof_last_bgrewrite_status:ok\r\n", "aof_last_write_status:ok\r\n", "aof_current_size:"} {
		if !strings.Contains(info, want) {
			t.Errorf("no %q in %s", want, info)
		}
	}
	all("after rewrites")

	// What one group says about all there is, is about its keys only.
	text(t, c.Addr(hs[1].node), "FLUSHALL")
	text(t, c.Addr(hs[1].node), "SET", hs[1].key("behind", 1), "FLUSHALL")
	all("after FLUSHALL of one group")
	for _, h := range hs {
		text(t, c.Addr(h.node), "FUNCTION", "FLUSH")
	}
	eventually(t, "there are no functions after FUNCTION FLUSH", func() error { // the digest doesn't tell
		for _, redis := range all("after FUNCTION FLUSH") {
			if r := reply(t, redis, "FUNCTION", "LIST"); len(r.Elems) != 0 {
				return fmt.Errorf("FUNCTION LIST: %q", r.Raw)
			}
		}
		return nil
	})

	// Leadership moves, and a node begins again: by SIGTERM and by kill -9.
	must(t, c.Terminate(0))
	eventually(t, "another node has the group", func() error {
		for i := 1; i < c.Len(); i++ {
			if _, err := ask(c.Addr(i), "SET", hs[0].key("moved", 1), "v"); err == nil {
				return nil
			}
		}
		return errors.New("nobody")
	})
	must(t, c.Restart(0))
	must(t, c.WaitReady(t.Context()))
	homes(t, c)
	all("after a restart")
	must(t, c.Kill(2))
	must(t, c.Restart(2))
	must(t, c.WaitReady(t.Context()))
	homes(t, c)
	text(t, c.Addr(2), "SET", hs[2].key("again", 1), "v")
	all("after kill -9")

	// CONFIG SET turns it off and on, and somebody else's files are kept.
	text(t, c.Addr(1), "CONFIG", "SET", "appendonly", "no")
	dir := filepath.Join(c.Node(1).Dir(), "appendonlydir")
	base, err := filepath.Glob(filepath.Join(dir, "*.base.rdb"))
	if err != nil || len(base) != 1 {
		t.Fatalf("bases %v %v", base, err)
	}
	must(t, os.WriteFile(base[0], []byte("REDIS0011 of somebody else"), 0o600))
	text(t, c.Addr(1), "SET", hs[1].key("off", 1), "v")
	text(t, c.Addr(1), "CONFIG", "SET", "appendonly", "yes")
	all("after it was off")
	if b, err := os.ReadFile(filepath.Join(dir+".found", filepath.Base(base[0]))); err != nil || string(b) != "REDIS0011 of somebody else" {
		t.Errorf("the files that were there before: %q %v", b, err)
	}
}
