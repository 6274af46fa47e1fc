package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/fsm/rdb"
	"github.com/quorate/quorate/slots"
	"github.com/quorate/quorate/slots/hashslot"
)

// dumped returns what a node's file has: the groups it names, and the keys of each by the map.
func dumped(t *testing.T, n *Node) (groups []uint32, keys map[uint32]int, err error) {
	t.Helper()
	var b bytes.Buffer
	if err := n.Dump(&b, fsm.File{}, nil, nil); err != nil {
		if !errors.Is(err, ErrIncomplete) || b.Len() > 0 {
			t.Errorf("%d bytes were written, and then: %v", b.Len(), err)
		}
		return nil, nil, err
	}
	if fsm.FileNode(bytes.NewReader(b.Bytes())) != n.ID() {
		t.Error("the file isn't the node's own")
	}
	keys = map[uint32]int{}
	for d := rdb.NewDecoder(&b); ; {
		rec, err := d.Next()
		switch {
		case errors.Is(err, io.EOF):
			return groups, keys, nil
		case err != nil:
			t.Fatal(err)
		case rec.Kind == rdb.KeyValue:
			keys[n.Map().Slots[hashslot.Of(rec.Key)]]++
		case rec.Kind == rdb.AuxField && string(rec.Name) == fsm.AuxOrigin:
			o, err := fsm.ParseOrigin(rec.Text)
			if err != nil {
				t.Fatal(err)
			}
			groups = append(groups, o.Group)
		}
	}
}

// TestDumpMove: while a group moves from one node to another each file that is written has all
// keys of all groups that it names, and those are the node's, from before or behind the move.
func TestDumpMove(t *testing.T) {
	c := startCluster(t, 4)
	c.wait("all slots served", c.serves)
	const keys = 400
	want := map[uint32]int{}
	for i := range keys {
		key := fmt.Sprint("key:", i)
		c.wait("a write", func() bool { _, err := c.do("SET", key, "v"); return err == nil })
		want[c.nodes[0].Map().Slots[hashslot.Of([]byte(key))]]++
	}
	n := c.nodes[3]
	m := n.Map()
	var group *slots.Group
	for _, g := range m.Groups {
		if slices.Contains(g.Initial, n.ID()) && g.Preferred != n.ID() {
			group = g
		}
	}
	var others []string
	for _, id := range m.NodeIDs() {
		if id != n.ID() {
			others = append(others, id)
		}
	}
	before, behind := make([][]uint32, 4), make([][]uint32, 4)
	for i, node := range c.nodes {
		for _, id := range m.GroupIDs() {
			had := slices.Contains(m.Groups[id].Members, node.ID())
			if had {
				before[i] = append(before[i], id)
			}
			if id == group.ID {
				had = node != n
			}
			if had {
				behind[i] = append(behind[i], id)
			}
		}
	}
	look := func(i int) (groups []uint32) {
		groups, found, err := dumped(t, c.nodes[i])
		if err != nil {
			return nil
		}
		if !slices.Equal(groups, before[i]) && !slices.Equal(groups, behind[i]) {
			t.Errorf("the file of node %d has groups %v, want %v or %v", i, groups, before[i], behind[i])
		}
		for _, id := range groups {
			if found[id] != want[id] {
				t.Errorf("the file of node %d has %d keys of group %d, want %d", i, found[id], id, want[id])
			}
			delete(found, id)
		}
		if len(found) > 0 {
			t.Errorf("the file of node %d has keys of other groups: %v", i, found)
		}
		return groups
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range c.nodes {
		c.wait("a file", func() bool { return slices.Equal(look(i), before[i]) })
		// Ends when stop closes; the test waits.
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					look(i)
				}
			}
		})
	}
	c.wait("the map moves the replica", func() bool {
		return c.nodes[0].change(t.Context(), slots.Change{Members: &slots.Members{Group: group.ID, Nodes: others}}) == nil
	})
	for i := range c.nodes {
		c.wait("a file of the new groups", func() bool { return slices.Equal(look(i), behind[i]) })
	}
	close(stop)
}

// TestDumpIncomplete: a replica that is missing, or has lost its place in the table, is told and
// no file is written.
func TestDumpIncomplete(t *testing.T) {
	c := startCluster(t, 3)
	c.wait("all slots served", c.serves)
	n := c.nodes[0]
	c.wait("a file of all", func() bool { groups, _, err := dumped(t, n); return err == nil && len(groups) == 3 })
	n.mu.Lock()
	n.busy[2] = true // as while it is rebuilt
	n.mu.Unlock()
	if _, _, err := dumped(t, n); err == nil || n.Complete() || n.HasData() {
		t.Errorf("without group 2: %v", err)
	}
	n.mu.Lock()
	delete(n.busy, 2)
	n.mu.Unlock()
	c.wait("a file of all again", func() bool { _, _, err := dumped(t, n); return err == nil && n.Complete() && n.HasData() })
}

// TestLeavingLeadsNothing: a node that has handed over, and is still there because it writes its
// file, gives away what comes back to it when another node fails.
func TestLeavingLeadsNothing(t *testing.T) {
	c := startCluster(t, 3)
	c.wait("all slots served", c.serves)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	leaves, last := c.nodes[0], c.nodes[2]
	if !leaves.HandOver(ctx) {
		t.Fatal("nothing was handed over")
	}
	c.stop(1)
	c.wait("the node that stays leads everything", func() bool {
		for _, g := range last.Groups() {
			if g.Serving() == 0 {
				return false
			}
		}
		return last.Control().Serving() != 0
	})
	leaves.Stay()
	c.wait("the node that stays after all leads again", c.serves)
}
