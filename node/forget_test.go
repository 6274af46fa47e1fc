package node

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/slots"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/wal"
)

// TestForget: a replica that is given up is gone at the next start, wherever a crash
// interrupted its deletion; the others are untouched.
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
		// What is opened in its place is empty.
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
			t.Fatalf("%s: nothing can be opened in its place: %v", what, err)
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

// TestGivenUpStaysAway: a node that was taken out of a group and has deleted its replica
// doesn't begin an empty one because of an older map, which is what it goes by at a start
// until it hears how far the control group's log is committed. Under its old ID that
// replica would vote, for one that lacks what the deleted one has acknowledged.
func TestGivenUpStaysAway(t *testing.T) {
	c := startCluster(t, 4)
	c.wait("all slots served", c.serves)
	n := c.nodes[3]
	old := n.Map()
	var group *slots.Group
	for _, g := range old.Groups {
		if slices.Contains(g.Initial, n.ID()) && g.Preferred != n.ID() {
			group = g
		}
	}
	var others []string
	for _, id := range old.NodeIDs() {
		if id != n.ID() {
			others = append(others, id)
		}
	}
	change := func(members []string) error {
		return c.nodes[0].change(t.Context(), slots.Change{Members: &slots.Members{Group: group.ID, Nodes: members}})
	}
	c.wait("the map takes the replica away", func() bool { return change(others) == nil })
	gone := func(n *Node) bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		_, err := os.Stat(n.dirOf(group.ID))
		return n.groups[group.ID] == nil && !n.busy[group.ID] && errors.Is(err, os.ErrNotExist)
	}
	c.wait("the replica is deleted", func() bool { return gone(n) })

	for i := range c.nodes {
		c.stop(i)
	}
	c.start(3) // alone: nobody tells it what is committed
	n = c.nodes[3]
	if ok, err := n.Opened(t.Context()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	n.runReplicas(old)
	c.wait("what the old map gives the node is open", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.busy) == 0 && len(n.groups) > 0
	})
	if !gone(n) {
		t.Error("an older map has brought an empty replica to life")
	}
	for i := range 3 {
		c.start(i)
	}
	c.wait("all slots served again", c.serves)
	if !gone(n) {
		t.Error("the replica is back")
	}
	// Nor does a newer map ask for it.
	if err := change(append(slices.Clone(others), n.ID())); err == nil || !strings.Contains(err.Error(), "can't come back") {
		t.Errorf("the node was made a member again: %v", err)
	}
}
