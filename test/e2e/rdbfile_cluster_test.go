package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// nodeFile is where a node of a cluster has its RDB file.
func nodeFile(c *harness.Cluster, node int) string {
	return filepath.Join(c.Node(node).Dir(), "node.rdb")
}

// soundFile requires a file that redis-check-rdb accepts.
func soundFile(t *testing.T, path string) {
	t.Helper()
	if out, err := runTool("", tool(t, "redis-check-rdb"), path); err != nil || !strings.Contains(out, "RDB looks OK") {
		t.Errorf("%s: %v\n%s", path, err, out)
	}
}

// holdsAll requires that redis-server has the keys and the function of a cluster when it
// is started on a file.
func holdsAll(t *testing.T, path, digest string, keys int64) {
	t.Helper()
	soundFile(t, path)
	redis := onFile(t, path)
	if d := text(t, redis, "DEBUG", "DIGEST"); d != digest {
		t.Errorf("redis-server on %s has the digest %s, want %s", path, d, digest)
	}
	if r, err := ask(redis, "DBSIZE"); err != nil || string(r.Raw) != fmt.Sprintf(":%d\r\n", keys) {
		t.Errorf("redis-server on %s has %q keys, %v, want %d", path, r.Raw, err, keys)
	}
	if v := text(t, redis, "FCALL", "seven", "0"); v != "7" {
		t.Errorf("FCALL: %q", v)
	}
}

// backgroundSaved waits until a node saves nothing and says that status.
func backgroundSaved(t *testing.T, addr, status string) {
	t.Helper()
	eventually(t, addr+" has saved: "+status, func() error {
		info := text(t, addr, "INFO", "persistence")
		if !strings.Contains(info, "rdb_last_bgsave_status:"+status+"\r\n") || !strings.Contains(info, "rdb_bgsave_in_progress:0\r\n") {
			return fmt.Errorf("%s", info)
		}
		return nil
	})
}

// keysTogether counts the keys of a cluster.
func keysTogether(t *testing.T, c *harness.Cluster) (n int64) {
	t.Helper()
	for i := range c.Len() {
		r := reply(t, c.Addr(i), "DBSIZE")
		here, _ := r.Int()
		n += here
	}
	return n
}

// shutDown ends a node by SHUTDOWN and waits for that.
func shutDown(t *testing.T, c *harness.Cluster, node int, options ...string) {
	t.Helper()
	exited := c.Node(node).Exited()
	if _, err := ask(c.Addr(node), append([]string{"SHUTDOWN"}, options...)...); err == nil {
		t.Error("SHUTDOWN was answered")
	}
	select {
	case <-exited:
	case <-time.After(patience):
		t.Fatal("the node runs after SHUTDOWN")
	}
}

