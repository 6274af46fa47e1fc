package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// Sync says when what was appended is made durable.
type Sync int

// The policies of redis.conf's appendfsync.
const (
	Always      Sync = iota // before an append returns
	EverySecond             // at the latest a second later
	Never                   // when the system gets to it
)

// Options configure a log.
type Options struct {
	Sync         Sync
	SegmentBytes int64 // default 32 MiB
}

// WAL is the log of a node. Safe for concurrent use.
type WAL struct {
	dir string
	opt Options // Sync is where policy began

	policy atomic.Int32 // Sync; stored under mu

	mu       sync.Mutex
	groups   map[uint32]*index
	replay   map[uint32]*history // only while the log is loaded
	segments []*segment          // oldest first; the last one is written to
	seq      uint64              // of the next batch
	err      error               // the first failure: nothing works after it
	pending  *batch              // collects what comes while another batch is written
	current  *batch              // is being written: its changes aren't in the indexes yet
	writing  bool
	spares   []string // files that wait to become segments, no more than maxSpares
	making   bool     // a spare is being made
	made     int      // files that were spares, for their names
	idle     sync.Cond

	releasing sync.Mutex // one at a time deletes segments; taken before mu
	stop      chan struct{}
	wg        sync.WaitGroup
}

// batch is what one sync makes durable.
type batch struct {
	buf     []byte
	changes []change
	turn    chan struct{} // closed when the batch before it is written
	done    chan struct{} // closed when this one is
	err     error         // read after done is closed
}

// change is what a record does to the index once it is durable.
type change struct {
	group uint32
	kind  kind
	index uint64
	off   int64 // in the batch
	size  int
}

var errClosed = errors.New("the log is closed")

// Open opens or creates the log in dir.
func Open(dir string, o Options) (*WAL, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 32 << 20
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	w := &WAL{dir: dir, opt: o, groups: map[uint32]*index{}, replay: map[uint32]*history{}, seq: 1, stop: make(chan struct{})}
	w.idle.L = &w.mu
	err := w.removeSpares()
	if err == nil {
		err = w.load()
	}
	if err == nil && len(w.segments) == 0 {
		err = w.rotate(0)
	}
	if err != nil {
		for _, s := range w.segments {
			err = errors.Join(err, s.close())
		}
		return nil, err
	}
	if last := w.segments[len(w.segments)-1]; last.direct == nil {
		last.direct = openDirect(last.path)
	}
	w.policy.Store(int32(o.Sync))
	w.wg.Add(1)
	// Owned by WAL. Stops when w.stop closes; Close waits.
	go w.syncEverySecond()
	return w, nil
}

// SetSync changes when what was appended is made durable. When it has returned
// after a change to Always, everything that was appended before is durable.
func (w *WAL) SetSync(p Sync) error {
	w.releasing.Lock() // the segment stays open
	defer w.releasing.Unlock()
	w.mu.Lock()
	if w.err != nil {
		defer w.mu.Unlock()
		return w.err
	}
	w.policy.Store(int32(p))
	s := w.segments[len(w.segments)-1] // those before were synced when it was begun
	w.mu.Unlock()
	if p != Always {
		return nil
	}
	// A write that still saw the old policy has reached the file, or reads the new one.
	return w.syncNow(s)
}

// syncNow syncs a segment. A failure ends the log: what was acknowledged may be gone.
func (w *WAL) syncNow(s *segment) error {
	err := datasync(s.file)
	if err != nil {
		err = fmt.Errorf("sync the log: %w", err)
		w.mu.Lock()
		if w.err == nil {
			w.err = err
		}
		w.mu.Unlock()
	}
	return err
}

func (w *WAL) sync() Sync { return Sync(w.policy.Load()) }

