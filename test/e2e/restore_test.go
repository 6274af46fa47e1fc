package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
	"github.com/quorate/quorate/tool/backup"
)

// allTypes are commands that make values of every type, short and long, with and
// without expiry. A name that ends in + is of a value in its large form.
func allTypes() (commands [][]string) {
	add := func(args ...string) { commands = append(commands, args) }
	long := strings.Repeat("long text ", 50)
	add("SET", "string", "text")
	add("SET", "integer", "-12345", "PXAT", "4000000000123")
	add("SET", "float", "3.0e10")
	add("SET", "string+", strings.Repeat(long, 100))
	add("SETRANGE", "binary", "3", "\x00\xff\r\n")
	add("PFADD", "hll", "a", "b", "c")
	add("SETBIT", "bits", "100001", "1")
	add("SADD", "set of integers", "1", "-5", "70000000000")
	add("SADD", "set", "1", "b", "")
	add("HSET", "hash", "f", "v", "1", "2")
	add("RPUSH", "list", "1", "b", "", "b")
	add("ZADD", "zset", "1", "a", "-inf", "b", "inf", "c", "0.1", "d", "-0", "e")
	add("GEOADD", "geo", "13.361389", "38.115556", "Palermo")
	for i := range 600 {
		n := strconv.Itoa(i)
		add("SADD", "set of integers+", n)
		add("SADD", "set+", "member "+n)
		add("HSET", "hash+", "field "+n, long)
		add("RPUSH", "list+", n, long)
		add("ZADD", "zset+", n+".25", "member "+n)
		add("XADD", "stream+", n+"-1", "field", long, "n", n)
	}
	add("RPUSH", "list of large", strings.Repeat("x", 100000), strings.Repeat("y", 9000))
	add("EXPIREAT", "hash+", "4000000000")
	add("XADD", "stream", "5-1", "a", "b", "c", "d")
	add("XADD", "stream", "5-2", "a", "b")
	add("XADD", "stream", "7-0", "x", "y")
	add("XGROUP", "CREATE", "stream", "group", "0")
	add("XGROUP", "CREATE", "stream", "idle", "5-1", "ENTRIESREAD", "1")
	add("XREADGROUP", "GROUP", "group", "consumer", "COUNT", "2", "STREAMS", "stream", ">")
	add("XREADGROUP", "GROUP", "group", "other", "COUNT", "1", "STREAMS", "stream", ">")
	add("XGROUP", "CREATE", "stream+", "group", "0")
	add("XREADGROUP", "GROUP", "group", "consumer", "COUNT", "300", "STREAMS", "stream+", ">")
	add("XACK", "stream+", "group", "5-1", "17-1")
	add("XDEL", "stream+", "5-1")
	add("XADD", "empty stream", "1-1", "a", "b")
	add("XDEL", "empty stream", "1-1")
	add("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('seven', function() return 7 end)")
	return commands
}

// fillWith runs commands on one server.
func fillWith(t *testing.T, addr string, commands [][]string) {
	t.Helper()
	c, err := wire.Dial(t.Context(), addr, askTimeout)
	must(t, err)
	defer c.Close()
	for _, args := range commands {
		c.Send(args...)
	}
	must(t, c.Flush())
	for _, args := range commands {
		r, err := c.Receive()
		must(t, err)
		if r.IsError() {
			t.Fatalf("%s: %s", strings.Join(args[:2], " "), r.Str)
		}
	}
}

// digests returns what DEBUG DIGEST-VALUE says about each key of a database of one server.
func digests(t *testing.T, addr string, keys []string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, k := range keys {
		r, err := wire.Once(t.Context(), addr, askTimeout, "DEBUG", "DIGEST-VALUE", k)
		must(t, err)
		all[k] = r.Strings()[0]
	}
	return all
}

// rdbOf saves what a redis-server has and returns the file.
func rdbOf(t *testing.T, addr string) string {
	t.Helper()
	text(t, addr, "SAVE")
	r, err := ask(addr, "CONFIG", "GET", "dir")
	must(t, err)
	return filepath.Join(r.Strings()[1], "dump.rdb")
}

