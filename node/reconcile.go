package node

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/slots"
	"github.com/quorate/quorate/slots/hashslot"
	"github.com/quorate/quorate/store"
)

// The reconcile loop makes this node what the map says and reports to the map
// what it can't know: it runs after every change and a few times a second. Each
// step looks at the state and does at most a little; what fails is tried again.

const reconcileEvery = 250 * time.Millisecond

func (n *Node) reconcileLoop() {
	defer n.wg.Done()
	t := time.NewTicker(reconcileEvery)
	defer t.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &warden{n: n, seen: map[string]time.Time{}}
	for {
		select {
		case <-n.stop:
			return
		case <-n.changed:
		case <-t.C:
		}
		m := n.Map()
		if m.Cluster == "" {
			continue
		}
		n.runReplicas(m)
		n.reportLeaders(ctx, m)
		if n.left.Load() {
			n.leadNothing(ctx)
			continue
		}
		n.leadGroups(ctx, m)
		w.look(ctx, m)
	}
}

// openControlLocked starts the replica of the control group.
func (n *Node) openControlLocked() error {
	files, err := n.filesLocked(controlGroup)
	if err != nil {
		return err
	}
	c, err := store.OpenReplica(store.ReplicaOptions{
		Group: controlGroup, NodeID: n.id.Node, FSM: n.slotMap, Files: files, Disk: n.disk,
		Transport: newLink(n.mux, controlGroup), Logger: n.log.Named("control"), Timeout: n.opt.Timeout,
		SnapshotEntries: 1024, OnLeader: n.foundMap,
	})
	if err != nil {
		return err
	}
	n.control.Store(c)
	if n.id.Founding != nil {
		var members []raft.Server
		for id, addr := range n.id.Founding.Founded {
			members = append(members, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(id), Address: raft.ServerAddress(addr)})
		}
		slices.SortFunc(members, func(a, b raft.Server) int { return cmpString(string(a.ID), string(b.ID)) })
		// Voters on a few nodes, learners on the rest.
		for i := range members {
			if i >= maxControlVoters {
				members[i].Suffrage = raft.Nonvoter
			}
		}
		return c.Bootstrap(members)
	}
	return nil
}

// maxControlVoters is the number of nodes that vote in the control group.
const maxControlVoters = 5

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// foundMap enters the first map, if the control group has none yet.
func (n *Node) foundMap(context.Context, uint64) error {
	n.mu.Lock()
	founding := n.id.Founding
	n.mu.Unlock()
	c := n.Control()
	defer n.poke()
	if n.Map().Cluster != "" || founding == nil || c == nil {
		return nil
	}
	return n.change(context.Background(), slots.Change{Found: founding})
}

// runReplicas starts the replicas that the map gives this node, and stops and
// deletes those it has taken away.
func (n *Node) runReplicas(m *slots.Map) {
	n.mu.Lock()
	var gone []*store.Group
	var goneIDs []uint32
	for id, g := range n.groups {
		if n.busy[id] {
			continue // later
		}
		if mg := m.Groups[id]; mg == nil || !slices.Contains(mg.Members, n.id.Node) {
			gone, goneIDs = append(gone, g), append(goneIDs, id)
			delete(n.groups, id)
			n.busy[id] = true // until it is deleted
		}
	}
	for _, id := range m.GroupIDs() {
		if n.groups[id] != nil || n.busy[id] || n.closed || !slices.Contains(m.Groups[id].Members, n.id.Node) {
			continue
		}
		if n.id.GivenUp[id] {
			continue // the map is an old one: they come one after the other at a start
		}
		n.busy[id] = true
		n.wg.Add(1)
		// Owned by Node. Ends when the replica is open, which n.stop cuts short.
		go n.startGroup(m, m.Groups[id])
	}
	n.publishLocked()
	n.mu.Unlock()
	for i, g := range gone {
		n.log.Info("replica is no longer ours", "group", goneIDs[i])
		if err := g.Close(); err != nil {
			n.log.Warn("closing a replica", "group", goneIDs[i], "error", err)
		}
		if err := n.forget(goneIDs[i]); err != nil {
			n.log.Warn("deleting a replica", "group", goneIDs[i], "error", err)
		}
		n.mu.Lock()
		delete(n.busy, goneIDs[i])
		n.mu.Unlock()
	}
}

