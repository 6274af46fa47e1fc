package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// oldFiles returns what a server of before Redis 7 would have in its one append-only
// file: what redis-server writes into its base and its increment, one behind the other.
func oldFiles(t *testing.T, preamble string) (base, tail []byte) {
	t.Helper()
	dir := t.TempDir()
	c := harness.New(t, harness.Options{Kind: harness.Redis{}, Nodes: 1, Args: []string{"--dir", dir, "--appendonly", "yes", "--aof-use-rdb-preamble", preamble}})
	addr := c.Addr(0)
	files := filepath.Join(dir, "appendonlydir", "appendonly.aof.")
	conn, err := wire.Dial(t.Context(), addr, askTimeout)
	must(t, err)
	defer conn.Close()
	write := func(n string) {
		for _, line := range []string{"SET s" + n + " v", "SET px" + n + " v PX 1000000000", "APPEND s" + n + " w", "RPUSH l" + n + " a b c", "LPOP l" + n,
			"SADD set" + n + " a b c d e f", "SPOP set" + n + " 2", "HSET h" + n + " f v g w", "HINCRBYFLOAT h" + n + " n 1.5", "ZADD z" + n + " 1 a 2 b", "ZPOPMIN z" + n,
			"XADD x" + n + " * f v", "XGROUP CREATE x" + n + " g 0", "XREADGROUP GROUP g c STREAMS x" + n + " >", "SETBIT b" + n + " 77 1", "PFADD p" + n + " a b",
			"EVAL redis.call('set',KEYS[1],'x');redis.call('incr',KEYS[2]) 2 e" + n + " i" + n, "SELECT 3", "SET other" + n + " v", "RENAME other" + n + " renamed" + n, "SELECT 0"} {
			if r, err := conn.Do(strings.Fields(line)...); err != nil || r.IsError() {
				t.Fatal(line, err, string(r.Raw))
			}
		}
	}
	write("1")
	text(t, addr, "BGREWRITEAOF")
	name := map[string]string{"yes": "2.base.rdb", "no": "2.base.aof"}[preamble]
	eventually(t, "it is rewritten", func() error {
		if info := text(t, addr, "INFO", "persistence"); !strings.Contains(info, "aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0") {
			return errors.New(info)
		}
		_, err := os.Stat(files + name)
		return err
	})
	write("2")
	must(t, c.Stop())
	base, err = os.ReadFile(files + name)
	must(t, err)
	tail, err = os.ReadFile(files + "2.incr.aof")
	must(t, err)
	return base, tail
}

// TestOldAppendOnlyFile: a single append-only file of Redis 6 and older is taken into the
// directory and loaded where redis-server does that, whatever state it is in, and the log
// tells what its log tells.
func TestOldAppendOnlyFile(t *testing.T) {
	tool(t, "redis-server")
	rdb, tail := oldFiles(t, "yes")
	commands, _ := oldFiles(t, "no")
	whole := append(slices.Clone(rdb), tail...)
	set := "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
	damage := func(b []byte, at int) []byte { return append(append(slices.Clone(b[:at]), "damage"...), b[at:]...) }
	flip := func(b []byte, at int) []byte { b = slices.Clone(b); b[at] ^= 1; return b }
	const old, in, manifest = "appendonly.aof", "appendonlydir/appendonly.aof", "appendonlydir/appendonly.aof.manifest"
	type files map[string]string
	for _, c := range []struct {
		name  string
		files files
		args  []string
	}{
		{"commands", files{old: string(commands)}, nil},
		{"preamble and commands", files{old: string(whole)}, nil},
		{"preamble only", files{old: string(rdb)}, nil},
		{"beside a dump.rdb", files{old: set, "dump.rdb": string(rdb)}, nil},
		{"beside a dump.rdb, appendonly no", files{old: set, "dump.rdb": string(rdb)}, []string{"--appendonly", "no"}},
		{"only a dump.rdb, appendonly no", files{"dump.rdb": string(rdb)}, []string{"--appendonly", "no"}},
		{"empty", files{old: ""}, nil},
		{"torn", files{old: string(commands) + set[:len(set)-4]}, nil},
		{"torn, not allowed", files{old: string(commands) + set[:len(set)-4]}, []string{"--aof-load-truncated", "no"}},
		{"torn behind a preamble", files{old: string(whole[:len(whole)-3])}, nil},
		{"torn behind a preamble, not allowed", files{old: string(whole[:len(whole)-3])}, []string{"--aof-load-truncated", "no"}},
		{"torn in the preamble", files{old: string(rdb[:len(rdb)-20])}, nil},
		{"torn at once", files{old: "REDIS0009"}, nil},
		{"torn word", files{old: "RED"}, nil},
		{"torn annotation", files{old: set + "#TS:17"}, nil},
		{"unfinished transaction", files{old: set + "*1\r\n$5\r\nMULTI\r\n" + strings.Replace(set, "$1\r\na", "$1\r\nb", 1)}, nil},
		{"unfinished transaction, not allowed", files{old: set + "*1\r\n$5\r\nMULTI\r\n" + set}, []string{"--aof-load-truncated", "no"}},
		{"transaction", files{old: "*1\r\n$5\r\nMULTI\r\n" + set + "*1\r\n$4\r\nEXEC\r\n"}, nil},
		{"damaged", files{old: set + "what\r\n" + set}, nil},
		{"damaged preamble", files{old: string(damage(whole, len(rdb)/2))}, nil},
		{"wrong checksum", files{old: string(flip(whole, len(rdb)-1))}, nil},
		{"damaged behind the preamble", files{old: string(damage(whole, len(rdb)))}, nil},
		{"unknown command", files{old: set + "*2\r\n$3\r\nFOO\r\n$1\r\nx\r\n"}, nil},
		{"a directory without a manifest", files{old: set, "appendonlydir/x": ""}, nil},
		{"interrupted behind the manifest", files{old: set, manifest: "file appendonly.aof seq 1 type b\n"}, nil},
		{"moved already", files{in: set, manifest: "file appendonly.aof seq 1 type b\n"}, nil},
		{"moved, and one more", files{old: string(commands), in: set, manifest: "file appendonly.aof seq 1 type b\n"}, nil},
		{"with other files", files{old: string(commands), "appendonlydir/x": set, manifest: "file x seq 1 type b\n"}, nil},
		{"with files that aren't needed", files{old: string(commands), "appendonlydir/x": set, manifest: "file x seq 1 type h\n"}, nil},
		{"with a missing base", files{manifest: "file appendonly.aof seq 1 type b\n"}, nil},
		{"by other names", files{"my.aof": set}, []string{"--appendfilename", "my.aof", "--appenddirname", "mine"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var outcomes [2]string
			for i, kind := range []harness.Kind{harness.Quorate{}, harness.Redis{}} {
				outcomes[i] = begin(t, kind, c.files, c.args)
			}
			if outcomes[0] != outcomes[1] {
				t.Errorf("\n%s\nredis-server:\n%s", outcomes[0], outcomes[1])
			}
		})
	}
}

