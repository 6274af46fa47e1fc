package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/resp"
)

func TestCloseFinishesUnits(t *testing.T) {
	g := newFakeGroup(fsm.Options{})
	g.gate = make(chan struct{})
	s := New(Options{Router: plainRouter{g}, Table: NewTable()})
	addrs, err := s.Listen("127.0.0.1:0", "-203.0.113.1:1")
	if err != nil {
		t.Fatal(err)
	}
	idle, busy := dial(t, addrs[0].String()), dial(t, addrs[0].String())
	busy.send("set a 1")
	eventually(t, "the unit runs", func() bool { return g.units.Load() == 1 })
	closed := make(chan error)
	go func() { closed <- s.Close(context.Background()) }()
	idle.closed()
	close(g.gate)
	busy.want("+OK\r\n")
	busy.closed()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", addrs[0].String()); err == nil {
		t.Error("still listening")
	}
	if err := s.Close(context.Background()); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if n := s.Stats().InputBuffers; n != 0 {
		t.Errorf("%d bytes of input buffers are left", n)
	}
}

func TestListenIsAllOrNothing(t *testing.T) {
	s := New(Options{Router: plainRouter{newFakeGroup(fsm.Options{})}, Table: NewTable()})
	defer s.Close(context.Background())
	if _, err := s.Listen("127.0.0.1:0", "203.0.113.1:1"); err == nil {
		t.Fatal("listened on an address of another machine")
	}
}

// flakyListener fails as a process without free descriptors does.
type flakyListener struct {
	net.Listener
	failures int
}

func (l *flakyListener) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestAcceptGoesOnAfterErrors(t *testing.T) {
	s, _, _ := plainServer(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.start(&flakyListener{l, 3})
	dial(t, l.Addr().String()).do("ping", "+PONG\r\n")
}

// remoteConn claims to come from another machine.
type remoteConn struct{ net.Conn }

func (remoteConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5} }

func TestProtectedMode(t *testing.T) {
	s, _, _ := plainServer(t)
	a, b := net.Pipe()
	go s.accept(remoteConn{b})
	got, err := io.ReadAll(a)
	if err != nil || !strings.HasPrefix(string(got), "-DENIED Redis is running in protected mode") || !strings.HasSuffix(string(got), "from the outside.\r\n") {
		t.Errorf("%q, %v", got, err)
	}
	s.Limits().ProtectedMode.Store(false)
	a, b = net.Pipe()
	s.accept(remoteConn{b})
	fmt.Fprint(a, "ping\r\n")
	reply := make([]byte, 7)
	if _, err := io.ReadFull(a, reply); err != nil || string(reply) != "+PONG\r\n" {
		t.Errorf("%q, %v", reply, err)
	}
}

// quietConn takes replies and is never read.
type quietConn struct{ net.Conn }

func (quietConn) Write(b []byte) (int, error) { return len(b), nil }
func (quietConn) RemoteAddr() net.Addr        { return &net.TCPAddr{} }
func (quietConn) LocalAddr() net.Addr         { return &net.TCPAddr{} }
func (quietConn) Close() error                { return nil }

// loopConn delivers the same bytes at every read.
type loopConn struct {
	quietConn
	data []byte
}

func (c loopConn) Read(b []byte) (int, error) { return copy(b, c.data), nil }

// answering is a group that answers at once and allocates nothing.
type answering struct{}

func (answering) Acked(uint64) int { return 0 }

func (answering) Do(u *fsm.Unit) error {
	for range u.Ops {
		u.Reply.Raw([]byte("$1\r\nv\r\n"))
	}
	return nil
}
func (answering) DoStale(*fsm.Unit) error               { return errors.ErrUnsupported }
func (answering) Watch(*fsm.Watch, int, [][]byte) error { return errors.ErrUnsupported }
func (answering) Unwatch(*fsm.Watch)                    {}

func loopSession(t testing.TB, g Group, input string) *Session {
	s := New(Options{Router: plainRouter{g}, Table: NewTable()})
	t.Cleanup(func() { s.Close(context.Background()) })
	return newSession(s, loopConn{data: []byte(input)}, 1)
}

const getPipeline = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*2\r\n$3\r\nget\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"

// A round of reads through a session allocates nothing once it is warm; through
// the machine it is the machine's business.
func TestGetAllocatesNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		g    Group
	}{{"session", answering{}}, {"with machine", newFakeGroup(fsm.Options{})}} {
		s := loopSession(t, c.g, getPipeline)
		round := func() {
			if !s.read() || !s.round() {
				t.Fatal("the session ended")
			}
		}
		round()
		round()
		n := testing.AllocsPerRun(200, round)
		t.Logf("%s: %.1f allocations for 3 GET and a PING", c.name, n)
		if c.name == "session" && n > 0 {
			t.Errorf("%.1f allocations a round", n)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := loopSession(b, answering{}, strings.Repeat("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", 50))
	b.ReportAllocs()
	for i := 0; i < b.N; i += 50 {
		s.read()
		s.round()
	}
}

func TestInlineAsRedis(t *testing.T) {
	redis := startRedis(t)
	_, _, addr := plainServer(t)
	const seed = 11
	rnd := rand.New(rand.NewSource(seed))
	alphabet := []string{"a", "b", "\"", "'", "\\", "\\x4", "\\x41", "\\n", " ", "\t", "\\\"", "\\'", "\r", "\v"}
	for i := range 300 {
		var line strings.Builder
		line.WriteString("echo ")
		for range rnd.Intn(8) {
			line.WriteString(alphabet[rnd.Intn(len(alphabet))])
		}
		line.WriteString("\r\nping\r\n")
		if got, want := everything(t, addr, line.String()), everything(t, redis, line.String()); got != want {
			t.Fatalf("seed %d case %d %q\n got %q\nwant %q", seed, i, line.String(), got, want)
		}
	}
}

func TestWriterCountsErrors(t *testing.T) {
	w := resp.Writer{}
	w.Error("ERR x")
	w.Discard = true
	w.Error("ERR y")
	if w.Errors != 1 {
		t.Errorf("%d errors", w.Errors)
	}
}
