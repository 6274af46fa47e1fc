package fsm

import (
	"bytes"
	"math"
	"testing"

	"github.com/quorate/quorate/resp"
)

// TestLog checks what goes into the log instead of relative times.
func TestLog(t *testing.T) {
	const now = 1_700_000_000_000
	for _, c := range [][2]string{
		{"SET k v", "SET k v"},
		{"SET k v NX GET", "SET k v NX GET"},
		{"SET k v EX 10", "SET k v PXAT 1700000010000"},
		{"set k v get px 10 xx", "set k v XX GET PXAT 1700000000010"},
		{"SET k v EX 10 EX 20 NX", "SET k v NX PXAT 1700000020000"},
		{"SET k v EXAT 10", "SET k v EXAT 10"},
		{"SET k v EX 0", "SET k v EX 0"},
		{"SET k v EX x", "SET k v EX x"},
		{"SET k v EX", "SET k v EX"},
		{"SET k v EX 10 KEEPTTL", "SET k v EX 10 KEEPTTL"},
		{"SET k v PX 9223372036854775807", "SET k v PX 9223372036854775807"},
		{"SETEX k 10 v", "SET k v PXAT 1700000010000"},
		{"psetex k 10 v", "SET k v PXAT 1700000000010"},
		{"SETEX k 0 v", "SETEX k 0 v"},
		{"PSETEX k 9223372036854775807 v", "PSETEX k 9223372036854775807 v"},
		{"GETEX k", "GETEX k"},
		{"GETEX k PERSIST", "GETEX k PERSIST"},
		{"GETEX k EX 10", "GETEX k PXAT 1700000010000"},
		{"GETEX k PX -1", "GETEX k PX -1"},
		{"GETEX k PXAT 1", "GETEX k PXAT 1"},
		{"EXPIRE k 10", "PEXPIREAT k 1700000010000"},
		{"expire k -10 NX", "PEXPIREAT k 1699999990000 NX"},
		{"PEXPIRE k 10 gt XX", "PEXPIREAT k 1700000000010 gt XX"},
		{"PEXPIRE k 10 GT LT", "PEXPIRE k 10 GT LT"},
		{"PEXPIRE k 10 foo", "PEXPIRE k 10 foo"},
		{"EXPIRE k 9223372036854775807", "EXPIRE k 9223372036854775807"},
	} {
		args := bytes.Fields([]byte(c[0]))
		cmd, errText := findCommand(args)
		if cmd == nil {
			t.Fatal(c[0], errText)
		}
		if cmd.Log != nil {
			args = cmd.Log(args, now)
		}
		if got := string(bytes.Join(args, []byte(" "))); got != c[1] {
			t.Errorf("%s is logged as %s, want %s", c[0], got, c[1])
		}
	}
}

// TestReadAhead: a read whose clock is ahead of the group's must not answer
// that a key is gone before the group has committed that time.
func TestReadAhead(t *testing.T) {
	p := newPair(t, Options{})
	p.want("SET k v PX 100", "+OK\r\n")
	for _, line := range []string{"GET k", "TTL k", "EXISTS k", "KEYS *", "SCAN 0", "RANDOMKEY", "TYPE k", "MGET k", "OBJECT ENCODING k"} {
		args := bytes.Fields([]byte(line))
		cmd, _ := findCommand(args)
		u := &Unit{Ops: []Op{{Cmd: cmd, Args: args, Slot: -1}}, Reply: &resp.Writer{Proto: 2}}
		if !p.leader.Read(u, p.now+99, 1) || len(u.Reply.Buf) == 0 {
			t.Errorf("%s: no answer before the key expires", line)
		}
		u.Reply.Buf = nil
		if p.leader.Read(u, p.now+100, 1) || len(u.Reply.Buf) != 0 {
			t.Errorf("%s: an answer %q that the group could take back", line, u.Reply.Buf)
		}
	}
}

