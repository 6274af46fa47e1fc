package fsm

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/fsm/rdb"
)

// loadLikeRedis has redis-server and a machine load a file and compares what they
// have then: digests, encodings, expiries. It returns the number of keys.
func loadLikeRedis(t *testing.T, b []byte) (keys int) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dump.rdb"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	do := redisOnFile(t, dir, "--sanitize-dump-payload", "yes")
	loaded(t, do)
	do("DEBUG", "SET-ACTIVE-EXPIRE", "0")
	m := New(plain)
	m.ks.Limits.HashMaxListpackEntries = 512 // as in redis-server without a configuration
	n, err := m.Load(bytes.NewReader(b), time.Now().UnixMilli(), false, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprintf("%x", m.Digest()), do("DEBUG", "DIGEST"); got != want {
		t.Errorf("digest %s, redis-server has %s", got, want)
	}
	for db := range m.ks.Databases() {
		do("SELECT", strconv.Itoa(db))
		if got, want := strconv.Itoa(m.ks.DB(db).Len()), do("DBSIZE"); got != want {
			t.Errorf("database %d has %s keys, in redis-server %s", db, got, want)
		}
		for i := range m.ks.DB(db).Len() {
			e := m.ks.DB(db).ByRank(i)
			keys++
			if got, want := e.Encoding(), do("OBJECT", "ENCODING", e.Key()); got != want {
				t.Errorf("%s: encoding %s, in redis-server %s", e.Key(), got, want)
			}
			if got, want := fmt.Sprint(e.ExpireAt()), do("PEXPIRETIME", e.Key()); got != want && !(got == "0" && want == "-1") {
				t.Errorf("%s expires at %s, in redis-server at %s", e.Key(), got, want)
			}
		}
	}
	if got, want := string(rdb.AppendFunctions(nil, m.libraries.codes())), do("FUNCTION", "DUMP"); got != want {
		t.Errorf("functions %q, in redis-server %q", got, want)
	}
	info := do("INFO", "persistence")
	for name, count := range map[string]int64{"rdb_last_load_keys_loaded": n.Keys, "rdb_last_load_keys_expired": n.Expired} {
		if line := fmt.Sprintf("%s:%d\r\n", name, count); !strings.Contains(info, line) {
			t.Errorf("redis-server doesn't say %q", line)
		}
	}
	return keys
}

// TestRedisSuiteFiles loads the files that Redis's own tests have, of versions as old
// as 2.4, from the directory of its source that REDIS_SUITE names.
func TestRedisSuiteFiles(t *testing.T) {
	suite := os.Getenv("REDIS_SUITE")
	if suite == "" {
		t.Skip("REDIS_SUITE doesn't name the source of Redis 7.0")
	}
	files, err := filepath.Glob(filepath.Join(suite, "tests", "assets", "*.rdb"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files below %s: %v", suite, err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Base(path) == "corrupt_ziplist.rdb" { // redis-server refuses it with sanitize-dump-payload yes, and so do we
				if _, err := New(plain).Load(bytes.NewReader(b), 0, false, Options{}); err == nil {
					t.Error("a damaged file was loaded")
				}
				return
			}
			t.Logf("version %s, %d keys", b[5:9], loadLikeRedis(t, b))
		})
	}
}

// oldFile builds files of old versions as the format's description has them. It
// shares nothing with package rdb but the checksum.
type oldFile struct{ bytes.Buffer }

func newOldFile(version int) *oldFile {
	f := &oldFile{}
	fmt.Fprintf(f, "REDIS%04d", version)
	return f
}

func (f *oldFile) length(n int) {
	switch {
	case n < 64:
		f.WriteByte(byte(n))
	case n < 16384:
		f.Write([]byte{0x40 | byte(n>>8), byte(n)})
	default:
		f.WriteByte(0x80)
		f.Write(binary.BigEndian.AppendUint32(nil, uint32(n)))
	}
}

func (f *oldFile) text(s string) {
	f.length(len(s))
	f.WriteString(s)
}

// key begins a key of a type.
func (f *oldFile) key(kind byte, name string) {
	f.WriteByte(kind)
	f.text(name)
}

