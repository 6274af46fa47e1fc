package backup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
	"github.com/quorate/quorate/slots/hashslot"
)

// fakeServer takes RESTORE, DUMP and what else the tools send, and does what a test says.
type fakeServer struct {
	addr string
	mu   sync.Mutex
	has  map[string][]byte // payloads
	// before is asked about each RESTORE; what it returns is the reply in place of the usual one,
	// and hang up closes the connection after the command was executed, without a reply.
	before func(key string) (reply string, hangUp bool)
	slots  func() string         // the reply to CLUSTER SLOTS
	file   func(slot int) []byte // the reply to SYNC
	acl    *fakeUsers            // answers AUTH, ACL and whether anything is allowed
	info   string                // of INFO
}

func newFakeServer(t *testing.T) *fakeServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeServer{addr: l.Addr().String(), has: map[string][]byte{}, before: func(string) (string, bool) { return "", false },
		slots: func() string { return "-ERR This instance has cluster support disabled\r\n" }}
	var wg sync.WaitGroup
	// Ends when the listener is closed.
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			// Ends with its connection, which the tools close.
			wg.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return f
}

// row is a row of CLUSTER SLOTS.
func (f *fakeServer) row(first, last int) string {
	host, port, _ := net.SplitHostPort(f.addr)
	return fmt.Sprintf("*3\r\n:%d\r\n:%d\r\n*3\r\n$%d\r\n%s\r\n:%s\r\n$1\r\nx\r\n", first, last, len(host), host, port)
}

func (f *fakeServer) serve(nc net.Conn) {
	defer nc.Close()
	c, slot := &conn{r: bufio.NewReader(nc)}, 0
	user := defaultUser
	for {
		command, err := c.receive()
		if err != nil {
			return
		}
		args := make([]string, len(command.elems))
		for i, e := range command.elems {
			args[i] = string(e.text)
		}
		reply, hangUp := f.answer(args, &slot)
		if f.acl != nil {
			if r, hang := f.acl.answer(args, &user); r != "" || hang {
				reply, hangUp = r, hang
			}
		}
		if hangUp {
			return
		}
		if _, err := io.WriteString(nc, reply); err != nil {
			return
		}
	}
}

func (f *fakeServer) answer(args []string, slot *int) (reply string, hangUp bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch args[0] {
	case "CLUSTER":
		return f.slots(), false
	case "RESTORE":
		if reply, hangUp = f.before(args[1]); reply != "" {
			return reply, hangUp
		}
		if _, busy := f.has[args[1]]; busy && args[len(args)-1] != "REPLACE" {
			return "-BUSYKEY Target key name already exists.\r\n", hangUp
		}
		f.has[args[1]] = []byte(args[3])
		return "+OK\r\n", hangUp
	case "DUMP":
		b, ok := f.has[args[1]]
		if !ok {
			return "$-1\r\n", false
		}
		return fmt.Sprintf("$%d\r\n%s\r\n", len(b), b), false
	case "REPLCONF":
		*slot, _ = strconv.Atoi(args[2])
		return "+OK\r\n", false
	case "SYNC":
		b := f.file(*slot)
		return fmt.Sprintf("$%d\r\n%s", len(b), b), false
	case "INFO":
		text := "# Keyspace\r\ndb0:keys=102,expires=0,avg_ttl=0\r\n" + f.info
		return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text), false
	case "PEXPIRETIME":
		return ":-1\r\n", false
	}
	return "-ERR unknown command\r\n", false
}

