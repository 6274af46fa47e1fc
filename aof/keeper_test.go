package aof

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// numbers is a source of effects: the state is a number, each effect the next one.
type numbers struct {
	t    *testing.T
	k    *Keeper
	bad  atomic.Bool // bases fail now and then
	lost atomic.Bool // the keeper has warned of a failed write

	mu sync.Mutex // the group's lock
	n  int
}

func newNumbers(t *testing.T, pending int) *numbers {
	s := &numbers{t: t}
	s.k = NewKeeper(Options{Base: s.base, Sync: func() bool { return true }, Pending: pending, Retry: 5 * time.Millisecond,
		Growth: func() (int64, int64) { return 100, 64 << 10 },
		Warn: func(msg string, args ...any) {
			t.Log(append([]any{msg}, args...)...)
			if strings.Contains(msg, "can't be written") {
				s.lost.Store(true)
			}
		}})
	t.Cleanup(s.k.Stop)
	return s
}

func (s *numbers) base(w io.Writer, begin func(uint32), all func()) error {
	if err := s.trouble(); err != nil {
		return err
	}
	s.mu.Lock()
	n := s.n
	begin(1)
	all()
	s.mu.Unlock()
	if err := s.trouble(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "REDIS%d", n)
	return err
}

func (s *numbers) trouble() error {
	if s.bad.Load() && rand.IntN(5) == 0 {
		return errors.New("planned")
	}
	return nil
}

// write applies a number, or with jump becomes another state that no effect tells.
func (s *numbers) write(jump bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if jump {
		s.n += 1000
		s.k.Break()
		return
	}
	s.n++
	if _, wanted := s.k.Wanted(1); wanted {
		s.k.Append(1, []byte(words(strconv.Itoa(s.n))), 0, s.n%10 == 0)
	}
}

func (s *numbers) last() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// counting is a loader that takes only a number and those that follow it.
type counting struct{ n int }

func (c *counting) RDB(r io.Reader) (int64, error) {
	b, err := io.ReadAll(r)
	if err == nil {
		c.n, err = strconv.Atoi(strings.TrimPrefix(string(b), "REDIS"))
	}
	return int64(len(b)), err
}

func (c *counting) Command(args [][]byte) error {
	n, err := strconv.Atoi(string(args[0]))
	if err == nil && n != c.n+1 {
		err = fmt.Errorf("%d follows %d", n, c.n)
	}
	c.n = n
	return err
}

func (c *counting) End() bool { return false }

// read loads the directory, which may be changing. It reports false if there is no manifest
// yet. The last file is copied first, so that the others have all that is before it.
func read(t *testing.T, d Dir) (n int, ok bool, err error) {
	var c counting
	ok, err = readInto(t, d, &c)
	return c.n, ok, err
}

func readInto(t *testing.T, d Dir, l Loader) (ok bool, err error) {
	for {
		m, err := d.Manifest()
		if err != nil || m == nil {
			return false, err
		}
		copied := Dir{Path: t.TempDir(), Name: d.Name}
		for _, f := range slices.Backward(m.Files()) {
			var b []byte
			if b, err = os.ReadFile(d.file(f.Name)); err == nil {
				err = os.WriteFile(copied.file(f.Name), b, 0o600)
			}
			if err != nil {
				break
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // rewritten meanwhile
		}
		if err == nil {
			err = copied.Load(m, l, true, &logged{})
		}
		return true, errors.Join(err, os.RemoveAll(copied.Path))
	}
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: ", what)
		}
	}
}

func TestKeeper(t *testing.T) {
	s, d := newNumbers(t, 0), Dir{Path: filepath.Join(t.TempDir(), "dir"), Name: "x.aof"}
	for range 10 {
		s.write(false)
	}
	if err := s.k.Start(d); err != nil {
		t.Fatal(err)
	}
	await(t, "the first base", func() bool { return s.k.Figures().Rewrites == 1 })
	for range 10 {
		s.write(false)
	}
	await(t, "effects are written", func() bool { n, _, err := read(t, d); return err == nil && n == 20 })
	if err := s.k.Rewrite(); err != nil {
		t.Fatal(err)
	}
	await(t, "the second base", func() bool { return s.k.Figures().Rewrites == 2 })
	names, err := os.ReadDir(d.Path)
	if err != nil || fmt.Sprint(names) != "[- x.aof.2.base.rdb - x.aof.2.incr.aof - x.aof.manifest]" {
		t.Errorf("%v %v", names, err)
	}
	for range 20000 {
		s.write(false)
	}
	await(t, "it is rewritten when it has grown", func() bool { return s.k.Figures().Rewrites >= 3 })
	s.write(false)
	s.k.Stop()
	if n, _, err := read(t, d); err != nil || n != s.last() {
		t.Errorf("after the end: %d %v, want %d", n, err, s.last())
	}
	if _, wanted := s.k.Wanted(1); wanted || s.k.On() {
		t.Error("still on")
	}
	// What happens while it is off isn't in any increment.
	s.write(false)
	if err := s.k.Start(d); err != nil {
		t.Fatal(err)
	}
	s.write(false)
	await(t, "the directory is up to date again", func() bool { n, _, err := read(t, d); return err == nil && n == s.last() })
	s.k.Stop()
}

