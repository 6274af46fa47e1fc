package fsm

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
	"github.com/quorate/quorate/slots/hashslot"
)

// redisOnFile starts a redis-server in dir for the time of the test, or skips
// it, and returns a function that sends a command and returns the bulk or
// simple reply.
func redisOnFile(t *testing.T, dir string, options ...string) func(args ...string) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed: comparison with it left out")
	}
	socket := filepath.Join(dir, "s")
	var log bytes.Buffer
	cmd := exec.Command(path, append(options, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir,
		"--dbfilename", "dump.rdb", "--enable-debug-command", "yes")...)
	cmd.Stdout = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s", log.Bytes())
		}
	})
	var conn net.Conn
	for deadline := time.Now().Add(10 * time.Second); ; {
		if conn, err = net.Dial("unix", socket); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // the server offers nothing to wait on
	}
	t.Cleanup(func() { _ = conn.Close() })
	in := bufio.NewReader(conn)
	return func(args ...string) string {
		t.Helper()
		out := fmt.Appendf(nil, "*%d\r\n", len(args))
		for _, a := range args {
			out = fmt.Appendf(out, "$%d\r\n%s\r\n", len(a), a)
		}
		if _, err := conn.Write(out); err != nil {
			t.Fatal(err)
		}
		reply, err := readReply(in)
		if err != nil {
			t.Fatalf("%.80q: %v", args, err)
		}
		return reply
	}
}

// readReply reads a reply. The elements of an array come as lines.
func readReply(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	rest := strings.TrimSuffix(line[1:], "\r\n")
	if line[0] == '-' {
		return "", errors.New(rest)
	}
	if line[0] != '$' && line[0] != '*' {
		return rest, nil
	}
	n, err := strconv.Atoi(rest)
	if err != nil || n < 0 {
		return "", fmt.Errorf("reply %q", line)
	}
	if line[0] == '*' {
		var lines []string
		for range n {
			element, err := readReply(in)
			if err != nil {
				return "", err
			}
			lines = append(lines, element)
		}
		return strings.Join(lines, "\n"), nil
	}
	body := make([]byte, n+2)
	if _, err := io.ReadFull(in, body); err != nil {
		return "", err
	}
	return string(body[:n]), nil
}

// loaded waits until the server has loaded its file.
func loaded(t *testing.T, do func(args ...string) string) {
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(do("INFO", "persistence"), "loading:0"); {
		if time.Now().After(deadline) {
			t.Fatal("redis-server doesn't finish loading")
		}
	}
}

// farAway moves all expiries into the future, where a redis-server that loads
// them leaves them.
func farAway(m *Machine) {
	for i := range m.ks.Databases() {
		db := m.ks.DB(i)
		for j := range db.Len() {
			if e := db.ByRank(j); e.ExpireAt() != 0 {
				key := []byte(e.Key())
				m.ks.SetExpire(i, hashslot.Of(key), key, e.ExpireAt()+1<<42)
			}
		}
	}
}

// plainZeros replaces scores of -0 by 0: a redis-server that loads a sorted set
// which has shrunk packs it again, and a listpack can't hold -0.
func plainZeros(m *Machine) {
	for i := range m.ks.Databases() {
		db := m.ks.DB(i)
		for j := range db.Len() {
			e := db.ByRank(j)
			if e.Kind() != keyspace.KindZSet {
				continue
			}
			var negative [][]byte
			e.ZSet().EachStored(func(member []byte, score float64) {
				if score == 0 && math.Signbit(score) {
					negative = append(negative, bytes.Clone(member))
				}
			})
			for _, member := range negative {
				e.ZSet().Remove(member)
				e.ZSet().Add(member, 0, &m.ks.Limits)
			}
		}
	}
}

