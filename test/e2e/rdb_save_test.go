package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// twins are a node in plain mode and a redis-server that are told the same.
type twins struct {
	t     *testing.T
	nodes [2]*harness.Cluster
	conns [2]*wire.Conn
	dirs  [2]string // in which each began
}

var twinNames = [2]string{"quorate", "redis-server"}

func startTwins(t *testing.T, args ...string) *twins {
	t.Helper()
	tool(t, "redis-server")
	w := &twins{t: t}
	for i, kind := range []harness.Kind{harness.Quorate{}, harness.Redis{}} {
		w.nodes[i] = harness.New(t, harness.Options{Kind: kind, Nodes: 1, Args: args})
		w.dirs[i] = w.nodes[i].Node(0).Dir()
		conn, err := wire.Dial(t.Context(), w.nodes[i].Addr(0), askTimeout)
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		w.conns[i] = conn
	}
	return w
}

// say sends a command to both, wherever it says DIR with its own directory, and
// requires the same reply, which it returns.
func (w *twins) say(args ...string) string {
	w.t.Helper()
	var replies [2]string
	for i, conn := range w.conns {
		mine := append([]string{}, args...)
		for j := range mine {
			mine[j] = strings.ReplaceAll(mine[j], "DIR", w.dirs[i])
		}
		r, err := conn.Do(mine...)
		must(w.t, err)
		replies[i] = regexp.MustCompile(`\$\d+\r\n`).ReplaceAllString(strings.ReplaceAll(string(r.Raw), w.dirs[i], "DIR"), "")
	}
	if replies[0] != replies[1] {
		w.t.Errorf("%q replies\n %q, redis-server\n %q", args, replies[0], replies[1])
	}
	return replies[1]
}

// want is say, and the reply must begin so.
func (w *twins) want(reply string, args ...string) {
	w.t.Helper()
	if got := w.say(args...); !strings.HasPrefix(got, reply) {
		w.t.Errorf("%q replies %q", args, got)
	}
}

// each does something to the directory of each.
func (w *twins) each(do func(dir string) error) {
	w.t.Helper()
	for _, dir := range w.dirs {
		must(w.t, do(dir))
	}
}

// saved waits until both have finished what they save, with that status.
func (w *twins) saved(status string) {
	w.t.Helper()
	for i := range w.nodes {
		eventually(w.t, twinNames[i]+" says "+status, func() error {
			info := text(w.t, w.nodes[i].Addr(0), "INFO", "persistence")
			if !strings.Contains(info, "rdb_last_bgsave_status:"+status+"\r\n") || !strings.Contains(info, "rdb_bgsave_in_progress:0\r\n") {
				return fmt.Errorf("%s", info)
			}
			return nil
		})
	}
}

