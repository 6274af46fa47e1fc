package aof

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// shards are several groups of numbers, some of which are there and some not.
type shards struct {
	k   *Keeper
	bad atomic.Bool

	list sync.Mutex // held while groups come and go
	here map[uint32]*shard
}

type shard struct {
	mu sync.Mutex // the group's lock
	n  int
}

// base writes the numbers of all groups, each of its own moment.
func (s *shards) base(w io.Writer, begin func(uint32), all func()) error {
	s.list.Lock()
	here := maps.Clone(s.here)
	s.list.Unlock()
	state, left := map[uint32]int{}, len(here)
	for id, g := range here { // in any order
		if rand.IntN(3) == 0 {
			time.Sleep(time.Millisecond)
		}
		if s.bad.Load() && rand.IntN(10) == 0 {
			return errors.New("planned, between two moments")
		}
		g.mu.Lock()
		state[id] = g.n
		begin(id)
		if left--; left == 0 {
			all()
		}
		g.mu.Unlock()
	}
	// As node.Dump does: who has come in between hasn't told the keeper of a broken chain while
	// there was none.
	s.list.Lock()
	defer s.list.Unlock()
	if !maps.Equal(here, s.here) {
		return errors.New("groups have come or gone")
	}
	b, err := json.Marshal(state)
	if err == nil {
		_, err = fmt.Fprintf(w, "REDIS%s", b)
	}
	return err
}

// write applies a number to a group, if it is there. whole says that it is about all there is.
func (s *shards) write(id uint32, whole bool) {
	s.list.Lock()
	g := s.here[id]
	s.list.Unlock()
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n++
	if db, wanted := s.k.Wanted(id); wanted {
		name := "number"
		if whole {
			name = "whole"
		}
		effect := words(name, strconv.Itoa(int(id)), strconv.Itoa(g.n))
		if db < 0 {
			effect = words("select", "0", "0") + effect
		}
		s.k.Append(id, []byte(effect), 0, whole)
	}
}

// turn lets a group come, or go.
func (s *shards) turn(id uint32) {
	s.list.Lock()
	if s.here[id] != nil {
		delete(s.here, id)
	} else {
		s.here[id] = &shard{n: 1000}
	}
	s.list.Unlock()
	s.k.Break()
}

func (s *shards) state() map[uint32]int {
	s.list.Lock()
	defer s.list.Unlock()
	now := map[uint32]int{}
	for id, g := range s.here {
		g.mu.Lock()
		now[id] = g.n
		g.mu.Unlock()
	}
	return now
}

// shardLoader is a loader that takes, of each group, only the number that comes next.
type shardLoader struct {
	state map[uint32]int
	words []string
}

func (l *shardLoader) RDB(r io.Reader) (int64, error) {
	b, err := io.ReadAll(r)
	if err == nil {
		err = json.Unmarshal([]byte(strings.TrimPrefix(string(b), "REDIS")), &l.state)
	}
	return int64(len(b)), err
}

func (l *shardLoader) Command(args [][]byte) error {
	if l.words = append(l.words, string(args[0])); len(l.words) < 3 {
		return nil
	}
	name := l.words[0]
	id, _ := strconv.Atoi(l.words[1])
	n, _ := strconv.Atoi(l.words[2])
	l.words = nil
	switch {
	case name == "select":
	case name != "number" && len(l.state) > 1:
		return fmt.Errorf("what group %d says about everything is in the files", id)
	case l.state[uint32(id)] != n-1:
		return fmt.Errorf("%d of group %d follows %d", n, id, l.state[uint32(id)])
	default:
		l.state[uint32(id)] = n
	}
	return nil
}

func (l *shardLoader) End() bool { return false }

