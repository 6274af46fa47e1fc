package fsm

import (
	"bytes"
	"strings"
	"testing"

	"github.com/quorate/quorate/aof"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
)

// replay runs what an append-only file says, up to what is no command.
func replay(m *Machine, now int64, file string) (unfinished bool, err error) {
	r := NewReplay(m, now)
	for in := aof.NewReader(strings.NewReader(file)); ; {
		args, err := in.Next()
		if err != nil {
			return r.End()
		}
		if err := r.Command(args); err != nil {
			return false, err
		}
	}
}

// file writes commands, one a line with words between spaces, as an append-only file.
func file(lines ...string) string {
	var b []byte
	for _, l := range lines {
		var args [][]byte
		for _, w := range strings.Fields(l) {
			args = append(args, []byte(w))
		}
		b, _ = AppendEffect(b, 0, 0, args...)
	}
	return string(b)
}

func TestReplay(t *testing.T) {
	const now = 1_000_000
	m := New(Options{Databases: 3})
	unfinished, err := replay(m, now, file("SELECT 1", "SET a 1", "SET b 2 PXAT 5", "EXPIRE a 100", "LPUSH a wrong", "GETEX a PERSIST", "EXPIRE a 100",
		"SELECT 0", "MULTI", "INCR n", "select 2", "INCR n", "EXEC", "SADD s x", "MULTI", "INCR n")+"*1\r\n$5\r\nINCR")
	if err != nil || !unfinished {
		t.Fatalf("unfinished %v, %v", unfinished, err)
	}
	get := func(db int, args ...string) string {
		var words [][]byte
		for _, a := range args {
			words = append(words, []byte(a))
		}
		var cmd *Command
		for _, c := range Commands() {
			if c.Name == args[0] {
				cmd = c
			}
		}
		reply := &resp.Writer{}
		if !m.Read(&Unit{Ops: []Op{{Cmd: cmd, Args: words, DB: db, Slot: -1}}, Reply: reply}, 1, 1) {
			t.Fatalf("%q isn't answered", args)
		}
		return string(reply.Buf)
	}
	for _, c := range []struct {
		db   int
		cmd  string
		want string
	}{
		{1, "GET a", "$1\r\n1\r\n"},
		{1, "GET b", "$1\r\n2\r\n"},          // nothing expires while it is loaded
		{1, "PEXPIRETIME b", ":5\r\n"},       //
		{1, "PEXPIRETIME a", ":1100000\r\n"}, // relative times count from the load
		{0, "GET n", "$1\r\n1\r\n"},          // the transaction, and the open one left out
		{2, "GET n", "$1\r\n1\r\n"},          // its SELECT
		{2, "SISMEMBER s x", ":1\r\n"},       // which holds
	} {
		if got := get(c.db, strings.Fields(c.cmd)...); got != c.want {
			t.Errorf("%s in %d: %q, want %q", c.cmd, c.db, got, c.want)
		}
	}
	if m.Index() != 0 {
		t.Errorf("index %d: entries of the log would be taken for older ones", m.Index())
	}
	for _, c := range []struct{ file, want string }{
		{file("WHAT x"), "Unknown command 'WHAT'"},
		{file("#PANIC"), "Unknown command '#PANIC'"},
		{"*1\r\n$6\r\n#PANIC\r\n", "Unknown command '#PANIC'"},
		{"*1\r\n$0\r\n\r\n", "Unknown command ''"},
		{file("EXEC"), "Unknown command 'EXEC'"},
		{file("MULTI", "MULTI"), "Unknown command 'MULTI'"},
		{file("SELECT 3"), `database "3" of 3`},
		{file("SELECT x"), `database "x" of 3`},
		{file("SET a"), "wrong number of arguments for 'SET'"},
	} {
		if _, err := replay(New(Options{Databases: 3}), now, c.file); err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.file, err, c.want)
		}
	}
}

// FuzzReplay: no append-only file makes the machine panic, and what was loaded has a
// snapshot that can be read.
func FuzzReplay(f *testing.F) {
	f.Add([]byte(file("SELECT 1", "SET a 1 PXAT 99999999999999", "MULTI", "LPUSH l a b c", "EXEC", "XADD s 1-1 f v", "ZADD z 1 m")))
	f.Add([]byte(file("EVAL return{redis.call('SET',KEYS[1],'v')} 1 k", "SPOP s", "MULTI", "SELECT 2", "EXEC")))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > fuzzInput {
			return
		}
		m := New(Options{Databases: 3})
		*m.LimitNamed("proto-max-bulk-len") = fuzzBulk
		if _, err := replay(m, 1_000_000, string(data)); err != nil {
			if strings.Contains(err.Error(), "panic") {
				t.Fatal(err)
			}
			return
		}
		s := m.BeginSnapshot()
		defer s.Release()
		var b bytes.Buffer
		if _, err := s.WriteTo(&b, alone{}); err != nil {
			t.Fatal(err)
		}
		again, err := Restore(&b, Options{Databases: 3})
		if err != nil || again.Digest() != m.Digest() {
			t.Fatalf("%v", err)
		}
	})
}

// TestReplayTime: keys of append-only files were used when they were loaded.
func TestReplayTime(t *testing.T) {
	const now = 1_800_000_000_000
	m := New(Options{Databases: 2})
	r := NewReplay(m, now)
	if err := r.Command([][]byte{[]byte("SELECT"), []byte("1")}); err != nil {
		t.Fatal(err)
	}
	if err := r.Command([][]byte{[]byte("SET"), []byte("k"), []byte("v")}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.End(); err != nil {
		t.Fatal(err)
	}
	key := func() *keyspace.Entry { return m.ks.DB(1).Find(hashslot.Of([]byte("k")), []byte("k")) }
	if before := idle(key().Access(), m.seen.clock); before != 0 {
		t.Fatalf("idle for %d s on the machine's own clock", before)
	}
	r.Done()
	if m.now != now {
		t.Errorf("the time is %d", m.now)
	}
	if got := idle(key().Access(), seenAt(now+5000, m.memory.Load()).clock); got != 5 {
		t.Errorf("idle for %d s after 5", got)
	}
}
