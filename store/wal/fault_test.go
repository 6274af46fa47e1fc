package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/raft"
	"golang.org/x/sys/unix"
)

// TestBrokenDisk has each step fail once, as a disk does that can't write or sync.
// The log is dead then and writes nothing more. What the next process finds must
// be on the disk, although the kernel holds what it could not write for clean.
func TestBrokenDisk(t *testing.T) {
	base := rand.Uint64()
	t.Logf("seed %d", base)
	trials := 0
	for i := range 4 {
		policy, direct := []Sync{Always, Always, EverySecond, Never}[i], i%2 == 0
		matrix(base+uint64(i), policy, direct, true, 1, nil, func(c trial, point string, _ []string, err error) bool {
			trials++
			if err != nil {
				t.Errorf("%s, %s fails: %v", c, point, err)
			}
			return err == nil
		})
	}
	t.Logf("%d failures", trials)
	if trials < 300 {
		t.Errorf("%d failures only", trials)
	}

	t.Run("finds a log that trusts the page cache", func(t *testing.T) {
		lie := func(point string) bool { return point == "Open fromDisk: forget" }
		for seed := uint64(1); seed <= 20; seed++ {
			found := false
			matrix(seed, Always, false, true, 1, lie, func(_ trial, _ string, _ []string, err error) bool {
				found = err != nil
				return !found
			})
			if found {
				return
			}
		}
		t.Error("not found")
	})
}

