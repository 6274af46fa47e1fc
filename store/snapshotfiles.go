package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/store/fault"
)

// snapshotFiles is the library's snapshot store, one directory a snapshot, with
// what it leaves out for the case of a crash.
type snapshotFiles struct {
	*raft.FileSnapshotStore
	dir string
}

// The names that the library gives to its directory, and to a snapshot that is
// being written.
const (
	snapshotDir = "snapshots"
	unfinished  = ".tmp"
)

// openSnapshots opens the snapshots of a replica in dir. Those that a crash has
// left half written are deleted: the library would keep them for ever.
func openSnapshots(dir string, log hclog.Logger) (*snapshotFiles, error) {
	s, err := raft.NewFileSnapshotStoreWithLogger(dir, 2, log)
	if err != nil {
		return nil, err
	}
	f := &snapshotFiles{s, filepath.Join(dir, snapshotDir)}
	names, err := os.ReadDir(f.dir)
	for _, n := range names {
		if strings.HasSuffix(n.Name(), unfinished) {
			log.Info("deleting a snapshot that was not finished", "name", n.Name())
			err = errors.Join(err, os.RemoveAll(filepath.Join(f.dir, n.Name())))
		}
	}
	return f, err
}

// Create implements raft.SnapshotStore. The library syncs a snapshot's files and
// the directory that it is moved to, but not the one that holds the files.
func (f *snapshotFiles) Create(v raft.SnapshotVersion, index, term uint64, c raft.Configuration, at uint64, t raft.Transport) (raft.SnapshotSink, error) {
	sink, err := f.FileSnapshotStore.Create(v, index, term, c, at, t)
	if err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Join(f.dir, sink.ID()+unfinished)); err != nil {
		return nil, errors.Join(err, sink.Cancel())
	}
	return snapshotSink{sink}, nil
}

type snapshotSink struct{ raft.SnapshotSink }

// Close puts the snapshot in place.
func (s snapshotSink) Close() error {
	fault.Point("snapshot: before it is in place")
	err := s.SnapshotSink.Close()
	fault.Point("snapshot: after it is in place")
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
