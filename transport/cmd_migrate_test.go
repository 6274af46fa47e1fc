package transport

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/quorate/quorate/fsm"
)

func TestMigrate(t *testing.T) {
	_, _, from := plainServer(t)
	_, _, to := plainServer(t)
	c, d := dial(t, from), dial(t, to)
	port := to[strings.LastIndex(to, ":")+1:]
	migrate := func(rest, reply string) {
		t.Helper()
		c.do("MIGRATE 127.0.0.1 "+port+" "+rest, reply)
	}
	migrate("k 0 1000", "+NOKEY\r\n")
	c.do("SET k v PX 1000000", "+OK\r\n")
	migrate("k 0 1000 COPY", "+OK\r\n")
	c.do("EXISTS k", ":1\r\n")
	d.do("GET k", "$1\r\nv\r\n")
	d.do("SET k other", "+OK\r\n")
	migrate("k 0 1000", "-ERR Target instance replied with error: BUSYKEY Target key name already exists.\r\n")
	c.do("EXISTS k", ":1\r\n")
	migrate("k 0 1000 REPLACE", "+OK\r\n")
	c.do("EXISTS k", ":0\r\n")
	d.do("GET k", "$1\r\nv\r\n")
	d.send("PTTL k")
	if line, err := d.r.ReadString('\n'); err != nil || len(line) < len(":999999\r\n")-1 || line[1] == '-' {
		t.Errorf("PTTL: %s %v", line, err)
	}

	// Several: those that the target doesn't take stay.
	c.do("MSET a 1 b 2 k 3", "+OK\r\n")
	c.do("SELECT 3", "+OK\r\n")
	c.do("RPUSH l x y", ":2\r\n")
	c.do("SELECT 0", "+OK\r\n")
	c.args("MIGRATE", "127.0.0.1", port, "", "0", "1000", "KEYS", "a", "missing", "k", "b")
	c.want("-ERR Target instance replied with error: BUSYKEY Target key name already exists.\r\n")
	c.do("EXISTS a", ":0\r\n")
	c.do("MGET a b k", "*3\r\n$-1\r\n$-1\r\n$1\r\n3\r\n")
	d.do("MGET a b", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n")
	c.do("SELECT 3", "+OK\r\n")
	migrate("l 9 1000", "+OK\r\n")
	d.do("SELECT 9", "+OK\r\n")
	d.do("LRANGE l 0 -1", "*2\r\n$1\r\nx\r\n$1\r\ny\r\n")

	c.do("SET k v", "+OK\r\n")
	migrate("k 99 1000", "-ERR Target instance replied with error: ERR DB index is out of range\r\n")
	migrate("k x 1000", "-ERR value is not an integer or out of range\r\n")
	migrate("k 0 x", "-ERR value is not an integer or out of range\r\n")
	for _, bad := range []string{"AUTH", "AUTH2 u", "FOO"} {
		migrate("k 0 1 "+bad, "-ERR syntax error\r\n")
	}
	migrate("k 0 1 KEYS a", "-ERR When using MIGRATE KEYS option, the key argument must be set to the empty string\r\n")
	c.do("MIGRATE 127.0.0.1 1 k 0 100", "-IOERR error or timeout writing to target instance\r\n")
	c.do("EXISTS k", ":1\r\n")

	// To itself: the deletion would take what has just arrived.
	own := from[strings.LastIndex(from, ":")+1:]
	c.do("MIGRATE 127.0.0.1 "+own+" k 3 1000 REPLACE", "-TRYAGAIN The keys changed while they were migrated, they are still here\r\n")
	c.do("GET k", "$1\r\nv\r\n")
}

// args sends a command whose arguments may be empty.
func (c *client) args(args ...string) {
	c.t.Helper()
	fmt.Fprintf(c, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(c, "$%d\r\n%s\r\n", len(a), a)
	}
}

// A key that changes between the reading and the deletion is sent again.
func TestMigrateWhileKeyChanges(t *testing.T) {
	_, _, from := plainServer(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	writer := dial(t, from)
	sent := make(chan []string, 100)
	go func() { // stops when the connection does
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for i := 0; ; i++ {
			args, err := readCommand(in)
			if err != nil {
				return
			}
			sent <- args
			if i == 1 { // the first RESTORE
				writer.send("APPEND k w")
				if _, err := writer.r.ReadString('\n'); err != nil {
					return
				}
			}
			if _, err := conn.Write([]byte("+OK\r\n")); err != nil {
				return
			}
		}
	}()
	c := dial(t, from)
	c.do("SET k v", "+OK\r\n")
	c.do("MIGRATE 127.0.0.1 "+l.Addr().String()[len("127.0.0.1:"):]+" k 0 5000", "+OK\r\n")
	c.do("EXISTS k", ":0\r\n")
	want := []string{"SELECT", "RESTORE", "RESTORE"}
	for i, name := range want {
		args := <-sent
		if args[0] != name || (i == 2) != (args[len(args)-1] == "REPLACE") {
			t.Errorf("command %d is %q", i, args)
		}
		if i == 2 && !strings.Contains(args[3], "vw") {
			t.Errorf("the second value is %q", args[3])
		}
	}
}

// A target that doesn't answer ends the command in time, and the key stays.
func TestMigrateToSilence(t *testing.T) {
	s, _, from := plainServer(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := dial(t, from)
	port := l.Addr().String()[len("127.0.0.1:"):]
	c.do("SET k v", "+OK\r\n")
	c.do("MIGRATE 127.0.0.1 "+port+" k 0 10", "-IOERR error or timeout reading to target instance\r\n")
	c.do("EXISTS k", ":1\r\n")
	c.send("MIGRATE 127.0.0.1 " + port + " k 0 100000000")
	eventually(t, "a connection", func() bool { return s.Stats().Connected == 1 })
	// The cleanup closes the server, which doesn't wait so long.
}

func TestMigrateKeys(t *testing.T) {
	g := newFakeGroup(fsm.Options{})
	_, from := startServer(t, Options{Router: plainRouter{g}})
	c := dial(t, from)
	const one, none = "*1\r\n$1\r\nk\r\n", "-ERR Invalid arguments specified for command\r\n"
	for line, reply := range map[string]string{
		"MIGRATE h 1 k 0 1": one, "MIGRATE h 1 k 0 1 COPY REPLACE AUTH KEYS": one, "MIGRATE h 1 k 0 1 AUTH2 KEYS KEYS": one,
		"MIGRATE h 1 k 0 1 WHAT": one, "MIGRATE h 1 k 0 1 COPY KEYS x": none,
	} {
		c.send("COMMAND GETKEYS " + line)
		c.want(reply)
	}
	c.args("COMMAND", "GETKEYS", "MIGRATE", "h", "1", "", "0", "1", "WHAT", "KEYS", "k")
	c.want(one)
	c.args("COMMAND", "GETKEYS", "MIGRATE", "h", "1", "", "0", "1", "KEYS")
	c.want("*1\r\n$0\r\n\r\n")
}

// readCommand reads a command as a server does.
func readCommand(r *bufio.Reader) ([]string, error) {
	var n int
	if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
		return nil, err
	}
	args := make([]string, n)
	for i := range args {
		var size int
		if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
			return nil, err
		}
		b := make([]byte, size+2)
		for at := 0; at < len(b); {
			k, err := r.Read(b[at:])
			if err != nil {
				return nil, err
			}
			at += k
		}
		args[i] = string(b[:size])
	}
	return args, nil
}
