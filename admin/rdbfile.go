package admin

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/gradual"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/store"
)

// The RDB file of a node: what SAVE, BGSAVE, the save points and the end of the process
// leave at dir/dbfilename (docs/decisions/0017-rdb-files.md, 0028-node-files.md), and in
// plain mode a node without any state begins with. It is a copy for others: what the
// node itself goes by is in its data directory.

// dumps is the state of writing it.
type dumps struct {
	writing sync.Mutex  // held while a save runs
	failing atomic.Bool // the last save in the background has failed
	absent  atomic.Bool // because a replica was missing
	stop    atomic.Bool // the one that runs is in vain: the process ends
	vain    atomic.Bool // the one in the background that runs is in vain: what it saves has been flushed

	// The rest is guarded by mu.
	mu       sync.Mutex
	began    time.Time     // of the save in the background that runs; zero: none does
	tried    time.Time     // when the last save in the background began
	took     time.Duration // of the last save in the background
	saved    time.Time     // end of the last success
	changes  counts        // when the last success began; nil: there was none
	saves    int64         // that have begun
	copied   int64         // bytes that the last save in the background had copied at once
	progress fsm.Progress  // of the file that is being written
	reloaded *fsm.Loaded   // what the file had that was loaded while the node served; nil: none was
	skip     bool          // SHUTDOWN NOSAVE: none at the end
	serves   bool          // the node serves: before, a file would be of a part of the log
}

// dumpPath returns where the file lies.
func (a *Admin) dumpPath() string {
	s := a.Config.Current()
	return s.Path(s.DBFilename)
}

// beginSave begins a save if none runs; endSave must follow.
func (a *Admin) beginSave(background bool) bool {
	if !a.dumps.writing.TryLock() {
		return false
	}
	a.countSave(background)
	return true
}

func (a *Admin) countSave(background bool) {
	a.dumps.mu.Lock()
	defer a.dumps.mu.Unlock()
	a.dumps.saves++
	if background {
		a.dumps.tried = time.Now()
		a.dumps.began = a.dumps.tried
	}
}

// endSave notes how a save went. Only one in the background counts as failed, as in
// Redis: who said SAVE has heard it.
func (a *Admin) endSave(background bool, changes counts, err error) {
	d := &a.dumps
	d.mu.Lock()
	if background {
		d.took, d.copied, d.began = time.Since(d.began), d.progress.Peak.Load(), time.Time{}
	}
	if err == nil {
		d.saved, d.changes = time.Now(), changes
	}
	if err == nil || background && !errors.Is(err, errInVain) {
		d.failing.Store(err != nil)
		d.absent.Store(errors.Is(err, node.ErrIncomplete))
	}
	d.vain.Store(false)
	d.progress.Reset()
	d.mu.Unlock()
	d.writing.Unlock()
}

// dumpPatience is how long SAVE and BGSAVE wait for a replica that is missing: it is
// being opened or given up, which takes a moment.
const dumpPatience = 5 * time.Second

// writeDump writes the file, so that a crash leaves the old or the new one. A save
// has begun. For a replica that is missing it waits as long as it may. It returns
// the changes that had been counted when the file's state was.
func (a *Admin) writeDump(patience time.Duration) (counts, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		changes, err := a.tryDump()
		if !errors.Is(err, node.ErrIncomplete) || a.dumps.stop.Load() || a.dumps.vain.Load() || time.Now().After(deadline) {
			return changes, err
		}
	}
}

func (a *Admin) tryDump() (_ counts, err error) {
	path := a.dumpPath()
	aside := filepath.Join(filepath.Dir(path), fmt.Sprintf("temp-%d.rdb", os.Getpid()))
	f, err := os.OpenFile(aside, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(aside))
		}
	}()
	w := bufio.NewWriterSize(stoppable{gradual.NewWriter(f), &a.dumps}, 1<<20)
	s := a.Config.Current()
	a.dumps.progress.Reset()
	changes := counts{}
	file := fsm.File{Uncompressed: !s.RDBCompression, NoChecksum: !s.RDBChecksum, Progress: &a.dumps.progress}
	if err := a.Node.Dump(w, file, func(m node.Moment) { changes[m.Of] = m.Changes }, nil); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := errors.Join(w.Flush(), f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := a.keepFound(path); err != nil {
		return nil, err
	}
	if err := os.Rename(aside, path); err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return changes, nil // the file is there
	}
	return changes, errors.Join(dir.Sync(), dir.Close())
}