// TestKeeperTrouble: whatever happens, what the manifest names is one state and what
// followed it.
func TestKeeperTrouble(t *testing.T) {
	s, d := newNumbers(t, 4096), Dir{Path: t.TempDir(), Name: "x"}
	s.bad.Store(true)
	if err := s.k.Start(d); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	// Ends when stop closes; the test waits.
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			// The state jumps in every second second only: rewrites of a whole chain matter too.
			s.write(time.Now().Unix()%2 == 0 && rand.IntN(300) == 0)
			if rand.IntN(100) == 0 {
				_ = s.k.Rewrite() // or one is under way
			}
			if rand.IntN(50) == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	})
	reads, before := 0, 0
	for deadline := time.Now().Add(6 * time.Second); time.Now().Before(deadline); {
		n, ok, err := read(t, d)
		if err != nil || n < before {
			t.Fatalf("%d after %d: %v", n, before, err)
		}
		if ok {
			reads++
			before = n
		}
	}
	close(stop)
	wg.Wait()
	s.bad.Store(false)
	await(t, "the directory is up to date", func() bool { n, _, err := read(t, d); return err == nil && n == s.last() })
	f := s.k.Figures()
	t.Logf("%d reads, %+v", reads, f)
	if reads < 10 || f.Rewrites < 3 {
		t.Errorf("%d reads, %d rewrites", reads, f.Rewrites)
	}
	s.k.Stop()
	if n, _, err := read(t, d); err != nil || n != s.last() {
		t.Errorf("after the end: %d %v, want %d", n, err, s.last())
	}
}

// TestKeeperMoment: what happened before the moment of a base goes to the increment
// before it, what happens later to the next one.
func TestKeeperMoment(t *testing.T) {
	s, d := newNumbers(t, 0), Dir{Path: t.TempDir(), Name: "x"}
	r := &run{k: s.k, dir: d, manifest: &Manifest{}}
	for range 2 { // the first begins with the chain broken
		if err := r.openNext(); err != nil {
			t.Fatal(err)
		}
		s.write(false)
		s.k.begin(1)
		s.k.all()
		s.write(false)
		r.write()
		if !r.listed && !r.continueIn(r.out.file) {
			t.Fatal("no manifest")
		}
	}
	if !r.close() {
		t.Error("the increment can't be closed")
	}
	for name, want := range map[string]string{
		"x.1.incr.aof": words("2", "3"), "x.2.incr.aof": words("4"),
		"x.manifest": "file x.1.incr.aof seq 1 type i\nfile x.2.incr.aof seq 2 type i\n",
	} {
		if b, err := os.ReadFile(d.file(name)); err != nil || string(b) != want {
			t.Errorf("%s: %q %v, want %q", name, b, err, want)
		}
	}
}

// TestKeeperWriteError: an increment that can't be written any more ends the chain, and
// a new base follows.
func TestKeeperWriteError(t *testing.T) {
	s, d := newNumbers(t, 0), Dir{Path: t.TempDir(), Name: "x"}
	if err := s.k.Start(d); err != nil {
		t.Fatal(err)
	}
	await(t, "the first base", func() bool { return s.k.Figures().Rewrites == 1 })
	s.write(false)
	await(t, "it is written", func() bool { n, _, err := read(t, d); return err == nil && n == 1 })
	r := s.k.run
	s.k.Stop()

	// The loop again, with a file that can't be written.
	f, err := os.Open(d.file(r.manifest.Increments[0].Name))
	if err != nil {
		t.Fatal(err)
	}
	r.out, r.listed = &appended{f: f, file: r.manifest.Increments[0]}, true
	r.stop, r.done, r.based = make(chan struct{}), make(chan struct{}), make(chan error, 1)
	s.k.run = r
	s.k.follows.Store(true)
	s.k.chain = map[uint32]bool{1: true}
	go r.loop()
	s.write(false)
	await(t, "the failure is told", s.lost.Load)
	await(t, "a new base", func() bool { n, _, err := read(t, d); return err == nil && n == 2 && s.k.Figures().WriteOK })
	s.k.Stop()
}

// TestKeeperDirectory: what can't be made is an error at once.
func TestKeeperDirectory(t *testing.T) {
	s, path := newNumbers(t, 0), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.k.Start(Dir{Path: path, Name: "x"}); err == nil || s.k.On() {
		t.Errorf("a file in the place of the directory: %v", err)
	}
	d := Dir{Path: t.TempDir(), Name: "x"}
	if err := os.WriteFile(filepath.Join(d.Path, "x.manifest"), []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.k.Start(d); err == nil || s.k.On() {
		t.Errorf("a damaged manifest: %v", err)
	}
}