// begin starts a server beside files and tells what comes of it: what it has loaded,
// what its log says and where the file is then.
func begin(t *testing.T, kind harness.Kind, files map[string]string, args []string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "d")
	must(t, os.Mkdir(dir, 0o700))
	for name, content := range files {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	binary, err := kind.Binary()
	must(t, err)
	ports, err := harness.FreePorts(1, 0)
	must(t, err)
	p := harness.NewProcess("node", dir, binary, append(append(kind.Args(ports, 0, dir), "--appendonly", "yes", "--appendfsync", "no", "--save", "",
		"--enable-debug-command", "yes"), args...)...)
	must(t, p.Start())
	t.Cleanup(func() { _ = p.Kill() })
	var out strings.Builder
	eventually(t, "it serves or has ended", func() error {
		if !p.Running() {
			return nil
		}
		_, err := ask(harness.Addr(ports[0]), "DBSIZE")
		return err
	})
	if p.Running() {
		fmt.Fprintln(&out, "digest", text(t, harness.Addr(ports[0]), "DEBUG", "DIGEST"))
		for db := range 4 {
			fmt.Fprintln(&out, text(t, harness.Addr(ports[0]), "EVAL", "redis.call('select', ARGV[1]) return redis.call('dbsize')", "0", fmt.Sprint(db)))
		}
		must(t, p.Kill())
	}
	log, err := os.ReadFile(p.LogPath())
	must(t, err)
	for _, line := range []string{
		"Successfully migrated an old-style AOF file (appendonly.aof) into the AOF directory (appendonlydir).",
		"Successfully migrated an old-style AOF file (my.aof) into the AOF directory (mine).",
		"Reading RDB preamble from AOF file...", "Reading the remaining AOF tail...", "Reading RDB base file on AOF loading...",
		"DB loaded from base file appendonly.aof: ", "DB loaded from base file x: ", "DB loaded from base file my.aof: ", "DB loaded from append only file: ",
		"Revert incomplete MULTI/EXEC transaction in AOF file appendonly.aof", "!!! Warning: short read while loading the AOF file appendonly.aof!!!",
		"AOF appendonly.aof loaded anyway because aof-load-truncated is enabled",
		"Unexpected end of file reading the append only file", "Bad file format reading the append only file", "Unknown command 'FOO' reading the append only file",
	} {
		if bytes.Contains(log, []byte(line)) {
			fmt.Fprintln(&out, line)
		}
	}
	for name := range files {
		if name == "appendonly.aof" || name == "my.aof" {
			_, err := os.Stat(filepath.Join(dir, name))
			fmt.Fprintln(&out, name, "is there:", err == nil)
		}
	}
	return out.String()
}
