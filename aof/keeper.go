package aof

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/gradual"
)

// Keeper keeps a directory up to date while the server runs, as redis-server does: a base,
// and increments to which the effects of all writes are appended. It follows what
// is applied and never holds it up: effects wait in memory until they are written, and
// when too many do, or something happens that commands can't tell, the chain is
// broken: what is on disk stays as it is until a new base is complete.
//
// While the base of a rewrite is written, effects behind its moment go to a new
// increment. If the chain holds, the manifest has that one behind the others, which
// are complete then, until it has the new base: what it names is always a whole.
//
// All methods are safe for concurrent use.
type Keeper struct {
	opt     Options
	follows atomic.Bool // effects are wanted
	on      atomic.Bool // between Start and Stop

	life sync.Mutex // held by Start and Stop
	run  *run       // nil: off

	mu    sync.Mutex // taken under the group's lock: nothing slow happens with it
	db    int        // selected at the end of what was taken; -1: none
	buf   []byte     // effects that aren't written yet
	cut   int        // where those of the next increment begin in buf; -1: there is no next one
	wake  chan struct{}
	asked bool // a rewrite is wanted
	gap   bool // the chain has broken since the last take
	figs  Figures
	began time.Time // of the rewrite under way
}

// Options configure a keeper. The functions are called again and again.
type Options struct {
	// Base writes all data as an RDB file. It calls begin once, at the moment whose
	// state that is: what happens later comes through Append.
	Base func(w io.Writer, begin func()) error
	// Sync tells whether increments are synced, which happens once a second.
	Sync func() bool
	// Growth tells by how much the files may grow, in percent, and up to which size they
	// may whatever that is, before they are written anew. 0 percent: never.
	Growth func() (percent, size int64)
	// Warn is told of what goes wrong.
	Warn func(msg string, args ...any)
	// Pending bounds the bytes of effects that wait; 0: 64 MiB.
	Pending int
	// Retry is how long a rewrite waits behind one that failed; 0: 5 s.
	Retry time.Duration
}

// Figures tell how a keeper stands.
type Figures struct {
	Rewriting bool
	Current   time.Duration // of the rewrite under way; -1: none
	Last      time.Duration // of the last one; -1: none
	RewriteOK bool          // the last one
	WriteOK   bool          // the last write of an increment
	Rewrites  int64
	Failures  int64 // of rewrites, since the last that succeeded
	Size      int64 // of all files
	BaseSize  int64 // that was, behind the last rewrite
	Waiting   int64 // bytes in memory
}

// NewKeeper returns a keeper that is off.
func NewKeeper(o Options) *Keeper {
	if o.Pending == 0 {
		o.Pending = 64 << 20
	}
	if o.Retry == 0 {
		o.Retry = 5 * time.Second
	}
	return &Keeper{opt: o, wake: make(chan struct{}, 1), cut: -1,
		figs: Figures{Last: -1, RewriteOK: true, WriteOK: true}}
}

// Start has the directory kept from now on. It begins with a new base: what was written
// while nobody kept it isn't there.
func (k *Keeper) Start(d Dir) error {
	k.life.Lock()
	defer k.life.Unlock()
	if k.run != nil {
		return nil
	}
	if err := d.create(); err != nil {
		return err
	}
	m, err := d.Manifest()
	if err != nil {
		return err
	}
	if m == nil {
		m = &Manifest{}
	}
	r := &run{k: k, dir: d, manifest: m, stop: make(chan struct{}), done: make(chan struct{}), based: make(chan error, 1)}
	k.run = r
	k.on.Store(true)
	k.askRewrite()
	// Owned by Keeper. Stops when r.stop closes; Stop waits.
	go r.loop()
	return nil
}

// Stop writes what waits and leaves the directory as it is then.
func (k *Keeper) Stop() {
	k.life.Lock()
	defer k.life.Unlock()
	if k.run != nil {
		close(k.run.stop)
		<-k.run.done
		k.run = nil
		k.on.Store(false)
	}
}

// On reports whether the directory is kept.
func (k *Keeper) On() bool { return k.on.Load() }

// ErrRewriting is returned by Rewrite while a rewrite is under way.
var ErrRewriting = errors.New("a rewrite is in progress")