// TestConcurrentCrash has the power fail while several groups append and trim at
// once, so that their entries share batches.
func TestConcurrentCrash(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	shared := 0
	for round := range 60 {
		x := &run{d: newDisk(round%2 == 0), now: model{}}
		if err := x.open(); err != nil {
			t.Fatal(err)
		}
		x.d.mu.Lock()
		x.d.crashAt = x.d.steps + 1 + r.IntN(120)
		x.d.mu.Unlock()
		var wg sync.WaitGroup
		var mu sync.Mutex
		may := [4][]([]*raft.Log){}
		for g := range uint32(4) {
			own := rand.New(rand.NewPCG(seed, uint64(round)<<8|uint64(g)))
			wg.Add(1)
			// Owned by the test. Ends when the power fails.
			go func() {
				defer wg.Done()
				l, have, next := x.w.Group(g), []*raft.Log(nil), uint64(1)
				for {
					was, err := have, error(nil)
					if len(have) > 10 && own.IntN(3) == 0 {
						k := own.IntN(len(have))
						have = have[k+1:]
						err = l.DeleteRange(was[0].Index, was[k].Index)
					} else {
						e := entry(next, 1, own.IntN(600))
						have, next = append(have[:len(have):len(have)], e), next+1
						err = l.StoreLog(e)
					}
					if err != nil {
						if !errors.Is(err, errPower) {
							t.Error(err)
						}
						mu.Lock()
						may[g] = append(may[g], was, have)
						mu.Unlock()
						return
					}
				}
			}()
		}
		wg.Wait()
		x.w.mu.Lock()
		if int(x.w.seq) < x.d.steps { // more calls than batches: they were shared
			shared++
		}
		x.w.mu.Unlock()
		_ = x.w.Close()
		x.d = x.d.afterPowerFailure(r)
		if err := x.open(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for g := range uint32(4) {
			var errs []error
			for _, want := range may[g] {
				// The others are compared on their own.
				m := model{}
				for other := range uint32(4) {
					m[other] = held(t, x.w, other)
				}
				m[g] = want
				errs = append(errs, m.compare(x.w))
			}
			if !slices.Contains(errs, nil) {
				t.Fatalf("round %d, group %d: %v", round, g, errors.Join(errs...))
			}
		}
		if err := x.w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if shared == 0 {
		t.Error("no batch was shared")
	}
}

// held returns the entries that a group has.
func held(t *testing.T, w *WAL, group uint32) (logs []*raft.Log) {
	t.Helper()
	l := w.Group(group)
	first, _ := l.FirstIndex()
	last, _ := l.LastIndex()
	for i := first; i <= last && i > 0; i++ {
		e := new(raft.Log)
		if err := l.GetLog(i, e); err != nil {
			t.Fatal(err)
		}
		logs = append(logs, e)
	}
	return logs
}

// TestCraftedBatch: a client's value is made up like batches of a log, those that a
// log would read if it could be deceived: in a batch that a crash has torn, and in
// what a segment that is used again still holds of its former life.
func TestCraftedBatch(t *testing.T) {
	for _, shift := range []int{0, 7, 256} {
		for _, salt := range []uint64{0, 0x0a0d31474f4c51, 0x0a0d32474f4c51} { // nothing, and the heads of segments
			dir := t.TempDir()
			w := open(t, dir)
			l := w.Group(1)
			if err := l.StoreLog(entry(1, 1, 10)); err != nil {
				t.Fatal(err)
			}
			off := w.segments[0].end
			// Batches with the next sequence and with later ones, from each sector on.
			var value []byte
			for i := range 8 {
				at := (i + 1) * align // in the segment, counted from the batch
				value = append(value, make([]byte, at-batchHead-recordHead-entryHead-len(value)+shift)...)
				fake := appendEntry(make([]byte, batchHead), 1, kindEntry, entry(2, 9, 3))
				seal(fake, salt, uint64(2+i/2), 1)
				value = append(value, fake...)
			}
			if err := l.StoreLog(&raft.Log{Index: 2, Term: 1, Data: value}); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			// The crash has kept all but the batch's first sector.
			text, err := os.ReadFile(segmentPath(dir, 1))
			if err != nil {
				t.Fatal(err)
			}
			clear(text[off : off+align])
			if err := os.WriteFile(segmentPath(dir, 1), text, 0o600); err != nil {
				t.Fatal(err)
			}
			w = open(t, dir)
			if last, _ := w.Group(1).LastIndex(); last != 1 {
				t.Errorf("shift %d: the log ends at %d, want 1", shift, last)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestSaltsDiffer: each segment has its own, also one that is used again.
func TestSaltsDiffer(t *testing.T) {
	w := open(t, t.TempDir())
	defer w.Close()
	seen := map[uint64]bool{}
	last := w.segments[0]
	seen[last.salt] = true
	for i := uint64(1); len(seen) < 20; i++ {
		if err := w.Group(1).StoreLog(entry(i, 1, 700)); err != nil {
			t.Fatal(err)
		}
		if i > 10 {
			if err := w.Group(1).DeleteRange(1, i-5); err != nil {
				t.Fatal(err)
			}
		}
		if s := w.segments[len(w.segments)-1]; s != last {
			if seen[s.salt] {
				t.Fatalf("%s has the salt of another segment", s.path)
			}
			seen[s.salt], last = true, s
		}
	}
}

// TestEarlierFormat: a log without salts is refused and left as it is.
func TestEarlierFormat(t *testing.T) {
	dir := t.TempDir()
	old := append([]byte(magicBefore), bytes.Repeat([]byte{1}, 4096)...)
	if err := os.WriteFile(segmentPath(dir, 1), old, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, Options{})
	if err == nil || !strings.Contains(err.Error(), "earlier version") || !strings.Contains(err.Error(), segmentPath(dir, 1)) {
		t.Errorf("a log of the earlier format: %v", err)
	}
	if now, err := os.ReadFile(segmentPath(dir, 1)); err != nil || !bytes.Equal(now, old) {
		t.Error("it was changed")
	}
}

// TestNoRoom: on a full disk a segment that could not be made leaves nothing behind,
// smaller ones do as long as they can, and what was acknowledged stays.
func TestNoRoom(t *testing.T) {
	const segmentBytes = 1 << 20
	d := newDisk(false)
	d.room = 2*segmentBytes + segmentBytes*3/4
	x := &run{d: d}
	var err error
	if x.w, err = Open("dir", Options{SegmentBytes: segmentBytes, fs: d}); err != nil {
		t.Fatal(err)
	}
	l := x.w.Group(1)
	var logs []*raft.Log
	for i := uint64(1); err == nil; i++ {
		e := entry(i, 1, 10000)
		if err = l.StoreLog(e); err == nil {
			logs = append(logs, e)
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	x.w.mu.Lock()
	for x.w.making {
		x.w.idle.Wait()
	}
	x.w.mu.Unlock()
	small := 0
	for _, s := range x.w.segments {
		if s.size == smallSegment {
			small++
		}
	}
	if n := len(x.w.segments); small != 3 || n != 5 {
		t.Errorf("%d segments, %d of them small, want 5 and 3", n, small)
	}
	if names := slices.Sorted(maps.Keys(d.dir)); len(names) != 5 {
		t.Errorf("files %q, want five segments", names)
	}
	x.now = model{1: logs}
	if err := x.now.compare(x.w); err != nil {
		t.Errorf("reads on a full disk: %v", err)
	}
	_ = x.w.Close()
	d.room += segmentBytes
	if x.w, err = Open("dir", Options{SegmentBytes: segmentBytes, fs: d}); err != nil {
		t.Fatal(err)
	}
	if err := x.now.compare(x.w); err != nil {
		t.Error(err)
	}
	if err := x.w.Group(1).StoreLog(entry(uint64(len(logs)+1), 1, 10000)); err != nil {
		t.Error(err)
	}
	if err := x.w.Close(); err != nil {
		t.Error(err)
	}
}

// unreadableDisk can't read one place.
type unreadableDisk struct {
	*disk
	off int64
}

func (d unreadableDisk) open(path string) (file, error) {
	f, err := d.disk.open(path)
	return unreadableFile{f, d.off}, err
}

type unreadableFile struct {
	file
	off int64
}

func (f unreadableFile) ReadAt(b []byte, off int64) (int, error) {
	if off <= f.off && f.off < off+int64(len(b)) {
		return 0, errDisk
	}
	return f.file.ReadAt(b, off)
}

// TestUnreadable: a place that can't be read is not the end of the log.
func TestUnreadable(t *testing.T) {
	d := newDisk(false)
	x := &run{d: d}
	if err := x.open(); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(5) {
		if err := x.w.Group(1).StoreLog(entry(i+1, 1, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.w.Close(); err != nil {
		t.Fatal(err)
	}
	for off := int64(0); off < crashSegment; off += align {
		_, err := Open("dir", Options{SegmentBytes: crashSegment, fs: unreadableDisk{d, off}})
		if !errors.Is(err, errDisk) {
			t.Fatalf("offset %d can't be read: %v", off, err)
		}
		if want := fmt.Sprint("dir/", "0000000000000001.log"); !strings.Contains(err.Error(), want) {
			t.Errorf("the error doesn't name the file: %v", err)
		}
	}
	if err := x.open(); err != nil {
		t.Fatal(err)
	}
	defer x.w.Close()
	if last, _ := x.w.Group(1).LastIndex(); last != 5 {
		t.Errorf("the log ends at %d, want 5", last)
	}
}

// FuzzOpen: whatever a segment holds, the log opens or says which file is damaged,
// and then leaves all as it was. What it opens goes on and opens again. The segment
// has two batches with valid checks and any records, something behind them, and
// then a byte that is flipped and an end that is cut off.
func FuzzOpen(f *testing.F) {
	one := appendEntry(appendEntry(nil, 1, kindEntry, entry(7, 2, 3)), 1, kindEntry, entry(8, 2, 0))
	f.Add(one, appendMark(nil, 1, kindTrim, 7), []byte{}, uint16(0), uint16(0))
	f.Add(one, appendMark(nil, 1, kindTruncate, 8), []byte{1}, uint16(600), uint16(0))
	f.Add(one, appendEntry(nil, 1, kindCopy, entry(6, 1, 2)), make([]byte, 600), uint16(0), uint16(300))
	f.Add(appendMark(nil, 1, kindTruncate, 0), appendMark(nil, 1, kindDrop, 0), []byte(magicBefore), uint16(520), uint16(0))
	f.Add(appendEntry(nil, 1, kindCopy, entry(1<<62, 1, 3)), appendMark(nil, 1, kindTruncate, 1), []byte{}, uint16(0), uint16(1))
	f.Fuzz(func(t *testing.T, a, b, tail []byte, flip, cut uint16) {
		text := segmentOf(1, a, b)
		text = append(text, tail...)
		copy(text, newHead(aligned(int64(len(text)))))
		salt := text[8:16]
		text = append(text, make([]byte, aligned(int64(len(text)))-int64(len(text)))...)
		if len(tail) > 100 { // looks like a batch
			copy(text[len(text)-len(tail):], salt)
		}
		seal(text[segmentHead:segmentHead+batchHead+len(a)], binary.LittleEndian.Uint64(salt), 1, 0)
		second := segmentHead + aligned(int64(batchHead+len(a)))
		seal(text[second:second+batchHead+int64(len(b))], binary.LittleEndian.Uint64(salt), 2, 1)
		if flip > 0 {
			text[int(flip)%len(text)] ^= byte(flip>>8) | 1
		}
		text = text[:len(text)-min(int(cut), len(text))]

		d := newDisk(false)
		name := segmentPath(".", 1)
		d.dir[name] = &inode{cache: text, stable: slices.Clone(text), dirty: map[int64][][]byte{}}
		w, err := Open("dir", Options{SegmentBytes: crashSegment, fs: d})
		if err != nil {
			if !strings.Contains(err.Error(), "dir") {
				t.Errorf("the error names no file: %v", err)
			}
			if !bytes.Equal(d.dir[name].cache, d.dir[name].stable) || d.steps > 1 {
				t.Errorf("the segment was changed, although the log isn't opened: %v", err)
			}
			return
		}
		l := w.Group(1)
		last, _ := l.LastIndex()
		if last < 1<<63 {
			if err := l.StoreLog(entry(last+1, 1, 5)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if w, err = Open("dir", Options{SegmentBytes: crashSegment, fs: d}); err != nil {
			t.Fatalf("opened once, but not again: %v", err)
		}
		if again, _ := w.Group(1).LastIndex(); last < 1<<63 && again != last+1 {
			t.Errorf("the log ends at %d, want %d", again, last+1)
		}
		_ = w.Close()
	})
}

// segmentOf lays batches of records out as a segment does, without heads.
func segmentOf(n int, batches ...[]byte) []byte {
	text := make([]byte, segmentHead)
	for _, records := range batches {
		text = append(text, make([]byte, aligned(int64(len(text)))-int64(len(text))+batchHead)...)
		text = append(text, records...)
	}
	return append(text, make([]byte, n*align)...)
}
