package wal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/hashicorp/raft"
)

func open(t testing.TB, dir string) *WAL {
	t.Helper()
	w, err := Open(dir, Options{SegmentBytes: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func entry(i, term uint64, n int) *raft.Log {
	return &raft.Log{Index: i, Term: term, Type: raft.LogCommand, Data: bytes.Repeat([]byte{byte(i), byte(term)}, n),
		Extensions: []byte("x")[:i%2], AppendedAt: time.Unix(0, int64(i))}
}

// model is what a group's log should hold.
type model map[uint32][]*raft.Log

func (m model) check(t *testing.T, w *WAL) {
	t.Helper()
	for g, want := range m {
		l := w.Group(g)
		first, _ := l.FirstIndex()
		last, _ := l.LastIndex()
		if len(want) == 0 {
			if first != 0 || last != 0 {
				t.Fatalf("group %d has %d to %d, want nothing", g, first, last)
			}
			continue
		}
		if first != want[0].Index || last != want[len(want)-1].Index {
			t.Fatalf("group %d has %d to %d, want %d to %d", g, first, last, want[0].Index, want[len(want)-1].Index)
		}
		for _, e := range want {
			var got raft.Log
			if err := l.GetLog(e.Index, &got); err != nil {
				t.Fatalf("group %d, entry %d: %v", g, e.Index, err)
			}
			if got.Term != e.Term || !bytes.Equal(got.Data, e.Data) || !bytes.Equal(got.Extensions, e.Extensions) || !got.AppendedAt.Equal(e.AppendedAt) {
				t.Fatalf("group %d, entry %d: %+v, want %+v", g, e.Index, got, e)
			}
		}
	}
}

// TestAgainstModel drives several groups' logs and a model with the same random
// steps, opening the log again now and then.
func TestAgainstModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	w := open(t, dir)
	defer func() { w.Close() }()
	m, term := model{}, uint64(1)
	for step := range 1500 {
		g := uint32(r.IntN(4))
		if g == 3 && r.IntN(20) > 0 {
			continue // an idle group, which pins old segments
		}
		l, have := w.Group(g), m[g]
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
		}
		switch n := r.IntN(20); {
		case n < 14:
			next := uint64(1)
			if len(have) > 0 {
				next = have[len(have)-1].Index + 1
			} else if r.IntN(2) == 0 {
				next = uint64(1 + r.IntN(1000)) // behind an installed snapshot
			}
			if len(have) > 3 && r.IntN(10) == 0 { // overwrites the end without truncating it first
				term++
				cut := 1 + r.IntN(3)
				have = have[:len(have)-cut]
				next -= uint64(cut)
			}
			var logs []*raft.Log
			for range 1 + r.IntN(4) {
				logs = append(logs, entry(next, term, r.IntN(400)))
				next++
			}
			must(l.StoreLogs(logs))
			m[g] = append(have[:len(have):len(have)], logs...)
		case n < 17 && len(have) > 0:
			k := r.IntN(len(have))
			must(l.DeleteRange(have[0].Index, have[k].Index))
			m[g] = have[k+1:]
		case n == 17 && len(have) > 0:
			k := r.IntN(len(have))
			must(l.DeleteRange(have[k].Index, have[len(have)-1].Index))
			m[g] = have[:k]
			term++
		case n == 18 && r.IntN(10) == 0:
			must(w.Drop(g))
			m[g] = nil
		case n == 18:
			must(w.SetSync([]Sync{Always, EverySecond, Never, Always}[r.IntN(4)]))
		case n == 19 && r.IntN(3) == 0: // a file that can't be written past the page cache
			must(w.segments[len(w.segments)-1].closeDirect())
		case n == 19 && r.IntN(4) == 0:
			must(w.Close())
			w = open(t, dir)
			m.check(t, w)
		}
		if step%100 == 0 {
			m.check(t, w)
		}
	}
	m.check(t, w)
	live := int64(0)
	for _, s := range w.segments {
		live += s.live
	}
	if n := len(w.segments); n > 20+16*int(live)/(16<<10) {
		t.Errorf("%d segments are kept for %d bytes", n, live)
	}
}

// TestTornEnd cuts or spoils the newest batch at every length: everything before
// it is there, nothing of it is, and the log goes on.
func TestTornEnd(t *testing.T) {
	base := t.TempDir()
	w := open(t, base)
	l := w.Group(1)
	for i := range uint64(5) {
		if err := l.StoreLog(entry(i+1, 1, 50)); err != nil {
			t.Fatal(err)
		}
	}
	before := w.segments[0].end
	if err := l.StoreLogs([]*raft.Log{entry(6, 1, 300), entry(7, 1, 300)}); err != nil {
		t.Fatal(err)
	}
	end := w.segments[0].end
	w.Close()
	whole, err := os.ReadFile(segmentPath(base, 1))
	if err != nil {
		t.Fatal(err)
	}
	for cut := before; cut < end-512; cut += 37 {
		dir := t.TempDir()
		torn := bytes.Clone(whole)
		clear(torn[cut:])
		if err := os.WriteFile(segmentPath(dir, 1), torn, 0o600); err != nil {
			t.Fatal(err)
		}
		w := open(t, dir)
		l := w.Group(1)
		if last, _ := l.LastIndex(); last != 5 {
			t.Fatalf("cut at %d: last entry %d, want 5", cut, last)
		}
		if err := l.StoreLog(entry(6, 2, 10)); err != nil {
			t.Fatal(err)
		}
		w.Close()
		w = open(t, dir)
		if last, _ := w.Group(1).LastIndex(); last != 6 {
			t.Fatalf("cut at %d: the log did not go on", cut)
		}
		w.Close()
	}
}

// TestDamage flips a byte in the middle: the log must not open, and must name
// the place.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	for i := range uint64(60) {
		if err := w.Group(1).StoreLog(entry(i+1, 1, 200)); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.segments) < 2 {
		t.Fatal("one segment only")
	}
	w.Close()
	files, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text[600] ^= 1
		if err := os.WriteFile(f, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var damage *DamageError
		if w, err := Open(dir, Options{SegmentBytes: 16 << 10}); !errors.As(err, &damage) || damage.File != f {
			if err == nil {
				w.Close()
			}
			t.Errorf("%s: damage not found: %v", filepath.Base(f), err)
		}
		text[600] ^= 1
		if err := os.WriteFile(f, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(files[1], files[1]+".away"); err != nil {
		t.Fatal(err)
	}
	if len(files) > 2 {
		if _, err := Open(dir, Options{}); err == nil {
			t.Error("a missing segment was not noticed")
		}
	}
}

// TestConcurrent lets groups append, read and trim at once.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	var wg sync.WaitGroup
	for g := range uint32(6) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			l := w.Group(g)
			for i := uint64(1); i <= 200; i++ {
				if err := l.StoreLog(entry(i, 1, 100)); err != nil {
					t.Error(err)
					return
				}
				var got raft.Log
				if err := l.GetLog(i, &got); err != nil || got.Index != i {
					t.Errorf("entry %d: %v", i, err)
				}
				if i%50 == 0 {
					if err := l.DeleteRange(1, i-10); err != nil {
						t.Error(err)
					}
				}
			}
		}()
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = open(t, dir)
	defer w.Close()
	for g := range uint32(6) {
		first, _ := w.Group(g).FirstIndex()
		last, _ := w.Group(g).LastIndex()
		if first != 191 || last != 200 {
			t.Errorf("group %d has %d to %d", g, first, last)
		}
	}
}

