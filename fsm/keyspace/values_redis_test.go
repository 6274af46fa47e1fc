package keyspace

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSetAgainstRedis compares encodings, and the bytes of intsets.
func TestSetAgainstRedis(t *testing.T) {
	redis := startOracle(t)
	r := seeded(t)
	for _, limit := range []int{0, 1, 5, 40} {
		lim := DefaultLimits()
		lim.SetMaxIntsetEntries = limit
		redis("CONFIG", "SET", "set-max-intset-entries", strconv.Itoa(limit))
		for range 30 {
			var s Set
			width := r.IntN(62)
			for step := range 45 {
				m := strconv.AppendInt(nil, r.Int64N(2<<width)-(1<<width), 10)
				if step > 20 && r.IntN(40) == 0 {
					m = fmt.Appendf(nil, "0%s", m)
				}
				if r.IntN(4) == 0 {
					equal(t, redis("SREM", "k", string(m)), replyBool(s.Remove(m)))
				} else {
					equal(t, redis("SADD", "k", string(m)), replyBool(s.Add(m, &lim)))
				}
				if s.Len() == 0 {
					s = Set{}
					continue
				}
				equal(t, redis("OBJECT", "ENCODING", "k"), s.Encoding())
				if ints, ok := s.Intset(); ok {
					body := dumpBody(t, redis("DUMP", "k"), 11)
					equal(t, string(body.bytes()), string(ints))
				}
			}
			redis("DEL", "k")
		}
	}
}

// TestHashAgainstRedis compares encodings and, for listpacks, their bytes.
func TestHashAgainstRedis(t *testing.T) {
	redis := startOracle(t)
	r := seeded(t)
	word := func() string {
		if r.IntN(15) == 0 {
			return strings.Repeat("w", 9+r.IntN(3))
		}
		return strconv.Itoa(r.IntN(12))
	}
	for range 150 {
		lim := DefaultLimits()
		lim.HashMaxListpackValue, lim.HashMaxListpackEntries = 8+r.IntN(4), r.IntN(14)
		redis("CONFIG", "SET", "hash-max-listpack-value", strconv.Itoa(lim.HashMaxListpackValue))
		redis("CONFIG", "SET", "hash-max-listpack-entries", strconv.Itoa(lim.HashMaxListpackEntries))
		var h Hash
		for range 30 {
			if r.IntN(8) == 0 { // thresholds that change under a hash
				lim.HashMaxListpackEntries = r.IntN(14)
				redis("CONFIG", "SET", "hash-max-listpack-entries", strconv.Itoa(lim.HashMaxListpackEntries))
			}
			f, v := word(), word()
			switch r.IntN(6) {
			case 0:
				equal(t, redis("HDEL", "k", f), replyBool(h.Delete([]byte(f))))
			case 1: // sets without looking at its arguments first
				f = strings.Repeat("i", 5+r.IntN(7))
				n, _ := strconv.Atoi(redis("HINCRBY", "k", f, "10")[1:])
				h.Set([]byte(f), strconv.AppendInt(nil, int64(n), 10), &lim)
			default:
				f2, v2 := word(), word()
				args := [][]byte{[]byte(f), []byte(v), []byte(f2), []byte(v2)}
				h.TryConvert(args, &lim)
				added := 0
				for i := 0; i < len(args); i += 2 {
					if h.Set(args[i], args[i+1], &lim) {
						added++
					}
				}
				equal(t, redis("HSET", "k", f, v, f2, v2), ":"+strconv.Itoa(added))
			}
			if h.Len() == 0 {
				h = Hash{}
				continue
			}
			equal(t, redis("OBJECT", "ENCODING", "k"), h.Encoding())
			if lp, ok := h.Packed(); ok {
				body := dumpBody(t, redis("DUMP", "k"), 16)
				equal(t, string(body.bytes()), string(lp))
			}
		}
		redis("DEL", "k")
	}
}

