// Package slots holds the slot map: which group serves which hash slot, which
// nodes hold replicas of a group, and which of them leads it. The map is the
// state of the control group, so every node answers from the same committed
// state; routing and the CLUSTER commands read it.
package slots

import (
	"fmt"
	"net"
	"slices"
	"sort"
	"strconv"

	"github.com/quorate/quorate/slots/hashslot"
)

// Node is a process of the cluster.
type Node struct {
	ID       string `json:"id"` // 40 hexadecimal digits, drawn at its first start, never used again
	Host     string `json:"host"`
	Port     int    `json:"port"`
	PeerPort int    `json:"peer-port"`
	Failed   bool   `json:"failed,omitempty"` // unreachable for the control group's leader
}

// Addr returns the address for clients.
func (n *Node) Addr() string { return net.JoinHostPort(n.Host, strconv.Itoa(n.Port)) }

// PeerAddr returns the address for other nodes.
func (n *Node) PeerAddr() string { return net.JoinHostPort(n.Host, strconv.Itoa(n.PeerPort)) }

// Group is a Raft group that serves hash slots: what Redis calls a shard.
type Group struct {
	ID        uint32   `json:"id"`               // from 1; 0 is the control group
	Members   []string `json:"members"`          // nodes that are to hold a replica
	Initial   []string `json:"initial"`          // the members it was founded with, who bootstrap it
	Former    []string `json:"former,omitempty"` // nodes that have given up their replica, which can't come back
	Preferred string   `json:"preferred"`        // node that leads when it can
	Leader    string   `json:"leader"`           // node that leads, "" while unknown
	Term      uint64   `json:"term"`             // of that leader
}

// Map is one state of the cluster. A published Map never changes.
type Map struct {
	Cluster string                 // ID of the cluster, 40 hexadecimal digits; "" before it is formed
	Version uint64                 // counts all changes
	Epoch   uint64                 // counts the changes of slots and leaders
	Nodes   map[string]*Node       // by ID
	Groups  map[uint32]*Group      // by ID
	Slots   [hashslot.Count]uint32 // group that serves the slot, 0 for none
	Founded map[string]string      // peer addresses of the founding nodes by ID, for bootstrapping groups
	Users   Users                  // of ACL
}

// NewMap returns the map of a cluster that isn't formed.
func NewMap() *Map {
	return &Map{Nodes: map[string]*Node{}, Groups: map[uint32]*Group{}, Founded: map[string]string{}}
}

// Clone returns a copy of the next version, which shares nothing with m.
func (m *Map) Clone() *Map {
	c := *m
	c.Version++
	c.Nodes, c.Groups, c.Founded = map[string]*Node{}, map[uint32]*Group{}, map[string]string{}
	for id, n := range m.Nodes {
		copied := *n
		c.Nodes[id] = &copied
	}
	for id, g := range m.Groups {
		copied := *g
		copied.Members, copied.Initial, copied.Former = slices.Clone(g.Members), slices.Clone(g.Initial), slices.Clone(g.Former)
		c.Groups[id] = &copied
	}
	for id, a := range m.Founded {
		c.Founded[id] = a
	}
	return &c
}

// Serving returns the group that serves a slot, or nil.
func (m *Map) Serving(slot int) *Group { return m.Groups[m.Slots[slot]] }

// LeaderOf returns the node that leads a group, or nil.
func (m *Map) LeaderOf(g *Group) *Node {
	if g == nil {
		return nil
	}
	return m.Nodes[g.Leader]
}

// NodeIDs returns the IDs of all nodes, sorted.
func (m *Map) NodeIDs() []string {
	ids := make([]string, 0, len(m.Nodes))
	for id := range m.Nodes {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	return ids
}

// GroupIDs returns the IDs of all groups, sorted.
func (m *Map) GroupIDs() []uint32 {
	ids := make([]uint32, 0, len(m.Groups))
	for id := range m.Groups {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Range is a run of slots, first and last included.
type Range struct{ First, Last int }

// Len returns the number of slots in the range.
func (r Range) Len() int { return r.Last - r.First + 1 }

// String returns "first-last", or one number for one slot.
func (r Range) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// ByLeader returns the slots that each node serves as leader of their groups,
// as maximal ranges in order.
func (m *Map) ByLeader() map[string][]Range {
	out := map[string][]Range{}
	m.runs(func(slot int) string {
		if n := m.LeaderOf(m.Serving(slot)); n != nil {
			return n.ID
		}
		return ""
	}, func(id string, r Range) { out[id] = append(out[id], r) })
	return out
}

// RangesOf returns the slots of a group.
func (m *Map) RangesOf(group uint32) []Range {
	var out []Range
	m.runs(func(slot int) string {
		if m.Slots[slot] == group {
			return "x"
		}
		return ""
	}, func(_ string, r Range) { out = append(out, r) })
	return out
}

// runs calls visit for each maximal run of slots that share an owner.
func (m *Map) runs(owner func(slot int) string, visit func(owner string, r Range)) {
	for i := 0; i < hashslot.Count; {
		who, first := owner(i), i
		for i++; i < hashslot.Count && owner(i) == who; i++ {
		}
		if who != "" {
			visit(who, Range{first, i - 1})
		}
	}
}

// Assigned returns how many slots are assigned to a group and how many of them
// are served by a leader whose node is up.
func (m *Map) Assigned() (assigned, served int) {
	for slot := range m.Slots {
		g := m.Serving(slot)
		if g == nil {
			continue
		}
		assigned++
		if n := m.LeaderOf(g); n != nil && !n.Failed {
			served++
		}
	}
	return assigned, served
}
