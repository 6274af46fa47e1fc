package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"golang.org/x/sys/unix"

	"github.com/quorate/quorate/store/fault"
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

	fs fileSystem // nil: that of the machine
}

// WAL is the log of a node. Safe for concurrent use.
type WAL struct {
	dir  string
	opt  Options // Sync is where policy began
	look bool    // OpenToRead: nothing is ever changed

	policy atomic.Int32 // Sync; stored under mu

	mu       sync.Mutex
	groups   map[uint32]*index
	replay   map[uint32]*history // only while the log is loaded
	segments []*segment          // oldest first; the last one is written to
	seq      uint64              // of the next batch
	durable  uint64              // the newest batch that is on stable storage, as those before it are
	err      error               // the first failure: nothing works after it
	pending  *batch              // collects what comes while another batch is written
	current  *batch              // is being written: its changes aren't in the indexes yet
	writing  bool
	spares   []string // files that wait to become segments, no more than maxSpares
	making   bool     // a spare is being made
	failed   *segment // while it was written to, no spare could be made: not tried again
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

var (
	errClosed   = errors.New("the log is closed")
	errReadOnly = errors.New("the log was opened to be read")
)

// Open opens or creates the log in dir.
func Open(dir string, o Options) (*WAL, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = fault.SegmentBytes(32 << 20)
	}
	if o.fs == nil {
		o.fs = osFiles{}
	}
	if err := o.fs.mkdir(dir); err != nil {
		return nil, err
	}
	w := &WAL{dir: dir, opt: o, groups: map[uint32]*index{}, replay: map[uint32]*history{}, seq: 1, stop: make(chan struct{})}
	w.idle.L = &w.mu
	err := w.load()
	if err == nil {
		err = w.removeSpares()
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
		last.direct = o.fs.openDirect(last.path)
	}
	w.policy.Store(int32(o.Sync))
	w.wg.Add(1)
	// Owned by WAL. Stops when w.stop closes; Close waits.
	go w.syncEverySecond()
	return w, nil
}

// OpenToRead opens the log in dir, which no process may use meanwhile, and
// changes nothing there. What a crash has left unfinished at the end is ignored.
func OpenToRead(dir string) (*WAL, error) {
	w := &WAL{dir: dir, opt: Options{fs: filesToRead{}}, look: true, groups: map[uint32]*index{}, replay: map[uint32]*history{}, seq: 1, stop: make(chan struct{})}
	w.idle.L = &w.mu
	if err := w.load(); err != nil {
		for _, s := range w.segments {
			err = errors.Join(err, s.close())
		}
		return nil, err
	}
	w.err = errReadOnly
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
	w.mu.Unlock()
	if p != Always {
		return nil
	}
	// A write that has looked at the old policy looks again when it is done.
	return w.syncNow()
}

// syncNow makes durable what has been written. A failure ends the log: what was
// acknowledged may be gone. Called with releasing held, so that the segment stays open.
func (w *WAL) syncNow() error {
	w.mu.Lock()
	s, last := w.segments[len(w.segments)-1], w.seq-1 // segments before were synced when it was begun
	w.mu.Unlock()
	err := datasync(s.file)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		return w.failLocked(fmt.Errorf("sync the log: %w", err))
	}
	w.durable = max(w.durable, last)
	return nil
}

func datasync(f file) error {
	if err := fault.Error("log: sync"); err != nil {
		return err
	}
	return f.Datasync()
}

// failLocked ends the log: nothing works from here on. It returns the first failure.
func (w *WAL) failLocked(err error) error {
	if w.err == nil {
		w.err = err
	}
	return w.err
}

func (w *WAL) sync() Sync { return Sync(w.policy.Load()) }

// Close syncs and closes the log.
func (w *WAL) Close() error {
	w.releasing.Lock()
	w.mu.Lock()
	for w.writing || w.making {
		w.idle.Wait()
	}
	if errors.Is(w.err, errClosed) {
		w.mu.Unlock()
		w.releasing.Unlock()
		return nil
	}
	failed := w.err
	w.err = errClosed
	w.mu.Unlock()
	w.releasing.Unlock()
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
	durable := false
	if err == nil {
		seal(b.buf, seg.salt, w.seq, w.durable)
		clean := w.durable+1 == w.seq
		w.mu.Unlock()
		durable, err = w.put(seg, off, b.buf, clean)
		w.mu.Lock()
	}
	if err != nil {
		_ = w.failLocked(fmt.Errorf("write the log: %w", err)) // read from w.err
		return
	}
	if durable {
		w.durable = w.seq
	}
	w.seq++
	seg.end = aligned(off + int64(len(b.buf)))
	w.settle(seg, off, b)
	if cap(b.buf) <= keepBuffer {
		buffers.Put(b.buf)
	}
	b.buf = nil
}