// texts writes a count, of elements or of pairs, and the strings.
func (f *oldFile) texts(count int, texts ...string) {
	f.length(count)
	for _, s := range texts {
		f.text(s)
	}
}

// end ends the file, with a checksum from version 5 on.
func (f *oldFile) end(version int) []byte {
	f.WriteByte(0xff)
	if version >= 5 {
		f.Write(binary.LittleEndian.AppendUint64(nil, rdb.CRC64(0, f.Bytes())))
	}
	return f.Bytes()
}

// zipmap builds one; every value has some unused bytes behind it.
func zipmap(pairs ...string) string {
	var b []byte
	head := func(s string) {
		if len(s) < 254 {
			b = append(b, byte(len(s)))
		} else {
			b = binary.LittleEndian.AppendUint32(append(b, 254), uint32(len(s)))
		}
	}
	b = append(b, byte(min(len(pairs)/2, 254)))
	for i := 0; i < len(pairs); i += 2 {
		head(pairs[i])
		b = append(b, pairs[i]...)
		head(pairs[i+1])
		unused := i % 3
		b = append(append(b, byte(unused)), pairs[i+1]...)
		b = append(b, strings.Repeat("u", unused)...)
	}
	return string(append(b, 255))
}

// ziplist builds one; integers take their shortest form.
func ziplist(elements ...string) string {
	var body []byte
	before, last := 0, 10
	for _, s := range elements {
		var e []byte
		if before < 254 {
			e = append(e, byte(before))
		} else {
			e = binary.LittleEndian.AppendUint32(append(e, 254), uint32(before))
		}
		e = append(e, zipEntry(s)...)
		last = 10 + len(body)
		body = append(body, e...)
		before = len(e)
	}
	out := binary.LittleEndian.AppendUint32(nil, uint32(11+len(body)))
	out = binary.LittleEndian.AppendUint32(out, uint32(last))
	out = binary.LittleEndian.AppendUint16(out, uint16(min(len(elements), 0xffff)))
	return string(append(append(out, body...), 255))
}

func zipEntry(s string) []byte {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil || strconv.FormatInt(n, 10) != s:
		switch {
		case len(s) < 64:
			return append([]byte{byte(len(s))}, s...)
		case len(s) < 16384:
			return append([]byte{0x40 | byte(len(s)>>8), byte(len(s))}, s...)
		}
		return append(binary.BigEndian.AppendUint32([]byte{0x80}, uint32(len(s))), s...)
	case n >= 0 && n <= 12:
		return []byte{0xf1 + byte(n)}
	case n == int64(int8(n)):
		return []byte{0xfe, byte(n)}
	case n == int64(int16(n)):
		return binary.LittleEndian.AppendUint16([]byte{0xc0}, uint16(n))
	case n >= -1<<23 && n < 1<<23:
		return []byte{0xf0, byte(n), byte(n >> 8), byte(n >> 16)}
	case n == int64(int32(n)):
		return binary.LittleEndian.AppendUint32([]byte{0xd0}, uint32(n))
	}
	return binary.LittleEndian.AppendUint64([]byte{0xe0}, uint64(n))
}

// oldListpack builds a listpack of short strings and small integers.
func oldListpack(elements ...any) string {
	var body []byte
	for _, e := range elements {
		var entry []byte
		switch e := e.(type) {
		case string: // of up to 63 bytes
			entry = append([]byte{0x80 | byte(len(e))}, e...)
		case int: // from 0 to 127
			entry = []byte{byte(e)}
		}
		body = append(append(body, entry...), byte(len(entry)))
	}
	out := binary.LittleEndian.AppendUint32(nil, uint32(7+len(body)))
	out = binary.LittleEndian.AppendUint16(out, uint16(len(elements)))
	return string(append(append(out, body...), 255))
}

func intset(width int, numbers ...int64) string {
	out := binary.LittleEndian.AppendUint32(nil, uint32(width))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(numbers)))
	for _, n := range numbers {
		out = append(out, binary.LittleEndian.AppendUint64(nil, uint64(n))[:width]...)
	}
	return string(out)
}