// TestListAgainstRedis compares the nodes of lists that are pushed, popped,
// trimmed and removed from.
func TestListAgainstRedis(t *testing.T) {
	redis := startOracle(t)
	r := seeded(t)
	for _, fill := range []int{-1, -2, -5, -100, 1, 3, 64, 0} {
		lim := DefaultLimits()
		lim.ListMaxListpackSize = fill
		redis("CONFIG", "SET", "list-max-listpack-size", strconv.Itoa(fill))
		for range 6 {
			var l List
			most := 1 << (1 + r.IntN(11)) // the safe size for all fills
			for range 150 {
				v := bytes.Repeat([]byte{'a' + byte(r.IntN(4))}, r.IntN(most))
				if r.IntN(3) == 0 {
					v = []byte(strconv.Itoa(r.IntN(3)))
				}
				switch r.IntN(14) {
				case 0:
					got, _ := l.PopLeft(nil)
					equal(t, redis("LPOP", "k"), string(got))
				case 1:
					got, _ := l.PopRight(nil)
					equal(t, redis("RPOP", "k"), string(got))
				case 2:
					from, to := r.IntN(3), -r.IntN(4)-1
					redis("LTRIM", "k", strconv.Itoa(from), strconv.Itoa(to))
					l.Trim(from, to)
				case 3:
					n := r.IntN(5) - 2
					equal(t, redis("LREM", "k", strconv.Itoa(n), string(v)), ":"+strconv.Itoa(l.Remove(n, v)))
				case 4, 5, 6, 7, 8:
					l.PushLeft(v, &lim)
					equal(t, redis("LPUSH", "k", string(v)), ":"+strconv.Itoa(l.Len()))
				default:
					l.PushRight(v, &lim)
					equal(t, redis("RPUSH", "k", string(v)), ":"+strconv.Itoa(l.Len()))
				}
				if l.Len() == 0 {
					continue
				}
			}
			if l.Len() > 0 {
				body := dumpBody(t, redis("DUMP", "k"), 18)
				equal(t, strconv.Itoa(body.length()), strconv.Itoa(l.Nodes()))
				for i := range l.Nodes() {
					data, plain := l.Node(i)
					if body.length() != 2 || plain {
						t.Fatalf("node %d: plain %v", i, plain)
					}
					equal(t, string(body.bytes()), string(data))
				}
			}
			redis("DEL", "k")
		}
	}
}

func seeded(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 7))
}

func equal(t *testing.T, want, got string) {
	t.Helper()
	if got != want {
		t.Fatalf("got %.200q, want %.200q", got, want)
	}
}

func replyBool(b bool) string {
	if b {
		return ":1"
	}
	return ":0"
}

// dump reads a DUMP payload.
type dump []byte

func dumpBody(t *testing.T, payload string, kind byte) *dump {
	t.Helper()
	if len(payload) < 11 || payload[0] != kind {
		t.Fatalf("payload %.100x, want type %d", payload, kind)
	}
	d := dump(payload[1 : len(payload)-10])
	return &d
}

func (d *dump) length() int {
	b, n, used := *d, 0, 5
	switch b[0] >> 6 {
	case 0:
		n, used = int(b[0]), 1
	case 1:
		n, used = int(b[0]&0x3F)<<8|int(b[1]), 2
	default:
		n = int(binary.BigEndian.Uint32(b[1:]))
	}
	*d = b[used:]
	return n
}

func (d *dump) bytes() []byte {
	if (*d)[0]>>6 == 3 { // a string that is kept as an integer: none of ours
		return nil
	}
	n := d.length()
	b := (*d)[:n]
	*d = (*d)[n:]
	return b
}

// startOracle starts a redis-server for the time of the test, or skips it, and
// returns a function that sends a command. Bulk replies come without their
// length, null as "", others as they are on the wire.
func startOracle(t *testing.T) func(args ...string) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed: comparison with it left out")
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir,
		"--rdbcompression", "no")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
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
		line, err := in.ReadString('\n')
		if err != nil || line[0] == '-' {
			t.Fatalf("%.40q: %q, %v", args, line, err)
		}
		line = strings.TrimSuffix(line, "\r\n")
		if line[0] != '$' || line == "$-1" {
			return strings.TrimPrefix(line, "$-1")
		}
		n, err := strconv.Atoi(line[1:])
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, n+2)
		if _, err := io.ReadFull(in, body); err != nil {
			t.Fatal(err)
		}
		return string(body[:n])
	}
}