// Rewrite begins a rewrite: a new base and an empty increment.
func (k *Keeper) Rewrite() error {
	if k.Figures().Rewriting {
		return ErrRewriting
	}
	k.askRewrite()
	return nil
}

func (k *Keeper) askRewrite() {
	k.mu.Lock()
	k.asked = true
	k.mu.Unlock()
	k.signal()
}

func (k *Keeper) signal() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Figures returns how the keeper stands.
func (k *Keeper) Figures() Figures {
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.figs
	f.Waiting = int64(len(k.buf))
	f.Current = -1
	if !k.began.IsZero() {
		f.Current = time.Since(k.began)
	}
	f.Rewriting = k.asked || f.Current >= 0
	return f
}

// Wanted reports whether effects are, and the database that is selected at the end of
// those that were taken, -1 for none.
func (k *Keeper) Wanted() (db int, wanted bool) {
	if !k.follows.Load() {
		return -1, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.db, true
}

// Append takes effects, and the database selected at their end. It doesn't block.
func (k *Keeper) Append(effects []byte, db int) {
	if !k.follows.Load() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.buf) > 0 && len(k.buf)+len(effects) > k.opt.Pending {
		k.breakLocked()
		return
	}
	k.buf, k.db = append(k.buf, effects...), db
	k.signal()
}

// Break says that the data has changed in a way that no effects tell.
func (k *Keeper) Break() {
	if !k.follows.Load() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.breakLocked()
}

// breakLocked ends the chain. Where it is broken the follower begins again.
func (k *Keeper) breakLocked() {
	k.follows.Store(false)
	k.buf, k.cut, k.gap, k.asked = nil, -1, true, true
	k.signal()
}

// begin is the moment of a base: effects from here on go to the next increment.
func (k *Keeper) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.follows.Load() {
		k.buf = nil
	}
	k.cut, k.db = len(k.buf), -1 // it begins with a SELECT
	k.follows.Store(true)
}

// take returns what waits, where in it the next increment begins, or -1, and whether the
// chain has broken before it.
func (k *Keeper) take() (buf []byte, cut int, gap bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	buf, cut, gap = k.buf, k.cut, k.gap
	k.buf, k.cut, k.gap = nil, -1, false
	return buf, cut, gap
}

// reuse gives the room of what was written back, unless it is large.
func (k *Keeper) reuse(buf []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.buf == nil && cap(buf) <= 1<<20 {
		k.buf = buf[:0]
	}
}

func (k *Keeper) count(f func(*Figures)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(&k.figs)
}

// run is the time between Start and Stop. Its fields belong to the loop.
type run struct {
	k        *Keeper
	dir      Dir
	manifest *Manifest // what is on disk
	out      *appended // the increment that is written; nil: the chain is broken
	next     *appended // of the rewrite under way, until its moment
	listed   bool      // the manifest has out
	basing   bool      // a rewrite is under way
	tried    time.Time // when the last failed
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
		if r.wantsRewrite() {
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
	r.tried = time.Now()
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
	wait := time.Since(r.tried) < r.k.opt.Retry
	if percent, size := r.k.opt.Growth(); percent > 0 && r.out != nil && f.Size > size &&
		(f.Size-f.BaseSize)*100/max(f.BaseSize, 1) >= percent && !wait {
		r.k.asked = true
	}
	return r.k.asked && !r.basing && (r.out != nil || !wait)
}

// rewrite begins a rewrite.
func (r *run) rewrite() {
	r.k.mu.Lock()
	r.k.asked, r.k.began = false, time.Now()
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
	err = r.k.opt.Base(stoppable{gradual.NewWriter(f), r.stop}, func() {
		begun = true
		r.k.begin()
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

// finish ends a rewrite whose base is complete, or failed.
func (r *run) finish(err error) {
	r.basing = false
	r.write() // so that the increment is the base's, if its moment came
	switch {
	case err != nil:
	case r.out == nil || r.next != nil:
		err = errors.New("the data has changed at once, or more than could be written: beginning anew")
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
	r.tried = time.Now()
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
	r.k.asked, r.k.began = false, time.Time{}
}
