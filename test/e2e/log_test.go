package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/quorate/quorate/test/harness"
)

// TestLogDump: the log of a stopped node as people read it, without a change to its files.
func TestLogDump(t *testing.T) {
	binary, err := harness.Binary()
	must(t, err)
	for _, store := range []string{"shared", "boltdb"} {
		dir := t.TempDir()
		c := startPlain(t, "--dir", dir, "--quorate-log-store", store, "--save", "")
		addr := c.Addr(0)
		text(t, addr, "SET", "k", "a\x01\n\"b\"", "PX", "100000")
		text(t, addr, "EVAL", "return redis.call('SET', KEYS[1], math.random())", "1", "r")
		dump := func(args ...string) (string, error) {
			out, err := exec.Command(binary, append([]string{"log", "dump", "--dir"}, args...)...).CombinedOutput()
			return string(out), err
		}
		if out, err := dump(dir); err == nil || !strings.Contains(out, "in use by another process") {
			t.Errorf("of a running node: %v\n%s", err, out)
		}
		must(t, c.Kill(0))
		before := contents(t, dir)
		out, err := dump(dir)
		must(t, err)
		for _, want := range []string{
			`(?m)^group=1 index=1 term=1 time=\S+ type=configuration\n  Voter [0-9a-f]{40} at plain$`,
			`(?m)^group=1 index=\d+ term=\d+ time=\S+ type=noop$`,
			`(?m)^group=1 index=\d+ term=\d+ time=20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z type=commands\n  "SET" "k" "a\\x01\\n\\"b\\"" "PXAT" "\d+"$`,
			`(?m)^  "EVAL" "return redis.call\('SET', KEYS\[1\], math.random\(\)\)" "1" "r"$`,
		} {
			if !regexp.MustCompile(want).MatchString(out) {
				t.Errorf("%s: no %s in\n%s", store, want, out)
			}
		}
		if one, err := dump(filepath.Join(dir, "quorate-data"), "--group", "1", "--from", "2", "--to", "2"); err != nil ||
			!regexp.MustCompile(`^group=1 index=2 .*\n$`).MatchString(one) {
			t.Errorf("one entry: %v\n%s", err, one)
		}
		if out, err := dump(dir, "--group", "7"); err == nil || !strings.Contains(out, "no replica of group 7") {
			t.Errorf("another group: %v\n%s", err, out)
		}
		if out, err := dump(t.TempDir()); err == nil || !strings.Contains(out, "no data of a node") {
			t.Errorf("another directory: %v\n%s", err, out)
		}
		for path, b := range contents(t, dir) {
			if before[path] != b {
				t.Errorf("%s: %s was changed", store, path)
			}
			delete(before, path)
		}
		if len(before) > 0 {
			t.Errorf("%s: %d files are gone", store, len(before))
		}

		if store == "shared" {
			logs, err := filepath.Glob(filepath.Join(dir, "quorate-data", "log", "*.log"))
			must(t, err)
			b, err := os.ReadFile(logs[0])
			must(t, err)
			b[bytes.Index(b, []byte("harness:probe"))] ^= 1 // others follow it
			must(t, os.WriteFile(logs[0], b, 0o600))
			if out, err := dump(dir); err == nil || !strings.Contains(out, "the log is damaged at "+logs[0]+", offset ") {
				t.Errorf("damaged: %v\n%s", err, out)
			}
		}
	}
}

// contents reads all files below a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out[path] = string(b)
		return err
	}))
	return out
}

// TestLogExportCluster: each node of a cluster has the data of all groups of which it
// has a replica, as far as that is known to be committed.
func TestLogExportCluster(t *testing.T) {
	binary, err := harness.Binary()
	must(t, err)
	tool(t, "redis-server")
	c := startNodes(t)
	cluster := c.Addrs()
	var certain, last []string
	for i, h := range homes(t, c) {
		for n := range 5 {
			text(t, cluster[h.node], "SET", h.key("k", n), "first")
			if i > 0 {
				certain = append(certain, h.key("k", n))
			}
		}
		if i == 0 {
			text(t, cluster[h.node], "SAVE")
			text(t, cluster[h.node], "FLUSHALL") // of one group
		}
		text(t, cluster[h.node], "SET", h.key("certain", 0), "x")
		text(t, cluster[h.node], "SET", h.key("last", 0), "y") // says that the one before is committed
		certain, last = append(certain, h.key("certain", 0)), append(last, h.key("last", 0))
	}
	replicasAgree(t, c)
	dir := c.Node(0).Dir()
	must(t, c.Kill(0))
	out := filepath.Join(t.TempDir(), "appendonlydir")
	said, err := exec.Command(binary, "log", "export", "--dir", dir, "--out", out).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if !strings.Contains(string(said), "1 entries at the end aren't known to be committed") {
		t.Errorf("no word about the last entries:\n%s", said)
	}
	if said, err := exec.Command(binary, "log", "export", "--dir", dir, "--out", out).CombinedOutput(); err == nil || !strings.Contains(string(said), "isn't empty") {
		t.Errorf("into a directory with files: %v\n%s", err, said)
	}
	all := filepath.Join(t.TempDir(), "appendonlydir")
	if said, err := exec.Command(binary, "log", "export", "--dir", dir, "--out", all, "--uncertain").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for dir, want := range map[string][]string{out: certain, all: slices.Concat(certain, last)} {
		redis := harness.New(t, harness.Options{Kind: harness.Redis{}, Nodes: 1, Args: []string{"--dir", filepath.Dir(dir), "--appendonly", "yes"}})
		keys, err := ask(redis.Addr(0), "KEYS", "*")
		must(t, err)
		got := keys.Strings()
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("%s:\n%q, want\n%q", dir, got, want)
		}
	}
}