// lzfLiterals compresses by calling everything a literal and, at the end, a run.
func (f *oldFile) lzfRun(c byte, n int) { // n from 10 to 264
	f.WriteByte(0xc3)
	f.length(5)
	f.length(n)
	f.Write([]byte{0, c, 0xe0, byte(n - 1 - 9), 0})
}

var (
	longText = strings.Repeat("long ", 100)
	far      = time.Now().Add(100 * time.Hour)
)

// plainTypes writes what every version knows.
func (f *oldFile) plainTypes() {
	f.Write([]byte{0xfe, 0})
	f.key(0, "string")
	f.text("value")
	f.key(0, "long")
	f.text(longText)
	f.key(0, "empty")
	f.text("")
	for i, encoded := range []string{"\xc0\x80", "\xc1\xff\x7f", "\xc2\x00\x00\x00\x80"} {
		f.key(0, fmt.Sprint("int", i))
		f.WriteString(encoded)
	}
	f.key(0, "compressed")
	f.lzfRun('a', 100)
	f.WriteString("\xfd") // seconds
	f.Write(binary.LittleEndian.AppendUint32(nil, uint32(far.Unix())))
	f.key(0, "expires")
	f.text("v")
	f.WriteString("\xfd\x01\x00\x00\x00")
	f.key(0, "expired")
	f.text("v")
	f.key(1, "list")
	f.texts(4, "a", "", "17", longText)
	f.key(2, "set")
	f.texts(3, "a", "b", "17")
	f.key(2, "set of integers")
	f.length(3)
	f.WriteString("\xc0\x05\xc1\x00\x01\xc2\x00\x00\x01\x00")
	f.Write([]byte{0xfe, 3})
	f.key(3, "zset")
	f.length(5)
	for _, pair := range [][2]string{{"a", "\x031.5"}, {"b", "\xfe"}, {"c", "\xff"}, {"d", "\x0e1.2000000000e2"}, {"e", "\x1b0.10000000000000000555e+000"}} {
		f.text(pair[0])
		f.WriteString(pair[1])
	}
	f.key(4, "hash")
	f.texts(2, "f", "v", "17", longText)
	f.key(4, "large hash")
	var fields []string
	for i := range 1000 {
		fields = append(fields, fmt.Sprint("field", i), fmt.Sprint(i*i))
	}
	f.texts(1000, fields...)
}

var zipElements = []string{"", "a", "0", "12", "13", "-1", "127", "-128", "128", "-32768", "32768", "-8388608", "8388608", "-2147483649",
	"9223372036854775807", strings.Repeat("x", 63), strings.Repeat("y", 64), strings.Repeat("z", 300), "behind"}

func pairsOf(elements []string) (pairs []string) {
	for i, e := range elements {
		pairs = append(pairs, fmt.Sprint("field:", i), e)
	}
	return pairs
}

// TestOldFiles: files of all versions of the format from 2 to 10, with the encodings
// that each of them had, are loaded as redis-server loads them.
func TestOldFiles(t *testing.T) {
	for version := 2; version <= 10; version++ {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			f := newOldFile(version)
			f.everyType(version, true)
			b := f.end(version)
			t.Logf("%d bytes, %d keys", len(b), loadLikeRedis(t, b))
		})
	}
}

