package aof

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/quorate/quorate/gradual"
)

// run is the time between Start and Stop. Its fields belong to the loop.
type run struct {
	k        *Keeper
	dir      Dir
	manifest *Manifest // what is on disk
	out      *appended // the increment that is written; nil: the chain is broken
	next     *appended // of the rewrite under way, until its moment
	listed   bool      // the manifest has out
	basing   bool      // a rewrite is under way
	again    time.Time // when the next may begin, behind one that failed
	synced   time.Time
	stop     chan struct{}
	done     chan struct{}
	based    chan error // of the base under way
}

// appended is an increment.
type appended struct {
	f     *os.File
	file  File
	size  int64
	dirty bool
}

func (r *run) loop() {
	defer close(r.done)
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-r.stop:
			r.end()
			return
		case err := <-r.based:
			r.finish(err)
		case <-r.k.wake:
		case <-t.C:
		}
		r.write()
		r.syncInTime(time.Now())
		if r.wantsRewrite() && (r.k.opt.Ready == nil || r.k.opt.Ready()) {
			r.rewrite()
		}
	}
}

// write writes what waits.
func (r *run) write() {
	buf, cut, gap := r.k.take()
	if gap && r.out != nil {
		r.drop()
	}
	if cut >= 0 {
		listed := r.out != nil
		if listed {
			r.append(buf[:cut])
			if !r.close() || !r.continueIn(r.next.file) {
				return // the rest would stand behind a gap
			}
		}
		buf = buf[cut:]
		r.out, r.next, r.listed = r.next, nil, listed
	}
	r.append(buf)
	r.k.reuse(buf)
}

// continueIn lists an increment behind the others, which are complete.
func (r *run) continueIn(f File) bool {
	m := *r.manifest
	m.Increments = append(m.Increments[:len(m.Increments):len(m.Increments)], f)
	err := r.list(&m)
	if err != nil {
		r.warn(err)
	}
	return err == nil
}

func (r *run) append(b []byte) {
	if len(b) == 0 || r.out == nil {
		return
	}
	if _, err := r.out.f.Write(b); err != nil {
		r.failed(err)
		return
	}
	r.out.size += int64(len(b))
	r.out.dirty = true
	r.k.count(func(f *Figures) { f.Size += int64(len(b)) })
}

// failed breaks the chain: a write or a sync has failed. What is torn is cut off.
func (r *run) failed(err error) {
	_ = r.out.f.Truncate(r.out.size) // a reader leaves what is torn out as well
	r.drop()
	r.warn(err)
}

// warn tells that an increment can't be written, which ends the chain.
func (r *run) warn(err error) {
	r.k.opt.Warn("the append-only file can't be written: it will begin anew", "error", err)
	r.k.count(func(f *Figures) { f.WriteOK = false })
	r.again = time.Now().Add(r.k.opt.Retry)
	r.k.Break()
}

// drop closes an increment that nothing is appended to any more.
func (r *run) drop() {
	_ = r.out.f.Close() // what it lacks, it lacks anyway
	r.out = nil
}

func (r *run) syncInTime(now time.Time) {
	if now.Sub(r.synced) < time.Second {
		return
	}
	r.synced = now
	if r.out == nil || !r.out.dirty || !r.k.opt.Sync() {
		return
	}
	r.out.dirty = false
	if err := r.out.f.Sync(); err != nil {
		r.failed(err)
	}
}

// close ends the increment that is written. False: it failed, or had failed before.
func (r *run) close() bool {
	if r.out == nil {
		return false
	}
	err := r.out.f.Sync()
	if err == nil {
		err = r.out.f.Close()
	}
	if err != nil {
		r.failed(err)
		return false
	}
	r.out = nil
	return true
}

// list puts a manifest in force. After an error either may be: the file tells.
func (r *run) list(m *Manifest) error {
	err := r.dir.WriteManifest(m)
	if err != nil {
		if there, rerr := r.dir.Manifest(); rerr == nil && there != nil {
			r.manifest = there
		}
		return err
	}
	r.manifest = m
	return nil
}

func (r *run) wantsRewrite() bool {
	r.k.mu.Lock()
	defer r.k.mu.Unlock()
	f := &r.k.figs
	wait := time.Now().Before(r.again)
	if percent, size := r.k.opt.Growth(); percent > 0 && r.out != nil && f.Size > size &&
		(f.Size-f.BaseSize)*100/max(f.BaseSize, 1) >= percent && !wait {
		r.k.asked = true
	}
	return r.k.asked && !r.basing && (r.out != nil || !wait)
}

// rewrite begins a rewrite.
func (r *run) rewrite() {
	r.k.mu.Lock()
	r.k.asked, r.k.began, r.k.void = false, time.Now(), false
	r.k.mu.Unlock()
	if err := r.openNext(); err != nil {
		r.fail(err)
		return
	}
	r.basing = true
	// Owned by run. Ends with the base, or soon behind r.stop; loop waits for r.based.
	go func() { r.based <- r.base() }()
}

