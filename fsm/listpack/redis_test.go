package listpack

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
	"testing"
	"time"
)

// TestAgainstRedis builds the same hashes, lists and sorted sets here and in a
// redis-server and compares the listpacks inside the DUMP payloads.
func TestAgainstRedis(t *testing.T) {
	do := startRedis(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	do("CONFIG", "SET", "list-max-listpack-size", "10000")
	do("CONFIG", "SET", "hash-max-listpack-value", "100000")
	do("CONFIG", "SET", "rdbcompression", "no")
	compare := func(what string, kind byte, lp LP) {
		t.Helper()
		got := payload(t, do("DUMP", "k"), kind)
		if !bytes.Equal(got, lp) {
			t.Fatalf("%s:\nRedis %x\n here %x", what, got, []byte(lp))
		}
		do("DEL", "k")
	}
	for range 150 {
		lp, elements := New(), 0
		for range 1 + r.IntN(30) {
			switch v := interesting(r); {
			case len(lp)+len(v) > 8000: // belongs to the next node
			case elements > 0 && r.IntN(4) == 0:
				i := r.IntN(elements)
				do("LSET", "k", strconv.Itoa(i), string(v))
				lp = lp.Replace(lp.Seek(i), v)
			case r.IntN(3) == 0:
				do("LPUSH", "k", string(v))
				lp = lp.Prepend(v)
				elements++
			default:
				do("RPUSH", "k", string(v))
				lp = lp.Append(v)
				elements++
			}
		}
		if elements > 0 {
			compare("list", 18, lp)
		}
	}
	for range 50 {
		lp := New()
		for i := range 1 + r.IntN(20) {
			v := interesting(r)
			f := strconv.AppendInt(nil, int64(i)*9973, 10)
			do("HSET", "k", string(f), string(v))
			lp = lp.Append(f).Append(v)
		}
		if r.IntN(2) == 0 {
			do("HDEL", "k", "0")
			lp = lp.Delete(lp.First(), 2)
			if lp.Len() == 0 {
				continue
			}
		}
		compare("hash", 16, lp)
	}
	for range 50 {
		lp := New()
		for i := range 1 + r.IntN(20) {
			v, score := fmt.Appendf(nil, "member%d", r.Uint64()), strconv.Itoa(i*r.IntN(5)-i*i*i*i)
			do("ZADD", "k", score, string(v))
			at := lp.End()
			for p := lp.First(); p >= 0; p = lp.Next(lp.Next(p)) {
				var s Scratch
				have, _ := ParseInt(lp.Get(lp.Next(p), &s))
				new, _ := ParseInt([]byte(score))
				if have > new || have == new && string(lp.Get(p, &s)) > string(v) {
					at = p
					break
				}
			}
			lp = lp.InsertBefore(at, v)
			lp = lp.InsertAfter(at, []byte(score))
		}
		compare("zset", 17, lp)
	}
}

// payload takes the only listpack out of a DUMP payload of the given type.
func payload(t *testing.T, dump []byte, kind byte) []byte {
	t.Helper()
	if len(dump) == 0 || dump[0] != kind {
		t.Fatalf("payload %x, want type %d", dump, kind)
	}
	b := dump[1 : len(dump)-10]
	length := func() int {
		switch b[0] >> 6 {
		case 0:
			n := int(b[0])
			b = b[1:]
			return n
		case 1:
			n := int(b[0]&0x3F)<<8 | int(b[1])
			b = b[2:]
			return n
		default:
			n := int(binary.BigEndian.Uint32(b[1:]))
			b = b[5:]
			return n
		}
	}
	if kind == 18 {
		if nodes, container := length(), length(); nodes != 1 || container != 2 {
			t.Fatalf("%d nodes, container %d", nodes, container)
		}
	}
	if n := length(); n != len(b) {
		t.Fatalf("string of %d bytes, there are %d", n, len(b))
	}
	return b
}

// startRedis starts a redis-server for the time of the test, or skips it, and
// returns a function that sends a command and returns the bulk or simple reply.
func startRedis(t *testing.T) func(args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed: comparison with it left out")
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir, "--daemonize", "no")
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
	return func(args ...string) []byte {
		t.Helper()
		out := fmt.Appendf(nil, "*%d\r\n", len(args))
		for _, a := range args {
			out = fmt.Appendf(out, "$%d\r\n%s\r\n", len(a), a)
		}
		if _, err := conn.Write(out); err != nil {
			t.Fatal(err)
		}
		line, err := in.ReadBytes('\n')
		if err != nil || line[0] == '-' {
			t.Fatalf("%.40q: %q, %v", args, line, err)
		}
		line = line[:len(line)-2]
		if line[0] != '$' {
			return line
		}
		n, err := strconv.Atoi(string(line[1:]))
		if err != nil || n < 0 {
			t.Fatalf("%.40q: %q, %v", args, line, err)
		}
		body := make([]byte, n+2)
		if _, err := io.ReadFull(in, body); err != nil {
			t.Fatal(err)
		}
		return body[:n]
	}
}
