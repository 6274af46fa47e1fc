package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quorate/quorate/test/harness"
)

var literal = flag.Bool("literal", false, "wait as long as the course has its reader wait")

// reader is somebody at a shell who starts a server in a directory.
type reader struct {
	t    *testing.T
	dir  string
	port string
	cli  string
	p    *harness.Process
}

// newReader makes the directory with a redis.conf and starts the server there, as
// "quorate ./redis.conf" but for the port.
func newReader(t *testing.T, name, conf string) *reader {
	t.Helper()
	r := &reader{t: t, dir: filepath.Join(t.TempDir(), name), cli: tool(t, "redis-cli")}
	must(t, os.MkdirAll(r.dir, 0o700))
	must(t, os.WriteFile(filepath.Join(r.dir, "redis.conf"), []byte(conf), 0o600))
	r.start()
	return r
}

func (r *reader) start() {
	r.t.Helper()
	binary, err := harness.Binary()
	must(r.t, err)
	ports, err := harness.FreePorts(1, 0)
	must(r.t, err)
	r.port = strconv.Itoa(ports[0])
	r.p = harness.NewProcess("quorate", r.dir, binary, "./redis.conf", "--port", r.port, "--bind", "127.0.0.1", "--quorate-metrics-port", "0")
	must(r.t, r.p.Start())
	r.t.Cleanup(func() { _ = r.p.Kill() })
	eventually(r.t, "the server answers", func() error { _, err := ask(harness.Addr(ports[0]), "DEL", "probe"); return err })
}

// types types a command into redis-cli and wants an answer.
func (r *reader) types(want string, args ...string) {
	r.t.Helper()
	out, err := runTool("", r.cli, append([]string{"-p", r.port}, args...)...)
	if err != nil || strings.TrimSpace(out) != want {
		r.t.Errorf("redis-cli %s: %v, %q, want %q", strings.Join(args, " "), err, out, want)
	}
}

// sees waits until a file is there.
func (r *reader) sees(path string) {
	r.t.Helper()
	eventually(r.t, "ls shows "+path, func() error { _, err := os.Stat(filepath.Join(r.dir, path)); return err })
}

// TestRowP8: the exercise of 3.2.
func TestRowP8(t *testing.T) {
	save := "save 1 3"
	if *literal {
		save = "save 20 3"
	}
	r := newReader(t, "3.2", "dbfilename my_backup_file.rdb\n"+save+"\n")
	if _, err := os.Stat(filepath.Join(r.dir, "my_backup_file.rdb")); err == nil {
		t.Error("the file is there before anything was written")
	}
	r.types("OK", "SET", "a", "1")
	r.types("OK", "SET", "b", "2")
	r.types("OK", "SET", "c", "3")
	r.sees("my_backup_file.rdb")
	if out, err := runTool("", tool(t, "redis-check-rdb"), filepath.Join(r.dir, "my_backup_file.rdb")); err != nil || !strings.Contains(out, "RDB looks OK") {
		t.Errorf("redis-check-rdb: %v\n%s", err, out)
	}
}

// TestRowP1: dbfilename and dir, in the file and by CONFIG SET.
func TestRowP1(t *testing.T) {
	r := newReader(t, "p1", "enable-protected-configs yes\n")
	must(t, os.MkdirAll(filepath.Join(r.dir, "rdbs"), 0o700))
	r.types("OK", "SET", "k", "v")
	r.types("OK", "CONFIG", "SET", "dbfilename", "my_backup_file.rdb")
	r.types("OK", "CONFIG", "SET", "dir", "./rdbs")
	r.types("OK", "SAVE")
	r.sees("rdbs/my_backup_file.rdb")
	must(t, r.p.Stop(patience))

	must(t, os.WriteFile(filepath.Join(r.dir, "redis.conf"), []byte("dbfilename my_backup_file.rdb\ndir ./rdbs\n"), 0o600))
	r.start()
	r.types("v", "GET", "k") // the file that is there is what the server begins with
	must(t, os.Remove(filepath.Join(r.dir, "rdbs", "my_backup_file.rdb")))
	r.types("OK", "SAVE")
	r.sees("rdbs/my_backup_file.rdb")
}

