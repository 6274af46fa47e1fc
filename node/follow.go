package node

import (
	"errors"
	"io"
	"os"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/store"
)

// Follow writes the state of the groups that this node leads, as far as it is
// wanted, as one RDB file and returns it, with its size, from its beginning. begin is called for each
// group at the moment whose state the file has. The file has no name any more and
// is gone when it is closed.
//
// It lies on the disk and not in memory because whoever reads it may be slow: for
// as long as a snapshot is open, what is written costs memory.
func (n *Node) Follow(file fsm.File, begin func(g *store.Group)) (r io.ReadCloser, size int64, err error) {
	parts, done, err := n.follow(file, begin)
	defer done()
	if err != nil {
		return nil, 0, err
	}
	return n.snapshotFile(file, parts)
}

// follow opens snapshots of the groups that this node leads; done closes them.
func (n *Node) follow(file fsm.File, begin func(g *store.Group)) (parts []fsm.SnapshotPart, done func(), err error) {
	var opened []func()
	done = func() {
		for _, d := range opened {
			d()
		}
	}
	for _, g := range n.Led() {
		part, d, err := g.Follow(file, func() { begin(g) })
		if err != nil {
			return nil, done, err
		}
		parts, opened = append(parts, part), append(opened, d)
	}
	return parts, done, nil
}

// Backup is Follow for the group that serves a slot, with all that was
// acknowledged there before the call: the file says in its Origin what it has. The group must be led by
// this node, else redirect is the error reply that sends a client elsewhere.
func (n *Node) Backup(slot int) (file io.ReadCloser, size int64, redirect string, err error) {
	g, redirect := n.Route(slot)
	if g == nil {
		return nil, 0, redirect, nil
	}
	var term uint64
	part, done, err := g.Follow(fsm.File{}, func() { term = g.Serving() })
	if errors.Is(err, store.ErrNotLeader) || errors.Is(err, store.ErrNoQuorum) {
		return nil, 0, n.Redirect(slot), nil
	}
	if err != nil {
		return nil, 0, "", err
	}
	defer done()
	if term == 0 { // deposed in that moment
		return nil, 0, n.Redirect(slot), nil
	}
	part.Group, part.Term = g.ID(), term
	file, size, err = n.snapshotFile(fsm.File{}, []fsm.SnapshotPart{part})
	return file, size, "", err
}

// snapshotFile writes snapshots as one RDB file without a name.
func (n *Node) snapshotFile(kind fsm.File, parts []fsm.SnapshotPart) (file io.ReadCloser, size int64, err error) {
	f, err := os.CreateTemp(n.opt.Dir, "sync-*.rdb")
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := os.Remove(f.Name()); err != nil {
		return nil, 0, err
	}
	if err := fsm.WriteFile(f, kind, parts); err != nil {
		return nil, 0, err
	}
	if size, err = f.Seek(0, io.SeekCurrent); err != nil {
		return nil, 0, err
	}
	if _, err = f.Seek(0, io.SeekStart); err != nil {
		return nil, 0, err
	}
	return f, size, nil
}
