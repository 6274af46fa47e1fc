package node

import (
	"errors"
	"fmt"
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
	kind, groups, err := n.logKind()
	if err != nil {
		return err
	}
	n.opt.Files = func(_ uint32, dir string) (*store.Files, error) {
		// Always synced: term and vote are in the same file, and a power failure can
		// leave a bolt file that wasn't synced unreadable.
		return store.OpenFiles(dir, true, n.opt.Logger)
	}
	if kind != logShared {
		return nil
	}
	dir := sharedLogDir(n.opt.Dir)
	if groups > 0 && !wal.Exists(dir) {
		return fmt.Errorf("the log is gone from %s, and with it what this node promised: "+
			"wipe the whole data directory to come back as a new node", dir)
	}
	w, err := wal.Open(dir, wal.Options{Sync: n.opt.Fsync})
	if err != nil {
		return err
	}
	n.wal.Store(w)
	n.opt.Files = func(group uint32, dir string) (*store.Files, error) {
		// Term and vote are always synced, whatever the policy for writes.
		f, err := store.OpenFiles(dir, true, n.opt.Logger)
		if err == nil {
			f.Log = w.Group(group)
		}
		return f, err
	}
	return nil
}

// sharedLogDir is where a node with that data directory has its shared log.
func sharedLogDir(dir string) string { return filepath.Join(dir, "log") }

// logKind returns the kind of the node's log, and how many groups are in it.
func (n *Node) logKind() (kind string, groups int, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.id.Log == "" {
		if n.id.Log = logBolt; len(n.id.Groups) == 0 {
			n.id.Log = n.opt.LogStore
		}
		if err := n.id.save(); err != nil {
			return "", 0, fmt.Errorf("write the node's identity: %w", err)
		}
	}
	if n.id.Log != n.opt.LogStore {
		return "", 0, fmt.Errorf("this node's log is kept as %q: set quorate-log-store to that, or move it with \"quorate log migrate --dir %s --to %s\"",
			n.id.Log, n.opt.Dir, n.opt.LogStore)
	}
	return n.id.Log, len(n.id.Groups), nil
}

// SetFsync changes appendfsync while the node runs. After an error the policy is
// what it was, or the log has failed and the node with it. The log in bolt files is
// always synced.
func (n *Node) SetFsync(p wal.Sync) error {
	w := n.wal.Load()
	switch {
	case w != nil:
		return w.SetSync(p)
	case n.opt.LogStore == logBolt:
		return nil
	}
	return errors.New("the log is being opened")
}