// TestRestoreOfRedis: what redis-server has saved, in all types, comes into a cluster
// and into one server as it was, in one piece and in many.
func TestRestoreOfRedis(t *testing.T) {
	redis := startRedis(t, "--maxmemory-policy", "allkeys-lfu", "--maxmemory", "1gb")
	fillWith(t, redis, allTypes())
	for range 100 {
		text(t, redis, "GET", "string")
	}
	path := rdbOf(t, redis)
	r, err := ask(redis, "KEYS", "*")
	must(t, err)
	keys := r.Strings()
	if len(keys) < 20 {
		t.Fatalf("keys: %q", keys)
	}
	want := digests(t, redis, keys)

	c := startNodes(t)
	mustRun(t, []string{"restore", "--from", path, "--to", c.Addr(1), "--verify"},
		fmt.Sprintf("restored %d of %d keys", len(keys), len(keys)), "all data is there: yes", "extra: 0\n", "function libraries missing or different: 0")
	hs := homes(t, c)
	for i, h := range hs {
		var own []string
		for _, k := range keys {
			if h.holds(k) {
				own = append(own, k)
			}
		}
		for k, d := range digests(t, c.Addr(i), own) {
			if d != want[k] {
				t.Errorf("%s in the cluster: digest %s, want %s", k, d, want[k])
			}
		}
		eventually(t, "the function is there", func() error {
			r, err := ask(c.Addr(i), "FCALL", "seven", "0") // an error where it leads nothing at the moment
			if err == nil && string(r.Str) != "7" {
				t.Errorf("FCALL: %q", r.Str)
			}
			return err
		})
	}

	// In pieces, as values above a bound are sent. They come by other commands, and
	// nothing is left of the keys under which they were put together.
	plain := startPlain(t, "--maxmemory-policy", "allkeys-lfu")
	o := backup.RestoreOptions{From: path, DB: -1, Progress: io.Discard, LargeFrom: 1,
		To: backup.Access{Addr: plain.Addr(0), Timeout: askTimeout}}
	if _, err := backup.Restore(t.Context(), o); err == nil || !strings.Contains(err.Error(), "pending entries that were deleted") &&
		!strings.Contains(err.Error(), "empty stream") {
		t.Errorf("a stream that can't be built of pieces: %v", err)
	}
	o.LargeFrom, o.Replace = 60, true
	text(t, redis, "XACK", "stream+", "group", "5-1")
	text(t, redis, "SAVE")
	want = digests(t, redis, keys)
	done, err := backup.Restore(t.Context(), o)
	must(t, err)
	if done.Pieces < 6 || done.Written != int64(len(keys)) {
		t.Errorf("%d of %d keys, %d in pieces", done.Written, len(keys), done.Pieces)
	}
	mustRun(t, []string{"verify", "--from", path, "--against", plain.Addr(0)}, "all data is there: yes", "extra: 0\n")
	for k, d := range digests(t, plain.Addr(0), keys) {
		if d != want[k] {
			t.Errorf("%s in pieces: digest %s, want %s", k, d, want[k])
		}
	}
	o.Replace = false
	if done, err = backup.Restore(t.Context(), o); err != nil || done.Busy != int64(len(keys)) {
		t.Errorf("a second time: %v, %d are there", err, done.Busy)
	}
	// How often a key was used comes along.
	mustRun(t, []string{"restore", "--from", path, "--to", plain.Addr(0), "--replace"})
	r, err = ask(plain.Addr(0), "OBJECT", "FREQ", "string")
	must(t, err)
	if n, _ := r.Int(); n < 6 {
		t.Errorf("OBJECT FREQ: %d", n)
	}
}