// openNext makes the increment behind the base. Before it is listed its name is free: a
// file of that name is what a crash or a failure has left.
func (r *run) openNext() error {
	file := r.manifest.nextIncrement(r.dir.Name)
	f, err := os.OpenFile(r.dir.file(file.Name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err == nil {
		r.next = &appended{f: f, file: file}
	}
	return err
}

func (r *run) baseName() string { return "temp-" + r.dir.Name + ".base" }

// base writes the base under a name for the time being.
func (r *run) base() error {
	f, err := os.OpenFile(r.dir.file(r.baseName()), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	begun := false
	err = r.k.opt.Base(stoppable{gradual.NewWriter(f), r.stop}, r.k.begin, func() {
		begun = true
		r.k.all()
	})
	if err == nil && !begun {
		err = errors.New("nobody has the data")
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// stoppable is a writer that fails when the keeper stops.
type stoppable struct {
	w    io.Writer
	stop chan struct{}
}

var errStopped = errors.New("stopped")

// Write implements io.Writer.
func (s stoppable) Write(b []byte) (int, error) {
	select {
	case <-s.stop:
		return 0, errStopped
	default:
		return s.w.Write(b)
	}
}

// errChanged is why a base is in vain that nothing was wrong with. changedRetry bounds what
// such rewrites cost: FLUSHALL of several groups comes in a row.
var errChanged = errors.New("the data has changed at once, or more than could be written: beginning anew")

const changedRetry = 200 * time.Millisecond

// finish ends a rewrite whose base is complete, or failed.
func (r *run) finish(err error) {
	r.basing = false
	r.write() // so that the increment is the base's, if its moment came
	switch {
	case err != nil:
	case r.out == nil || r.next != nil:
		err = errChanged
	default:
		err = r.adopt()
	}
	if err != nil {
		r.fail(err)
	}
}

// adopt puts the new base in force.
func (r *run) adopt() error {
	old := r.manifest
	base := old.nextBase(r.dir.Name)
	if err := r.dir.rename(r.baseName(), base.Name); err != nil {
		return err
	}
	m := &Manifest{Base: &base, Increments: []File{r.out.file}, History: append([]File(nil), old.History...)}
	for _, f := range old.Files() {
		if f != r.out.file {
			f.Kind = History
			m.History = append(m.History, f)
		}
	}
	if err := r.list(m); err != nil {
		return err
	}
	r.listed = true
	r.tidy()
	size := r.out.size
	if st, err := os.Stat(r.dir.file(base.Name)); err == nil {
		size += st.Size()
	}
	r.k.mu.Lock()
	defer r.k.mu.Unlock()
	f := &r.k.figs
	f.Last, f.Size, f.BaseSize = time.Since(r.k.began), size, size
	f.RewriteOK, f.WriteOK, f.Failures = true, true, 0
	f.Rewrites++
	r.k.began = time.Time{}
	return nil
}

// tidy deletes what isn't needed any more. What can't be deleted stays listed as that.
func (r *run) tidy() {
	var left []File
	for _, f := range r.manifest.History {
		if err := r.dir.remove(f.Name); err != nil && !errors.Is(err, os.ErrNotExist) {
			r.k.opt.Warn("an old append-only file stays", "file", f.Name, "error", err)
			left = append(left, f)
		}
	}
	m := *r.manifest
	m.History = left
	if err := r.list(&m); err != nil {
		r.k.opt.Warn("the manifest still names files that are gone", "error", err)
	}
}

// fail ends a rewrite that failed. While the chain holds it goes on.
func (r *run) fail(err error) {
	if !errors.Is(err, errStopped) {
		r.k.opt.Warn("rewriting the append-only files failed", "error", err)
	}
	r.again = time.Now().Add(r.k.opt.Retry)
	if errors.Is(err, errChanged) {
		r.again = time.Now().Add(min(r.k.opt.Retry, changedRetry)) // nothing is wrong
	}
	r.k.abandon()
	_ = r.dir.remove(r.baseName()) // it may never have been made
	if r.out != nil && !r.listed { // what follows has no base
		r.k.Break()
		r.k.take()
		r.drop()
	}
	if n := r.next; n != nil {
		_ = n.f.Close() // it is empty
		r.next = nil
	}
	r.k.mu.Lock()
	defer r.k.mu.Unlock()
	f := &r.k.figs
	f.Last, f.RewriteOK = time.Since(r.k.began), false
	f.Failures++
	r.k.began = time.Time{}
	r.k.asked = r.k.asked || r.out == nil
}

// end is the end of the loop: no effects are taken any more, and what waits is written.
func (r *run) end() {
	if r.basing {
		r.finish(<-r.based)
	}
	r.k.follows.Store(false)
	r.write()
	r.close()
	r.k.mu.Lock()
	defer r.k.mu.Unlock()
	r.k.chain = nil
	r.k.asked, r.k.began = false, time.Time{}
}