// startGroup starts a replica that the map gives this node. Those of several groups
// are loaded beside each other.
func (n *Node) startGroup(m *slots.Map, mg *slots.Group) {
	defer n.wg.Done()
	var members []raft.Server
	if slices.Contains(mg.Initial, n.id.Node) {
		for _, id := range mg.Initial {
			members = append(members, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(id), Address: raft.ServerAddress(m.Founded[id])})
		}
	}
	if err := n.openBusy(mg.ID, members); err != nil {
		n.opt.Fatal(fmt.Errorf("start group %d: %w", mg.ID, err))
	}
	n.poke()
}

// openBusy opens a replica that was marked as busy. An error because the node stops is
// none.
func (n *Node) openBusy(group uint32, members []raft.Server) error {
	err := n.openGroup(group, members)
	n.mu.Lock()
	delete(n.busy, group)
	n.mu.Unlock()
	if n.stopping() {
		return nil
	}
	return err
}

// bringUpToDate puts into the group's own state what its new leader knows from
// elsewhere: the slots the map gives it and the configured thresholds.
func (n *Node) bringUpToDate(g *store.Group, group uint32) error {
	var ops []fsm.Op
	g.View(func(m *fsm.Machine) {
		if n.opt.Cluster {
			want, epoch := n.slotsOf(group)
			if have, at := m.Owned(); want != nil && (at < epoch || at == 0) && *have != *want {
				ops = append(ops, fsm.Own(want, epoch)...)
			}
		}
		if n.opt.Limits != nil {
			for name, value := range n.opt.Limits() {
				if p := m.LimitNamed(name); p != nil && *p != value {
					ops = append(ops, fsm.Limit(name, value))
				}
			}
		}
	})
	if len(ops) == 0 {
		return nil
	}
	slices.SortFunc(ops, func(a, b fsm.Op) int {
		return cmpString(string(a.Args[0])+string(a.Args[1]), string(b.Args[0])+string(b.Args[1]))
	})
	return g.Propose(&fsm.Unit{Ops: ops})
}

// slotsOf returns the slots the map gives a group, nil if it doesn't know the group.
func (n *Node) slotsOf(group uint32) (*fsm.SlotSet, uint64) {
	m := n.Map()
	if m.Groups[group] == nil {
		return nil, 0
	}
	var set fsm.SlotSet
	for slot := range hashslot.Count {
		if m.Slots[slot] == group {
			set.Add(uint16(slot), uint16(slot))
		}
	}
	return &set, m.Epoch
}

// reportLeaders has this node entered into the map for each group it leads.
func (n *Node) reportLeaders(ctx context.Context, m *slots.Map) {
	for id, g := range n.Groups() {
		term := g.Serving()
		mg := m.Groups[id]
		if term == 0 || mg == nil || mg.Leader == n.id.Node && mg.Term == term {
			continue
		}
		n.tell(ctx, slots.Change{Leader: &slots.Leader{Group: id, Node: n.id.Node, Term: term}})
	}
}

// tell has a change made, if it can be made now; the caller comes again.
func (n *Node) tell(ctx context.Context, ch slots.Change) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := n.change(ctx, ch); err != nil {
		n.log.Debug("map not changed", "error", err)
	}
}

// leadGroups does what only a group's leader can do: make the members those
// of the map, one change at a time, and give the group to its preferred leader.
func (n *Node) leadGroups(ctx context.Context, m *slots.Map) {
	for id, g := range n.Groups() {
		mg := m.Groups[id]
		if g.Serving() == 0 || mg == nil {
			continue
		}
		if n.fixMembers(ctx, m, g.Replica, mg.Members, len(mg.Members)) {
			continue
		}
		if p := m.Nodes[mg.Preferred]; p != nil && p.ID != n.id.Node && !p.Failed {
			tctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			if err := g.Transfer(tctx, p.ID, p.PeerAddr()); err != nil {
				n.log.Debug("leadership not given to the preferred node", "group", id, "error", err)
			} else {
				n.log.Info("leadership given to the preferred node", "group", id, "node", p.ID)
			}
			cancel()
		}
	}
	c := n.Control()
	if c != nil && c.Serving() != 0 {
		n.fixMembers(ctx, m, c, m.NodeIDs(), maxControlVoters)
	}
}

// leadNothing gives away what has come to this node while it leaves, which may take as
// long as the writing of its RDB file.
func (n *Node) leadNothing(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var led []*store.Replica
	for _, g := range n.groupList() {
		led = append(led, g.Replica)
	}
	if c := n.Control(); c != nil {
		led = append(led, c)
	}
	for _, r := range led {
		if err := r.HandOver(ctx); err != nil { // nil where it doesn't lead
			n.log.Debug("leadership not handed over", "group", r.ID(), "error", err)
		}
	}
}

