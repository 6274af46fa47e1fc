package slots

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// Change is an entry of the control group's log: one JSON object. Exactly one
// of the pointers is set.
type Change struct {
	Version int `json:"v"` // 1

	Found   *Image   `json:"found,omitempty"`   // the first map, once
	Join    *Node    `json:"join,omitempty"`    // a new node; it takes the place of one at its address
	Leader  *Leader  `json:"leader,omitempty"`  // a group has a new leader
	Failed  *Failed  `json:"failed,omitempty"`  // a node went away or came back
	Members *Members `json:"members,omitempty"` // a group is to have these replicas
	Users   *Users   `json:"users,omitempty"`   // the next revision of the users of ACL
}

// Leader says that a node leads a group since a term.
type Leader struct {
	Group uint32 `json:"group"`
	Node  string `json:"node"`
	Term  uint64 `json:"term"`
}

// Failed says whether a node can be reached.
type Failed struct {
	Node   string `json:"node"`
	Failed bool   `json:"failed"`
}

// Members says which nodes are to hold replicas of a group.
type Members struct {
	Group uint32   `json:"group"`
	Nodes []string `json:"nodes"`
}

// Image is a Map as it stands in snapshots and entries.
type Image struct {
	Cluster string            `json:"cluster"`
	Version uint64            `json:"version"`
	Epoch   uint64            `json:"epoch"`
	Nodes   []*Node           `json:"nodes"`
	Groups  []*Group          `json:"groups"`
	Slots   []Assignment      `json:"slots"`
	Founded map[string]string `json:"founded"`
	Users   Users             `json:"users"`
}

// Assignment gives a range of slots to a group.
type Assignment struct {
	First int    `json:"first"`
	Last  int    `json:"last"`
	Group uint32 `json:"group"`
}

// Image returns the map in its stored form, sorted.
func (m *Map) Image() *Image {
	im := &Image{Cluster: m.Cluster, Version: m.Version, Epoch: m.Epoch, Founded: m.Founded, Users: m.Users}
	for _, id := range m.NodeIDs() {
		im.Nodes = append(im.Nodes, m.Nodes[id])
	}
	for _, id := range m.GroupIDs() {
		im.Groups = append(im.Groups, m.Groups[id])
		for _, r := range m.RangesOf(id) {
			im.Slots = append(im.Slots, Assignment{r.First, r.Last, id})
		}
	}
	return im
}

// Map returns the map of an image, or an error if it makes no sense.
func (im *Image) Map() (*Map, error) {
	m := NewMap()
	m.Cluster, m.Version, m.Epoch, m.Users = im.Cluster, im.Version, im.Epoch, im.Users
	for _, n := range im.Nodes {
		m.Nodes[n.ID] = n
	}
	for _, g := range im.Groups {
		m.Groups[g.ID] = g
	}
	for id, a := range im.Founded {
		m.Founded[id] = a
	}
	for _, a := range im.Slots {
		if a.First < 0 || a.Last >= len(m.Slots) || a.First > a.Last || m.Groups[a.Group] == nil {
			return nil, fmt.Errorf("slots %d-%d of group %d make no sense", a.First, a.Last, a.Group)
		}
		for s := a.First; s <= a.Last; s++ {
			m.Slots[s] = a.Group
		}
	}
	return m, nil
}

// Control is the state machine of the control group. Map may be called from
// anywhere; the other methods belong to Raft.
type Control struct {
	current atomic.Pointer[Map]
	changed func(*Map)
	fatal   func(error)
}

// NewControl returns the machine of a cluster that isn't formed. changed (may
// be nil) is called after each change, on Raft's goroutine: it must not block.
// fatal is called for an entry this version doesn't understand.
func NewControl(changed func(*Map), fatal func(error)) *Control {
	c := &Control{changed: changed, fatal: fatal}
	c.current.Store(NewMap())
	return c
}

// Map returns the newest committed map this node knows.
func (c *Control) Map() *Map { return c.current.Load() }

func (c *Control) publish(m *Map) {
	c.current.Store(m)
	if c.changed != nil {
		c.changed(m)
	}
}

// Apply implements raft.FSM. The answer is nil or an error that says why the
// change was not made.
func (c *Control) Apply(l *raft.Log) any {
	var ch Change
	if err := json.Unmarshal(l.Data, &ch); err != nil || ch.Version != 1 {
		c.fatal(fmt.Errorf("control entry %d can't be understood by this version: %.80q", l.Index, l.Data))
		return nil
	}
	next, err := c.Map().With(&ch)
	if err != nil {
		return err
	}
	if next != nil {
		c.publish(next)
	}
	return nil
}

