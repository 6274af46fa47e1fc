package keyspace

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// redisServer is a connection to a redis-server that lives as long as a test.
type redisServer struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// startRedis starts a redis-server that nobody else can reach, or skips the
// test where none is installed.
func startRedis(t *testing.T) *redisServer {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed: comparison with it left out")
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir,
		"--daemonize", "no", "--rdbcompression", "no")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	s := &redisServer{t: t}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if s.conn, err = net.Dial("unix", socket); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // the server offers nothing to wait on
	}
	t.Cleanup(func() { _ = s.conn.Close() })
	s.in = bufio.NewReader(s.conn)
	return s
}

// do sends a command and returns a reply that is no array: a line with its
// type byte, "$" and the contents for a bulk string.
func (s *redisServer) do(args ...string) string {
	s.t.Helper()
	s.send(args)
	return s.reply()
}

// list sends a command and returns the elements of its array reply.
func (s *redisServer) list(args ...string) []string {
	s.t.Helper()
	s.send(args)
	head := s.reply()
	n, err := strconv.Atoi(head[1:])
	if head[0] != '*' || err != nil {
		s.t.Fatalf("%.40q: %q", args, head)
	}
	out := make([]string, n)
	for i := range out {
		out[i] = s.reply()[1:]
	}
	return out
}

func (s *redisServer) send(args []string) {
	s.t.Helper()
	out := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, a := range args {
		out = fmt.Appendf(out, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := s.conn.Write(out); err != nil {
		s.t.Fatal(err)
	}
}

func (s *redisServer) reply() string {
	s.t.Helper()
	line, err := s.in.ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	line = line[:len(line)-2]
	if line[0] != '$' || line == "$-1" {
		return line
	}
	n, err := strconv.Atoi(line[1:])
	if err != nil {
		s.t.Fatal(err)
	}
	body := make([]byte, n+2)
	if _, err := io.ReadFull(s.in, body); err != nil {
		s.t.Fatal(err)
	}
	return "$" + string(body[:n])
}
