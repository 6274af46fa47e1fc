package transport

import (
	"strings"
	"testing"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
	"github.com/quorate/quorate/store"
)

// scripted is a group that answers every step by a function.
type scripted func(op *fsm.Op, w *resp.Writer)

func (f scripted) Acked(uint64) int { return 0 }

func (f scripted) Do(u *fsm.Unit) error {
	for i := range u.Ops {
		if u.Ops[i].Raw != nil {
			u.Reply.Raw(u.Ops[i].Raw)
		} else {
			f(&u.Ops[i], u.Reply)
		}
	}
	return nil
}
func (f scripted) DoStale(u *fsm.Unit) error           { return f.Do(u) }
func (scripted) Watch(*fsm.Watch, int, [][]byte) error { return nil }
func (scripted) Unwatch(*fsm.Watch)                    {}

// keyOf returns a key whose slot is in the given half of the slots.
func keyOf(half int) string {
	for _, k := range []string{"a", "b", "c", "d", "e", "f"} {
		if int(hashslot.Of([]byte(k)))*2/hashslot.Count == half {
			return k
		}
	}
	panic("no key")
}

func TestClusterRouting(t *testing.T) {
	first := newFakeGroup(fsm.Options{})
	replica := newFakeGroup(fsm.Options{})
	router := &slotRouter{groups: []Group{first, nil}}
	_, addr := startServer(t, Options{Router: router})
	here, there := keyOf(0), keyOf(1)
	const moved = "-MOVED 1 127.0.0.1:7002\r\n"
	c := dial(t, addr)
	c.send("set "+here+" 1", "get "+there, "get "+here)
	c.want("+OK\r\n" + moved + "$1\r\n1\r\n")
	c.do("select 0", "+OK\r\n")
	c.do("select 1", "-ERR SELECT is not allowed in cluster mode\r\n")
	c.do("asking", "+OK\r\n")

	// Redirects and errors while queueing spoil the transaction.
	c.send("multi", "set "+here+" 2", "set "+there+" 2", "exec", "get "+here)
	c.want("+OK\r\n+QUEUED\r\n" + moved + "-EXECABORT Transaction discarded because of previous errors.\r\n$1\r\n1\r\n")
	c.send("multi", "set "+here+" 2", "get "+here, "exec")
	c.want("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\n2\r\n")
	c.do("watch "+there, moved)
	c.do("watch "+here+" "+there, "-CROSSSLOT Keys in request don't hash to the same slot\r\n")
	c.send("watch "+here, "multi", "get "+here, "exec")
	c.want("+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n$1\r\n2\r\n")

	// The group has moved between queueing and EXEC.
	c.send("multi", "set "+here+" 3")
	c.want("+OK\r\n+QUEUED\r\n")
	first.failWith(store.ErrNotLeader)
	c.do("exec", moved)
	c.do("get "+here, moved)
	first.failWith(nil)
	c.do("exec", "-ERR EXEC without MULTI\r\n")

	// READONLY reads from a local replica, and nothing else does.
	router.local = replica
	replica.Do(&fsm.Unit{Reply: &resp.Writer{}, Ops: []fsm.Op{setOp(there, "old")}})
	c.do("get "+there, moved)
	c.do("readonly", "+OK\r\n")
	c.do("get "+there, "$3\r\nold\r\n")
	c.do("set "+there+" new", moved)
	c.send("multi", "get "+there, "exec")
	c.want("+OK\r\n+QUEUED\r\n*1\r\n$3\r\nold\r\n")
	c.do("readwrite", "+OK\r\n")
	c.do("get "+there, moved)
}

func setOp(key, value string) fsm.Op {
	for _, c := range fsm.Commands() {
		if c.Name == "SET" {
			return fsm.Op{Cmd: c, Args: [][]byte{[]byte("set"), []byte(key), []byte(value)}}
		}
	}
	panic("no SET")
}

func TestClusterTwoGroups(t *testing.T) {
	a, b := newFakeGroup(fsm.Options{}), newFakeGroup(fsm.Options{})
	_, addr := startServer(t, Options{Router: &slotRouter{groups: []Group{a, b}}})
	x, y := keyOf(0), keyOf(1)
	c := dial(t, addr)
	c.send("set "+x+" 1", "set "+y+" 2", "get "+x, "ping", "get "+y, "get "+x)
	c.want("+OK\r\n+OK\r\n$1\r\n1\r\n+PONG\r\n$1\r\n2\r\n$1\r\n1\r\n")
	c.send("multi", "get "+x, "get "+y, "exec")
	c.want("+OK\r\n+QUEUED\r\n+QUEUED\r\n-CROSSSLOT Keys in request don't hash to the same slot\r\n")
	c.send("watch "+x, "watch "+y, "multi", "get "+y, "exec")
	c.want("+OK\r\n-" + errWatchGroups + "\r\n+OK\r\n+QUEUED\r\n-" + errWatchGroups + "\r\n")
}