// TestSaveFails: what clients are told when the RDB file can't be written, and after.
func TestSaveFails(t *testing.T) {
	w := startTwins(t)
	w.want("+OK", "CONFIG", "SET", "save", "3600 1")
	w.want("+OK", "SET", "a", "1")
	// A directory that isn't empty is in the way.
	w.each(func(dir string) error { return os.MkdirAll(filepath.Join(dir, "dump.rdb", "x"), 0o700) })
	w.want("-ERR", "SAVE")
	w.want("+OK", "SET", "a", "2") // who said SAVE has heard it
	w.want("+Background saving started", "BGSAVE")
	w.saved("err")
	for _, reply := range []string{"-MISCONF Redis is configured", "-MISCONF"} { // with and without a transaction's first error
		w.want(reply, "SET", "a", "3")
	}
	for _, args := range [][]string{
		{"GET", "a"}, {"PING"}, {"PING", "hello"}, {"DEL", "nothing"}, {"FLUSHALL"}, {"ECHO", "x"}, {"PUBLISH", "c", "m"}, {"SET", "a"},
		{"EVAL", "return redis.call('get', KEYS[1])", "1", "a"},
		{"EVAL", "return redis.call('set', KEYS[1], 4)", "1", "a"},
		{"EVAL", "return redis.pcall('set', KEYS[1], 4)", "1", "a"},
		{"EVAL", "#!lua\nreturn redis.call('get', KEYS[1])", "1", "a"},
		{"EVAL", "#!lua flags=no-writes\nreturn redis.call('get', KEYS[1])", "1", "a"},
		{"MULTI"}, {"GET", "a"}, {"EXEC"},
		{"MULTI"}, {"SET", "a", "4"}, {"EXEC"},
		{"MULTI"}, {"GET", "a"}, {"EVAL", "return redis.call('set', KEYS[1], 4)", "1", "a"}, {"EXEC"},
		{"CONFIG", "SET", "stop-writes-on-bgsave-error", "no"}, {"PING"}, {"SET", "a", "5"},
		{"MULTI"}, {"SET", "a", "6"}, {"CONFIG", "SET", "stop-writes-on-bgsave-error", "yes"}, {"EXEC"},
		{"SET", "a", "7"}, {"GET", "a"},
		{"CONFIG", "SET", "save", ""}, {"SET", "a", "8"}, {"CONFIG", "SET", "save", "3600 1"}, {"SET", "a", "9"},
		{"SAVE"}, {"SET", "a", "10"},
	} {
		w.say(args...)
	}
	w.each(func(dir string) error { return os.RemoveAll(filepath.Join(dir, "dump.rdb")) })
	w.want("-MISCONF", "SET", "a", "11")
	w.want("+OK", "SAVE")
	w.want("+OK", "SET", "a", "12")
	w.want("+PONG", "PING")
	w.saved("ok")
	for i, dir := range w.dirs {
		if left, err := filepath.Glob(filepath.Join(dir, "temp-*")); err != nil || len(left) > 0 {
			t.Errorf("%s has left %v, %v", twinNames[i], left, err)
		}
	}
	w.want("+Background saving started", "BGSAVE", "SCHEDULE")
	w.saved("ok")
	w.want("-ERR syntax error", "BGSAVE", "NOW")
	w.want("-ERR wrong number of arguments", "SAVE", "NOW")
}

// TestConfigSetDir: CONFIG SET dir and dbfilename move the RDB file as in Redis; the
// data stays where it is, also after CONFIG REWRITE and a restart.
func TestConfigSetDir(t *testing.T) {
	w := startTwins(t)
	w.want("-ERR CONFIG SET failed", "CONFIG", "SET", "dir", "DIR")
	w.want("-ERR CONFIG SET failed", "CONFIG", "SET", "dbfilename", "x.rdb")

	w = startTwins(t, "--enable-protected-configs", "yes")
	w.each(func(dir string) error { return os.MkdirAll(filepath.Join(dir, "rdbs", "deeper"), 0o700) })
	w.each(func(dir string) error { return os.WriteFile(filepath.Join(dir, "file"), nil, 0o600) })
	for _, args := range [][]string{
		{"CONFIG", "SET", "dir", "DIR/nowhere"}, {"CONFIG", "SET", "dir", "DIR/file"}, {"CONFIG", "SET", "dir", ""},
		{"CONFIG", "GET", "dir"},
		{"CONFIG", "SET", "dir", "./rdbs"}, {"CONFIG", "GET", "dir"},
		{"CONFIG", "SET", "dir", "deeper"}, {"CONFIG", "GET", "dir"},
		{"CONFIG", "SET", "dir", "rdbs"}, {"CONFIG", "GET", "dir"},
		{"CONFIG", "SET", "dir", ".."}, {"CONFIG", "GET", "dir"},
		{"CONFIG", "SET", "dbfilename", "a/b.rdb"}, {"CONFIG", "SET", "dbfilename", "mine.rdb"}, {"CONFIG", "GET", "dbfilename"},
		{"SET", "k", "v"}, {"SAVE"},
	} {
		w.say(args...)
	}
	w.each(func(dir string) error { _, err := os.Stat(filepath.Join(dir, "rdbs", "mine.rdb")); return err })
	w.each(func(dir string) error { return os.MkdirAll(filepath.Join(dir, "gone"), 0o700) })
	w.want("+OK", "CONFIG", "SET", "dir", "DIR/gone")
	w.each(func(dir string) error { return os.Remove(filepath.Join(dir, "gone")) })
	w.want("-ERR", "SAVE")
	w.want("+Background", "BGSAVE")
	w.saved("err")
}