// writeRDB writes a file with so many strings.
func writeRDB(t *testing.T, keys int) string {
	t.Helper()
	var e rdb.Encoder
	e.Header()
	e.SelectDB(0)
	for i := range keys {
		v := keyspace.NewString([]byte("value " + strconv.Itoa(i)))
		e.Key("key "+strconv.Itoa(i), 0, &v)
	}
	path := filepath.Join(t.TempDir(), "x.rdb")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := rdb.NewWriter(f)
	_, err = w.Write(e.Bytes())
	if err := errors.Join(err, w.Finish(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func restore(t *testing.T, path string, to *fakeServer) (*Restored, error) {
	t.Helper()
	return Restore(t.Context(), RestoreOptions{From: path, To: Access{Addr: to.addr, Timeout: 5 * time.Second}, DB: -1, Progress: io.Discard})
}

// TestRestoreUnsure: a key whose reply was lost is sent again. That it is there by then
// is no obstacle if it is what was sent, and is one if it is something else.
func TestRestoreUnsure(t *testing.T) {
	f := newFakeServer(t)
	path := writeRDB(t, 100)
	hung, uncertain := false, false
	f.has["key 5"] = rdbString("another value")
	f.before = func(key string) (string, bool) {
		switch {
		case key == "key 7" && !hung:
			hung = true
			return "", true // executed
		case key == "key 9" && hung && !uncertain:
			uncertain = true
			f.has[key] = rdbString("value 9")
			return "-UNCERTAIN who knows\r\n", false
		}
		return "", false
	}
	done, err := restore(t, path, f)
	if err != nil || done.Written != 99 || done.Busy != 1 {
		t.Errorf("%v: %+v", err, done)
	}
	if !hung || !uncertain || len(f.has) != 100 {
		t.Errorf("hung up %v, uncertain %v, %d keys", hung, uncertain, len(f.has))
	}
	v, err := Verify(t.Context(), VerifyOptions{From: path, Against: &Access{Addr: f.addr, Timeout: 5 * time.Second}, DB: -1, Progress: io.Discard})
	if err != nil || v.Compared.Different != 1 || v.Compared.Equal != 99 || v.Compared.Extra != 2 || v.Compared.Same() {
		t.Errorf("verify: %v %+v", err, v.Compared)
	}
}

func rdbString(s string) []byte {
	v := keyspace.NewString([]byte(s))
	return rdb.AppendDump(nil, &v)
}

// TestRestoreMoved: keys go where they are sent, and wait while nobody serves them.
func TestRestoreMoved(t *testing.T) {
	a, b := newFakeServer(t), newFakeServer(t)
	path := writeRDB(t, 1000)
	table := func() string { return "*1\r\n" + a.row(0, 16383) }
	a.slots, b.slots = table, table // never tells of the move
	refused := 0
	a.before = func(key string) (string, bool) {
		slot := hashslot.Of([]byte(key))
		if refused < 3 {
			refused++
			return "-TRYAGAIN not now\r\n", false
		}
		if slot >= 8192 {
			return fmt.Sprintf("-MOVED %d %s\r\n", slot, b.addr), false
		}
		return "", false
	}
	done, err := restore(t, path, a)
	if err != nil || done.Written != 1000 {
		t.Fatalf("%v: %+v", err, done)
	}
	if refused != 3 || len(a.has)+len(b.has) != 1000 || len(b.has) < 300 {
		t.Errorf("refused %d, %d keys here and %d there", refused, len(a.has), len(b.has))
	}
	for key := range b.has {
		if hashslot.Of([]byte(key)) < 8192 {
			t.Errorf("%q is at the wrong server", key)
		}
	}
}

// TestRestoreRefused: what can't be done ends a restore at once, with the key's name.
func TestRestoreRefused(t *testing.T) {
	f := newFakeServer(t)
	f.before = func(key string) (string, bool) {
		if key == "key 700" {
			return "-OOM command not allowed when used memory > 'maxmemory'.\r\n", false
		}
		return "", false
	}
	if _, err := restore(t, writeRDB(t, 1000), f); err == nil || !strings.Contains(err.Error(), `key "key 700"`) || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("%v", err)
	}
}

// TestRoom: it bounds what is in, but for one that is larger than all of it.
func TestRoom(t *testing.T) {
	r := newRoom(10)
	r.take(4)
	if !r.try(6) || r.try(1) {
		t.Fatal("4 and 6 of 10")
	}
	in := make(chan int64)
	// Ends when there is room.
	go func() {
		r.take(25)
		in <- 25
	}()
	r.give(6)
	select {
	case <-in:
		t.Fatal("25 beside 4")
	default:
	}
	r.give(4)
	if n := <-in; n != 25 || r.try(1) {
		t.Error("nothing fits beside 25")
	}
	r.close()
	r.take(100)
}

// TestDiscoverAwaitsLoading: a server that loads is asked again, and one that isn't there
// isn't.
func TestDiscoverAwaitsLoading(t *testing.T) {
	f := newFakeServer(t)
	asked := 0
	f.slots = func() string {
		if asked++; asked < 3 {
			return "-LOADING Redis is loading the dataset in memory\r\n"
		}
		return "*1\r\n" + f.row(0, hashslot.Count-1)
	}
	top, err := discover(t.Context(), Access{Addr: f.addr, Timeout: time.Second})
	if err != nil || !top.isCluster() || asked != 3 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := discover(t.Context(), Access{Addr: gone, Timeout: time.Second}); err == nil || isPassing(err) && isRefusal(err) {
		t.Errorf("nobody is there: %v", err)
	}
}
