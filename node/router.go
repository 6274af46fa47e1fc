package node

import (
	"fmt"
	"sort"
	"time"

	"github.com/quorate/quorate/slots/hashslot"
	"github.com/quorate/quorate/store"
)

// errLoading is Redis's reply while it loads.
const errLoading = "LOADING Redis is loading the dataset in memory"

// redirectWait is how long a command may wait for a group without a known
// leader: about the time of an election. Then the client hears CLUSTERDOWN.
const redirectWait = 1500 * time.Millisecond

// Cluster reports whether hash slots are visible to clients.
func (n *Node) Cluster() bool { return n.opt.Cluster }

// Route returns the group that serves a slot here, or the error reply that
// sends the client elsewhere. While the group has no leader that serves, it
// waits a little.
func (n *Node) Route(slot int) (*store.Group, string) {
	groups := n.Groups()
	if !n.opt.Cluster {
		g := groups[plainGroup]
		if g == nil || n.Loading() {
			return nil, errLoading
		}
		n.awaitServing(g)
		return g, ""
	}
	m := n.Map()
	mg := m.Serving(slot)
	if mg == nil {
		if n.LoadingSlot(slot) {
			return nil, errLoading
		}
		return nil, "CLUSTERDOWN Hash slot not served"
	}
	g := groups[mg.ID]
	if g != nil && g.Serving() != 0 {
		return g, ""
	}
	deadline := time.Now().Add(redirectWait)
	for {
		if addr := n.leaderElsewhere(slot); addr != "" {
			return nil, fmt.Sprintf("MOVED %d %s", slot, addr)
		}
		if g != nil && g.Serving() != 0 {
			return g, ""
		}
		// An open replica waits for an election at the most, or applies its log.
		if late := time.Now().After(deadline); (late || g == nil) && n.LoadingSlot(slot) {
			return nil, errLoading
		} else if late {
			return nil, "CLUSTERDOWN The cluster is down"
		}
		select {
		case <-n.stop:
			return nil, "CLUSTERDOWN The cluster is down"
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// awaitServing gives a group of plain mode, which nobody else could serve, time
// to become ready: it elects itself just after the start.
func (n *Node) awaitServing(g *store.Group) {
	for deadline := time.Now().Add(redirectWait); g.Serving() == 0 && time.Now().Before(deadline); {
		select {
		case <-n.stop:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// leaderElsewhere returns the client address of the other node that leads the
// slot's group: by Raft's own knowledge where this node has a replica, by the
// map otherwise. "" if it isn't known or the node doesn't answer.
func (n *Node) leaderElsewhere(slot int) string {
	m := n.Map()
	mg := m.Serving(slot)
	if mg == nil {
		return ""
	}
	id := mg.Leader
	if g := n.Groups()[mg.ID]; g != nil {
		id, _ = g.Leader()
	}
	node := m.Nodes[id]
	if id == n.id.Node || node == nil || node.Failed {
		return ""
	}
	return node.Addr()
}

// Redirect returns the error reply for a command of a slot after this node
// turned out not to lead its group.
func (n *Node) Redirect(slot int) string {
	if !n.opt.Cluster {
		return "TRYAGAIN The server has no leader at the moment"
	}
	if slot < 0 {
		return "TRYAGAIN The group has no leader at the moment"
	}
	g, redirect := n.Route(slot)
	if g != nil {
		return "TRYAGAIN The group has a new leader"
	}
	return redirect
}

// Local returns this node's replica of the slot's group, or nil.
func (n *Node) Local(slot int) *store.Group {
	if !n.opt.Cluster {
		return n.Groups()[plainGroup]
	}
	return n.Groups()[n.Map().Slots[slot]]
}

// GroupOf returns this node's replica of the key's group, or nil.
func (n *Node) GroupOf(key []byte) *store.Group { return n.Local(int(hashslot.Of(key))) }

// Led returns the groups that this node leads, in the order of their first slot.
func (n *Node) Led() []*store.Group {
	groups := n.Groups()
	if !n.opt.Cluster {
		if groups[plainGroup] == nil || n.Loading() {
			return nil
		}
		return []*store.Group{groups[plainGroup]}
	}
	m := n.Map()
	type led struct {
		first int
		g     *store.Group
	}
	var found []led
	for id, g := range groups {
		if r := m.RangesOf(id); g.Serving() != 0 && len(r) > 0 {
			found = append(found, led{r[0].First, g})
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].first < found[j].first })
	out := make([]*store.Group, len(found))
	for i, f := range found {
		out[i] = f.g
	}
	return out
}

// appendRedirect is the machine's reply for a slot that its group doesn't own:
// it must not wait, as it runs while an entry is applied.
func (n *Node) appendRedirect(dst []byte, slot uint16) []byte {
	if addr := n.leaderElsewhere(int(slot)); addr != "" {
		return fmt.Appendf(dst, "-MOVED %d %s\r\n", slot, addr)
	}
	return append(dst, "-TRYAGAIN The slot is changing its group\r\n"...)
}