// FuzzRecord: no bytes make the parser panic or read beyond them.
func FuzzRecord(f *testing.F) {
	f.Add(appendEntry(nil, 1, kindEntry, entry(3, 2, 5)))
	f.Add(appendMark(nil, 1, kindTrim, 9))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err == nil && (r.size > len(b) || len(r.log.Data) > len(b)) {
			t.Fatalf("%d bytes of %d", r.size, len(b))
		}
	})
}

func BenchmarkStore(b *testing.B) {
	for _, groups := range []int{1, 3} {
		b.Run(fmt.Sprint(groups, "groups"), func(b *testing.B) {
			w, err := Open(b.TempDir(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer w.Close()
			var wg sync.WaitGroup
			for g := range groups {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for i := range b.N {
						if err := w.Group(uint32(g)).StoreLog(entry(uint64(i+1), 1, 1000)); err != nil {
							b.Error(err)
							return
						}
					}
				}()
			}
			wg.Wait()
		})
	}
}

// TestEmptySegmentIsReplaced: a crash can leave a segment without a batch that is
// too small for the next one. That one's segment has the same name and takes its
// place; as a second segment beside it, it would be deleted with it.
func TestEmptySegmentIsReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := makeFile(osFiles{}, segmentPath(dir, 1), segmentHead); err != nil {
		t.Fatal(err)
	}
	w := open(t, dir)
	l := w.Group(1)
	for i := range uint64(200) {
		if err := l.StoreLog(entry(i+1, 1, 200)); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for _, s := range w.segments {
		if seen[s.path] {
			t.Fatalf("%s is two segments", s.path)
		}
		seen[s.path] = true
	}
	if err := l.DeleteRange(1, 10); err != nil {
		t.Fatal(err)
	}
	w.Close()
	w = open(t, dir)
	defer w.Close()
	if first, _ := w.Group(1).FirstIndex(); first != 11 {
		t.Fatalf("the log begins at %d, want 11", first)
	}
}

// TestSegmentsAreReused shows that a segment that nobody needs becomes the next
// one, and that what it held before is not taken for its content, wherever in
// it the log is opened again.
func TestSegmentsAreReused(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	l, m := w.Group(1), model{}
	next, reused := uint64(1), 0
	add := func() {
		t.Helper()
		e := entry(next, 1, 300)
		if err := l.StoreLog(e); err != nil {
			t.Fatal(err)
		}
		m[1] = append(m[1], e)
		next++
	}
	for round := range 12 {
		for len(w.segments) < 3 {
			add()
		}
		w.mu.Lock()
		for w.making {
			w.idle.Wait()
		}
		for _, spare := range w.spares { // made because the last segment is half full
			if err := os.Remove(spare); err != nil {
				t.Fatal(err)
			}
		}
		w.spares = nil
		w.mu.Unlock()
		oldest, err := os.Stat(w.segments[0].path)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.DeleteRange(m[1][0].Index, next-3); err != nil {
			t.Fatal(err)
		}
		m[1] = m[1][len(m[1])-2:]
		newest := w.segments[len(w.segments)-1].path
		for w.segments[len(w.segments)-1].path == newest {
			add()
		}
		for range round { // the end of the log moves on through the old content
			add()
		}
		now, err := os.Stat(w.segments[len(w.segments)-1].path)
		if err != nil {
			t.Fatal(err)
		}
		if os.SameFile(oldest, now) {
			reused++
		}
		m.check(t, w)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		w = open(t, dir)
		l = w.Group(1)
		m.check(t, w)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if reused < 6 {
		t.Errorf("%d of 12 segments were reused", reused)
	}
}

// TestWriteFallsBack: a disk that doesn't take the alignment of direct writes is
// written to through the page cache, and nothing is lost.
func TestWriteFallsBack(t *testing.T) {
	w := open(t, t.TempDir())
	defer w.Close()
	s := w.segments[0]
	if s.direct == nil {
		t.Skip("the file system has no direct writes")
	}
	for _, c := range []struct {
		off    int64
		direct bool
	}{{align, true}, {2 * align, true}, {2*align + 1, false}, {4 * align, false}} {
		b := append(withRoom(nil, 600), bytes.Repeat([]byte{byte(c.off)}, 600)...)
		if durable, err := s.write(c.off, b, true); err != nil || durable != c.direct {
			t.Fatal(durable, err)
		}
		got := make([]byte, len(b))
		if _, err := s.file.ReadAt(got, c.off); err != nil || !bytes.Equal(got, b) {
			t.Errorf("offset %d: what was written isn't read, %v", c.off, err)
		}
		if (s.direct != nil) != c.direct {
			t.Errorf("offset %d: direct %v, want %v", c.off, s.direct != nil, c.direct)
		}
	}
}

// Room keeps what there is, its alignment, and space for the padding.
func TestWithRoom(t *testing.T) {
	var b []byte
	for n := range 300 {
		b = append(withRoom(b, n), bytes.Repeat([]byte{byte(n)}, n)...)
		if cap(b)%align != 0 || n > 0 && uintptr(unsafe.Pointer(unsafe.SliceData(b)))%memoryAlign != 0 {
			t.Fatalf("%d bytes: capacity %d at %p", len(b), cap(b), b)
		}
		p := padded(b)
		if len(p)%align != 0 || len(p)-len(b) >= align || len(bytes.Trim(p[len(b):], "\x00")) > 0 {
			t.Fatalf("%d bytes are padded to %d", len(b), len(p))
		}
	}
	at := 0
	for n := range 300 {
		if !bytes.Equal(b[at:at+n], bytes.Repeat([]byte{byte(n)}, n)) {
			t.Fatalf("piece %d has changed", n)
		}
		at += n
	}
}

// TestSetSync changes the policy back and forth while others append.
func TestSetSync(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	g := w.Group(1)
	done := make(chan error, 1)
	const n = 300
	// Owned by the test. Ends after n entries.
	go func() {
		for i := uint64(1); i <= n; i++ {
			if err := g.StoreLog(entry(i, 1, 3000)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	policies := []Sync{Never, EverySecond, Always}
	for i := 0; ; i++ {
		p := policies[i%len(policies)]
		if err := w.SetSync(p); err != nil {
			t.Fatal(err)
		}
		if w.sync() != p {
			t.Fatalf("the policy is %d, want %d", w.sync(), p)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			if last, err := g.LastIndex(); last != n || err != nil {
				t.Errorf("last index %d, %v", last, err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if err := w.SetSync(Never); err == nil {
				t.Error("a closed log takes a policy")
			}
			return
		default:
		}
	}
}

// TestOpenToRead: a log that a crash has left reads as it would be recovered, and stays as
// it is on disk.
func TestOpenToRead(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	m := model{}
	for i := uint64(1); i <= 40; i++ {
		e := entry(i, 1, 300)
		if err := w.Group(2).StoreLog(e); err != nil {
			t.Fatal(err)
		}
		m[2] = append(m[2], e)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	last := w.segments[len(w.segments)-1]
	f, err := os.OpenFile(last.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("QLOG1 torn"), last.end); err != nil { // half a batch
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "spare-9"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	read := func() map[string]string {
		out := map[string]string{}
		names, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			b, err := os.ReadFile(filepath.Join(dir, n.Name()))
			if err != nil {
				t.Fatal(err)
			}
			out[n.Name()] = string(b)
		}
		return out
	}
	before := read()
	r, err := OpenToRead(dir)
	if err != nil {
		t.Fatal(err)
	}
	m.check(t, r)
	if err := r.Group(2).StoreLog(entry(41, 1, 1)); !errors.Is(err, errReadOnly) {
		t.Errorf("a write: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if !reflect.DeepEqual(read(), before) {
		t.Error("the directory was changed")
	}
	w = open(t, dir)
	m.check(t, w)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
