package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/wal"
)

// The names of quorate-log-store.
const (
	logShared = "shared" // one log for all groups of the node (package wal)
	logBolt   = "boltdb" // one raft-boltdb file a group
)

// openLog opens the node's log as configured. A node keeps the kind it began
// with: the other one would find no entries.
func (n *Node) openLog() error {
	if n.opt.LogStore == "" {
		n.opt.LogStore = logShared
	}
	if n.id.Log == "" {
		if n.id.Log = logBolt; len(n.id.Groups) == 0 {
			n.id.Log = n.opt.LogStore
		}
		if err := n.id.save(); err != nil {
			return fmt.Errorf("write the node's identity: %w", err)
		}
	}
	if n.id.Log != n.opt.LogStore {
		return fmt.Errorf("this node's log is kept as %q: set quorate-log-store to that, or move it with \"quorate log migrate --dir %s --to %s\"",
			n.id.Log, n.opt.Dir, n.opt.LogStore)
	}
	n.opt.Files = func(_ uint32, dir string) (*store.Files, error) {
		return store.OpenFiles(dir, n.opt.Fsync == wal.Always, n.opt.Logger)
	}
	if n.id.Log != logShared {
		return nil
	}
	dir := sharedLogDir(n.opt.Dir)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) && len(n.id.Groups) > 0 {
		return fmt.Errorf("the log is gone from %s, and with it what this node promised: "+
			"wipe the whole data directory to come back as a new node", dir)
	}
	var err error
	if n.wal, err = wal.Open(dir, wal.Options{Sync: n.opt.Fsync}); err != nil {
		return err
	}
	n.opt.Files = func(group uint32, dir string) (*store.Files, error) {
		// Term and vote are always synced, whatever the policy for writes.
		f, err := store.OpenFiles(dir, true, n.opt.Logger)
		if err == nil {
			f.Log = n.wal.Group(group)
		}
		return f, err
	}
	return nil
}

// sharedLogDir is where a node with that data directory has its shared log.
func sharedLogDir(dir string) string { return filepath.Join(dir, "log") }

// SetFsync changes appendfsync while the node runs. After an error the policy is
// what it was, or the log has failed and the node with it.
func (n *Node) SetFsync(p wal.Sync) error {
	if n.wal == nil {
		return errors.New("the log in boltdb files can't change when it is synced while the server runs")
	}
	return n.wal.SetSync(p)
}