// TestKeeperMoments: between the moments of two groups, what one does goes to the new increment
// and what the other does to the old one; if the second moment never comes all of it goes to
// the old one; and if the chain breaks in between the base is void.
func TestKeeperMoments(t *testing.T) {
	k, d := NewKeeper(Options{Warn: func(string, ...any) {}}), Dir{Path: t.TempDir(), Name: "x"}
	r := &run{k: k, dir: d, manifest: &Manifest{}}
	next := func() {
		t.Helper()
		if err := r.openNext(); err != nil {
			t.Fatal(err)
		}
	}
	next()
	k.begin(1)
	k.Append(2, []byte("in the base"), 0, false)
	k.begin(2)
	k.all()
	r.write()
	if !r.continueIn(r.out.file) {
		t.Fatal("no manifest")
	}
	r.listed = true
	next()
	k.Append(1, []byte("a"), 0, false)
	k.begin(1)
	k.Append(1, []byte("b"), 0, false)
	k.Append(2, []byte("c"), 0, false)
	r.fail(errors.New("planned"))
	r.write()
	next()
	k.begin(1)
	if db, wanted := k.Wanted(1); !wanted || db != -1 {
		t.Errorf("of group 1 are wanted %v, database %d: its new increment has none selected", wanted, db)
	}
	k.Append(1, []byte("d"), 0, false)
	if db, wanted := k.Wanted(2); !wanted || db != 0 {
		t.Errorf("of group 2 are wanted %v, database %d", wanted, db)
	}
	k.Append(2, []byte("e"), 0, false)
	k.begin(2)
	k.all()
	k.Append(2, []byte("f"), 0, false)
	r.write()
	next()
	k.begin(1)
	k.Append(1, []byte("g"), 0, false)
	k.Break()
	k.begin(2)
	k.all()
	k.Append(2, []byte("h"), 0, false)
	if r.write(); r.out != nil || r.next == nil {
		t.Error("a base is in force whose groups have changed between its moments")
	}
	for name, want := range map[string]string{"x.1.incr.aof": "acbe", "x.2.incr.aof": "df"} {
		if b, err := os.ReadFile(d.file(name)); err != nil || string(b) != want {
			t.Errorf("%s: %q %v, want %q", name, b, err, want)
		}
	}
	r.fail(errors.New("planned"))
	if k.follows.Load() || k.Figures().Waiting != 0 {
		t.Error("it follows without a base")
	}
	// A group that no base has, and one that says something about everything.
	for i, wrong := range []func(){
		func() { k.Append(3, []byte("x"), 0, false) },
		func() { k.Append(1, []byte("x"), 0, true) },
		func() { k.begin(3); r.fail(errors.New("planned")) },
	} {
		next()
		k.void = false
		k.begin(1)
		k.begin(2)
		k.all()
		r.write()
		if wrong(); k.follows.Load() {
			t.Errorf("%d: the chain holds", i)
		}
	}
}

// TestKeeperGroups: with several groups that write at once, come and go, and bases that fail
// between two moments, what the manifest names has of each group one state and what followed it.
func TestKeeperGroups(t *testing.T) {
	s := &shards{here: map[uint32]*shard{1: {}, 2: {}, 3: {}}}
	s.bad.Store(true)
	s.k = NewKeeper(Options{Base: s.base, Sync: func() bool { return true }, Pending: 8192, Retry: 5 * time.Millisecond,
		Ready: func() bool { return len(s.state()) > 0 }, Growth: func() (int64, int64) { return 100, 64 << 10 },
		Warn: func(string, ...any) {}})
	t.Cleanup(s.k.Stop)
	d := Dir{Path: t.TempDir(), Name: "x"}
	if err := s.k.Start(d); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for id := uint32(1); id <= 4; id++ {
		// Ends when stop closes; the test waits.
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				odd := time.Now().Unix()%2 == 0 // rewrites of a whole chain matter, too
				s.write(id, odd && rand.IntN(2000) == 0)
				if rand.IntN(500) == 0 {
					_ = s.k.Rewrite() // or one is under way
				}
				if id == 4 && odd && rand.IntN(500) == 0 {
					s.turn(uint32(rand.IntN(3)) + 2)
				}
				if rand.IntN(20) == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	reads := 0
	for deadline := time.Now().Add(6 * time.Second); time.Now().Before(deadline); {
		var l shardLoader
		ok, err := readInto(t, d, &l)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			reads++
		}
	}
	close(stop)
	wg.Wait()
	s.bad.Store(false)
	await(t, "the directory is up to date", func() bool {
		var l shardLoader
		_, err := readInto(t, d, &l)
		return err == nil && maps.Equal(l.state, s.state())
	})
	f := s.k.Figures()
	t.Logf("%d reads, %+v", reads, f)
	if reads < 10 || f.Rewrites < 3 {
		t.Errorf("%d reads, %d rewrites", reads, f.Rewrites)
	}
	s.k.Stop()
	var l shardLoader
	if _, err := readInto(t, d, &l); err != nil || !maps.Equal(l.state, s.state()) {
		t.Errorf("after the end: %v %v, want %v", l.state, err, s.state())
	}
}