// saveFile is SAVE without Raft snapshots, once no other save runs.
func (a *Admin) saveFile() error {
	a.dumps.writing.Lock()
	return a.saveFileLocked()
}

// saveFileLocked is saveFile for who holds the lock, which it releases.
func (a *Admin) saveFileLocked() error {
	a.countSave(false)
	changes, err := a.writeDump(0)
	a.endSave(false, changes, err)
	return err
}

// stoppable is a file whose writing can be given up.
type stoppable struct {
	io.Writer
	d *dumps
}

func (s stoppable) Write(p []byte) (int, error) {
	switch {
	case s.d.vain.Load():
		return 0, errInVain
	case s.d.stop.Load():
		return 0, errors.New("the server stops")
	}
	return s.Writer.Write(p)
}

// errInVain is why a save in the background was given up that saved what FLUSHALL has
// deleted. As in Redis it doesn't count as failed.
var errInVain = errors.New("all keys were deleted meanwhile")

// save writes the RDB file and, if compact says so, takes a Raft snapshot of each
// replica. A save has begun, and ends.
func (a *Admin) save(background, compact bool) (err error) {
	var changes counts
	defer func() { a.endSave(background, changes, err) }()
	if changes, err = a.writeDump(dumpPatience); err == nil && compact {
		err = a.compact(background)
	}
	return err
}

