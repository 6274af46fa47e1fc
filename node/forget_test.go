package node

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/wal"
)

// TestForget: a replica that is given up is gone at the next start, wherever a crash
// interrupted its deletion, and can come back; the others are untouched.
func TestForget(t *testing.T) {
	base := t.TempDir()
	all := newMigrated(t, base)
	given := all[7]
	delete(all, 7)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	start := func(dir string) *Node {
		t.Helper()
		id, err := readIdentity(dir)
		check(err)
		n := &Node{opt: Options{Dir: dir, Logger: hclog.NewNullLogger()}, id: id, log: hclog.NewNullLogger()}
		w, err := wal.Open(sharedLogDir(dir), wal.Options{})
		check(err)
		n.wal.Store(w)
		return n
	}
	for what, crash := range map[string]func(n *Node) error{
		"complete":           func(n *Node) error { return n.forget(7) },
		"after the identity": func(n *Node) error { delete(n.id.Groups, 7); return n.id.save() },
		"after the log": func(n *Node) error {
			delete(n.id.Groups, 7)
			return errors.Join(n.id.save(), n.wal.Load().Drop(7))
		},
		"in the middle of the files": func(n *Node) error {
			delete(n.id.Groups, 7)
			return errors.Join(n.id.save(), n.wal.Load().Drop(7), os.Remove(filepath.Join(n.dirOf(7), "raft.db")))
		},
	} {
		dir := t.TempDir()
		check(os.CopyFS(dir, os.DirFS(base)))
		n := start(dir)
		check(crash(n))
		check(n.wal.Load().Close())

		n = start(dir)
		check(n.forgetLeftovers())
		if _, err := os.Stat(n.dirOf(7)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the directory is left", what)
		}
		if last, _ := n.wal.Load().Group(7).LastIndex(); last != 0 {
			t.Errorf("%s: entries up to %d are left", what, last)
		}
		// It may come back, as an empty one.
		n.opt.Files = func(g uint32, dir string) (*store.Files, error) {
			f, err := store.OpenFiles(dir, true, n.log)
			if err == nil {
				f.Log = n.wal.Load().Group(g)
			}
			return f, err
		}
		n.disk = &store.Disk{} // it is asked only whether there is one
		n.mu.Lock()
		f, err := n.filesLocked(7)
		n.mu.Unlock()
		if err != nil {
			t.Fatalf("%s: the replica can't come back: %v", what, err)
		}
		check(f.Log.StoreLogs([]*raft.Log{given[0]}))
		check(f.Close())
		check(n.forget(7))
		check(n.wal.Load().Close())
		if err := all.held(dir, logShared); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