// TestKeyless checks how commands without keys are spread over the groups and
// how the replies are joined.
func TestKeyless(t *testing.T) {
	table := NewTable()
	if table.Find([]byte("DBSIZE")) != nil {
		// Enough of the keyspace commands are there: use them as they are.
		t.Log("with the real commands")
	}
	for _, name := range []string{"DBSIZE", "KEYS", "SCAN", "RANDOMKEY"} {
		if table.Find([]byte(name)) == nil {
			table.Add(&command.Spec{Name: name, Arity: -1, Flags: command.ReadOnly}, Handler{Data: &fsm.Command{Spec: command.Spec{Name: name}, Read: func(*fsm.ReadCall) {}}})
		}
	}
	for _, name := range []string{"FLUSHALL", "SWAPDB"} {
		if table.Find([]byte(name)) == nil {
			table.Add(&command.Spec{Name: name, Arity: -1, Flags: command.Write}, Handler{Data: &fsm.Command{Spec: command.Spec{Name: name}, Write: func(*fsm.WriteCall) {}}})
		}
	}
	flushed := 0
	group := func(keys ...string) Group {
		return scripted(func(op *fsm.Op, w *resp.Writer) {
			switch op.Cmd.Name {
			case "DBSIZE":
				w.Int(int64(len(keys)))
			case "KEYS":
				w.Array(len(keys))
				for _, k := range keys {
					w.BulkString(k)
				}
			case "RANDOMKEY":
				if len(keys) == 0 {
					w.Null()
				} else {
					w.BulkString(keys[0])
				}
			case "SCAN":
				// One key a call; the cursor is the number of the next key.
				at := 0
				if string(op.Args[1]) == "5" {
					at = 1
				}
				w.Array(2)
				if at+1 < len(keys) {
					w.BulkString("5")
				} else {
					w.BulkString("0")
				}
				if at < len(keys) {
					w.Array(1)
					w.BulkString(keys[at])
				} else {
					w.Array(0)
				}
			case "FLUSHALL":
				flushed++
				w.OK()
			}
		})
	}
	_, addr := startServer(t, Options{Table: table, Router: &slotRouter{groups: []Group{group("a", "b"), group(), group("c", "d")}}})
	c := dial(t, addr)
	c.do("dbsize", ":4\r\n")
	c.do("keys *", "*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n")
	c.do("flushall", "+OK\r\n")
	if flushed != 3 {
		t.Errorf("flushed %d groups", flushed)
	}
	c.do("swapdb 0 1", "-ERR SWAPDB is not allowed in cluster mode\r\n")
	for range 5 {
		c.send("randomkey")
		if line, _ := c.r.ReadString('\n'); line != "$1\r\n" {
			t.Errorf("randomkey: %q", line)
		}
		c.r.ReadString('\n')
	}
	cursor, walked, calls := "0", "", 0
	for {
		c.send("scan " + cursor)
		var lines []string
		for range 3 {
			l, _ := c.r.ReadString('\n')
			lines = append(lines, strings.TrimSpace(l))
		}
		cursor = lines[2]
		n, _ := c.r.ReadString('\n')
		if n == "*1\r\n" {
			c.r.ReadString('\n')
			k, _ := c.r.ReadString('\n')
			walked += strings.TrimSpace(k)
		}
		if calls++; cursor == "0" || calls > 20 {
			break
		}
	}
	if walked != "abcd" {
		t.Errorf("scan walked %q in %d calls", walked, calls)
	}
	c.send("multi", "dbsize", "exec")
	c.want("+OK\r\n-" + errKeylessTx + "\r\n-EXECABORT Transaction discarded because of previous errors.\r\n")

	_, addr = startServer(t, Options{Table: table, Router: &slotRouter{groups: []Group{nil}}})
	c = dial(t, addr)
	c.send("dbsize", "keys *", "scan 0", "randomkey", "flushall")
	c.want(":0\r\n*0\r\n*2\r\n$1\r\n0\r\n*0\r\n$-1\r\n-READONLY You can't write against a read only replica.\r\n")
}

// MONITOR shows what has no key in cluster mode, too.
func TestClusterMonitorsKeyless(t *testing.T) {
	router := &slotRouter{groups: []Group{newFakeGroup(fsm.Options{}), newFakeGroup(fsm.Options{})}}
	_, addr := startServer(t, Options{Router: router})
	m, c := dial(t, addr), dial(t, addr)
	m.do("MONITOR", "+OK\r\n")
	c.do("DBSIZE", ":0\r\n")
	if line, err := m.r.ReadString('\n'); err != nil || !strings.HasSuffix(line, "] \"DBSIZE\"\r\n") {
		t.Errorf("%q %v", line, err)
	}
}