// TestExpireBudget: entries delete at most as many expired keys as they say,
// earliest first.
func TestExpireBudget(t *testing.T) {
	p := newPair(t, Options{})
	p.want("SET c v PX 30", "+OK\r\n")
	p.want("SET a v PX 10", "+OK\r\n")
	p.want("SET b v PX 20", "+OK\r\n")
	p.want("SET d v PX 1000", "+OK\r\n")
	p.now += 100
	p.apply(2)
	if got := p.events[0]; len(got) != 2 || got[0] != `expired 0 "a"` || got[1] != `expired 0 "b"` {
		t.Errorf("events %q", got)
	}
	p.want("DBSIZE", ":2\r\n")
	p.apply(100)
	p.want("DBSIZE", ":1\r\n")
	if n := p.leader.Stats.Expired.Load(); n != 3 {
		t.Errorf("%d keys expired, want 3", n)
	}
}

// TestHits: reads count, writes don't unless they reply what they found.
func TestHits(t *testing.T) {
	for _, c := range []struct {
		line         string
		hits, misses int64
	}{
		{"GET k", 1, 0}, {"GET none", 0, 1}, {"MGET k none k", 2, 1}, {"EXISTS k none", 1, 1}, {"TTL k", 1, 0}, {"TYPE none", 0, 1},
		{"SET k w", 0, 0}, {"SET k w GET", 1, 0}, {"SET none w GET", 0, 1}, {"INCR n", 0, 0}, {"APPEND k x", 0, 0}, {"DEL k", 0, 0},
		{"GETDEL k", 1, 0}, {"GETEX none", 0, 1}, {"GETSET k v", 1, 0}, {"EXPIRE k 10", 0, 0}, {"RENAME k j", 0, 0}, {"COPY k j", 1, 0},
		{"LLEN none", 0, 1}, {"LPOS none x", 0, 1}, {"LRANGE k 0 1", 1, 0}, {"LPOP k", 0, 0}, {"LPOP none 1", 0, 0}, {"LMOVE none k LEFT LEFT", 0, 0},
		{"LMPOP 1 none LEFT", 0, 0}, {"LSET none 0 v", 0, 0}, {"LTRIM k 0 1", 0, 0},
		{"LCS k none", 1, 1}, {"OBJECT ENCODING k", 1, 0}, {"SETNX k v", 0, 0}, {"STRLEN k", 1, 0}, {"PERSIST k", 0, 0},
	} {
		m := New(Options{Databases: 2})
		run := func(index uint64, line string) {
			args := bytes.Fields([]byte(line))
			cmd, errText := findCommand(args)
			if cmd == nil {
				t.Fatal(line, errText)
			}
			u := &Unit{Ops: []Op{{Cmd: cmd, Args: args, Slot: -1}}, Reply: &resp.Writer{Proto: 2}}
			data, _ := AppendUnit(AppendHeader(nil, Header{Time: scriptTime}), u, 0, scriptTime, 0)
			if err := m.Apply(index, data, []*Unit{u}); err != nil {
				t.Fatal(err)
			}
		}
		run(1, "SET k v")
		run(2, c.line)
		if h, n := m.Stats.Hits.Load(), m.Stats.Misses.Load(); h != c.hits || n != c.misses {
			t.Errorf("%s: %d hits and %d misses, want %d and %d", c.line, h, n, c.hits, c.misses)
		}
	}
}

// TestStringLimit: what a client claims doesn't allocate beyond the limit.
func TestStringLimit(t *testing.T) {
	p := newPair(t, Options{})
	p.apply(0, Limit("proto-max-bulk-len", math.MaxInt))
	p.want("SETRANGE k 1073741824 x", "-"+errStringLimit+"\r\n") // 1 GiB is the most in any case
	p.want("SETRANGE k 9223372036854775807 xx", "-"+errStringLimit+"\r\n")
	p.apply(0, Limit("proto-max-bulk-len", 10))
	p.want("SETRANGE k 9 x", ":10\r\n")
	p.want("SETRANGE k 10 x", "-"+errStringLimit+"\r\n")
	p.want("APPEND k x", "-"+errStringLimit+"\r\n")
}
