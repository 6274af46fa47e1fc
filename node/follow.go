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
func (n *Node) Follow(c fsm.Content, begin func(g *store.Group)) (file io.ReadCloser, size int64, err error) {
	var parts []fsm.SnapshotPart
	defer func() {
		if err != nil && file != nil {
			err = errors.Join(err, file.Close())
			file = nil
		}
	}()
	for _, g := range n.Led() {
		part, done, err := g.Follow(func() { begin(g) })
		if err != nil {
			return nil, 0, err
		}
		defer done()
		parts = append(parts, part)
	}
	f, err := os.CreateTemp(n.opt.Dir, "sync-*.rdb")
	if err != nil {
		return nil, 0, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return f, 0, err
	}
	if err := fsm.WriteSnapshots(f, parts, c); err != nil {
		return f, 0, err
	}
	if size, err = f.Seek(0, io.SeekCurrent); err != nil {
		return f, 0, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return f, size, err
}