// TestRowP2: the save points that there are by default, and one that is set.
func TestRowP2(t *testing.T) {
	r := newReader(t, "p2", "")
	r.types("save\n3600 1 300 100 60 10000", "CONFIG", "GET", "save")
	r.types("OK", "CONFIG", "SET", "save", "60 1000")
	r.types("save\n60 1000", "CONFIG", "GET", "save")
	r.types("OK", "CONFIG", "SET", "save", "1 1000")
	for n := range 10 {
		text(t, "127.0.0.1:"+r.port, "EVAL", "for i = 1, 100 do redis.call('set', KEYS[1] .. i, i) end", "1", fmt.Sprint("key", n))
		if n == 8 { // 900 changes, one second and more
			time.Sleep(1200 * time.Millisecond) // what doesn't happen offers nothing to wait on
			if _, err := os.Stat(filepath.Join(r.dir, "dump.rdb")); err == nil {
				t.Error("saved before the save point was reached")
			}
		}
	}
	r.sees("dump.rdb")
}

// TestRowP3: BGSAVE while clients write. All of them are served, and the file has the
// data of one moment: no pair of keys that one command wrote is torn.
func TestRowP3(t *testing.T) {
	c := startPlain(t, "--appendfsync", "no", "--save", "")
	addr := c.Addr(0)
	text(t, addr, "DEBUG", "POPULATE", strconv.Itoa(scaled(300000, 30000)), "key", "100")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	written, slowest := 0, time.Duration(0)
	for w := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				began := time.Now()
				v := strconv.Itoa(n)
				if _, err := ask(addr, "MSET", fmt.Sprint("one:", w), v, fmt.Sprint("two:", w), v); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				written++
				slowest = max(slowest, time.Since(began))
				mu.Unlock()
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return written
	}
	eventually(t, "clients write", func() error {
		if count() < 100 {
			return fmt.Errorf("%d", count())
		}
		return nil
	})
	before := count()
	text(t, addr, "BGSAVE")
	if _, err := ask(addr, "BGSAVE"); err != nil && !strings.Contains(err.Error(), "Background save already in progress") {
		t.Error(err)
	}
	eventually(t, "the file is written", func() error {
		if info := text(t, addr, "INFO", "persistence"); !strings.Contains(info, "rdb_bgsave_in_progress:0") {
			return fmt.Errorf("%s", info)
		}
		return nil
	})
	meanwhile := count() - before
	close(stop)
	wg.Wait()
	if meanwhile == 0 {
		t.Error("nobody could write while the file was written")
	}
	t.Logf("%d writes meanwhile, the slowest of all took %v", meanwhile, slowest)
	if slowest > 5*time.Second {
		t.Errorf("a write took %v", slowest)
	}
	redis := onFile(t, filepath.Join(c.Node(0).Dir(), "dump.rdb"))
	for w := range 4 {
		one, two := text(t, redis, "GET", fmt.Sprint("one:", w)), text(t, redis, "GET", fmt.Sprint("two:", w))
		if one == "" || one != two {
			t.Errorf("the file has %q and %q of what was written together", one, two)
		}
	}
}

// onFile starts a redis-server on a copy of a file and returns its address.
func onFile(t *testing.T, path string) string {
	t.Helper()
	tool(t, "redis-server")
	b, err := os.ReadFile(path)
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "copy.rdb"), b, 0o600))
	return harness.New(t, harness.Options{Kind: harness.Redis{}, Nodes: 1,
		Args: []string{"--dir", dir, "--dbfilename", "copy.rdb", "--enable-debug-command", "yes"}}).Addr(0)
}

