package store

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/store/wal"
)

// Archive is what a replica of a node that isn't running has on disk. Reading it
// changes nothing there.
type Archive struct {
	First, Last uint64             // entries of the log; both 0: none
	Snapshot    *raft.SnapshotMeta // the newest; nil: none

	dir  string
	log  raft.LogStore
	bolt io.Closer // of a log in a file of its own
}

// OpenArchive reads the replica in dir. Its log is shared, or in a file of its own if
// that is nil.
func OpenArchive(dir string, shared *wal.Log) (*Archive, error) {
	a := &Archive{dir: dir, log: shared}
	if shared == nil {
		path := filepath.Join(dir, "raft.db")
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("open log: %w", err)
		}
		bolt, err := raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: &bbolt.Options{Timeout: time.Second, ReadOnly: true}})
		if err != nil {
			return nil, fmt.Errorf("open log in %s: %w", dir, err)
		}
		a.log, a.bolt = bolt, bolt
	}
	var err error
	if a.First, err = a.log.FirstIndex(); err == nil {
		a.Last, err = a.log.LastIndex()
	}
	if err == nil {
		a.Snapshot, err = newestSnapshot(dir)
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// Close closes what OpenArchive has opened.
func (a *Archive) Close() error {
	if a.bolt == nil {
		return nil
	}
	return a.bolt.Close()
}

// Entry returns an entry of the log.
func (a *Archive) Entry(index uint64) (l raft.Log, err error) {
	if err = a.log.GetLog(index, &l); err != nil {
		return l, fmt.Errorf("log entry %d: %w", index, err)
	}
	return l, nil
}

// Behind returns the first and the last entry behind the snapshot; none: the first is
// above the last. An error says that some between are missing. A log that
// disagrees with the snapshot doesn't count, as at a start: see Files.check.
func (a *Archive) Behind() (first, last uint64, err error) {
	if a.Snapshot == nil {
		if a.First > 1 {
			return 0, 0, fmt.Errorf("the log begins at entry %d and there is no snapshot of what came before", a.First)
		}
		return max(a.First, 1), a.Last, nil
	}
	at := a.Snapshot.Index
	switch {
	case a.First > at+1:
		return 0, 0, fmt.Errorf("the log begins at entry %d but the newest snapshot ends at %d", a.First, at)
	case a.Last <= at:
		return at + 1, at, nil
	case at >= a.First:
		l, err := a.Entry(at)
		if err != nil {
			return 0, 0, err
		}
		if l.Term != a.Snapshot.Term {
			return at + 1, at, nil
		}
	}
	return at + 1, a.Last, nil
}

// Committed returns the last entry that is known to be committed: Raft doesn't write
// that down. What a snapshot holds is. So is all that the proposer of an entry
// had applied before, as the entry tells, and as logs that agree on an entry
// agree on what is in front of it. And where this node is the only voter, all
// that it has.
func (a *Archive) Committed(node string) (uint64, error) {
	first, last, err := a.Behind()
	if err != nil {
		return 0, err
	}
	var known uint64
	var members raft.Configuration
	if a.Snapshot != nil {
		known, members = a.Snapshot.Index, a.Snapshot.Configuration
	}
	for i := first; i <= last; i++ {
		l, err := a.Entry(i)
		if err != nil {
			return 0, err
		}
		switch l.Type {
		case raft.LogConfiguration:
			members = raft.DecodeConfiguration(l.Data)
		case raft.LogCommand:
			h, _, err := fsm.ParseHeader(l.Data)
			if err != nil {
				return 0, fmt.Errorf("entry %d: %w", i, err)
			}
			known = max(known, min(h.Applied, i-1))
		}
	}
	var voters []raft.ServerID
	for _, s := range members.Servers {
		if s.Suffrage == raft.Voter {
			voters = append(voters, s.ID)
		}
	}
	if len(voters) == 1 && voters[0] == raft.ServerID(node) {
		known = max(known, last)
	}
	return known, nil
}

// State returns the machine of the newest snapshot, or an empty one.
func (a *Archive) State(o fsm.Options) (*fsm.Machine, error) {
	if a.Snapshot == nil {
		return fsm.New(o), nil
	}
	f, err := os.Open(filepath.Join(a.dir, snapshotDir, a.Snapshot.ID, snapshotContent))
	if err != nil {
		return nil, err
	}
	m, err := fsm.Restore(bufio.NewReaderSize(f, 1<<20), o)
	return m, errors.Join(err, f.Close())
}

// newestSnapshot finds the newest complete snapshot below a replica's directory. The
// library's own store would write there.
func newestSnapshot(dir string) (*raft.SnapshotMeta, error) {
	names, err := os.ReadDir(filepath.Join(dir, "snapshots"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var newest *raft.SnapshotMeta
	for _, n := range names {
		if !n.IsDir() || strings.HasSuffix(n.Name(), ".tmp") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, "snapshots", n.Name(), "meta.json"))
		if err != nil {
			return nil, fmt.Errorf("snapshot %s: %w", n.Name(), err)
		}
		meta := &raft.SnapshotMeta{}
		if err := json.Unmarshal(text, meta); err != nil {
			return nil, fmt.Errorf("snapshot %s: meta.json: %w", n.Name(), err)
		}
		meta.ID = n.Name()
		if newest == nil || meta.Term > newest.Term || meta.Term == newest.Term && (meta.Index > newest.Index ||
			meta.Index == newest.Index && meta.ID > newest.ID) {
			newest = meta
		}
	}
	return newest, nil
}
