package fsm

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// redisServer is a redis-server that tests compare with.
type redisServer struct {
	t      testing.TB
	clock  *os.File // nil: it has the system's clock
	conn   *redisConn
	events *redisConn
	db     int
	listen bool
	rounds int
}

// startRedis starts redis-server on a free port and stops it after the test.
// It skips the test if there is none, or if withClock wants its time to be
// settable and there is no C compiler to build what that takes.
func startRedis(t testing.TB, withClock bool) *redisServer {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	dir := t.TempDir()
	r := &redisServer{t: t}
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(binary, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir,
		"--enable-debug-command", "yes", "--logfile", "log", "--proto-max-bulk-len", "512mb")
	if withClock {
		cc, err := exec.LookPath("cc")
		if err != nil {
			t.Skip("no C compiler")
		}
		lib := filepath.Join(dir, "clock.so")
		if out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-o", lib, "testdata/clock.c", "-ldl").CombinedOutput(); err != nil {
			t.Skipf("the clock doesn't compile: %s", out)
		}
		if r.clock, err = os.Create(filepath.Join(dir, "clock")); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.clock.Close() })
		r.setTime(scriptTime)
		cmd.Env = append(os.Environ(), "LD_PRELOAD="+lib, "TEST_CLOCK="+r.clock.Name())
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	r.conn, r.events = dialRedis(t, socket), dialRedis(t, socket)
	return r
}

// dialRedis connects as soon as the server listens.
func dialRedis(t testing.TB, socket string) *redisConn {
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("unix", socket)
		if err == nil {
			t.Cleanup(func() { c.Close() })
			conn := &redisConn{c, bufio.NewReader(c)}
			if _, err := conn.do("PING"); err == nil {
				return conn
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("redis-server doesn't answer: %v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// reset empties the server and makes it forget what a script set.
func (r *redisServer) reset(t testing.TB) {
	r.t = t
	for _, line := range []string{"FLUSHALL", "DEBUG SET-ACTIVE-EXPIRE 0", "HELLO 2", "SELECT 0",
		"CONFIG SET hash-max-listpack-entries 128 hash-max-listpack-value 64 list-max-listpack-size -2 list-compress-depth 0 set-max-intset-entries 512 zset-max-listpack-entries 128 zset-max-listpack-value 64 stream-node-max-bytes 4096 stream-node-max-entries 100 proto-max-bulk-len 512mb",
	} {
		r.must(strings.Fields(line)...)
	}
	r.db = 0
}

func (r *redisServer) must(args ...string) []byte {
	r.t.Helper()
	reply, err := r.conn.do(args...)
	if err != nil || reply[0] == '-' {
		r.t.Fatalf("redis-server: %q: %q, %v", args, reply, err)
	}
	return reply
}

func (r *redisServer) setTime(ms int64) {
	if _, err := r.clock.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(ms*1000)), 0); err != nil {
		r.t.Fatal(err)
	}
}

func (r *redisServer) setProto(version int) { r.must("HELLO", strconv.Itoa(version)) }

func (r *redisServer) setLimit(name, value string) { r.must("CONFIG", "SET", name, value) }

func (r *redisServer) setEvents(on bool) {
	if r.listen == on {
		return
	}
	r.listen = on
	flags, word := "", "PUNSUBSCRIBE"
	if on {
		flags, word = "Eg$lshzxetdn", "PSUBSCRIBE"
	}
	r.must("CONFIG", "SET", "notify-keyspace-events", flags)
	if _, err := r.events.do(word, "__keyevent@*"); err != nil {
		r.t.Fatal(err)
	}
}

func (r *redisServer) run(db int, args [][]byte) ([]byte, []string) {
	if db != r.db {
		r.must("SELECT", strconv.Itoa(db))
		r.db = db
	}
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = string(a)
	}
	reply, err := r.conn.do(words...)
	if err != nil {
		r.t.Fatalf("redis-server: %q: %v", args, err)
	}
	if !r.listen {
		return reply, nil
	}
	return reply, r.drain()
}

// drain returns the events up to now: up to a message sent behind them.
func (r *redisServer) drain() (events []string) {
	r.rounds++
	marker := strconv.Itoa(r.rounds)
	r.must("PUBLISH", "__keyevent@end", marker)
	for {
		b, err := r.events.read()
		if err != nil {
			r.t.Fatal(err)
		}
		parts := bulks(b) // "pmessage", pattern, channel, key
		channel, key := parts[2], parts[3]
		if channel == "__keyevent@end" {
			if key == marker {
				return events
			}
			continue
		}
		db, event, _ := strings.Cut(strings.TrimPrefix(channel, "__keyevent@"), "__:")
		events = append(events, fmt.Sprintf("%s %s %s", event, db, quote([]byte(key))))
	}
}

// bulks returns the bulk strings of a flat array.
func bulks(b []byte) (out []string) {
	for len(b) > 0 {
		head, rest, _ := strings.Cut(string(b), "\r\n")
		b = []byte(rest)
		if head[0] == '$' {
			n, _ := strconv.Atoi(head[1:])
			out = append(out, rest[:n])
			b = b[n+2:]
		}
	}
	return out
}

// redisConn sends commands and returns replies as they came.
type redisConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *redisConn) do(args ...string) ([]byte, error) {
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, a := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := c.Write(b); err != nil {
		return nil, err
	}
	return c.read()
}

// read returns one reply.
func (c *redisConn) read() ([]byte, error) {
	out, err := c.r.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	n, isNumber := strconv.Atoi(strings.TrimSpace(string(out[1:])))
	if isNumber != nil {
		return out, nil
	}
	switch out[0] {
	case '$', '=':
		if n >= 0 {
			body := make([]byte, n+2)
			_, err = io.ReadFull(c.r, body)
			out = append(out, body...)
		}
	case '*', '~', '>', '%':
		if out[0] == '%' {
			n *= 2
		}
		for ; n > 0 && err == nil; n-- {
			var part []byte
			part, err = c.read()
			out = append(out, part...)
		}
	}
	return out, err
}