// TestRestoreDatabases: a cluster takes one database only, one server all of them.
func TestRestoreDatabases(t *testing.T) {
	redis := startRedis(t)
	fillWith(t, redis, [][]string{{"SET", "k", "in 0"}, {"SELECT", "3"}, {"SET", "k", "in 3"}, {"SET", "l", "in 3"}, {"SELECT", "9"}, {"SET", "m", "x"}})
	path := rdbOf(t, redis)
	plain, c := startPlain(t), startNodes(t)
	mustRun(t, []string{"restore", "--from", path, "--to", plain.Addr(0), "--verify"}, "restored 4 of 4", "extra: 0\n", "all data is there: yes")
	mustRun(t, []string{"verify", "--from", path, "--against", redis}, "databases: 0 3 9", "all data is there: yes", "extra: 0\n")
	mustFail(t, "a cluster has only database 0", "restore", "--from", path, "--to", c.Addr(0))
	mustRun(t, []string{"restore", "--from", path, "--to", c.Addr(0), "--db", "3", "--verify"}, "restored 2 of 2", "all data is there: yes", "extra: 0\n")
	mustRun(t, []string{"backup", "--from", plain.Addr(0), "--to", path + ".4.rdb"}, "keys: 4")
	mustRun(t, []string{"verify", "--from", path + ".4.rdb", "--against", redis}, "all data is there: yes", "extra: 0\n")
}

// TestRestoreDamaged: a backup that isn't whole changes nothing, whatever is wrong.
func TestRestoreDamaged(t *testing.T) {
	c := startPlain(t)
	addr := c.Addr(0)
	fillWith(t, addr, allTypes())
	dir := t.TempDir()
	tree, single := filepath.Join(dir, "tree"), filepath.Join(dir, "single.rdb")
	mustRun(t, []string{"backup", "--from", addr, "--to", tree})
	mustRun(t, []string{"backup", "--from", addr, "--to", single})
	text(t, addr, "SET", "later", "x")
	digest := text(t, addr, "DEBUG", "DIGEST")
	group, manifest := filepath.Join(tree, "group-1.rdb"), filepath.Join(tree, "manifest.json")
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 0x20; return b }
	}
	for _, d := range []struct {
		from, file string
		damage     func(b []byte) []byte
		want       string
	}{
		{single, single, func(b []byte) []byte { return b[:len(b)/2] }, "unexpected EOF"},
		{single, single, func(b []byte) []byte { return b[:len(b)-1] }, "unexpected EOF"},
		{single, single, func(b []byte) []byte { return append(b, 0) }, "bytes behind the end"},
		{single, single, flip(20000), ""},
		{single, single, flip(-1), "wrong RDB checksum"},
		{single, single, func(b []byte) []byte { return append(b[:len(b)-8], 0, 0, 0, 0, 0, 0, 0, 0) }, "wrong RDB checksum"},
		{single, single, func([]byte) []byte { return nil }, "unexpected EOF"},
		{tree, group, func(b []byte) []byte { return b[:len(b)/2] }, "the manifest says"},
		{tree, group, flip(20000), ""},
		{tree, group, func([]byte) []byte { b, _ := os.ReadFile(single); return b }, "the manifest says"},
		{tree, group, nil, "no such file"},
		{tree, manifest, nil, "is no backup"},
		{tree, manifest, func(b []byte) []byte { return b[:len(b)/2] }, "the manifest is damaged"},
		{tree, manifest, func(b []byte) []byte { return []byte(strings.Replace(string(b), `"index": `, `"index": 1`, 1)) }, "doesn't have its checksum"},
		{tree, manifest, func(b []byte) []byte {
			return []byte(strings.Replace(string(b), `"format": 1`, `"format": 3`, 1))
		}, "is of format 3"},
	} {
		whole, err := os.ReadFile(d.file)
		must(t, err)
		must(t, os.Remove(d.file))
		if d.damage != nil {
			must(t, os.WriteFile(d.file, d.damage(append([]byte{}, whole...)), 0o600))
		}
		mustFail(t, d.want, "restore", "--from", d.from, "--to", addr, "--flush", "--replace")
		mustFail(t, d.want, "verify", "--from", d.from)
		must(t, os.WriteFile(d.file, whole, 0o600))
		if now := text(t, addr, "DEBUG", "DIGEST"); now != digest {
			t.Fatalf("%s damaged: the server has changed", d.file)
		}
	}
	mustRun(t, []string{"restore", "--from", tree, "--to", addr, "--flush", "--verify"}, "all data is there: yes", "extra: 0\n")
	mustFail(t, "no such file", "restore", "--from", filepath.Join(dir, "nothing"), "--to", addr)
}

