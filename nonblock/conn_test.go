package nonblock

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// pair returns the two ends of a connection.
func pair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		got <- c
	}()
	a, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b = <-got
	t.Cleanup(func() { a.Close(); b.Close() })
	return Conn(a), Conn(b)
}

// TestConnCarries sends pieces of all sizes through both directions at once, with
// several writers at a time.
func TestConnCarries(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	a, b := pair(t)
	var wg sync.WaitGroup
	for i, ends := range [][2]net.Conn{{a, b}, {b, a}} {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		sent := make([]byte, 3<<20)
		for i := range sent {
			sent[i] = byte(r.Uint32())
		}
		wg.Go(func() {
			for rest := sent; len(rest) > 0; {
				n := min(len(rest), 1<<r.IntN(19))
				if m, err := ends[0].Write(rest[:n]); m != n || err != nil {
					t.Errorf("wrote %d of %d: %v", m, n, err)
					return
				}
				rest = rest[n:]
			}
		})
		got := make([]byte, len(sent))
		sizes := rand.New(rand.NewPCG(seed, uint64(i)+2))
		wg.Go(func() {
			for n := 0; n < len(got); {
				m, err := ends[1].Read(got[n:min(len(got), n+1<<sizes.IntN(19))])
				if err != nil || m == 0 {
					t.Errorf("read %d: %v", m, err)
					return
				}
				n += m
			}
			if !bytes.Equal(got, sent) {
				t.Error("what came isn't what was sent")
			}
		})
	}
	wg.Wait()
}

// TestConnEnds checks what a caller hears when the other end closes, is reset, when
// this end is closed, and of deadlines, also one that is set while it waits.
func TestConnEnds(t *testing.T) {
	buf := make([]byte, 10)
	a, b := pair(t)
	b.Close()
	if n, err := a.Read(buf); n != 0 || err != io.EOF {
		t.Errorf("the other end closed: %d %v", n, err)
	}

	a, b = pair(t)
	a.SetReadDeadline(time.Unix(1, 0))
	if _, err := a.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline that is past: %v", err)
	}
	a.SetReadDeadline(time.Time{})
	waits := make(chan error)
	go func() {
		_, err := a.Read(buf)
		waits <- err
	}()
	a.SetReadDeadline(time.Now().Add(time.Millisecond))
	if err := <-waits; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline: %v", err)
	}
	var timeout net.Error
	_, err := a.Read(buf)
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("not a time-out: %v", err)
	}
	a.SetDeadline(time.Time{})
	go func() {
		_, err := a.Read(buf)
		waits <- err
	}()
	a.Close()
	if err := <-waits; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed meanwhile: %v", err)
	}
	if _, err := a.Write(buf); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write to a closed end: %v", err)
	}

	a, b = pair(t)
	b.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	n, err := 0, error(nil)
	for err == nil {
		n, err = b.Write(make([]byte, 64<<10)) // nobody reads
	}
	if n >= 64<<10 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nobody reads: %d %v", n, err)
	}
	a.(interface{ SetLinger(int) error }).SetLinger(0)
	a.Close() // a reset
	b.SetDeadline(time.Time{})
	if _, err := b.Write(buf); err == nil {
		_, err = b.Read(buf)
		if err == nil || err == io.EOF {
			t.Errorf("after a reset: %v", err)
		}
	}
}

// TestConnOther: what isn't TCP stays what it is.
func TestConnOther(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if Conn(a) != a {
		t.Error("a pipe was wrapped")
	}
}

// TestConnAllocates nothing.
func TestConnAllocates(t *testing.T) {
	a, b := pair(t)
	buf, got := make([]byte, 100), make([]byte, 100)
	allocs := testing.AllocsPerRun(200, func() {
		if _, err := a.Write(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(b, got); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}
