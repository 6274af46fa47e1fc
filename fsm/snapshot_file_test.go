package fsm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/fsm/rdb"
)

// fileOf returns a machine's RDB file for others.
func fileOf(t *testing.T, m *Machine, f File) []byte {
	t.Helper()
	s := m.BeginFile(f)
	defer s.Release()
	var b bytes.Buffer
	if err := WriteFile(&b, f, []SnapshotPart{{Snapshot: s, Lock: alone{}}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestFileLikeRedis: for data whose order is determined a file is, byte for byte,
// what redis-server saves, but for the size of its memory and so for the checksum.
func TestFileLikeRedis(t *testing.T) {
	r := startRedis(t, true)
	dir := bulks(r.must("CONFIG", "GET", "dir"))[1]
	words := func(format string, from, to int) (line string) {
		for i := from; i < to; i++ {
			line += " " + fmt.Sprintf(format, i, i)
		}
		return line
	}
	for _, c := range []struct {
		name     string
		lines    []string
		kind     byte   // of the value of k; 0: not looked at
		set      string // CONFIG SET of both
		anyOrder bool   // the keys' order differs
	}{
		{name: "nothing"},
		{name: "string", lines: []string{"SET k value"}},
		{name: "int8", lines: []string{"SET k -128"}},
		{name: "int16", lines: []string{"SET k 32767"}},
		{name: "int32", lines: []string{"SET k -2147483648"}},
		{name: "int64", lines: []string{"SET k 2147483648"}},
		{name: "almost an integer", lines: []string{"SET k 007"}},
		{name: "a key that is an integer", lines: []string{"SET 12345 v"}},
		{name: "appended", lines: []string{"SET k 1", "APPEND k 2"}},
		{name: "of a float", lines: []string{"SET k 10", "INCRBYFLOAT k 1"}},
		{name: "14 bits of length", lines: []string{"SETRANGE k 63 x"}},
		{name: "32 bits of length", lines: []string{"SETRANGE k 20000 x"}},
		{name: "bitmap", lines: []string{"SETBIT k 200 1"}},
		{name: "HyperLogLog", lines: []string{"PFADD k a b c"}},
		{name: "HyperLogLog, dense", lines: []string{"PFADD k a b c"}, set: "hll-sparse-max-bytes 0"},
		{name: "expiry", lines: []string{"SET k v", "PEXPIREAT k 1900000000123"}},
		{name: "list", kind: 18, lines: []string{"RPUSH k a -5 b 300 123456789012 cc"}},
		{name: "list of many nodes", kind: 18, lines: []string{"RPUSH k" + words("element %d of %d", 0, 500)}},
		{name: "list of plain nodes", kind: 18, lines: []string{"DEBUG QUICKLIST-PACKED-THRESHOLD 5b", "RPUSH k 123456 abcdefg x abcdefghijklmnopqrstuvw", "DEBUG QUICKLIST-PACKED-THRESHOLD 0"}},
		{name: "intset 16", kind: 11, lines: []string{"SADD k 1 2 -3"}},
		{name: "intset 32", kind: 11, lines: []string{"SADD k 1 70000 -3"}},
		{name: "intset 64", kind: 11, lines: []string{"SADD k 1 5000000000 -3"}},
		{name: "set", kind: 2, lines: []string{"SADD k member"}},
		{name: "set of an integer", kind: 2, lines: []string{"SADD k x 17", "SREM k x"}},
		{name: "sorted set", kind: 17, lines: []string{"ZADD k 1 a 2.5 b -inf c 0.1 d 100 e"}},
		{name: "large sorted set", kind: 5, lines: []string{"ZADD k" + words("%d.5 member:%d", 0, 200)}},
		{name: "hash", kind: 16, lines: []string{"HSET k f v 17 -70000 g 1234567890123"}},
		{name: "large hash", kind: 4, lines: []string{"HSET k f 17"}, set: "hash-max-listpack-entries 0"},
		{name: "stream", kind: 19, lines: []string{"XADD k 1-1 f v g 17", "XADD k 1-2 f w g 18", "XADD k 2-1 other x", "XDEL k 1-2"}},
		{name: "empty stream", kind: 19, lines: []string{"XADD k 1-1 f v", "XDEL k 1-1"}},
		{name: "stream of many nodes", kind: 19, lines: []string{"XADD k 1-1 f v", "XADD k 1-2 f v", "XADD k 1-3 f v", "XTRIM k MAXLEN 2"}, set: "stream-node-max-entries 1"},
		{name: "consumers", kind: 19, lines: []string{"XADD k 1-1 f v", "XADD k 1-2 f v", "XGROUP CREATE k g 0", "XREADGROUP GROUP g alice COUNT 1 STREAMS k >",
			"XREADGROUP GROUP g bob COUNT 1 STREAMS k >", "XACK k g 1-1", "XGROUP CREATECONSUMER k g carol"}},
		{name: "database", lines: []string{"SELECT 3", "SET a 1", "EXPIREAT a 1900000000"}},
		{name: "databases", anyOrder: true, lines: []string{"SET a 1", "SELECT 3", "SET b 2", "SET {b} 2", "EXPIREAT b 1900000000", "SELECT 15", "SET c 3"}},
		{name: "function", lines: []string{"FUNCTION LOAD #!lua~name=lib redis.register_function('f',function()~return~1~end)"}},
		{name: "idle", lines: []string{"SET k v"}, set: "maxmemory-policy allkeys-lru"},
		{name: "idle, volatile", lines: []string{"SET k v"}, set: "maxmemory-policy volatile-lru"},
		{name: "no use of it", lines: []string{"SET k v"}, set: "maxmemory-policy volatile-ttl"},
		{name: "frequency and expiry", lines: []string{"SET k v", "PEXPIREAT k 1900000000123"}, set: "maxmemory-policy allkeys-lfu"},
	} {
		for _, compression := range []string{"no", "yes"} {
			t.Run(c.name+", compression "+compression, func(t *testing.T) {
				setTime := r.setTime
				if strings.Contains(c.set, "lru") {
					setTime = r.waitForLRUClock
				}
				memory := &Memory{}
				p := newPair(t, Options{Memory: memory})
				setTime(p.now)
				r.reset(t)
				r.must("CONFIG", "SET", "rdbcompression", compression, "maxmemory-policy", "noeviction")
				if name, value, ok := strings.Cut(c.set, " "); ok {
					r.must("CONFIG", "SET", name, value)
					if policy, ok := PolicyNamed(value); ok {
						memory.Store(MemoryLimit{Policy: policy, LogFactor: 10, DecayTime: 1})
					} else {
						n, err := strconv.Atoi(value)
						if err != nil {
							t.Fatal(err)
						}
						p.apply(0, Limit(name, n))
					}
				}
				db := 0
				for _, line := range c.lines {
					args := strings.Fields(line)
					var b [][]byte
					for i := range args {
						args[i] = strings.ReplaceAll(args[i], "~", " ")
						b = append(b, []byte(args[i]))
					}
					switch {
					case args[0] == "SELECT":
						db, _ = strconv.Atoi(args[1])
						continue
					case args[0] == "DEBUG":
						r.must(args...)
						n, _ := strconv.Atoi(strings.TrimSuffix(args[2], "b"))
						p.apply(0, Limit(PackedThreshold, n))
						continue
					case args[0] == "FUNCTION":
						b[2] = []byte(strings.Join(args[2:], "\n"))
						b = b[:3]
					}
					if got, _ := r.run(db, b); got[0] == '-' {
						t.Fatalf("%s: %s", line, got)
					}
					if got := p.do(db, b); got[0] == '-' {
						t.Fatalf("%s: %s", line, got)
					}
				}
				p.now += 90_000
				setTime(p.now)
				r.must("SAVE")
				theirs, err := os.ReadFile(filepath.Join(dir, "dump.rdb"))
				if err != nil {
					t.Fatal(err)
				}
				ours := fileOf(t, p.leader, File{Now: p.now, Uncompressed: compression == "no"})
				got, want := withoutMemory(t, ours), withoutMemory(t, theirs)
				if compression == "yes" && bytes.Contains(got, []byte{0xc3}) || c.anyOrder {
					// Another compressor finds other matches.
					if len(got) > len(want)+len(want)/20+8 {
						t.Errorf("%d bytes, redis-server has %d", len(got), len(want))
					}
					a, b := loadedFile(t, ours, memory), loadedFile(t, theirs, memory)
					if a != b {
						t.Errorf("loaded: %s, want %s", a, b)
					}
					return
				}
				if !bytes.Equal(got, want) {
					t.Errorf("\n%x, redis-server has\n%x", got, want)
				}
				if c.kind != 0 && !bytes.Contains(want, []byte{c.kind, 1, 'k'}) {
					t.Errorf("no value of type %d in %x", c.kind, want)
				}
			})
		}
	}
}

// waitForLRUClock sets the time and waits until the server has seen it, as it does ten
// times a second.
func (r *redisServer) waitForLRUClock(ms int64) {
	r.t.Helper()
	r.setTime(ms)
	want := fmt.Sprintf("lru_clock:%d\r\n", ms/1000&maxClock)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(string(r.must("INFO", "server")), want); {
		if time.Now().After(deadline) {
			r.t.Fatalf("redis-server doesn't come to %s", want)
		}
		time.Sleep(time.Millisecond) // it offers nothing to wait on
	}
}

// withoutMemory returns a file without the field that tells of the memory and without
// the checksum, after it has verified that.
func withoutMemory(t *testing.T, b []byte) []byte {
	t.Helper()
	i := bytes.Index(b, []byte("used-mem"))
	j := bytes.Index(b, []byte("\xfa\x08aof-base"))
	if i < 0 || j < i {
		t.Fatalf("no used-mem in front of aof-base: %x", b)
	}
	end := len(b) - 8
	if sum := rdb.CRC64(0, b[:end]); sum != uint64(b[end])|uint64(b[end+1])<<8|uint64(b[end+2])<<16|uint64(b[end+3])<<24|
		uint64(b[end+4])<<32|uint64(b[end+5])<<40|uint64(b[end+6])<<48|uint64(b[end+7])<<56 {
		t.Fatalf("checksum is not %x", sum)
	}
	return append(append([]byte{}, b[:i]...), b[j:end]...)
}

// loadedFile returns what a file holds.
func loadedFile(t *testing.T, b []byte, memory *Memory) string {
	t.Helper()
	m := New(Options{Databases: 16, Memory: memory})
	if _, err := m.Load(bytes.NewReader(b), scriptTime, false, Options{}); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(dump(m.ks), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// TestFileWithoutChecksum: rdbchecksum no.
func TestFileWithoutChecksum(t *testing.T) {
	p := newPair(t, Options{})
	p.doWords("SET k v")
	b := fileOf(t, p.leader, File{NoChecksum: true})
	if !bytes.Equal(b[len(b)-9:], append([]byte{0xff}, make([]byte, 8)...)) {
		t.Errorf("the file ends with %x", b[len(b)-9:])
	}
	if got := loadedFile(t, b, nil); !strings.Contains(got, `"v"`) {
		t.Errorf("loaded: %s", got)
	}
}
