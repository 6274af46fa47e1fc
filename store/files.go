package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// Files are what one replica keeps between runs: log, stable state (term,
// vote) and snapshots.
type Files struct {
	Log       raft.LogStore
	Stable    raft.StableStore
	Snapshots raft.SnapshotStore
	Close     func() error

	// Temp opens a file without a name, which is gone when it is closed; nil: there is
	// nowhere to have one.
	Temp func() (*os.File, error)
}

// OpenFiles opens or creates the files of a replica in dir. sync tells whether
// a write returns only when it is on stable storage; without it a crash of the
// machine can lose acknowledged writes.
func OpenFiles(dir string, sync bool, log hclog.Logger) (*Files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create replica directory: %w", err)
	}
	// The freelist isn't written at each commit: it is rebuilt at opening.
	bolt, err := raftboltdb.New(raftboltdb.Options{
		Path:   filepath.Join(dir, "raft.db"),
		NoSync: !sync,
		BoltOptions: &bbolt.Options{Timeout: time.Second, NoFreelistSync: true,
			FreelistType: bbolt.FreelistMapType, InitialMmapSize: 64 << 20},
	})
	if errors.Is(err, bbolt.ErrTimeout) {
		return nil, fmt.Errorf("open log in %s: another process uses it", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open log in %s: %w", dir, err)
	}
	snaps, err := openSnapshots(dir, log.Named("snapshot"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open snapshots in %s: %w", dir, err), bolt.Close())
	}
	// What was made here is found again after a power failure.
	if err := errors.Join(syncDir(dir), syncDir(filepath.Dir(filepath.Clean(dir)))); err != nil {
		return nil, errors.Join(fmt.Errorf("sync replica directory: %w", err), bolt.Close())
	}
	return &Files{Log: bolt, Stable: bolt, Snapshots: snaps, Close: bolt.Close, Temp: func() (*os.File, error) { return nameless(dir) }}, nil
}

// check looks for what would make the library go wrong quietly, before it
// starts: a log that lacks entries behind the newest snapshot, and one that
// disagrees with it at its index (hashicorp/raft issue 697), which is dropped, as the
// snapshot is committed and the log's tail is not. So is what an installed
// snapshot has left behind of an older log. A snapshot that can't be read stops the
// start by itself.
func (f *Files) check(log hclog.Logger) error {
	snaps, err := f.Snapshots.List()
	if err != nil {
		return fmt.Errorf("list snapshots: %w", err)
	}
	first, err := f.Log.FirstIndex()
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	last, err := f.Log.LastIndex()
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	if len(snaps) == 0 {
		if first > 1 {
			return fmt.Errorf("the log begins at entry %d and there is no snapshot of what came before", first)
		}
		return nil
	}
	newest := snaps[0]
	if first > newest.Index+1 {
		return fmt.Errorf("the log begins at entry %d but the newest snapshot ends at %d", first, newest.Index)
	}
	if first == 0 || newest.Index < first {
		return nil
	}
	var at raft.Log
	err = raft.ErrLogNotFound
	if newest.Index <= last {
		err = f.Log.GetLog(newest.Index, &at)
	}
	if errors.Is(err, raft.ErrLogNotFound) {
		// The snapshot came from another node, and a crash kept what was before it
		// from being deleted: entries that may never have been committed.
		log.Info("dropping the log from before an installed snapshot", "first", first, "snapshot", newest.Index)
		return f.Log.DeleteRange(first, min(newest.Index, last))
	}
	if err != nil {
		return fmt.Errorf("read log entry %d: %w", newest.Index, err)
	}
	if at.Term != newest.Term {
		log.Warn("dropping a log that disagrees with the newest snapshot",
			"index", newest.Index, "log-term", at.Term, "snapshot-term", newest.Term)
		return f.Log.DeleteRange(first, last)
	}
	return nil
}

// nameless opens a file in dir that has no name any more.
func nameless(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "temp-*.rdb")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