// TestRowP4: a server is cloned by its file, whoever has written it.
func TestRowP4(t *testing.T) {
	r := newReader(t, "p4", "enable-debug-command yes\n")
	addr := "127.0.0.1:" + r.port
	r.types("OK", "SET", "greeting", "hello")
	r.types("3", "RPUSH", "list", "a", "b", "c")
	r.types("1", "HSET", "hash", "field", "value")
	r.types("OK", "SET", "session", "x", "EX", "10000")
	r.types("OK", "SAVE")
	digest := text(t, addr, "DEBUG", "DIGEST")
	file, err := os.ReadFile(filepath.Join(r.dir, "dump.rdb"))
	must(t, err)

	redis := onFile(t, filepath.Join(r.dir, "dump.rdb"))
	if d := text(t, redis, "DEBUG", "DIGEST"); d != digest {
		t.Errorf("redis-server has the digest %s, the node %s", d, digest)
	}
	clone := &reader{t: t, dir: t.TempDir(), cli: r.cli}
	must(t, os.WriteFile(filepath.Join(clone.dir, "redis.conf"), []byte("enable-debug-command yes\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(clone.dir, "dump.rdb"), file, 0o600))
	clone.start()
	clone.types("hello", "GET", "greeting")
	clone.types("a\nb\nc", "LRANGE", "list", "0", "-1")
	if d := text(t, "127.0.0.1:"+clone.port, "DEBUG", "DIGEST"); d != digest {
		t.Errorf("the clone has the digest %s, the first %s", d, digest)
	}
	if info := text(t, "127.0.0.1:"+clone.port, "INFO", "persistence"); !strings.Contains(info, "rdb_last_load_keys_loaded:4\r\n") {
		t.Error(info)
	}
}

// TestDownloadRDB: redis-cli --rdb, from a node in plain mode and from all of a cluster.
func TestDownloadRDB(t *testing.T) {
	cli, check := tool(t, "redis-cli"), tool(t, "redis-check-rdb")
	t.Parallel()
	cluster, plain := startNodes(t), startPlain(t, "--rdbcompression", "no", "--rdbchecksum", "no")
	h := homes(t, cluster)
	for i := range 300 {
		node := i % cluster.Len()
		text(t, cluster.Addr(node), "SET", h[node].key("k", i), strings.Repeat("v", 100))
		text(t, plain.Addr(0), "SET", fmt.Sprint("k", i), strings.Repeat("v", 100))
	}
	download := func(c *harness.Cluster, node int, says string) (path string) {
		t.Helper()
		path = filepath.Join(t.TempDir(), "copy.rdb")
		if out, err := runTool("", cli, "-p", port(c, node), "--rdb", path); err != nil || !strings.Contains(out, "Transfer finished with success") {
			t.Fatalf("redis-cli --rdb: %v\n%s", err, out)
		}
		if out, err := runTool("", check, path); err != nil || !strings.Contains(out, "RDB looks OK") || !strings.Contains(out, says) {
			t.Errorf("redis-check-rdb: %v\n%s", err, out)
		}
		return path
	}
	path := download(plain, 0, "checksum disabled")
	if b, err := os.ReadFile(path); err != nil || len(b) < 300*100 {
		t.Errorf("%d bytes though nothing shall be compressed, %v", len(b), err)
	}
	redis := onFile(t, path)
	if got, want := text(t, redis, "DEBUG", "DIGEST"), text(t, plain.Addr(0), "DEBUG", "DIGEST"); got != want {
		t.Errorf("redis-server has the digest %s, the node %s", got, want)
	}
	keys := 0
	for node := range cluster.Len() {
		path := download(cluster, node, "Checksum OK")
		if b, err := os.ReadFile(path); err != nil || len(b) > 100*100 {
			t.Errorf("%d bytes though all can be compressed, %v", len(b), err)
		}
		r, err := ask(onFile(t, path), "DBSIZE")
		must(t, err)
		n, _ := r.Int()
		keys += int(n)
	}
	if keys != 300 {
		t.Errorf("the files of all nodes have %d keys together, want 300", keys)
	}
	// A node's own file has all its groups, also those that others lead.
	text(t, cluster.Addr(0), "SAVE")
	r, err := ask(onFile(t, filepath.Join(cluster.Node(0).Dir(), "dump.rdb")), "DBSIZE")
	must(t, err)
	if n, _ := r.Int(); n != 300 {
		t.Errorf("the file of a node has %d keys, want 300", n)
	}
}