// everyType writes what a version knows.
func (f *oldFile) everyType(version int, functions bool) {
	if version >= 7 {
		f.WriteString("\xfa\x09redis-ver\x053.2.0\xfa\x0aredis-bits\xc0\x40\xfa\x05other\x01x\xfb\x10\x02")
	}
	f.plainTypes()
	f.key(9, "zipmap")
	f.text(zipmap("f", "v", "g", "", "17", "-5", "long", strings.Repeat("l", 300), "", "empty field"))
	f.key(9, "large zipmap")
	f.text(zipmap(pairsOf(append(zipElements, zipElements...))...))
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprint(i), fmt.Sprint(-i))
	}
	f.key(9, "zipmap of 300")
	f.text(zipmap(many...))
	f.key(10, "list ziplist")
	f.text(ziplist(zipElements...))
	for _, width := range []int{2, 4, 8} {
		f.key(11, fmt.Sprint("intset", width))
		f.text(intset(width, -300, -1, 0, 1, 32767))
	}
	f.key(12, "zset ziplist")
	f.text(ziplist("low", "-inf", "a", "1", "b", "1", "c", "1.5", "d", "70000", "e", "inf"))
	if version >= 3 {
		f.WriteString("\xfc")
		f.Write(binary.LittleEndian.AppendUint64(nil, uint64(far.UnixMilli())))
		f.key(0, "expires in ms")
		f.text("v")
	}
	if version >= 4 {
		f.key(13, "hash ziplist")
		f.text(ziplist(pairsOf(zipElements)...))
	}
	if version >= 7 {
		f.key(14, "quicklist")
		f.texts(3, ziplist(zipElements...), ziplist("a"), ziplist("", "5"))
		f.key(14, "compressed quicklist")
		f.length(2)
		f.text(ziplist("a"))
		f.compressedZiplist()
	}
	if version >= 8 {
		f.key(5, "zset of doubles")
		f.length(3)
		for i, score := range []float64{0.1, math.Inf(-1), -7} {
			f.text(fmt.Sprint("m", i))
			f.WriteString(double(score))
		}
	}
	if version >= 9 {
		f.WriteString("\xf8\x41\x00") // IDLE
		f.key(0, "idle")
		f.text("v")
		f.WriteString("\xfc")
		f.Write(binary.LittleEndian.AppendUint64(nil, uint64(far.UnixMilli())))
		f.WriteString("\xf9\x64") // FREQ
		f.key(0, "often")
		f.text("v")
		f.key(15, "stream of Redis 5")
		f.oldStream()
	}
	if version >= 10 {
		f.key(16, "hash listpack")
		f.text(oldListpack("f", "v", "g", 17))
		f.key(17, "zset listpack")
		f.text(oldListpack("a", 1, "b", 2, "c", "2.5"))
		f.key(18, "list of listpacks")
		f.length(2)
		f.length(2)
		f.text(oldListpack("a", 1))
		f.length(1)
		f.text("a plain node")
		if functions {
			f.WriteString("\xf6\x03lib\x03LUA\x00") // a function of 7.0-rc1
			f.text("redis.register_function('f', function() return 1 end)")
		}
	}
}

// TestFilesRefusedLikeRedis: what can't be loaded is refused for the reason that
// redis-server writes to its log when it ends.
func TestFilesRefusedLikeRedis(t *testing.T) {
	server, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	const module = "\x81\x3e\x78\xab\xa9\xc7\x10\x44\x01" // an ID: nine letters and a version
	for _, c := range []struct{ name, body, reason string }{
		{"module value", "\x07\x01k" + module + "\x02\x01\x00", "The RDB file contains module data I can't load: no matching module type 'PnirqccQR'"},
		{"module data", "\xf7" + module + "\x02\x01\x00", "The RDB file contains AUX module data I can't load: no matching module 'PnirqccQR'"},
		{"database", "\xfe\x11\x00\x01k\x01v", "Data file was created with a Redis server configured to handle more than 16 databases"},
		{"function", "\xf5\x0d#!lua name=l\n", "No functions registered"},
	} {
		dir := t.TempDir()
		f := newOldFile(10)
		f.WriteString(c.body)
		b := f.end(10)
		if err := os.WriteFile(filepath.Join(dir, "dump.rdb"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // if it were to load the file
		out, err := exec.CommandContext(ctx, server, "--port", "0", "--unixsocket", filepath.Join(dir, "s"), "--dir", dir).CombinedOutput()
		cancel()
		if !strings.Contains(string(out), c.reason) {
			t.Errorf("%s: redis-server ends with %v: %s", c.name, err, out)
		}
		if _, err := New(plain).Load(bytes.NewReader(b), 0, false, Options{}); err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func double(f float64) string {
	return string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)))
}

// compressedZiplist writes a ziplist of 100 equal letters as LZF: literals for its head
// and tail and a run between them.
func (f *oldFile) compressedZiplist() {
	zl := ziplist(strings.Repeat("q", 100))
	head, tail := zl[:14], zl[113:] // up to the first letter, from behind the last
	packed := string([]byte{byte(len(head) - 1)}) + head + string([]byte{0xe0, 99 - 9, 0}) + string([]byte{byte(len(tail) - 1)}) + tail
	f.WriteByte(0xc3)
	f.length(len(packed))
	f.length(len(zl))
	f.WriteString(packed)
}

// oldStream writes the value of a stream as Redis 5 had it: one node of two entries,
// of which the second is deleted, a group and a consumer who has the first.
func (f *oldFile) oldStream() {
	id := func(ms, seq uint64) []byte {
		return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, ms), seq)
	}
	f.length(1)
	f.text(string(id(5, 1)))
	f.text(oldListpack(1, 1, 1, "field", 0, // the master entry: valid, deleted, fields
		2, 0, 0, "v", 4, // same fields
		3, 0, 1, "w", 4)) // likewise, deleted
	f.length(1)
	f.Write([]byte{5, 2}) // the last ID
	f.length(1)
	f.text("group")
	f.Write([]byte{5, 1})
	f.length(1)
	f.Write(id(5, 1))
	f.Write(binary.LittleEndian.AppendUint64(nil, 1_500_000_000_000))
	f.length(3)
	f.length(2)
	for i, name := range []string{"alice", "bob"} {
		f.text(name)
		f.Write(binary.LittleEndian.AppendUint64(nil, 1_500_000_000_001))
		f.length(1 - i)
		if i == 0 {
			f.Write(id(5, 1))
		}
	}
}

