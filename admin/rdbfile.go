package admin

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/store"
)

// The RDB file of a node in plain mode: what SAVE, BGSAVE, the save points and the
// end of the process leave at dir/dbfilename, and a node without any state
// begins with (docs/decisions/0017-rdb-files.md). It is a copy for others: what the
// node itself goes by is in its data directory.

// dumps is the state of writing it.
type dumps struct {
	writing sync.Mutex  // held while the file is written
	busy    atomic.Bool // likewise, for who only wants to know
	mu      sync.Mutex
	tried   time.Time // end of the last try
	err     error     // of the last try
	saved   time.Time // end of the last success
	changes int64     // counted when the last success began
	skip    bool      // SHUTDOWN NOSAVE: none at the end
	serves  bool      // the state is complete: before, a file would be of a part of the log
}

// dumpPath returns where the file lies, "" in cluster mode, where a node's groups have none.
func (a *Admin) dumpPath() string {
	if a.Node.Cluster() {
		return ""
	}
	s := a.Config.Current()
	return s.Path(s.DBFilename)
}

// writeDump writes the file, so that a crash leaves the old or the new one, or
// returns store.ErrSaving if that is under way.
func (a *Admin) writeDump() error {
	path := a.dumpPath()
	if path == "" {
		return nil
	}
	if !a.dumps.writing.TryLock() {
		return store.ErrSaving
	}
	defer a.dumps.writing.Unlock()
	return a.writeDumpLocked(path)
}

func (a *Admin) writeDumpLocked(path string) error {
	a.dumps.busy.Store(true)
	defer a.dumps.busy.Store(false)
	changes := a.changes()
	err := a.writeDumpTo(path)
	a.dumps.mu.Lock()
	defer a.dumps.mu.Unlock()
	if a.dumps.tried, a.dumps.err = time.Now(), err; err == nil {
		a.dumps.saved, a.dumps.changes = a.dumps.tried, changes
	}
	return err
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
	w := bufio.NewWriterSize(f, 1<<20)
	for _, g := range a.Node.Groups() { // the one of plain mode
		if _, err := g.Export(w); err != nil {
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

// snapshot takes a snapshot of every replica on this node and writes the RDB file.
func (a *Admin) snapshot() error {
	var wg sync.WaitGroup
	groups := a.Node.Groups()
	errs := make(chan error, len(groups)+1)
	for _, g := range groups {
		// Ends with the snapshot it takes; the caller waits for it.
		wg.Go(func() { errs <- g.Save() })
	}
	wg.Wait()
	errs <- a.writeDump()
	close(errs)
	var failed error
	for err := range errs {
		failed = errors.Join(failed, err)
	}
	return failed
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
	changes := a.changes()
	a.dumps.mu.Lock()
	a.dumps.changes, a.dumps.serves = changes, true
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
		if err := a.snapshot(); err != nil && !errors.Is(err, store.ErrSaving) {
			a.Warn("save point reached, and nothing saved", "error", err)
		}
	}
}

func (a *Admin) savePointReached(now time.Time) bool {
	changes := a.changes()
	a.dumps.mu.Lock()
	changes -= a.dumps.changes
	serves := a.dumps.serves
	failed, since := a.dumps.err != nil && now.Sub(a.dumps.tried) < retrySave, now.Sub(a.lastSaveLocked())
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

// SaveAtEnd writes the RDB file when the process ends and no client writes any
// more, if there are save points and SHUTDOWN didn't say NOSAVE.
func (a *Admin) SaveAtEnd() error {
	a.dumps.mu.Lock()
	skip := a.dumps.skip || !a.dumps.serves
	a.dumps.mu.Unlock()
	if skip {
		return nil
	}
	path := a.dumpPath()
	if path == "" || len(a.Config.Current().Save) == 0 {
		return nil
	}
	a.dumps.writing.Lock() // one that is under way lacks the last writes
	defer a.dumps.writing.Unlock()
	return a.writeDumpLocked(path)
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
		if err := g.Import(f, merge); err != nil {
			return err
		}
	}
	return nil
}