// put writes a batch and, as the policy says, makes it durable, with everything
// before it. clean says that everything before it is. A policy that changes while
// the batch is written counts: SetSync syncs only what was written before.
func (w *WAL) put(s *segment, off int64, b []byte, clean bool) (durable bool, err error) {
	fault.Point("log: before a batch is written")
	if err := fault.Error("log: write"); err != nil {
		return false, err
	}
	durable, err = s.write(off, b, clean && w.sync() == Always)
	if err == nil && !durable && w.sync() == Always {
		durable, err = true, datasync(s.file)
	}
	fault.Point("log: after a batch is written")
	return durable, err
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
		// A segment is begun when the one before it is complete on the disk.
		if w.durable+1 < w.seq {
			if err := datasync(s.file); err != nil {
				return nil, 0, err
			}
			w.durable = w.seq - 1
		}
		if err := w.rotate(n); err != nil {
			return nil, 0, fmt.Errorf("begin log segment: %w", err)
		}
		s = w.segments[len(w.segments)-1]
	}
	if 2*s.end > s.size {
		w.makeSpareLocked()
	}
	return s, s.end, nil
}

// rotate begins a segment that has room for n bytes. It gets its name when it is
// complete: a segment without a valid head is never a crash's.
func (w *WAL) rotate(n int64) error {
	// An empty segment that is too small has the name of the new one, which takes
	// its place.
	last := len(w.segments) - 1
	if last >= 0 && w.segments[last].end == segmentHead {
		if err := w.segments[last].close(); err != nil {
			return err
		}
		w.segments = w.segments[:last]
		last--
	}
	spare, err := w.spareLocked(segmentHead + n)
	if err != nil {
		return err
	}
	path := segmentPath(w.dir, w.seq)
	fault.Point("log: before a segment gets its name")
	if err := w.opt.fs.rename(spare, path); err != nil {
		return err
	}
	if err := w.opt.fs.syncDir(w.dir); err != nil {
		return err
	}
	fault.Point("log: after a segment got its name")
	s, err := openSegment(w.opt.fs, path, w.seq)
	if err != nil {
		return err
	}
	if last >= 0 {
		if err := w.segments[last].closeDirect(); err != nil {
			return errors.Join(err, s.close())
		}
	}
	s.direct = w.opt.fs.openDirect(path)
	w.segments = append(w.segments, s)
	return nil
}

// spareLocked takes a spare or makes one, of at least n bytes. Where there is no
// room for an ordinary one a small one does: the log goes on as long as it can.
func (w *WAL) spareLocked(n int64) (path string, err error) {
	size := max(w.opt.SegmentBytes, aligned(n))
	if last := len(w.spares) - 1; last >= 0 && size == w.opt.SegmentBytes {
		path = w.spares[last]
		w.spares = w.spares[:last]
		return path, nil
	}
	path = w.spareNameLocked()
	err = makeFile(w.opt.fs, path, size)
	if small := max(smallSegment, aligned(n)); small < size && errors.Is(err, unix.ENOSPC) {
		path = w.spareNameLocked()
		err = makeFile(w.opt.fs, path, small)
	}
	return path, err
}

// smallSegment is the size of a segment for which there is hardly room.
const smallSegment = 256 << 10

// maxSpares is how many files are kept to become segments: a snapshot sets free
// about as many at once. More would only hold disk.
const maxSpares = 3

const sparePrefix = "spare-"

// spareNameLocked returns the name of a spare that has not been used.
func (w *WAL) spareNameLocked() string {
	w.made++
	return filepath.Join(w.dir, fmt.Sprint(sparePrefix, w.made))
}

// removeSpares deletes those that another run of the process has left.
func (w *WAL) removeSpares() error {
	names, err := w.opt.fs.list(w.dir)
	for _, name := range names {
		if strings.HasPrefix(name, sparePrefix) {
			err = errors.Join(err, w.opt.fs.remove(filepath.Join(w.dir, name)))
		}
	}
	return err
}

// makeSpareLocked has the next segment made in the background.
func (w *WAL) makeSpareLocked() {
	current := w.segments[len(w.segments)-1]
	if len(w.spares) > 0 || w.making || w.failed == current {
		return
	}
	w.making = true
	path := w.spareNameLocked()
	// Owned by WAL. Ends with the file; Close waits for w.making.
	go func() {
		err := makeFile(w.opt.fs, path, w.opt.SegmentBytes)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.making = false
		if err == nil {
			w.spares = append(w.spares, path)
		} else {
			w.failed = current // rotate makes a segment itself, and meets the error
		}
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
		failed := w.err != nil
		w.mu.Unlock()
		if !failed {
			_ = w.syncNow() // kept in w.err
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
