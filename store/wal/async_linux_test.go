package wal

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAsyncFile writes to one file from several goroutines and reads back what each has written.
func TestAsyncFile(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	path := filepath.Join(t.TempDir(), "log")
	const area, writers, writes = 1 << 20, 4, 50
	want := make([]byte, area*writers)
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	direct := openDirect(path)
	f, ok := direct.(*asyncFile)
	if !ok {
		t.Skipf("%T: no writes past the page cache here", direct)
	}
	if w := takeWriter(); w == nil {
		t.Skip("no asynchronous writes here")
	} else {
		w.giveBack()
	}
	var wg sync.WaitGroup
	for i := range writers {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		wg.Go(func() {
			for range writes {
				n := align * (1 + r.IntN(64))
				off := align * r.IntN((area-n)/align)
				b := withRoom(nil, n)[:n]
				for j := range b {
					b[j] = byte(r.Uint32())
				}
				copy(want[area*i+off:], b)
				if m, err := f.WriteAt(b, int64(area*i+off)); m != n || err != nil {
					t.Errorf("wrote %d of %d: %v", m, n, err)
				}
			}
		})
	}
	wg.Wait()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("what is in the file isn't what was written: %v", err)
	}

	b := withRoom(nil, 3*align)
	if _, err := f.WriteAt(b[:align], 7); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a place that isn't aligned: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b[:align], 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed file: %v", err)
	}
	idle := 0
	for _, w := range takeAll() {
		idle++
		w.giveBack()
	}
	if idle == 0 || idle > writers+1 {
		t.Errorf("%d writers for %d goroutines", idle, writers)
	}
}

// takeAll takes the writers that are idle.
func takeAll() (all []*writer) {
	writers.Lock()
	defer writers.Unlock()
	all, writers.idle = writers.idle, nil
	return all
}

// TestAsyncFileFull: what a full disk says comes through.
func TestAsyncFileFull(t *testing.T) {
	w := takeWriter()
	if w == nil {
		t.Skip("no asynchronous writes here")
	}
	w.giveBack()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	f, err := newAsyncFile(full)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := withRoom(nil, align)[:align]
	if n, err := f.WriteAt(b, 0); n != 0 || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("wrote %d: %v", n, err)
	}
}

// TestAsyncFileDenied: where the kernel gives no contexts, files are written as others are.
func TestAsyncFileDenied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	f, ok := openDirect(path).(*asyncFile)
	if !ok {
		t.Skip("no writes past the page cache here")
	}
	defer f.Close()
	kept := takeAll()
	setDenied(true)
	defer func() {
		setDenied(false)
		for _, w := range kept {
			w.giveBack()
		}
	}()
	b := withRoom(nil, align)[:align]
	b[0] = 'x'
	if n, err := f.WriteAt(b, align); n != align || err != nil {
		t.Fatalf("wrote %d: %v", n, err)
	}
	if got, err := os.ReadFile(path); err != nil || got[align] != 'x' {
		t.Errorf("%q %v", got[align], err)
	}
}

func setDenied(denied bool) {
	writers.Lock()
	defer writers.Unlock()
	writers.denied = denied
}