// TestNewerFiles: version 11, that of Redis 7.2, which redis-server 7.0 refuses: what it
// brought is held as 7.0 would hold the same data.
func TestNewerFiles(t *testing.T) {
	f := newOldFile(11)
	f.WriteString("\xfa\x09redis-ver\x057.2.4\xfe\x00\xfb\x04\x00")
	f.key(20, "small set")
	f.text(oldListpack("a", 17, "c"))
	f.key(20, "set of integers")
	f.text(oldListpack(3, 1, 2))
	f.key(20, "large set")
	var members []any
	for i := range 128 {
		members = append(members, fmt.Sprint("m", i))
	}
	f.text(oldListpack(members...))
	f.key(21, "stream")
	f.length(0)
	f.length(0)
	f.Write([]byte{9, 9, 0, 0, 9, 8, 7}) // last, first, largest deleted ID, entries added
	f.length(1)
	f.text("group")
	f.Write([]byte{5, 1, 4}) // last delivered ID, entries read
	f.length(0)
	f.length(1)
	f.text("alice")
	f.Write(binary.LittleEndian.AppendUint64(nil, 1_500_000_000_001)) // seen
	f.Write(binary.LittleEndian.AppendUint64(nil, 1_500_000_000_002)) // active
	f.length(0)
	m := New(plain)
	if _, err := m.Load(bytes.NewReader(f.end(11)), time.Now().UnixMilli(), false, Options{}); err != nil {
		t.Fatal(err)
	}
	r := startRedis(t, false)
	for _, line := range []string{"SADD small~set a 17 c", "SADD set~of~integers 1 2 3", "SADD large~set", "XGROUP CREATE stream group 5-1 MKSTREAM ENTRIESREAD 4",
		"XGROUP CREATECONSUMER stream group alice", "XSETID stream 9-9 ENTRIESADDED 7 MAXDELETEDID 9-8"} {
		args := strings.Fields(line)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "~", " ")
		}
		if args[1] == "large set" {
			for _, member := range members {
				args = append(args, member.(string))
			}
		}
		r.must(args...)
	}
	if got, want := fmt.Sprintf("+%x\r\n", m.Digest()), string(r.must("DEBUG", "DIGEST")); got != want {
		t.Errorf("digest %s, redis-server has %s", got, want)
	}
	for i := range m.ks.DB(0).Len() {
		e := m.ks.DB(0).ByRank(i)
		if got, want := e.Encoding(), bulks(r.must("OBJECT", "ENCODING", e.Key())); got != want[0] {
			t.Errorf("%s: encoding %s, redis-server has %s", e.Key(), got, want)
		}
	}
}