// With returns the map after a change, nil if the change changes nothing, or an
// error if it can't be made. It is a pure function.
func (m *Map) With(ch *Change) (*Map, error) {
	switch {
	case ch.Found != nil:
		if m.Cluster != "" {
			return nil, nil // repeated by a leader that had not seen the first
		}
		return ch.Found.Map()
	case m.Cluster == "":
		return nil, errors.New("the cluster is not formed yet")
	case ch.Join != nil:
		return m.join(ch.Join)
	case ch.Leader != nil:
		return m.lead(ch.Leader)
	case ch.Failed != nil:
		n := m.Nodes[ch.Failed.Node]
		if n == nil || n.Failed == ch.Failed.Failed {
			return nil, nil
		}
		next := m.Clone()
		next.Nodes[n.ID].Failed = ch.Failed.Failed
		return next, nil
	case ch.Users != nil:
		return m.users(ch.Users)
	case ch.Members != nil:
		g := m.Groups[ch.Members.Group]
		if g == nil {
			return nil, fmt.Errorf("no group %d", ch.Members.Group)
		}
		for _, id := range ch.Members.Nodes {
			if m.Nodes[id] == nil {
				return nil, fmt.Errorf("no node %s", id)
			}
		}
		return m.members(g, ch.Members.Nodes)
	}
	return nil, errors.New("an empty change")
}

// members gives a group other members. A node that is none any more deletes its replica
// and what that has promised; under the node's ID it never comes back.
func (m *Map) members(g *Group, nodes []string) (*Map, error) {
	for _, id := range nodes {
		if slices.Contains(g.Former, id) {
			return nil, fmt.Errorf("node %s has given up its replica of group %d: it can't come back", id, g.ID)
		}
	}
	next := m.Clone()
	ng := next.Groups[g.ID]
	ng.Members = slices.Clone(nodes)
	for _, id := range g.Members {
		if !slices.Contains(nodes, id) {
			ng.Former = append(ng.Former, id)
		}
	}
	return next, nil
}

// join adds a node. A node of another ID at the same address is gone, for its
// address is taken: the new one takes its place in every group.
func (m *Map) join(n *Node) (*Map, error) {
	if m.Nodes[n.ID] != nil {
		return nil, nil
	}
	next := m.Clone()
	next.Epoch++
	joined := *n
	next.Nodes[n.ID] = &joined
	for _, id := range m.NodeIDs() {
		old := m.Nodes[id]
		if old.Addr() != n.Addr() && old.PeerAddr() != n.PeerAddr() {
			continue
		}
		delete(next.Nodes, old.ID)
		for _, gid := range next.GroupIDs() {
			g := next.Groups[gid]
			for i, member := range g.Members {
				if member == old.ID {
					g.Members[i] = n.ID
				}
			}
			if g.Preferred == old.ID {
				g.Preferred = n.ID
			}
			if g.Leader == old.ID {
				g.Leader = ""
			}
		}
	}
	return next, nil
}

func (m *Map) lead(l *Leader) (*Map, error) {
	g := m.Groups[l.Group]
	if g == nil || m.Nodes[l.Node] == nil {
		return nil, fmt.Errorf("no group %d or no node %s", l.Group, l.Node)
	}
	if l.Term < g.Term || l.Term == g.Term && g.Leader == l.Node {
		return nil, nil // news from the past, or none
	}
	next := m.Clone()
	next.Epoch++
	next.Groups[g.ID].Leader, next.Groups[g.ID].Term = l.Node, l.Term
	return next, nil
}

// Snapshot implements raft.FSM.
func (c *Control) Snapshot() (raft.FSMSnapshot, error) { return &controlSnapshot{c.Map()}, nil }

// Restore implements raft.FSM.
func (c *Control) Restore(rc io.ReadCloser) error {
	var im Image
	err := json.NewDecoder(rc).Decode(&im)
	if err = errors.Join(err, rc.Close()); err != nil {
		return fmt.Errorf("restore the slot map: %w", err)
	}
	m, err := im.Map()
	if err != nil {
		return fmt.Errorf("restore the slot map: %w", err)
	}
	c.publish(m)
	return nil
}

type controlSnapshot struct{ m *Map }

func (s *controlSnapshot) Persist(sink raft.SnapshotSink) error {
	if err := json.NewEncoder(sink).Encode(s.m.Image()); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

func (s *controlSnapshot) Release() {}