// TestRDBFileCluster: each node of a cluster leaves an RDB file with the keys of all its
// groups where redis-server would.
func TestRDBFileCluster(t *testing.T) {
	c := startNodes(t, "--save", "", "--dbfilename", "node.rdb", "--enable-protected-configs", "yes")
	hs := homes(t, c)
	for i, h := range hs {
		addr := c.Addr(h.node)
		for n := range 200 {
			text(t, addr, "SET", h.key("string", n), strings.Repeat("v", n), "PX", strconv.Itoa(100000000+n))
		}
		text(t, addr, "HSET", h.key("hash", i), "f", "v", "g", "1")
		text(t, addr, "XADD", h.key("stream", i), "5-1", "f", "v")
		text(t, addr, "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('seven', function() return 7 end)")
	}

	// While clients write: what is in a file is consistent, and what was acknowledged before is
	// there.
	m := startMovers(t, c, hs)
	eventually(t, "the movers move", func() error {
		for _, n := range m.acked() {
			if n < 100 {
				return errors.New("not yet")
			}
		}
		return nil
	})
	before := m.acked()
	for i := range c.Len() {
		text(t, c.Addr(i), "BGSAVE")
	}
	for i := range c.Len() {
		backgroundSaved(t, c.Addr(i), "ok")
	}
	m.stop()
	for i := range c.Len() {
		soundFile(t, nodeFile(c, i))
		m.consistent(t, onFile(t, nodeFile(c, i)), before)
	}

	// All groups, on each node: the digest is that of the node, and the keys are those of
	// the cluster. A redis-server of a cluster takes it, too, and a node in plain mode.
	replicasAgree(t, c)
	digest, keys := text(t, c.Addr(0), "DEBUG", "DIGEST"), keysTogether(t, c)
	if keys < 600 {
		t.Fatalf("the cluster has %d keys", keys)
	}
	for i := range c.Len() {
		save(t, c.Addr(i))
		holdsAll(t, nodeFile(c, i), digest, keys)
		if info := text(t, c.Addr(i), "INFO", "persistence"); !strings.Contains(info, "rdb_changes_since_last_save:0\r\n") {
			t.Errorf("after SAVE: %s", info)
		}
		groups := map[string]bool{}
		for _, s := range snapshotFiles(t, c, i) {
			groups[filepath.Dir(filepath.Dir(filepath.Dir(s)))] = true
		}
		if len(groups) != len(hs) {
			t.Errorf("SAVE has left Raft snapshots in %v", groups)
		}
	}
	whole, err := os.ReadFile(nodeFile(c, 0))
	must(t, err)
	home := t.TempDir()
	must(t, os.WriteFile(filepath.Join(home, "dump.rdb"), whole, 0o600))
	shard := startRedis(t, "--cluster-enabled", "yes", "--dir", home)
	if d := text(t, shard, "DEBUG", "DIGEST"); d != digest {
		t.Errorf("redis-server in cluster mode has the digest %s, want %s", d, digest)
	}
	plain := startPlain(t, "--dir", home)
	if d := text(t, plain.Addr(0), "DEBUG", "DIGEST"); d != digest {
		t.Errorf("a node in plain mode has the digest %s, want %s", d, digest)
	}
	mustRun(t, []string{"restore", "--from", nodeFile(c, 0), "--to", plain.Addr(0), "--flush", "--verify"}, "all data is there: yes", "extra: 0\n")

	// Save points count what the node's groups change, whoever leads them.
	for i := range c.Len() {
		must(t, os.Remove(nodeFile(c, i)))
		text(t, c.Addr(i), "CONFIG", "SET", "save", "1 3")
	}
	for n := range 3 {
		text(t, c.Addr(hs[0].node), "SET", hs[0].key("point", n), "v")
	}
	for i := range c.Len() {
		eventually(t, "the save point leaves a file", func() error { _, err := os.Stat(nodeFile(c, i)); return err })
		soundFile(t, nodeFile(c, i))
	}

	// CONFIG SET dbfilename and dir move it.
	other := t.TempDir()
	text(t, c.Addr(1), "CONFIG", "SET", "dbfilename", "moved.rdb", "dir", other)
	save(t, c.Addr(1))
	soundFile(t, filepath.Join(other, "moved.rdb"))
	text(t, c.Addr(1), "CONFIG", "SET", "dbfilename", "node.rdb", "dir", c.Node(1).Dir())

	// A file that can't be written: writes of the groups that this node leads are refused, those of
	// the others aren't, and it heals by itself.
	replicasAgree(t, c)
	victim, h := c.Addr(2), hs[2]
	must(t, os.Remove(nodeFile(c, 2)))
	must(t, os.MkdirAll(filepath.Join(nodeFile(c, 2), "x"), 0o700))
	if _, err := ask(victim, "SAVE"); err == nil || err.Error() != "SAVE: ERR" {
		t.Errorf("SAVE where a directory is in the way: %v", err)
	}
	text(t, victim, "SET", h.key("refused", 1), "not yet")
	text(t, victim, "CONFIG", "SET", "save", "1 1")
	backgroundSaved(t, victim, "err")
	eventually(t, "writes are refused", func() error {
		if _, err := askAgain(victim, "SET", h.key("refused", 1), "v"); err == nil || !strings.HasPrefix(err.Error(), "SET: MISCONF ") {
			return fmt.Errorf("%v", err)
		}
		return nil
	})
	text(t, c.Addr(hs[0].node), "SET", hs[0].key("elsewhere", 1), "v")
	must(t, os.RemoveAll(nodeFile(c, 2)))
	backgroundSaved(t, victim, "ok")
	text(t, victim, "SET", h.key("refused", 1), "v")

	// SHUTDOWN hands over, then leaves the file; kill -9 leaves the one before.
	replicasAgree(t, c)
	digest, keys = text(t, c.Addr(0), "DEBUG", "DIGEST"), keysTogether(t, c)
	for i := range c.Len() {
		text(t, c.Addr(i), "CONFIG", "SET", "save", "3600 1")
	}
	save(t, c.Addr(1))
	must(t, os.RemoveAll(nodeFile(c, 0)))
	shutDown(t, c, 0)
	holdsAll(t, nodeFile(c, 0), digest, keys)
	eventually(t, "another node has the group", func() error {
		for i := 1; i < c.Len(); i++ {
			if _, err := ask(c.Addr(i), "SET", hs[0].key("left", 1), "v"); err == nil {
				return nil
			}
		}
		return errors.New("nobody")
	})
	must(t, c.Kill(1))
	holdsAll(t, nodeFile(c, 1), digest, keys)

	// A node that doesn't know yet what is committed says so, and leaves the file alone.
	must(t, c.Terminate(2))
	old, err := os.ReadFile(nodeFile(c, 1))
	must(t, err)
	must(t, c.Restart(1))
	eventually(t, "SAVE says what is missing", func() error {
		r, err := wire.Once(t.Context(), c.Addr(1), askTimeout, "SAVE")
		if err == nil || !strings.HasPrefix(string(r.Str), "ERR this node doesn't have all its data at the moment: ") {
			return fmt.Errorf("%q %v", r.Raw, err)
		}
		return nil
	})
	text(t, c.Addr(1), "BGSAVE")
	backgroundSaved(t, c.Addr(1), "err")
	must(t, c.Terminate(1))
	if now, err := os.ReadFile(nodeFile(c, 1)); err != nil || !bytes.Equal(now, old) {
		t.Errorf("a node without a quorum has written its file: %v", err)
	}

	// A file of somebody else is neither loaded nor lost.
	theirs := []byte("REDIS0011 and something that nobody else has")
	must(t, os.WriteFile(nodeFile(c, 1), theirs, 0o600))
	for i := range c.Len() {
		must(t, c.Restart(i))
	}
	must(t, c.WaitReady(t.Context()))
	save(t, c.Addr(1))
	soundFile(t, nodeFile(c, 1))
	if kept, err := os.ReadFile(nodeFile(c, 1) + ".found"); err != nil || !bytes.Equal(kept, theirs) {
		t.Errorf("the file that was there before: %q, %v", kept, err)
	}
	save(t, c.Addr(1))
	if again, err := filepath.Glob(nodeFile(c, 1) + ".found-*"); err != nil || len(again) > 0 {
		t.Errorf("a node keeps its own file: %v %v", again, err)
	}
	if log := c.Node(1).LogTail(400); !strings.Contains(log, "there is an RDB file that this node hasn't written") ||
		!strings.Contains(log, "were kept under another name") {
		t.Errorf("the log doesn't say what became of the file: %s", log)
	}
}

