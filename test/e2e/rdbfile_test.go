package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/test/harness"
)

// TestRDBFile: a node in plain mode leaves an RDB file where redis-server would, and
// begins with one that it finds, whoever has written it.
func TestRDBFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "backup.rdb")
	args := []string{"--appendfsync", "no", "--enable-debug-command", "yes", "--dir", dir, "--dbfilename", "backup.rdb"}
	start := func(more ...string) *harness.Cluster {
		return startPlain(t, append(append([]string{}, args...), more...)...)
	}
	missing := func() error {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the file is there: %v", err)
		}
		return nil
	}

	// A save point, as in the course's exercise.
	c := start("--save", "1 3")
	addr := c.Addr(0)
	must(t, missing())
	for _, key := range []string{"a", "b", "c"} {
		text(t, addr, "SET", key, "of "+key, "PX", "100000000")
	}
	eventually(t, "the save point leaves a file", func() error { _, err := os.Stat(path); return err })
	must(t, os.Remove(path))
	text(t, addr, "CONFIG", "SET", "save", "")
	text(t, addr, "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 7 end)")
	text(t, addr, "RPUSH", "list", "1", "2", "3")
	text(t, addr, "SAVE")
	if out, err := exec.Command("redis-check-rdb", path).CombinedOutput(); err != nil && !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("redis-check-rdb: %v\n%s", err, out)
	}
	digest := text(t, addr, "DEBUG", "DIGEST")

	// DEBUG RELOAD NOSAVE takes what lies there, and a damaged file changes nothing.
	text(t, addr, "SET", "later", "x")
	whole, err := os.ReadFile(path)
	must(t, err)
	for _, damage := range []func([]byte) []byte{
		func(b []byte) []byte { return b[:len(b)/2] },
		func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		func([]byte) []byte { return []byte("no RDB file") },
	} {
		must(t, os.WriteFile(path, damage(append([]byte{}, whole...)), 0o600))
		if _, err := ask(addr, "DEBUG", "RELOAD", "NOSAVE"); err == nil || !strings.Contains(err.Error(), "Error trying to load the RDB dump") {
			t.Errorf("a damaged file: %v", err)
		}
		if v := text(t, addr, "GET", "later"); v != "x" {
			t.Errorf("behind a damaged file: %q", v)
		}
	}
	must(t, os.WriteFile(path, whole, 0o600))
	text(t, addr, "DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE")
	if v := text(t, addr, "GET", "later"); v != "x" {
		t.Errorf("merged: %q", v)
	}
	text(t, addr, "DEBUG", "RELOAD", "NOSAVE")
	if d := text(t, addr, "DEBUG", "DIGEST"); d != digest {
		t.Errorf("digest %s, want %s", d, digest)
	}
	text(t, addr, "SET", "behind", "the import")
	must(t, c.Kill(0))
	again(t, c)
	for key, want := range map[string]string{"a": "of a", "behind": "the import", "later": ""} {
		if v := text(t, addr, "GET", key); v != want {
			t.Errorf("%s after kill -9: %q, want %q", key, v, want)
		}
	}
	if info := text(t, addr, "INFO", "persistence"); !strings.Contains(info, "rdb_changes_since_last_save:0\r\n") {
		t.Errorf("what the log held counts as changed: %s", info)
	}
	text(t, addr, "DEL", "behind")

	// The file of another server: the first state, and only that.
	must(t, c.Stop())
	must(t, os.RemoveAll(filepath.Join(dir, "quorate-data")))
	must(t, os.WriteFile(path, whole, 0o600))
	c = start("--save", "")
	addr = c.Addr(0)
	if d := text(t, addr, "DEBUG", "DIGEST"); d != digest {
		t.Errorf("digest of a node that began with the file: %s, want %s", d, digest)
	}
	text(t, addr, "SET", "a", "newer")
	must(t, c.Kill(0))
	again(t, c)
	if v := text(t, addr, "GET", "a"); v != "newer" {
		t.Errorf("a after kill -9: %q: the file was loaded again", v)
	}
	if v := text(t, addr, "FCALL", "f", "0"); v != "7" {
		t.Errorf("FCALL: %q", v)
	}
	must(t, c.Stop())
	if now, err := os.ReadFile(path); err != nil || string(now) != string(whole) {
		t.Errorf("a file was written without save points: %v", err)
	}

	// With save points the end of the process leaves a file, but for NOSAVE.
	must(t, os.Remove(path))
	c = start("--save", "3600 1")
	if _, err := ask(c.Addr(0), "SHUTDOWN", "NOSAVE"); err == nil {
		t.Error("SHUTDOWN was answered")
	}
	eventually(t, "the node ends", func() error {
		if c.Node(0).Running() {
			return errors.New("it runs")
		}
		return nil
	})
	must(t, missing())
	again(t, c)
	must(t, c.Terminate(0))
	if _, err := os.Stat(path); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	// Also if it comes the moment the first command is answered.
	for range 10 {
		_ = os.Remove(path)
		must(t, c.Restart(0))
		for deadline := time.Now().Add(patience); ; {
			if _, err := ask(c.Addr(0), "SET", "a", "x"); err == nil {
				break
			} else if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
		must(t, c.Terminate(0))
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("after a SIGTERM behind the first answer: %v", err)
		}
	}
}

// again starts a node that has ended and waits until it serves.
func again(t *testing.T, c *harness.Cluster) {
	t.Helper()
	must(t, c.Restart(0))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	must(t, c.WaitReady(ctx))
}

// TestRDBFileDamaged: a node that would begin with a file that it can't read doesn't
// start, and begins with it once it is whole.
func TestRDBFileDamaged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "dump.rdb")
	must(t, os.WriteFile(path, []byte("REDIS0011 and nothing else"), 0o600))
	binary, err := harness.Binary()
	must(t, err)
	ports, err := harness.FreePorts(1, 0)
	must(t, err)
	out, err := exec.Command(binary, "--port", fmt.Sprint(ports[0]), "--bind", "127.0.0.1", "--dir", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "load "+path) {
		t.Errorf("%v: %s", err, out)
	}
	must(t, os.Remove(path))
	c := startPlain(t, "--dir", dir)
	text(t, c.Addr(0), "SET", "k", "v")
}
