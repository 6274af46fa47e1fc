package fsm

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/slots/hashslot"
)

// t.make and t.grow are commands of this test's entries: they create a value of
// a kind and add an element to it, whatever families of commands there are.
func init() {
	writesByName["T.MAKE"] = &Command{Write: func(c *WriteCall) {
		c.put(c.Args[1], map[string]keyspace.Value{
			"list": keyspace.NewListValue(&keyspace.List{}),
			"set":  keyspace.NewSetValue(&keyspace.Set{}),
			"zset": keyspace.NewZSetValue(&keyspace.ZSet{}),
			"hash": keyspace.NewHashValue(&keyspace.Hash{}),

			"stream": keyspace.NewStreamValue(&keyspace.Stream{}),
		}[string(c.Args[2])])
		c.modified(c.Args[1])
	}}
	writesByName["T.GROW"] = &Command{Write: func(c *WriteCall) {
		e, element := c.modify(c.Args[1]), c.Args[2]
		switch e.Kind() {
		case keyspace.KindList:
			e.List().PushRight(element, c.Limits())
		case keyspace.KindSet:
			e.Set().Add(element, c.Limits())
		case keyspace.KindZSet:
			e.ZSet().Add(element, 1, c.Limits())
		case keyspace.KindHash:
			e.Hash().Set(element, element, c.Limits())
		case keyspace.KindStream:
			testStreamGrow(c, e.Stream(), element)
		}
		c.modified(c.Args[1])
	}}
}

// doTest runs one of the commands above.
func (p *pair) doTest(args ...string) {
	p.t.Helper()
	op := Op{Cmd: writesByName[args[0]], DB: 0, Slot: -1}
	for _, a := range args {
		op.Args = append(op.Args, []byte(a))
	}
	p.apply(0, op)
}

// want runs a command and compares the reply.
func (p *pair) want(line, reply string) {
	p.t.Helper()
	if got := p.doWords(line); got != reply {
		p.t.Errorf("%s replied %q, want %q", line, got, reply)
	}
}

// content returns what a key holds, or "".
func (p *pair) content(db int, key string) string {
	e := p.follower.ks.DB(db).Find(hashslot.Of([]byte(key)), []byte(key))
	if e == nil {
		return ""
	}
	return fmt.Sprint(e.Kind(), e.Encoding(), dumpValue(&e.Value), e.ExpireAt())
}

// TestKeysOfEveryKind runs the generic commands on collections, small ones and
// ones that have left their compact encoding.
func TestKeysOfEveryKind(t *testing.T) {
	small := map[string]string{"list": "quicklist", "set": "hashtable", "zset": "listpack", "hash": "listpack", "stream": "stream"}
	big := map[string]string{"list": "quicklist", "set": "hashtable", "zset": "skiplist", "hash": "hashtable", "stream": "stream"}
	for kind, encoding := range small {
		for _, n := range []int{3, 300} {
			if n == 300 {
				encoding = big[kind]
			}
			t.Run(fmt.Sprint(kind, n), func(t *testing.T) {
				p := newPair(t, Options{})
				p.doTest("T.MAKE", "k", kind)
				for i := range n {
					p.doTest("T.GROW", "k", fmt.Sprint("element", i))
				}
				p.want("TYPE k", "+"+kind+"\r\n")
				p.want("OBJECT ENCODING k", fmt.Sprintf("$%d\r\n%s\r\n", len(encoding), encoding))
				p.want("OBJECT REFCOUNT k", ":1\r\n")
				p.want("PEXPIREAT k 1700000005000", ":1\r\n")
				before := p.content(0, "k")

				p.want("COPY k copy", ":1\r\n")
				p.want("COPY k k DB 2", ":1\r\n")
				p.doTest("T.GROW", "k", "another")
				if p.content(0, "copy") != before || p.content(2, "k") != before {
					t.Error("a copy shares its content with the original, or lacks some")
				}
				after := p.content(0, "k")
				if after == before {
					t.Error("the original didn't grow")
				}
				p.want("RENAME k renamed", "+OK\r\n")
				p.want("MOVE renamed 1", ":1\r\n")
				if p.content(1, "renamed") != after || p.content(0, "renamed") != "" || p.content(0, "k") != "" {
					t.Error("RENAME and MOVE lost something on the way")
				}
				p.want("SCAN 0 TYPE "+kind, "*2\r\n$1\r\n0\r\n*1\r\n$4\r\ncopy\r\n")
				p.want("UNLINK copy", ":1\r\n")
				p.compare()
			})
		}
	}
}

