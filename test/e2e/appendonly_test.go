package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/quorate/quorate/test/harness"
)

// TestAppendOnlyExercise is the exercise of the course: redis-cli turns the append-only
// files on, CONFIG REWRITE keeps that, Ctrl-C, and everything is there again.
func TestAppendOnlyExercise(t *testing.T) {
	cli := tool(t, "redis-cli")
	binary, err := harness.Binary()
	must(t, err)
	ports, err := harness.FreePorts(1, 0)
	must(t, err)
	dir := filepath.Join(t.TempDir(), "3.2")
	must(t, os.Mkdir(dir, 0o755))
	conf := filepath.Join(dir, "redis.conf")
	must(t, os.WriteFile(conf, []byte(fmt.Sprintf("port %d\nquorate-metrics-port 0\ndbfilename my_backup_file.rdb\nsave 20 3\n", ports[0])), 0o644))
	p := harness.NewProcess("quorate", dir, binary, "./redis.conf")
	start := func() {
		t.Helper()
		must(t, p.Start())
		eventually(t, "the server answers", func() error { _, err := ask(harness.Addr(ports[0]), "PING"); return err })
	}
	run := func(want string, args ...string) {
		t.Helper()
		out, err := runTool("", cli, append([]string{"-p", fmt.Sprint(ports[0])}, args...)...)
		if err != nil || strings.TrimSpace(out) != want {
			t.Errorf("redis-cli %q: %q %v, want %q", args, out, err, want)
		}
	}
	start()
	t.Cleanup(func() { _ = p.Kill() })
	run("OK", "SET", "a", "1")
	if _, err := os.Stat(filepath.Join(dir, "appendonlydir")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is there without appendonly: %v", err)
	}
	run("OK", "CONFIG", "SET", "appendonly", "yes")
	run("OK", "CONFIG", "SET", "appendfsync", "always")
	run("OK", "CONFIG", "REWRITE")
	text, err := os.ReadFile(conf)
	must(t, err)
	for _, line := range []string{"appendonly yes", "appendfsync always"} {
		if !slices.Contains(strings.Split(string(text), "\n"), line) {
			t.Errorf("redis.conf lacks %q:\n%s", line, text)
		}
	}
	for _, k := range []string{"d", "e", "f"} {
		run("OK", "SET", k, "value of "+k)
	}
	eventually(t, "the last key is in the directory", func() error {
		files, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "appendonly.aof.*.incr.aof"))
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), "value of f") {
				return nil
			}
		}
		return fmt.Errorf("not in %v: %v", files, err)
	})
	must(t, p.Signal(syscall.SIGINT))
	eventually(t, "Ctrl-C ends it", func() error {
		if p.Running() {
			return errors.New("it runs")
		}
		return nil
	})
	start()
	out, err := runTool("", cli, "-p", fmt.Sprint(ports[0]), "SCAN", "0")
	must(t, err)
	words := strings.Fields(out)
	if slices.Sort(words); strings.Join(words, " ") != "0 a d e f" {
		t.Errorf("SCAN 0: %q", words)
	}
	run("appendonly\nyes", "CONFIG", "GET", "appendonly")
	must(t, p.Stop(patience))
}

// TestAppendOnlyBegin: a node without data begins with append-only files, whoever has
// written them, as redis-server does, and only then.
func TestAppendOnlyBegin(t *testing.T) {
	dir := t.TempDir()
	files := filepath.Join(dir, "aofs")
	args := []string{"--dir", dir, "--appendonly", "yes", "--appenddirname", "aofs", "--appendfilename", "my.aof", "--appendfsync", "no", "--save", ""}
	c := startPlain(t, args...)
	addr := c.Addr(0)
	text(t, addr, "SET", "n", "1")
	text(t, addr, "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 7 end)")
	eventually(t, "the first rewrite is over", func() error { _, err := ask(addr, "BGREWRITEAOF"); return err })
	eventually(t, "a second base", func() error { _, err := os.Stat(filepath.Join(files, "my.aof.2.base.rdb")); return err })
	text(t, addr, "INCR", "n")
	text(t, addr, "SADD", "set", "a", "b", "c", "d", "e")
	text(t, addr, "SPOP", "set", "2")
	digest := text(t, addr, "DEBUG", "DIGEST")
	must(t, c.Stop())
	increment := filepath.Join(files, "my.aof.2.incr.aof")
	whole, err := os.ReadFile(increment)
	must(t, err)
	manifest, err := os.ReadFile(filepath.Join(files, "my.aof.manifest"))
	must(t, err)

	binary, err := harness.Binary()
	must(t, err)
	ports, err := harness.FreePorts(1, 0)
	must(t, err)
	refused := func(want string, more ...string) {
		t.Helper()
		must(t, os.RemoveAll(filepath.Join(dir, "quorate-data")))
		out, err := exec.Command(binary, append(append([]string{"--port", fmt.Sprint(ports[0]), "--bind", "127.0.0.1", "--quorate-metrics-port", "0"}, args...), more...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v, want %q:\n%s", err, want, out)
		}
	}
	put := func(path string, b []byte) {
		t.Helper()
		must(t, os.WriteFile(path, b, 0o600))
	}
	base, err := os.ReadFile(filepath.Join(files, "my.aof.2.base.rdb"))
	must(t, err)
	put(filepath.Join(files, "my.aof.2.base.rdb"), base[:len(base)-20])
	refused("Error reading the RDB base file")
	put(filepath.Join(files, "my.aof.2.base.rdb"), base)
	put(increment, append(slices.Clone(whole[:50]), append([]byte("damage"), whole[50:]...)...))
	refused("Bad file format reading the append only file")
	put(increment, whole[:len(whole)-3])
	refused("Unexpected end of file reading the append only file", "--aof-load-truncated", "no")
	put(increment, append(slices.Clone(whole), "*1\r\n$4\r\nWHAT\r\n"...))
	refused("Unknown command 'WHAT' reading the append only file")
	put(increment, whole)
	put(filepath.Join(files, "my.aof.manifest"), append(slices.Clone(manifest), "file x type i\n"...))
	refused("Invalid AOF manifest file format")
	put(filepath.Join(files, "my.aof.manifest"), manifest)

	// A torn end is left out, what is before it counts.
	must(t, os.RemoveAll(filepath.Join(dir, "quorate-data")))
	put(increment, append(slices.Clone(whole), "*3\r\n$3\r\nSET\r\n$1\r\nn\r\n$9\r\n4"...))
	c = startPlain(t, args...)
	addr = c.Addr(0)
	if d := text(t, addr, "DEBUG", "DIGEST"); d != digest {
		t.Errorf("digest %s, want %s", d, digest)
	}
	if v := text(t, addr, "FCALL", "f", "0"); v != "7" {
		t.Errorf("FCALL: %q", v)
	}
	// With data of its own the files are no source any more, and begin anew.
	text(t, addr, "SET", "n", "newer")
	must(t, c.Kill(0))
	again(t, c)
	if v := text(t, addr, "GET", "n"); v != "newer" {
		t.Errorf("n after kill -9: %q", v)
	}
	eventually(t, "the files have what the log has", func() error {
		bases, err := filepath.Glob(filepath.Join(files, "my.aof.*.base.rdb"))
		if err != nil || len(bases) != 1 {
			return fmt.Errorf("%v %v", bases, err)
		}
		b, err := os.ReadFile(bases[0])
		if err == nil && !strings.Contains(string(b), "newer") {
			err = fmt.Errorf("%q", b)
		}
		return err
	})
	must(t, c.Stop())
}