// fixMembers brings a group's membership one step towards want, of which the
// first few vote, and reports whether there was something to do.
func (n *Node) fixMembers(ctx context.Context, m *slots.Map, r *store.Replica, want []string, voters int) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	have := map[string]raft.Server{}
	voting := 0
	for _, s := range r.Members() {
		have[string(s.ID)] = s
		if s.Suffrage == raft.Voter {
			voting++
		}
	}
	for id := range have {
		if !slices.Contains(want, id) {
			if !n.mapIsNewest(ctx, m) {
				return true
			}
			n.logStep("remove replica", id, r.Remove(id))
			return true
		}
	}
	for _, id := range want {
		node := m.Nodes[id]
		s, there := have[id]
		switch {
		case node == nil:
		case !there:
			n.logStep("add replica", id, r.AddLearner(id, node.PeerAddr()))
			return true
		case s.Suffrage != raft.Voter && voting < voters && !node.Failed:
			err := r.Promote(ctx, id, node.PeerAddr())
			n.logStep("promote replica", id, err)
			return true
		}
	}
	return false
}

// mapIsNewest reports whether a map is the newest committed one: the leader of
// the control group confirms that it leads and compares. A replica must not be
// removed because of a map that is out of date here.
func (n *Node) mapIsNewest(ctx context.Context, m *slots.Map) bool {
	c := n.Control()
	if c == nil {
		return false
	}
	if c.Leading() {
		return c.Confirm() == nil && n.Map().Version == m.Version
	}
	id, addr := c.Leader()
	var version uint64
	if id == "" || n.call(ctx, id, addr, svcVersion, struct{}{}, &version) != nil {
		return false
	}
	return version == m.Version
}

func (n *Node) logStep(what, id string, err error) {
	if err != nil {
		n.log.Debug(what+" not done yet", "node", id, "error", err)
		return
	}
	n.log.Info(what, "node", id)
}

// warden is what the leader of the control group does besides: it watches
// which nodes answer, and gives groups that lack a replica a new one.
type warden struct {
	n    *Node
	seen map[string]time.Time // when a node last answered
}

func (w *warden) look(ctx context.Context, m *slots.Map) {
	n := w.n
	c := n.Control()
	if c == nil || c.Serving() == 0 {
		clear(w.seen)
		return
	}
	now := time.Now()
	for _, id := range m.NodeIDs() {
		node := m.Nodes[id]
		if id == n.id.Node || n.mux.Up(id) || w.answers(ctx, node) {
			w.seen[id] = now
		} else if w.seen[id].IsZero() {
			w.seen[id] = now // give it the whole time from here on
		}
		if failed := now.Sub(w.seen[id]) > n.opt.NodeTimeout; failed != node.Failed {
			n.log.Info("node state", "node", id, "failed", failed)
			n.tell(ctx, slots.Change{Failed: &slots.Failed{Node: id, Failed: failed}})
			return
		}
	}
	for _, id := range m.GroupIDs() {
		g := m.Groups[id]
		if len(g.Members) >= min(slots.Replicas, len(m.Nodes)) {
			continue
		}
		if add := fewestReplicas(m, g); add != "" {
			n.log.Info("group gets a replica", "group", strconv.Itoa(int(id)), "node", add)
			n.tell(ctx, slots.Change{Members: &slots.Members{Group: id, Nodes: append(slices.Clone(g.Members), add)}})
			return
		}
	}
}

// answers asks a node whether it is there.
func (w *warden) answers(ctx context.Context, node *slots.Node) bool {
	ctx, cancel := context.WithTimeout(ctx, reconcileEvery)
	defer cancel()
	return w.n.call(ctx, node.ID, node.PeerAddr(), svcHello, struct{}{}, nil) == nil
}

// fewestReplicas returns the live node outside the group with the fewest
// replicas, "" if there is none.
func fewestReplicas(m *slots.Map, g *slots.Group) string {
	load := map[string]int{}
	for _, other := range m.Groups {
		for _, id := range other.Members {
			load[id]++
		}
	}
	best := ""
	for _, id := range m.NodeIDs() {
		if m.Nodes[id].Failed || slices.Contains(g.Members, id) || slices.Contains(g.Former, id) {
			continue
		}
		if best == "" || load[id] < load[best] {
			best = id
		}
	}
	return best
}
