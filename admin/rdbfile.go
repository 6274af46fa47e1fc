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
	"github.com/quorate/quorate/store"
)

// The RDB file of a node in plain mode: what SAVE, BGSAVE, the save points and the
// end of the process leave at dir/dbfilename, and a node without any state
// begins with (docs/decisions/0017-rdb-files.md). It is a copy for others: what the
// node itself goes by is in its data directory.

// dumps is the state of writing it. In cluster mode it tells about the Raft
// snapshots of all replicas on the node.
type dumps struct {
	writing sync.Mutex  // held while a save runs
	failing atomic.Bool // the last save in the background has failed
	stop    atomic.Bool // the one that runs is in vain: the process ends
	vain    atomic.Bool // the one in the background that runs is in vain: what it saves has been flushed

	// The rest is guarded by mu.
	mu       sync.Mutex
	began    time.Time     // of the save in the background that runs; zero: none does
	tried    time.Time     // when the last save in the background began
	took     time.Duration // of the last save in the background
	saved    time.Time     // end of the last success
	changes  int64         // counted when the last success began
	saves    int64         // that have begun
	copied   int64         // bytes that the last save in the background had copied at once
	progress fsm.Progress  // of the file that is being written
	loaded   fsm.Loaded    // what the last file that was loaded had
	skip     bool          // SHUTDOWN NOSAVE: none at the end
	serves   bool          // the state is complete: before, a file would be of a part of the log
}

// dumpPath returns where the file lies, "" in cluster mode, where a node's groups have none.
func (a *Admin) dumpPath() string {
	if a.Node.Cluster() {
		return ""
	}
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
func (a *Admin) endSave(background bool, changes int64, err error) {
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
	}
	d.vain.Store(false)
	d.progress.Reset()
	d.mu.Unlock()
	d.writing.Unlock()
}

// writeDump writes the file, so that a crash leaves the old or the new one. A save
// has begun. In cluster mode there is none.
func (a *Admin) writeDump() error {
	if path := a.dumpPath(); path != "" {
		return a.writeDumpTo(path)
	}
	return nil
}

func (a *Admin) writeDumpTo(path string) (err error) {
	aside := filepath.Join(filepath.Dir(path), fmt.Sprintf("temp-%d.rdb", os.Getpid()))
	f, err := os.OpenFile(aside, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(aside))
		}
	}()
	w := bufio.NewWriterSize(stoppable{gradual.NewWriter(f), &a.dumps}, 1<<20)
	s := a.Config.Current()
	for _, g := range a.Node.Groups() { // the one of plain mode
		if err := g.Export(w, fsm.File{Uncompressed: !s.RDBCompression, NoChecksum: !s.RDBChecksum, Progress: &a.dumps.progress}); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := errors.Join(w.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(aside, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // the file is there
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// saveFile is SAVE without Raft snapshots, once no other save runs.
func (a *Admin) saveFile() error {
	a.dumps.writing.Lock()
	return a.saveFileLocked()
}

// saveFileLocked is saveFile for who holds the lock, which it releases.
func (a *Admin) saveFileLocked() error {
	a.countSave(false)
	changes := a.changes()
	err := a.writeDump()
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

// save writes the RDB file or, in cluster mode, takes a snapshot of every replica. A
// save has begun, and ends.
func (a *Admin) save(background bool) (err error) {
	changes := a.changes()
	defer func() { a.endSave(background, changes, err) }()
	if a.dumpPath() != "" {
		return a.writeDump()
	}
	var wg sync.WaitGroup
	groups := a.Node.Groups()
	errs := make(chan error, len(groups))
	for _, g := range groups {
		// Ends with the snapshot it takes; the caller waits for it.
		wg.Go(func() { errs <- g.Save() })
	}
	wg.Wait()
	close(errs)
	for e := range errs {
		// A snapshot that is being taken anyway will do, but for who waits for one of now.
		if !errors.Is(e, store.ErrSaving) || !background {
			err = errors.Join(err, e)
		}
	}
	return err
}

// saveInBackground begins a save and returns, or returns false if one runs.
func (a *Admin) saveInBackground() bool {
	if !a.beginSave(true) {
		return false
	}
	// Ends with the save; the data is in the log, so that nobody need wait.
	go a.saveAside()
	return true
}

// saveAside is a save in the background that has begun.
func (a *Admin) saveAside() {
	switch err := a.save(true); {
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
	if a.dumpPath() == "" {
		return
	}
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
	changes := a.changes()
	err := a.writeDump()
	a.endSave(false, changes, err)
	if err != nil {
		a.Warn("nothing saved for FLUSHALL", "error", err)
	}
}

// NotSaved reports whether writes are refused because the last save in the background
// has failed.
func (a *Admin) NotSaved() bool {
	if !a.dumps.failing.Load() {
		return false
	}
	s := a.Config.Current()
	return s.StopWritesOnBgsaveError && len(s.Save) > 0 && !s.ClusterEnabled
}

// changes counts what was written on this node since the process began.
func (a *Admin) changes() (n int64) {
	for _, g := range a.Node.Groups() {
		g.View(func(m *fsm.Machine) { n += m.Stats.Changes.Load() })
	}
	return n
}

// retrySave is how long a save point waits after a failure, as in Redis.
const retrySave = 5 * time.Second

// Served says that the node has all its state: what the log held doesn't count as
// changed since the last file, and from now on there may be files.
func (a *Admin) Served() {
	changes, loaded := a.Node.Replayed(), a.Node.Loaded() // clients may write already
	a.dumps.mu.Lock()
	a.dumps.changes, a.dumps.loaded, a.dumps.serves = changes, loaded, true
	a.dumps.mu.Unlock()
}

// SavePoints writes the RDB file whenever a save point is reached, until stop closes.
func (a *Admin) SavePoints(stop <-chan struct{}) {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		if a.dumpPath() == "" || !a.savePointReached(time.Now()) {
			continue
		}
		if a.beginSave(true) {
			a.saveAside()
		}
	}
}

func (a *Admin) savePointReached(now time.Time) bool {
	changes := a.changes()
	a.dumps.mu.Lock()
	changes -= a.dumps.changes
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
	if skip || a.dumpPath() == "" || len(a.Config.Current().Save) == 0 {
		a.dumps.writing.Unlock()
		return nil
	}
	return a.saveFileLocked()
}

// loadDump puts the file in the place of the data, or with merge beside it.
func (a *Admin) loadDump(merge bool) error {
	path := a.dumpPath()
	if path == "" {
		return errors.New("a node of a cluster has no RDB file of its own")
	}
	f, err := os.Open(path)
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
		a.dumps.loaded = loaded
		a.dumps.mu.Unlock()
	}
	return nil
}