// TestConfigRewriteDir: a node whose dir was moved finds its data after CONFIG REWRITE.
func TestConfigRewriteDir(t *testing.T) {
	binary, err := harness.Binary()
	must(t, err)
	ports, err := harness.FreePorts(1, 0)
	must(t, err)
	base := t.TempDir()
	home, other := filepath.Join(base, "home"), filepath.Join(base, "other")
	for _, dir := range []string{home, other} {
		must(t, os.MkdirAll(dir, 0o700))
	}
	conf := filepath.Join(home, "redis.conf")
	must(t, os.WriteFile(conf, fmt.Appendf(nil, "port %d\nbind 127.0.0.1\ndir %s\nenable-protected-configs yes\nsave 3600 1\nquorate-metrics-port 0\n", ports[0], home), 0o600))
	p := harness.NewProcess("node", home, binary, conf)
	addr := harness.Addr(ports[0])
	start := func() {
		t.Helper()
		must(t, p.Start())
		eventually(t, "the node answers", func() error { _, err := ask(addr, "GET", "k"); return err })
	}
	t.Cleanup(func() { _ = p.Kill() })
	start()
	text(t, addr, "SET", "k", "before")
	text(t, addr, "CONFIG", "SET", "dir", other)
	text(t, addr, "SAVE")
	text(t, addr, "SET", "k", "behind the file")
	text(t, addr, "CONFIG", "REWRITE")
	must(t, p.Kill())
	start()
	if v := text(t, addr, "GET", "k"); v != "behind the file" {
		t.Errorf("after CONFIG SET dir, CONFIG REWRITE and kill -9: %q", v)
	}
	if dir, err := ask(addr, "CONFIG", "GET", "dir"); err != nil || string(dir.Elems[1].Str) != other {
		t.Errorf("dir is %q, %v", dir.Raw, err)
	}
	if _, err := os.Stat(filepath.Join(other, "quorate-data")); err == nil {
		t.Error("there is a second data directory")
	}
	// Back again nothing is left of it.
	text(t, addr, "CONFIG", "SET", "dir", home)
	text(t, addr, "CONFIG", "REWRITE")
	if b, err := os.ReadFile(conf); err != nil || strings.Contains(string(b), home+"/quorate-data") {
		t.Errorf("%v: %s", err, b)
	}
	must(t, p.Kill())
	start()
	if v := text(t, addr, "GET", "k"); v != "behind the file" {
		t.Errorf("moved back: %q", v)
	}
	must(t, p.Stop(patience))
}

// TestInfoPersistence: the lines about RDB are those of redis-server, in its order, and
// count what it counts.
func TestInfoPersistence(t *testing.T) {
	w := startTwins(t)
	lines := func() (all [2][]string) {
		for i := range w.nodes {
			for line := range strings.Lines(text(t, w.nodes[i].Addr(0), "INFO", "persistence")) {
				if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && (strings.HasPrefix(name, "rdb_") || strings.HasPrefix(name, "current_")) {
					if name == "rdb_last_save_time" || strings.Contains(name, "cow") || name == "rdb_last_bgsave_time_sec" && value != "-1" {
						value = "" // of the machine
					}
					all[i] = append(all[i], name+":"+value)
				}
			}
		}
		return all
	}
	same := func(when string) {
		t.Helper()
		all := lines()
		if a, b := strings.Join(all[0], "\n"), strings.Join(all[1], "\n"); a != b {
			t.Errorf("%s:\n%s\n\nredis-server has\n%s", when, a, b)
		}
	}
	for _, i := range []int{0} { // the harness has written to it: start afresh
		text(t, w.nodes[i].Addr(0), "CONFIG", "SET", "save", "")
		text(t, w.nodes[i].Addr(0), "SAVE")
		text(t, w.nodes[i].Addr(0), "CONFIG", "RESETSTAT")
	}
	same("at the start")
	for n := range 10 {
		w.want("+OK", "SET", strconv.Itoa(n), "v")
	}
	w.want(":1", "LPUSH", "list", "a")
	w.want(":1", "SADD", "set", "a")
	same("after writes")
	w.want("+OK", "SAVE")
	same("after SAVE")
	w.want("+OK", "SET", "x", "v")
	w.want("+Background", "BGSAVE")
	w.saved("ok")
	same("after BGSAVE")
	w.want("+OK", "FLUSHDB")
	same("after FLUSHDB")
	w.want("+OK", "CONFIG", "RESETSTAT")
	same("after CONFIG RESETSTAT")
	w.want(":", "LASTSAVE")
}

