package node

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/slots/hashslot"
	"github.com/quorate/quorate/store"
)

// ErrIncomplete is returned by Dump while a replica of this node is missing: a file
// without it would be taken for the whole.
var ErrIncomplete = errors.New("this node doesn't have all its data at the moment")

// Dump writes what this node has as one RDB file: in plain mode all data, in cluster mode
// what its replicas have, whether they lead or not: all that was acknowledged before, as far as
// the leaders answer (docs/decisions/0028-node-files.md). Others go on meanwhile.
//
// begin, if not nil, is called for each group at the moment whose state the file has, and all
// with the last of them.
func (n *Node) Dump(w io.Writer, file fsm.File, begin func(Moment), all func()) error {
	groups, err := n.complete()
	if err != nil {
		return err
	}
	if n.opt.Cluster {
		file.Node = n.id.Node
		catchUp(groups)
	}
	var parts []fsm.SnapshotPart
	for i, g := range groups {
		part, done, err := g.Export(file, func(of *fsm.Stats, changes int64) {
			if begin != nil {
				begin(Moment{Group: g.ID(), Of: of, Changes: changes})
			}
			if all != nil && i == len(groups)-1 {
				all()
			}
		})
		if err != nil {
			return fmt.Errorf("%w: group %d: %w", ErrIncomplete, g.ID(), err)
		}
		defer done()
		if !n.opt.Cluster {
			part.Group = 0 // it says nothing of groups
		}
		parts = append(parts, part)
	}
	if now, err := n.complete(); err != nil || !slices.Equal(now, groups) {
		return errors.Join(fmt.Errorf("%w: its groups have changed", ErrIncomplete), err)
	}
	if err := n.allSlots(parts); err != nil {
		return err
	}
	if len(groups) == 0 {
		file.Now = time.Now().UnixMilli()
	}
	return fsm.WriteFile(store.Pace(w, groups...), file, parts)
}

// A Moment is the one whose state of a group a file has.
type Moment struct {
	Group   uint32
	Of      *fsm.Stats // whose count Changes is (store.Group.Changes)
	Changes int64
}

// catchUp waits until the replicas have what their leaders have, as far as these answer.
func catchUp(groups []*store.Group) {
	var wg sync.WaitGroup
	for _, g := range groups {
		// Ends within the limit; waited for below.
		wg.Go(func() { g.CatchUp(time.Second) })
	}
	wg.Wait()
}

// Complete reports whether Dump would have all that it should have.
func (n *Node) Complete() bool {
	_, err := n.complete()
	return err == nil
}

// HasData reports whether Dump would have all of at least one group.
func (n *Node) HasData() bool {
	groups, err := n.complete()
	return err == nil && len(groups) > 0
}

// complete returns the data groups of which this node is to have a replica, by number, or
// ErrIncomplete. A replica that is being given up is waited for until it is gone.
func (n *Node) complete() (groups []*store.Group, err error) {
	m := n.Map()
	if n.opt.Cluster && m.Cluster == "" {
		return nil, fmt.Errorf("%w: the slot map isn't known yet", ErrIncomplete)
	}
	n.mu.Lock()
	var ids []uint32
	for id := range n.id.Groups {
		if id != controlGroup {
			ids = append(ids, id)
		}
	}
	for id, g := range m.Groups {
		if !n.id.Groups[id] && !n.id.GivenUp[id] && slices.Contains(g.Members, n.id.Node) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	found := map[uint32]*store.Group{}
	for _, id := range ids {
		if g := n.groups[id]; g != nil && !n.busy[id] {
			found[id] = g
		}
	}
	n.mu.Unlock()
	for _, id := range ids {
		switch g := found[id]; {
		case g == nil:
			return nil, fmt.Errorf("%w: the replica of group %d is being opened, rebuilt or given up", ErrIncomplete, id)
		case !g.Complete():
			return nil, fmt.Errorf("%w: the replica of group %d is behind", ErrIncomplete, id)
		default:
			groups = append(groups, g)
		}
	}
	return groups, nil
}

// allSlots returns ErrIncomplete if a slot of the groups in a file is in none of its parts:
// at their moments it was on its way between two of them.
func (n *Node) allSlots(parts []fsm.SnapshotPart) error {
	if !n.opt.Cluster {
		return nil
	}
	m := n.Map()
	var missing []string
	for slot := range uint16(hashslot.Count) {
		mine, there := false, false
		for _, p := range parts {
			mine = mine || p.Group == m.Slots[slot]
			there = there || p.Slots() == nil || p.Slots().Has(slot)
		}
		if mine && !there {
			missing = append(missing, fmt.Sprint(slot))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if len(missing) > 5 {
		missing = append(missing[:5], "...")
	}
	return fmt.Errorf("%w: nobody here serves slots %s yet", ErrIncomplete, strings.Join(missing, ", "))
}