// compact takes a Raft snapshot of each replica, which shortens its log.
func (a *Admin) compact(background bool) (err error) {
	var wg sync.WaitGroup
	groups := a.Node.Groups()
	errs := make(chan error, len(groups))
	for _, g := range groups {
		// Ends with the snapshot it takes; the caller waits for it.
		wg.Go(func() {
			err := g.Save()
			// One that is being taken anyway will do, but for who waits for one of now.
			for ; errors.Is(err, store.ErrSaving) && !background && !a.dumps.stop.Load(); err = g.Save() {
				time.Sleep(20 * time.Millisecond)
			}
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for e := range errs {
		if !errors.Is(e, store.ErrSaving) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// saveInBackground begins BGSAVE and returns, or returns false if a save runs.
func (a *Admin) saveInBackground() bool {
	if !a.beginSave(true) {
		return false
	}
	// Ends with the save; the data is in the log, so that nobody need wait.
	go a.saveAside(a.Node.Cluster())
	return true
}

// saveAside is a save in the background that has begun.
func (a *Admin) saveAside(compact bool) {
	switch err := a.save(true, compact); {
	case errors.Is(err, errInVain):
		a.Warn("Background saving given up", "reason", err)
	case err != nil:
		a.Warn("Background saving error", "error", err)
	}
}

// Flushed follows FLUSHALL and returns when the RDB file has nothing any more that was
// deleted by it, if there are save points: who starts a server beside the file
// must not get it back. A save in the background that would write it is given up. As
// in Redis the command has succeeded whatever becomes of the file.
func (a *Admin) Flushed() {
	d := &a.dumps
	d.mu.Lock()
	if !d.began.IsZero() {
		d.vain.Store(true)
	}
	d.mu.Unlock()
	if len(a.Config.Current().Save) == 0 {
		return
	}
	d.writing.Lock()
	changes, err := a.writeDump(0)
	a.endSave(false, changes, err)
	if err != nil {
		a.Warn("nothing saved for FLUSHALL", "error", err)
	}
}

// NotSaved reports whether writes are refused because the last save in the background
// has failed, unless it was for want of a replica: that comes back by itself.
func (a *Admin) NotSaved() bool {
	if !a.dumps.failing.Load() || a.dumps.absent.Load() {
		return false
	}
	s := a.Config.Current()
	return s.StopWritesOnBgsaveError && len(s.Save) > 0
}

// counts are the changes that each replica on the node has counted in this process.
type counts map[*fsm.Stats]int64

func (a *Admin) changes() counts {
	all := counts{}
	for _, g := range a.Node.Groups() {
		of, n := g.Changes()
		all[of] = n
	}
	return all
}

// since returns how many of them came after others. A replica that has come or gone in
// between is a change.
func (c counts) since(before counts) (n int64) {
	for of, now := range c {
		then, had := before[of]
		if n += now - then; before != nil && !had {
			n++
		}
	}
	for of := range before {
		if _, has := c[of]; !has {
			n++
		}
	}
	return n
}

// retrySave is how long a save point waits after a failure, as in Redis.
const retrySave = 5 * time.Second

// Served says that the node serves: from now on there may be files.
func (a *Admin) Served() {
	a.dumps.mu.Lock()
	a.dumps.serves = true
	a.dumps.mu.Unlock()
}

// lastLoad returns what the last file that was loaded had: the first clients may ask before Served.
func (a *Admin) lastLoad() fsm.Loaded {
	a.dumps.mu.Lock()
	again := a.dumps.reloaded
	a.dumps.mu.Unlock()
	if again != nil {
		return *again
	}
	return a.Node.Loaded()
}

// SavePoints writes the RDB file whenever a save point is reached, until stop closes.
func (a *Admin) SavePoints(stop <-chan struct{}) {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for known := false; ; {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		if !known && a.Node.Complete() {
			known = true
			a.countFromHere()
		}
		if a.savePointReached(time.Now()) && a.Node.Complete() && a.beginSave(true) {
			a.saveAside(false)
		}
	}
}

// countFromHere has the replicas of now be those that the last file had.
func (a *Admin) countFromHere() {
	all := a.changes()
	a.dumps.mu.Lock()
	defer a.dumps.mu.Unlock()
	if a.dumps.changes == nil {
		for of := range all {
			all[of] = 0
		}
		a.dumps.changes = all
	}
}

func (a *Admin) savePointReached(now time.Time) bool {
	counted := a.changes()
	a.dumps.mu.Lock()
	changes := counted.since(a.dumps.changes)
	serves := a.dumps.serves
	failed, since := a.dumps.failing.Load() && now.Sub(a.dumps.tried) <= retrySave, now.Sub(a.lastSaveLocked())
	a.dumps.mu.Unlock()
	if changes == 0 || failed || !serves {
		return false
	}
	for _, p := range a.Config.Current().Save {
		if changes >= p.Changes && since > time.Duration(p.Seconds)*time.Second {
			return true
		}
	}
	return false
}

func (a *Admin) lastSaveLocked() time.Time {
	if a.dumps.saved.IsZero() {
		return a.Started
	}
	return a.dumps.saved
}

// AbandonSave has the RDB file that is being written given up, as the process ends:
// it lacks the last writes. SaveAtEnd must follow.
func (a *Admin) AbandonSave() { a.dumps.stop.Store(true) }

// SaveAtEnd writes the RDB file when the process ends and no client writes any
// more, if there are save points and SHUTDOWN didn't say NOSAVE.
func (a *Admin) SaveAtEnd() error {
	a.dumps.writing.Lock() // what was given up has cleaned up
	a.dumps.stop.Store(false)
	a.dumps.mu.Lock()
	skip := a.dumps.skip || !a.dumps.serves
	a.dumps.mu.Unlock()
	if skip || len(a.Config.Current().Save) == 0 {
		a.dumps.writing.Unlock()
		return nil
	}
	return a.saveFileLocked()
}

// loadDump puts the file in the place of the data, or with merge beside it.
func (a *Admin) loadDump(merge bool) error {
	if a.Node.Cluster() {
		return errors.New("a node of a cluster doesn't load its RDB file")
	}
	f, err := os.Open(a.dumpPath())
	if err != nil {
		return err
	}
	defer f.Close()
	for _, g := range a.Node.Groups() {
		loaded, err := g.Import(f, merge)
		if err != nil {
			return err
		}
		a.dumps.mu.Lock()
		a.dumps.reloaded = &loaded
		a.dumps.mu.Unlock()
	}
	return nil
}