// TestWrongType runs every command on strings on a list. Those that replace a
// value whatever it is must do that; all others must refuse and change nothing.
func TestWrongType(t *testing.T) {
	replaces := map[string]bool{"SET": true, "SETEX": true, "PSETEX": true, "MSET": true}
	exists := map[string]string{"SETNX": ":0\r\n", "MSETNX": ":0\r\n", "MGET": "*1\r\n$-1\r\n", "LCS": "-" + errLCSStrings + "\r\n"}
	for _, c := range stringCommands {
		p := newPair(t, Options{})
		p.doTest("T.MAKE", "k", "list")
		p.doTest("T.GROW", "k", "element")
		before := p.content(0, "k")
		line := c.Name + " k" + strings.Repeat(" 1", max(c.Arity, -c.Arity)-2)
		want := "-" + errWrongType + "\r\n"
		if replaces[c.Name] {
			want = "+OK\r\n"
		} else if w := exists[c.Name]; w != "" {
			want = w
		}
		p.want(line, want)
		if changed := p.content(0, "k") != before; changed != replaces[c.Name] {
			t.Errorf("%s: the list was changed: %v", line, changed)
		}
	}
	p := newPair(t, Options{})
	p.doTest("T.MAKE", "k", "list")
	p.doTest("T.GROW", "k", "element")
	p.want("SET k v GET", "-"+errWrongType+"\r\n")
	p.want("TYPE k", "+list\r\n")
}

// TestClusterRefusesDatabases: a group that serves only some slots has no other
// databases to copy or move to.
func TestClusterRefusesDatabases(t *testing.T) {
	p := newPair(t, Options{Cluster: true})
	all := &SlotSet{}
	all.Add(0, hashslot.Count-1)
	p.apply(0, Own(all, 1)...)
	p.want("SET k v", "+OK\r\n")
	p.want("MOVE k 1", "-"+errMoveCluster+"\r\n")
	p.want("COPY k j DB 1", "-"+errCopyCluster+"\r\n")
	p.want("COPY k j DB 0", ":1\r\n")
	p.want("SWAPDB 0 1", "-"+errSwapCluster+"\r\n")
}

// TestFlushTouchesWatches: FLUSHDB and SWAPDB break the watches of keys that
// they remove or bring, and no others.
func TestFlushTouchesWatches(t *testing.T) {
	for _, c := range []struct {
		line              string
		here, other, none bool // keys: in database 0, in database 1, in neither
	}{
		{"FLUSHDB", true, false, false},
		{"FLUSHALL", true, true, false},
		{"SWAPDB 0 1", true, true, false},
		{"SWAPDB 0 2", true, false, false},
		{"SWAPDB 0 0", false, false, false},
	} {
		p := newPair(t, Options{})
		p.want("SET here v", "+OK\r\n")
		p.want("SET other v", "+OK\r\n")
		p.want("MOVE other 1", ":1\r\n")
		var here, other, none Watch
		p.leader.Watch(&here, 0, []byte("here"), p.now)
		p.leader.Watch(&other, 1, []byte("other"), p.now)
		p.leader.Watch(&none, 0, []byte("none"), p.now)
		p.want(c.line, "+OK\r\n")
		if here.Dirty() != c.here || other.Dirty() != c.other || none.Dirty() != c.none {
			t.Errorf("%s: touched %v %v %v, want %v %v %v", c.line, here.Dirty(), other.Dirty(), none.Dirty(), c.here, c.other, c.none)
		}
	}
}