// TestFlushallSaves: with save points FLUSHALL leaves an RDB file without what it has
// deleted before it replies, also from scripts and while a BGSAVE runs.
func TestFlushallSaves(t *testing.T) {
	w := startTwins(t, "--enable-debug-command", "yes")
	counts := func(when string) {
		t.Helper()
		var got [2]string
		for i := range w.nodes {
			for line := range strings.Lines(text(t, w.nodes[i].Addr(0), "INFO", "persistence")) {
				for _, name := range []string{"rdb_changes_since_last_save", "rdb_saves", "rdb_last_bgsave_status", "rdb_bgsave_in_progress"} {
					if strings.HasPrefix(line, name+":") {
						got[i] += line
					}
				}
			}
		}
		if got[0] != got[1] {
			t.Errorf("%s:\n%s\nredis-server has\n%s", when, got[0], got[1])
		}
	}
	// keys is how many each file has: that the server under test writes what Redis
	// reads is shown elsewhere.
	keys := func(when string, want int) {
		t.Helper()
		for i, dir := range w.dirs {
			b, err := os.ReadFile(filepath.Join(dir, "dump.rdb"))
			must(t, err)
			at := t.TempDir()
			must(t, os.WriteFile(filepath.Join(at, "dump.rdb"), b, 0o600))
			reader := harness.New(t, harness.Options{Kind: harness.Redis{}, Nodes: 1, Args: []string{"--dir", at}})
			if n := text(t, reader.Addr(0), "DBSIZE"); n != strconv.Itoa(want) {
				t.Errorf("%s: the file of %s has %s keys, want %d", when, twinNames[i], n, want)
			}
			must(t, reader.Node(0).Kill())
		}
	}
	w.want("+OK", "CONFIG", "SET", "save", "")
	w.want("+OK", "SET", "a", "1")
	w.want("+OK", "SAVE")
	w.want("+OK", "CONFIG", "RESETSTAT")
	w.want("+OK", "FLUSHALL")
	counts("FLUSHALL without save points")
	keys("without save points", 1)

	w.want("+OK", "CONFIG", "SET", "save", "3600 1")
	w.want("+OK", "SET", "a", "1")
	for _, flush := range [][]string{{"FLUSHALL"}, {"FLUSHALL", "ASYNC"}, {"EVAL", "return redis.call('flushall')", "0"}} {
		w.want("+OK", "SET", "a", "1")
		w.want("+OK", "SAVE")
		w.want("-ERR", "FLUSHALL", "what")
		w.want("+OK", flush...)
		counts(strings.Join(flush, " "))
		keys(strings.Join(flush, " "), 0)
	}
	w.want("+OK", "SET", "a", "1")
	w.want("+OK", "SAVE")
	w.want("+OK", "FLUSHDB")
	counts("FLUSHDB")
	keys("FLUSHDB", 1)
	w.want("+OK", "MULTI")
	w.want("+QUEUED", "FLUSHALL")
	w.want("*1", "EXEC")
	counts("a transaction")
	keys("a transaction", 0)

	w.want("+OK", "DEBUG", "POPULATE", "100000", "key", "500")
	w.want("+Background", "BGSAVE")
	w.want("+OK", "FLUSHALL")
	w.saved("ok")
	counts("FLUSHALL while a BGSAVE runs")
	keys("FLUSHALL while a BGSAVE runs", 0)

	w.want("+OK", "SET", "a", "1")
	w.each(func(dir string) error { return os.Remove(filepath.Join(dir, "dump.rdb")) })
	w.each(func(dir string) error { return os.MkdirAll(filepath.Join(dir, "dump.rdb", "x"), 0o700) })
	w.want("+OK", "FLUSHALL") // all the same
	counts("FLUSHALL that can't save")
	w.each(func(dir string) error { return os.RemoveAll(filepath.Join(dir, "dump.rdb")) }) // else redis-server doesn't end
}