// TestRestoreOverFailure: a restore that is killed is done again; one during which a
// leader is killed goes on, and nothing counts as there already that it has written itself.
func TestRestoreOverFailure(t *testing.T) {
	source := startPlain(t, "--appendfsync", "no")
	n := scaled(120000, 40000)
	text(t, source.Addr(0), "DEBUG", "POPULATE", strconv.Itoa(n), "key", "200")
	path := filepath.Join(t.TempDir(), "b.rdb")
	mustRun(t, []string{"backup", "--from", source.Addr(0), "--to", path})
	must(t, source.Stop())

	c := startNodes(t)
	hs := homes(t, c)
	begin := func(args ...string) (*exec.Cmd, *watched) {
		t.Helper()
		binary, err := harness.Binary()
		must(t, err)
		cmd := exec.CommandContext(t.Context(), binary, append([]string{"restore", "--from", path, "--to", c.Addr(0)}, args...)...)
		before := keysOf(c.Addr(0))
		var out watched
		cmd.Stdout, cmd.Stderr = &out, &out
		must(t, cmd.Start())
		eventually(t, "keys come", func() error {
			if keysOf(c.Addr(0)) == before {
				return errors.New("not yet")
			}
			return nil
		})
		return cmd, &out
	}
	cmd, _ := begin()
	must(t, cmd.Process.Kill())
	if err := cmd.Wait(); err == nil {
		t.Error("the restore was over before it could be killed")
	}
	mustFail(t, "they are there already", "restore", "--from", path, "--to", c.Addr(0))
	mustRun(t, []string{"restore", "--from", path, "--to", c.Addr(0), "--flush", "--verify"}, "all data is there: yes", "extra: 0\n")
	for _, h := range hs {
		text(t, c.Addr(h.node), "FLUSHALL")
	}
	cmd, out := begin()
	must(t, c.Kill(0))
	if err := cmd.Wait(); err != nil {
		t.Errorf("a leader was killed, and restore says %v\n%s", err, out.String())
	}
	must(t, c.Restart(0))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, c.WaitReady(ctx))
	mustRun(t, []string{"verify", "--from", path, "--against", c.Addr(1)}, "all data is there: yes", "extra: 0\n", fmt.Sprintf("equal: %d\n", n))
}

// TestRestoreLargeOverFailure: the leader is killed to which a large value is being sent in
// pieces. The value is complete in the end, each element once, and what it was put together
// under is gone.
func TestRestoreLargeOverFailure(t *testing.T) {
	source := startPlain(t, "--appendfsync", "no")
	var commands [][]string
	for i := range 1500 {
		n := strconv.Itoa(i)
		chunk := n + strings.Repeat("x", 8000)
		commands = append(commands, []string{"RPUSH", "{a}list", chunk, n}, []string{"XADD", "{a}stream", n + "-1", "f", chunk},
			[]string{"APPEND", "{a}string", chunk})
	}
	fillWith(t, source.Addr(0), commands)
	path := filepath.Join(t.TempDir(), "b")
	mustRun(t, []string{"backup", "--from", source.Addr(0), "--to", path})
	must(t, source.Stop())

	c := startNodes(t)
	var victim home
	for _, h := range homes(t, c) {
		if h.holds("{a}list") {
			victim = h
		}
	}
	other := c.Addr((victim.node + 1) % c.Len())
	var done *backup.Restored
	restored := make(chan error, 1)
	// Ends with the restore, which is waited for below.
	go func() {
		var err error
		done, err = backup.Restore(context.Background(), backup.RestoreOptions{From: path, DB: -1, Progress: io.Discard, LargeFrom: 10000,
			To: backup.Access{Addr: other, Timeout: askTimeout}})
		restored <- err
	}()
	eventually(t, "pieces come", func() error {
		if keysOf(c.Addr(victim.node)) < 1 {
			return errors.New("not yet")
		}
		return nil
	})
	must(t, c.Kill(victim.node))
	if err := <-restored; err != nil || done.Pieces != 3 || done.Busy != 0 {
		t.Fatalf("%v: %+v", err, done)
	}
	must(t, c.Restart(victim.node))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, c.WaitReady(ctx))
	eventually(t, "everything is there and nothing else", func() error {
		out, err := quorate("verify", "--from", path, "--against", other)
		if err == nil && !strings.Contains(out, "extra: 0\n") {
			err = errors.New(out)
		}
		return err
	})
}

