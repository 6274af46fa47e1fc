package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/wal"
)

// Stopped is the data of a node that isn't running. Reading it changes nothing.
type Stopped struct {
	Dir     string // the data directory
	ID      string // of the node
	Cluster bool   // its mode

	id   *identity
	lock *os.File
	wal  *wal.WAL
}

// OpenStopped opens the data below the configured dir, or that directory itself. It
// fails if a process uses it, and keeps processes from that until Close.
func OpenStopped(dir string) (*Stopped, error) {
	if _, err := os.Stat(identityPath(dir)); err != nil {
		below := filepath.Join(dir, DataDir)
		if _, err := os.Stat(identityPath(below)); err != nil {
			return nil, fmt.Errorf("no data of a node in %s", dir)
		}
		dir = below
	}
	lock, err := takeLock(dir, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	s := &Stopped{Dir: dir, lock: lock}
	if s.id, err = readIdentity(dir); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.ID, s.Cluster = s.id.Node, s.id.Mode == "cluster"
	if s.id.Log == logShared {
		if s.wal, err = wal.OpenToRead(sharedLogDir(dir)); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Close lets others have the data.
func (s *Stopped) Close() error {
	var err error
	if s.wal != nil {
		err = s.wal.Close()
	}
	return errors.Join(err, s.lock.Close())
}

// Groups returns the groups with a replica here, in order; a cluster's control group,
// whose entries aren't commands, is number 0.
func (s *Stopped) Groups() []uint32 {
	var out []uint32
	for g := range s.id.Groups {
		out = append(out, g)
	}
	slices.Sort(out)
	return out
}

// Archive opens a group's replica.
func (s *Stopped) Archive(group uint32) (*store.Archive, error) {
	var log *wal.Log
	if s.wal != nil {
		log = s.wal.Group(group)
	}
	a, err := store.OpenArchive(groupDir(s.Dir, group), log)
	if err != nil {
		return nil, fmt.Errorf("group %d: %w", group, err)
	}
	return a, nil
}

// Skip returns the steps of a group that are left out because they panicked.
func (s *Stopped) Skip(group uint32) ([]fsm.Poison, error) {
	return readPoison(filepath.Join(groupDir(s.Dir, group), poisonName))
}