// TestDumpUncompressed: DUMP compresses what redis-server's compresses, by rdbcompression.
func TestDumpUncompressed(t *testing.T) {
	w := startTwins(t, "--enable-debug-command", "yes", "--enable-protected-configs", "yes")
	long := strings.Repeat("abcd", 100)
	w.want("+OK", "SET", "string", long)
	w.want(":2", "RPUSH", "list", long, "short")
	w.want(":1", "HSET", "hash", "field", long) // beyond a listpack
	w.want(":1", "HSET", "small", "field", strings.Repeat("x", 60))
	w.want(":1", "ZADD", "zset", "1", strings.Repeat("x", 60))
	w.want(":1", "SADD", "set", long)
	w.want("1-1", "XADD", "stream", "1-1", "field", long)
	w.want("+OK", "SET", "short", "abc")
	keys := []string{"string", "list", "hash", "small", "zset", "set", "stream", "short"}
	sizes := map[string]int{}
	for _, key := range keys {
		r, err := w.conns[0].Do("DUMP", key)
		must(t, err)
		sizes[key] = len(r.Str)
	}
	w.want("+OK", "CONFIG", "SET", "rdbcompression", "no")
	for _, key := range keys {
		dump := w.say("DUMP", key) // without compression the bytes are the same
		if longer := len(dump) > sizes[key]+10; longer == (key == "short") {
			t.Errorf("%s has %d bytes, compressed %d", key, len(dump), sizes[key])
		}
		var objects [2]string
		for i, conn := range w.conns {
			r, err := conn.Do("DEBUG", "OBJECT", key)
			must(t, err)
			objects[i] = regexp.MustCompile(`serializedlength:\d+`).FindString(string(r.Raw))
		}
		if objects[0] != objects[1] || objects[0] == "" {
			t.Errorf("%s: %q", key, objects)
		}
	}
	// What a script writes may depend on it, and must be the same when it is replayed.
	if _, err := w.conns[0].Do("EVAL", "return redis.call('set', KEYS[2], redis.call('dump', KEYS[1]))", "2", "string", "copy"); err != nil {
		t.Fatal(err)
	}
	if r, err := w.conns[0].Do("STRLEN", "copy"); err != nil || string(r.Raw) != fmt.Sprintf(":%d\r\n", sizes["string"]) {
		t.Errorf("a script's DUMP has %q bytes, %v, want %d", r.Raw, err, sizes["string"])
	}
}

// TestKeysLoaded: INFO tells how many keys a node had when it began with its own data, and
// how many more had expired meanwhile.
func TestKeysLoaded(t *testing.T) {
	c := startPlain(t)
	addr := c.Addr(0)
	text(t, addr, "DEBUG", "SET-ACTIVE-EXPIRE", "0")
	at := time.Now().Add(time.Second).UnixMilli()
	for n := range 100 {
		text(t, addr, "SET", fmt.Sprint("key:", n), "v")
		text(t, addr, "SET", fmt.Sprint("soon:", n), "v", "PXAT", strconv.FormatInt(at, 10))
		if n == 50 {
			text(t, addr, "BGREWRITEAOF") // a snapshot; the rest is in the log
		}
	}
	must(t, c.Kill(0))
	eventually(t, "they have expired", func() error {
		if left := time.Until(time.UnixMilli(at)); left > 0 {
			return fmt.Errorf("in %v", left)
		}
		return nil
	})
	again(t, c)
	info := text(t, addr, "INFO", "persistence")
	for _, want := range []string{"rdb_last_load_keys_loaded:100\r\n", "rdb_last_load_keys_expired:100\r\n"} {
		if !strings.Contains(info, want) {
			t.Errorf("no %q in\n%s", want, info)
		}
	}
}