// keysOf counts the keys of a node, -1 if it doesn't answer.
func keysOf(addr string) int64 {
	r, err := ask(addr, "DBSIZE")
	n, ok := r.Int()
	if err != nil || !ok {
		return -1
	}
	return n
}

// TestBackupAsUser: the tools log in as redis-cli does.
func TestBackupAsUser(t *testing.T) {
	c := startNodes(t)
	text(t, c.Addr(0), "ACL", "SETUSER", "keeper", "on", ">pw", "+sync", "+replconf", "+info", "+cluster|slots")
	text(t, c.Addr(0), "ACL", "SETUSER", "default", ">secret")
	path := filepath.Join(t.TempDir(), "b")
	mustFail(t, "NOAUTH", "backup", "--from", c.Addr(0), "--to", path)
	mustFail(t, "WRONGPASS", "backup", "--from", c.Addr(0), "--to", path, "-a", "wrong")
	mustFail(t, "needs a password", "backup", "--from", c.Addr(0), "--to", path, "--user", "keeper")
	eventually(t, "every node knows the user", func() error {
		_, err := quorate("backup", "--from", c.Addr(0), "--to", path, "--user", "keeper", "-a", "pw", "--force")
		return err
	})
	mustFail(t, "NOPERM", "restore", "--from", path, "--to", c.Addr(0), "--user", "keeper", "-a", "pw", "--flush")
	t.Setenv("REDISCLI_AUTH", "secret")
	mustRun(t, []string{"restore", "--from", path, "--to", c.Addr(0), "--verify"}, "all data is there: yes")
}

// TestRedisCLIRDB: redis-cli --rdb gets a file of a node in either mode (row P4 and the
// tools of others), and such a file can be restored.
func TestRedisCLIRDB(t *testing.T) {
	cli, check := tool(t, "redis-cli"), tool(t, "redis-check-rdb")
	plain, c := startPlain(t), startNodes(t)
	fillWith(t, plain.Addr(0), allTypes())
	path := ""
	save := func(p string) {
		t.Helper()
		path = filepath.Join(t.TempDir(), "cli.rdb") // redis-cli leaves what is in a file behind what it writes
		if out, err := runTool("", cli, "-p", p, "--rdb", path); err != nil {
			t.Fatalf("redis-cli --rdb: %v\n%s", err, out)
		}
		if out, err := runTool("", check, path); err != nil || !strings.Contains(out, "RDB looks OK") {
			t.Errorf("redis-check-rdb: %v\n%s", err, out)
		}
	}
	save(port(plain, 0))
	mustRun(t, []string{"restore", "--from", path, "--to", c.Addr(0), "--verify"}, "backup took: not known", "all data is there: yes", "extra: 0\n")
	for i := range c.Len() {
		homes(t, c)
		save(port(c, i))
		mustRun(t, []string{"verify", "--from", path, "--against", c.Addr(0)}, "all data is there: yes")
	}
}
