package simnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// connect returns both ends of a new connection from a to b.
func connect(t *testing.T, n *Net, a, b string) (here, there net.Conn, ln net.Listener) {
	t.Helper()
	ln, err := n.Host(b).Listen(b + ":0")
	if err != nil {
		t.Fatal(err)
	}
	here, err = n.Host(a).Dial(context.Background(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	there, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return here, there, ln
}

func TestBytesArriveInOrderAndComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		n.SetDelay("a", "b", 10*time.Millisecond, 30*time.Millisecond)
		here, there, _ := connect(t, n, "a", "b")
		rng := rand.New(rand.NewPCG(7, 7))
		want := make([]byte, 9<<20) // more than the buffer
		for i := range want {
			want[i] = byte(rng.Uint32())
		}
		go func() {
			for rest := want; len(rest) > 0; {
				k := min(len(rest), 1+rng.IntN(300_000))
				if _, err := here.Write(rest[:k]); err != nil {
					t.Error(err)
				}
				rest = rest[k:]
			}
			here.Close()
		}()
		got, err := io.ReadAll(there)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("read %d bytes, %v", len(got), err)
		}
	})
}

func TestDelayIsPerDirection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		n.SetDelay("a", "b", 30*time.Millisecond, 0)
		n.SetDelay("b", "a", 10*time.Millisecond, 0)
		start := time.Now()
		here, there, _ := connect(t, n, "a", "b")
		if d := time.Since(start); d != 40*time.Millisecond {
			t.Errorf("connecting took %v", d)
		}
		start = time.Now()
		buf := make([]byte, 4)
		here.Write([]byte("ping"))
		io.ReadFull(there, buf)
		if d := time.Since(start); d != 30*time.Millisecond {
			t.Errorf("forth took %v", d)
		}
		there.Write(buf)
		io.ReadFull(here, buf)
		if d := time.Since(start); d != 40*time.Millisecond {
			t.Errorf("round trip took %v", d)
		}
	})
}

func TestCutHoldsUntilHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		here, there, ln := connect(t, n, "a", "b")
		n.Cut("a", "b")
		if _, err := here.Write([]byte("held")); err != nil {
			t.Fatal(err)
		}
		there.Write([]byte("back")) // the other direction works
		buf := make([]byte, 4)
		if _, err := io.ReadFull(here, buf); err != nil || string(buf) != "back" {
			t.Fatal(string(buf), err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := n.Host("a").Dial(ctx, ln.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("dial over a cut link: %v", err)
		}
		start := time.Now()
		time.AfterFunc(5*time.Second, func() { n.Heal("a", "b") })
		if _, err := io.ReadFull(there, buf); err != nil || string(buf) != "held" {
			t.Fatal(string(buf), err)
		}
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("arrived after %v", d)
		}
	})
}

func TestCloseOverACutLinkIsNotNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		here, there, _ := connect(t, n, "a", "b")
		n.Cut("b", "a")
		there.Close()
		if _, err := here.Write([]byte("x")); err != nil {
			t.Fatalf("noticed too early: %v", err)
		}
		time.AfterFunc(time.Second, func() { n.Heal("b", "a") })
		if _, err := here.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("read: %v", err)
		}
		if _, err := here.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Fatalf("write after the end arrived: %v", err)
		}
	})
}

func TestCrashResetsAndRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(3)
		n.SetDelay("b", "a", 10*time.Millisecond, 0)
		here, there, ln := connect(t, n, "a", "b")
		go there.Write(make([]byte, 1000))
		synctest.Wait()
		blocked := make(chan error, 1)
		go func() { _, err := there.Read(make([]byte, 1)); blocked <- err }()
		synctest.Wait()
		n.Crash("b")
		if err := <-blocked; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("own end: %v", err)
		}
		got, err := io.ReadAll(here)
		if !errors.Is(err, syscall.ECONNRESET) || len(got) > 1000 {
			t.Errorf("other end: %d bytes, %v", len(got), err)
		}
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept: %v", err)
		}
		if _, err := n.Host("a").Dial(context.Background(), ln.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial: %v", err)
		}
		if _, err := n.Host("b").Listen(ln.Addr().String()); err != nil {
			t.Errorf("listen again: %v", err)
		}
	})
}

func TestResetAndIsolate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(3)
		here, there, _ := connect(t, n, "a", "b")
		other, otherEnd, _ := connect(t, n, "a", "c")
		n.Reset("b", "a")
		for _, c := range []net.Conn{here, there} {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read: %v", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("write: %v", err)
			}
		}
		n.Isolate("c")
		other.Write([]byte("x"))
		time.AfterFunc(time.Minute, func() { n.Rejoin("c") })
		if _, err := otherEnd.Read(make([]byte, 1)); err != nil {
			t.Errorf("unrelated connection: %v", err)
		}
		if err := other.SetDeadline(time.Now()); err != os.ErrNoDeadline {
			t.Errorf("deadline: %v", err)
		}
		if _, err := n.Host("a").Listen("b:1"); err == nil {
			t.Error("listened on another host's name")
		}
	})
}