// TestShutdownSaveCluster: SHUTDOWN SAVE hands leadership over before it writes, and the node
// stays, and leads again, if there is no file.
func TestShutdownSaveCluster(t *testing.T) {
	c := startNodes(t, "--save", "", "--dbfilename", "node.rdb")
	hs := homes(t, c)
	for _, h := range hs {
		text(t, c.Addr(h.node), "SET", h.key("k", 1), "v")
	}
	must(t, os.MkdirAll(filepath.Join(nodeFile(c, 0), "x"), 0o700))
	if _, err := ask(c.Addr(0), "SHUTDOWN", "SAVE"); err == nil || err.Error() != "SHUTDOWN: ERR Errors trying to SHUTDOWN. Check logs." {
		t.Errorf("SHUTDOWN SAVE where a directory is in the way: %v", err)
	}
	homes(t, c)
	text(t, c.Addr(0), "SET", hs[0].key("k", 2), "v")
	must(t, os.RemoveAll(nodeFile(c, 0)))
	replicasAgree(t, c)
	digest := text(t, c.Addr(1), "DEBUG", "DIGEST")
	shutDown(t, c, 0, "SAVE")
	soundFile(t, nodeFile(c, 0))
	if d := text(t, onFile(t, nodeFile(c, 0)), "DEBUG", "DIGEST"); d != digest {
		t.Errorf("the file has the digest %s, want %s", d, digest)
	}
}

// TestChangesAfterSaveCluster: what a follower has only caught up with for its file is in it,
// and isn't a change since then.
func TestChangesAfterSaveCluster(t *testing.T) {
	c := startNodes(t, "--save", "")
	for _, h := range homes(t, c) {
		text(t, c.Addr(h.node), "EVAL", "for i = 1, 20000 do redis.call('zadd', KEYS[1], i, i) end return 'OK'", "1", h.key("big", 0))
		other := c.Addr((h.node + 1) % c.Len())
		text(t, other, "SAVE")
		if info := text(t, other, "INFO", "persistence"); !strings.Contains(info, "rdb_changes_since_last_save:0\r\n") {
			t.Errorf("after SAVE and no write: %s", info)
		}
	}
}