// Close syncs and closes the log.
func (w *WAL) Close() error {
	w.mu.Lock()
	for w.writing || w.making {
		w.idle.Wait()
	}
	if errors.Is(w.err, errClosed) {
		w.mu.Unlock()
		return nil
	}
	failed := w.err
	w.err = errClosed
	w.mu.Unlock()
	close(w.stop)
	w.wg.Wait()
	var errs []error
	for _, s := range w.segments {
		if failed == nil && s == w.segments[len(w.segments)-1] {
			errs = append(errs, datasync(s.file))
		}
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// append makes records durable. fill, called with the lock held, adds them to a
// batch and says what they change. The first to add to a batch writes it, as soon
// as the batch before it is written; those who come until then share its sync.
func (w *WAL) append(fill func(*batch)) error {
	w.mu.Lock()
	b := w.pending
	if b != nil {
		fill(b)
		w.mu.Unlock()
		<-b.done
		return b.err
	}
	b = &batch{buf: buffers.Get().([]byte)[:batchHead], turn: make(chan struct{}), done: make(chan struct{})}
	w.pending = b
	fill(b)
	if w.writing {
		w.mu.Unlock()
		<-b.turn
		w.mu.Lock()
	}
	w.writing = true
	w.pending, w.current = nil, b
	if w.err == nil {
		w.commitLocked(b)
	}
	w.current = nil
	b.err = w.err
	close(b.done)
	if w.pending != nil {
		close(w.pending.turn) // its first one goes on
	} else {
		w.writing = false
		w.idle.Broadcast()
	}
	w.mu.Unlock()
	return b.err
}

// commitLocked writes a batch. The lock is free while the disk works.
func (w *WAL) commitLocked(b *batch) {
	seg, off, err := w.roomLocked(int64(len(b.buf)))
	if err == nil {
		seal(b.buf, w.seq)
		w.mu.Unlock()
		err = seg.write(off, b.buf, w.sync() == Always)
		w.mu.Lock()
	}
	if err != nil {
		if w.err == nil {
			w.err = fmt.Errorf("write the log: %w", err)
		}
		return
	}
	w.seq++
	seg.end = aligned(off + int64(len(b.buf)))
	w.settle(seg, off, b)
	if cap(b.buf) <= keepBuffer {
		buffers.Put(b.buf)
	}
	b.buf = nil
}

// settle brings the indexes up to date with a batch that is durable.
func (w *WAL) settle(s *segment, off int64, b *batch) {
	for _, c := range b.changes {
		x := w.indexLocked(c.group)
		switch c.kind {
		case kindEntry:
			x.put(c.index, place{s, off + c.off, c.size})
		case kindCopy:
			x.move(c.index, place{s, off + c.off, c.size})
		case kindTruncate:
			x.truncate(c.index)
		case kindTrim:
			x.trim(c.index)
		case kindDrop:
			x.clear()
		}
	}
}

func (w *WAL) indexLocked(group uint32) *index {
	x := w.groups[group]
	if x == nil {
		x = &index{}
		w.groups[group] = x
	}
	return x
}

// roomLocked returns where a batch of n bytes goes, in a new segment if the
// current one is full.
func (w *WAL) roomLocked(n int64) (*segment, int64, error) {
	s := w.segments[len(w.segments)-1]
	if s.end+n > s.size {
		if w.sync() != Always {
			if err := datasync(s.file); err != nil {
				return nil, 0, err
			}
		}
		if err := w.rotate(n); err != nil {
			return nil, 0, err
		}
		s = w.segments[len(w.segments)-1]
	}
	if 2*s.end > s.size {
		w.makeSpareLocked()
	}
	return s, s.end, nil
}

// rotate begins a segment that has room for n bytes.
func (w *WAL) rotate(n int64) error {
	// An empty segment that is too small, after a crash while it was made, has
	// the name of the new one, which takes its place.
	if i := len(w.segments) - 1; i >= 0 && w.segments[i].end == 0 {
		if err := w.segments[i].close(); err != nil {
			return err
		}
		w.segments = w.segments[:i]
	}
	path := segmentPath(w.dir, w.seq)
	size := max(w.opt.SegmentBytes, aligned(n))
	var f *os.File
	var err error
	if last := len(w.spares) - 1; last >= 0 && size == w.opt.SegmentBytes {
		if err = os.Rename(w.spares[last], path); err == nil {
			w.spares = w.spares[:last]
			f, err = os.OpenFile(path, os.O_RDWR, 0)
		}
	} else {
		f, err = makeFile(path, size)
	}
	if err == nil {
		err = syncDir(w.dir)
	}
	if err != nil {
		return fmt.Errorf("begin log segment: %w", err)
	}
	if i := len(w.segments) - 1; i >= 0 {
		if err := w.segments[i].closeDirect(); err != nil {
			return errors.Join(fmt.Errorf("end log segment: %w", err), f.Close())
		}
	}
	w.segments = append(w.segments, &segment{file: f, direct: openDirect(path), path: path, first: w.seq, size: size})
	return nil
}

// maxSpares is how many files are kept to become segments: a snapshot sets free
// about as many at once. More would only hold disk.
const maxSpares = 3

// spareNameLocked returns the name of a spare that has not been used.
func (w *WAL) spareNameLocked() string {
	w.made++
	return filepath.Join(w.dir, fmt.Sprintf("spare-%d", w.made))
}

// removeSpares deletes those that another run of the process has left.
func (w *WAL) removeSpares() error {
	names, err := filepath.Glob(filepath.Join(w.dir, "spare*"))
	for _, name := range names {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// makeSpareLocked has the next segment made in the background.
func (w *WAL) makeSpareLocked() {
	if len(w.spares) > 0 || w.making {
		return
	}
	w.making = true
	path := w.spareNameLocked()
	// Owned by WAL. Ends with the file; Close waits for w.making.
	go func() {
		f, err := makeFile(path, w.opt.SegmentBytes)
		if err == nil {
			err = f.Close()
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.making = false
		if err == nil {
			w.spares = append(w.spares, path)
		} // else rotate makes a segment itself, and meets the error
		w.idle.Broadcast()
	}()
}

func (w *WAL) syncEverySecond() {
	defer w.wg.Done()
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-t.C:
		}
		if w.sync() != EverySecond {
			continue
		}
		w.releasing.Lock() // the segment stays open
		w.mu.Lock()
		s, failed := w.segments[len(w.segments)-1], w.err != nil
		w.mu.Unlock()
		if !failed {
			_ = w.syncNow(s) // kept in w.err
		}
		w.releasing.Unlock()
		if failed {
			return
		}
	}
}

// read returns the entry of a group that lies at a place.
func (w *WAL) read(p place, group uint32, index uint64, out *raft.Log) error {
	b := make([]byte, p.size)
	if _, err := p.seg.file.ReadAt(b, p.off); err != nil {
		return fmt.Errorf("read the log at %s, offset %d: %w", p.seg.path, p.off, err)
	}
	r, err := parseRecord(b)
	if err != nil {
		return &DamageError{p.seg.path, p.off, err.Error()}
	}
	if r.group != group || r.index != index {
		return &DamageError{p.seg.path, p.off, fmt.Sprintf("entry %d of group %d lies where %d of group %d should", r.index, r.group, index, group)}
	}
	*out = r.log
	return nil
}