// TestWatchExpired: a key that had expired when it was watched may be deleted
// without breaking the watch. The same lines run on redis-server.
func TestWatchExpired(t *testing.T) {
	r := startRedis(t, true)
	for _, c := range []struct {
		setup, change string // x is watched in database 0, between the two
		holds         bool
	}{
		{"SET x v PX 10", "PING", true},
		{"SET x v PX 10", "DEL x", true},
		{"SET x v PX 10", "DEL x|SET x w", false},
		{"SET x v PX 10", "SET x w", false},
		{"SET x v PX 10", "FLUSHDB", true},
		{"SET x v PX 10", "FLUSHALL|SET x w", false},
		{"SET x v PX 10", "SWAPDB 0 1", true},
		{"SET x v PX 10", "SWAPDB 0 1|SWAPDB 0 1", true},
		{"SET x v PX 10|SELECT 1|SET x w", "SWAPDB 0 1", false},
		{"SET x v PX 10|SELECT 1|SET x w PX 10", "SWAPDB 0 1", true},
		{"SELECT 1|SET x w PX 10", "SWAPDB 0 1", true},
		{"SELECT 1|SET x w PX 10", "SWAPDB 0 1|DEL x", true},
		{"SELECT 1|SET x w", "SWAPDB 0 1", false},
		{"SET x v", "SWAPDB 0 1", false},
		{"SET x v", "FLUSHDB", false},
		{"SELECT 1|SET x v", "FLUSHALL", true},
	} {
		r.reset(t)
		p := newPair(t, Options{})
		r.setTime(p.now)
		db := 0
		both := func(lines string) { // does them here and on redis-server
			for line := range strings.SplitSeq(lines, "|") {
				args := bytes.Fields([]byte(line))
				r.must(strings.Fields(line)...)
				switch string(args[0]) {
				case "SELECT":
					db = int(args[1][0] - '0')
				case "PING":
				default:
					p.do(db, args)
				}
			}
		}
		both(c.setup)
		both("SELECT 0")
		p.now += 100
		p.apply(0)
		r.setTime(p.now)
		var w Watch
		p.leader.Watch(&w, 0, []byte("x"), p.now)
		watcher := dialRedis(t, r.conn.RemoteAddr().String())
		watcher.do("WATCH", "x")
		both(c.change)
		if got := p.leader.WatchHolds(&w, p.now); got != c.holds {
			t.Errorf("%s, WATCH, %s: the watch holds: %v", c.setup, c.change, got)
		}
		watcher.do("MULTI")
		if reply, err := watcher.do("EXEC"); err != nil || (string(reply) == "*0\r\n") != c.holds {
			t.Errorf("%s, WATCH, %s: redis-server: %q, %v", c.setup, c.change, reply, err)
		}
	}
}

// TestRandomkeyAmongExpired: with a single key alive among many that have
// expired, RANDOMKEY finds it.
func TestRandomkeyAmongExpired(t *testing.T) {
	p := newPair(t, Options{})
	for i := range 2000 {
		p.want(fmt.Sprint("SET k", i, " v PX 10"), "+OK\r\n")
	}
	p.want("SET alive v", "+OK\r\n")
	p.now += 100
	for range 5 {
		p.want("RANDOMKEY", "$5\r\nalive\r\n")
	}
	p.want("DEL alive", ":1\r\n")
	p.want("RANDOMKEY", "$-1\r\n")
}

// TestScanMeetsEveryKey: a walk meets every key that stays, whatever is deleted
// and added meanwhile.
func TestScanMeetsEveryKey(t *testing.T) {
	p := newPair(t, Options{})
	for i := range 1000 {
		p.want(fmt.Sprintf("SET stays%d{%d} v", i, i%7), "+OK\r\n")
		p.want(fmt.Sprintf("SET goes%d{%d} v", i, i%7), "+OK\r\n")
	}
	met := map[string]bool{}
	cursor, calls := "0", 0
	for {
		reply := parseReply([]byte(p.doWords("SCAN " + cursor + " COUNT 7"))).([]any)
		cursor = reply[0].(string)
		for _, key := range words(reply[1]) {
			met[key] = true
		}
		p.want(fmt.Sprintf("DEL goes%d{%d}", calls%1000, calls%1000%7), ":1\r\n")
		p.want(fmt.Sprintf("SET new%d{%d} v", calls, calls%7), "+OK\r\n")
		if calls++; cursor == "0" || calls > 900 {
			break
		}
	}
	if cursor != "0" {
		t.Fatal("the walk doesn't end")
	}
	for i := range 1000 {
		if key := fmt.Sprintf("stays%d{%d}", i, i%7); !met[key] {
			t.Errorf("the walk missed %s", key)
		}
	}
}