// TestRedisLoadsOurs: redis-check-rdb accepts a snapshot, a redis-server loads
// it, and has the same data by its own digest and by each key's DUMP.
func TestRedisLoadsOurs(t *testing.T) {
	for round := range 3 {
		w := newWorkload(t, true)
		a := New(plain)
		for range 600 {
			w.apply(t, a)
		}
		if round == 0 { // Redis's own limits, and things that are large
			a.ks.Limits = keyspace.DefaultLimits()
			for _, c := range []string{"T.SET big WORD", "T.PUSH list WORD", "T.PUSH list small", "T.HSET hash WORD", "T.SADD set WORD"} {
				w.index++
				text := strings.Repeat("0123456789", 3000)
				if err := a.Apply(w.index, entry(Header{Time: w.time}, strings.Replace(c, "WORD", text, 1)), nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		var many []string // a large sorted set with nothing to compress
		for i := range 150 {
			many = append(many, fmt.Sprintf("T.ZADD many %d", i))
		}
		w.index++
		if err := a.Apply(w.index, entry(Header{Time: w.time, Seed: w.r.Uint64()}, many...), nil); err != nil {
			t.Fatal(err)
		}
		farAway(a)
		plainZeros(a)
		dir := t.TempDir()
		file := filepath.Join(dir, "dump.rdb")
		if err := os.WriteFile(file, snapshot(t, a), 0o600); err != nil {
			t.Fatal(err)
		}
		limits := a.ks.Limits
		do := redisOnFile(t, dir, "--zset-max-listpack-entries", strconv.Itoa(limits.ZsetMaxListpackEntries),
			"--hash-max-listpack-entries", strconv.Itoa(limits.HashMaxListpackEntries),
			"--set-max-intset-entries", strconv.Itoa(limits.SetMaxIntsetEntries))
		if out, err := exec.Command("redis-check-rdb", file).CombinedOutput(); err != nil || !bytes.Contains(out, []byte("Checksum OK")) {
			t.Fatalf("redis-check-rdb: %v\n%s", err, out)
		}
		loaded(t, do)
		if got, want := fmt.Sprintf("%x", a.Digest()), do("DEBUG", "DIGEST"); got != want {
			t.Fatalf("digest %s, redis-server has %s", got, want)
		}
		compareKeys(t, do, a)
	}
}

// compareKeys compares each key's digest with redis-server's, what we make of
// its DUMP and it of ours with the key, and the bytes of the two where they are
// defined: where elements have an order and nothing was compressed.
func compareKeys(t *testing.T, do func(args ...string) string, m *Machine) {
	t.Helper()
	identical := map[string]int{}
	scratch := New(plain)
	for db := range m.ks.Databases() {
		do("SELECT", strconv.Itoa(db))
		for i := range m.ks.DB(db).Len() {
			e := m.ks.DB(db).ByRank(i)
			want := fmt.Sprintf("%x", m.DigestValue(db, []byte(e.Key())))
			if got := do("DEBUG", "DIGEST-VALUE", e.Key()); got != want {
				t.Fatalf("%s: digest %s, redis-server has %s", e.Key(), want, got)
			}
			do("PERSIST", e.Key())
			want = do("DEBUG", "DIGEST-VALUE", e.Key())

			ours := string(rdb.AppendDump(nil, &e.Value))
			do("RESTORE", "copy", "0", ours, "REPLACE")
			if got := do("DEBUG", "DIGEST-VALUE", "copy"); got != want {
				t.Fatalf("%s: redis-server restored something else", e.Key())
			}
			theirs := do("DUMP", e.Key())
			v, err := rdb.ParseDump([]byte(theirs), &m.ks.Limits)
			if err != nil {
				t.Fatalf("%s: %v", e.Key(), err)
			}
			scratch.ks.Set(0, 0, []byte("copy"), v, false)
			var d digest
			d.entry(scratch.ks.DB(0).Find(0, []byte("copy")))
			if fmt.Sprintf("%x", d) != want {
				t.Fatalf("%s: we restored something else", e.Key())
			}

			do("CONFIG", "SET", "rdbcompression", "no")
			uncompressed := do("DUMP", e.Key()) == theirs && len(ours) == len(theirs)
			do("CONFIG", "SET", "rdbcompression", "yes")
			form := e.Kind().String() + " " + e.Encoding()
			if !uncompressed || strings.HasSuffix(form, "hashtable") {
				continue
			}
			if ours != theirs {
				t.Fatalf("%s (%s):\n%x, redis-server has\n%x", e.Key(), form, ours, theirs)
			}
			identical[form]++
		}
		do("DEL", "copy")
	}
	t.Logf("identical payloads: %v", identical)
	for _, form := range []string{"string int", "string embstr", "list quicklist", "set intset", "zset listpack", "zset skiplist", "hash listpack", "stream stream"} {
		if identical[form] == 0 {
			t.Errorf("no payload of %s was compared", form)
		}
	}
}

// TestWeLoadRedis: what redis-server saves comes back with the same digest, in
// every form it has a number for.
func TestWeLoadRedis(t *testing.T) {
	dir := t.TempDir()
	do := redisOnFile(t, dir)
	w := newWorkload(t, false)
	for db := range 3 {
		do("SELECT", strconv.Itoa(db))
		for range 3000 {
			n := strconv.Itoa(w.r.IntN(9))
			switch w.r.IntN(9) {
			case 0:
				do("SET", "s"+n+w.word(), w.word())
			case 1:
				do("RPUSH", "l"+n, w.word(), strings.Repeat(w.word(), 20))
			case 2:
				do("SADD", "i"+n, strconv.Itoa(w.r.IntN(100000)))
			case 3:
				do("SADD", "m"+n, w.word())
			case 4:
				do("ZADD", "z"+n, strconv.FormatFloat(w.r.NormFloat64(), 'g', -1, 64), w.word())
			case 5:
				do("ZADD", "big"+n, strconv.Itoa(w.r.IntN(100)), fmt.Sprint(w.r.Uint64()))
			case 6:
				do("HSET", "h"+n, w.word(), w.word(), strconv.Itoa(w.r.IntN(500)), w.word())
			case 7:
				do("PEXPIRE", "h"+n, "100000000")
			case 8:
				redisStream(w, do, "x"+n)
			}
		}
	}
	do("HSET", "small", "f", "v")
	do("ZADD", "small-z", "1", "m", "inf", "n", "-inf", "o", "0.1", "p")
	do("SADD", "small-i", "1", "-70000", "5000000000")
	do("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu") // saves how often keys are used
	for _, compression := range []string{"yes", "no"} {
		do("CONFIG", "SET", "rdbcompression", compression)
		do("SAVE")
		file, err := os.Open(filepath.Join(dir, "dump.rdb"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := Restore(file, plain)
		if err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprintf("%x", m.Digest()), do("DEBUG", "DIGEST"); got != want {
			t.Fatalf("digest %s, redis-server has %s", got, want)
		}
		for db := range m.ks.Databases() {
			do("SELECT", strconv.Itoa(db))
			for i := range m.ks.DB(db).Len() {
				e := m.ks.DB(db).ByRank(i)
				if got := do("OBJECT", "ENCODING", e.Key()); got != e.Encoding() {
					t.Errorf("%s: encoding %s, in redis-server %s", e.Key(), e.Encoding(), got)
				}
			}
		}
	}
}

// TestPayloadsAgree: a payload that we accept, redis-server accepts too, and
// both have the same value then: every form Redis has had, and damaged ones
// with a checksum that is right again. We may be stricter: about the order of a
// sorted set, or bytes behind the value.
func TestPayloadsAgree(t *testing.T) {
	do := redisOnFile(t, t.TempDir(), "--sanitize-dump-payload", "yes")
	data, err := os.ReadFile("rdb/testdata/old_forms.txt")
	if err != nil {
		t.Fatal(err)
	}
	payloads := map[string][]byte{}
	for line := range strings.Lines(string(data)) {
		if name, text, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && line[0] != '#' {
			if payloads[name], err = hex.DecodeString(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	do("HSET", "hash", "f", "v", "17", "-70000")
	do("ZADD", "zset", "1", "a", "2.5", "b", "-inf", "9999999")
	do("SADD", "set", "1", "-70000", "5")
	do("RPUSH", "list", "a", "-5", "123456789", "b")
	for range 5 {
		do("XADD", "stream", "*", "f", "v", "17", "-70000")
	}
	do("XADD", "stream", "*", "f", "v")
	do("XGROUP", "CREATE", "stream", "g", "0")
	do("XADD", "mixed", "1-1", "f", "v")
	do("XADD", "mixed", "1-2", "other", "fields")
	do("XADD", "mixed", "1-3", "f", "w")
	do("XDEL", "mixed", "1-2")
	for _, key := range []string{"hash", "zset", "set", "list", "stream", "mixed"} {
		payloads[key] = []byte(do("DUMP", key))
	}
	limits := keyspace.DefaultLimits()
	scratch := New(plain)
	w := newWorkload(t, false)
	accepted, refused := 0, 0
	check := func(name string, payload []byte) bool {
		v, err := rdb.ParseDump(payload, &limits)
		if err != nil {
			refused++
			return false
		}
		accepted++
		do("RESTORE", "k", "0", string(payload), "REPLACE")
		scratch.ks.Set(0, 0, []byte("k"), v, false)
		var d digest
		d.entry(scratch.ks.DB(0).Find(0, []byte("k")))
		if got, want := fmt.Sprintf("%x", d), do("DEBUG", "DIGEST-VALUE", "k"); got != want {
			t.Fatalf("%s, payload %x: digest %s, redis-server has %s", name, payload, got, want)
		}
		if got, want := scratch.ks.DB(0).Find(0, []byte("k")).Encoding(), do("OBJECT", "ENCODING", "k"); got != want {
			t.Fatalf("%s, payload %x: encoding %s, redis-server has %s", name, payload, got, want)
		}
		return true
	}
	for name, payload := range payloads {
		if !check(name, payload) {
			t.Fatalf("%s is refused", name)
		}
		for range 300 {
			bad := bytes.Clone(payload)
			for range 1 + w.r.IntN(2) {
				bad[1+w.r.IntN(len(bad)-11)] ^= byte(1 << w.r.IntN(8))
			}
			check(name, resum(bad))
		}
	}
	if accepted < 500 || refused < 500 {
		t.Errorf("%d accepted, %d refused: the damage is of the wrong size", accepted, refused)
	}
}
