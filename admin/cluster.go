package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/slots"
	"github.com/quorate/quorate/slots/hashslot"
	"github.com/quorate/quorate/transport"
)

// clusterCommand is CLUSTER. What a cluster looks like comes from the committed
// slot map, so all nodes answer the same. A node counts as a master of the slots
// of the groups it leads. The subcommands that change a cluster come with a
// later release; they are unknown until then.
func (a *Admin) clusterCommand() *transport.Command {
	sub := func(name string, arity int, since, summary, syntax string, run func(*transport.Session, [][]byte)) *transport.Command {
		return &transport.Command{Run: a.inCluster(run), Spec: command.Spec{Name: name, Arity: arity, Flags: command.Stale,
			Group: "cluster", Since: since, Complexity: "O(N)", Summary: summary, Syntax: syntax,
			Tips: nonDeterministic(name)}}
	}
	replicas := sub("REPLICAS", 3, "5.0.0", "Lists the replicas of a node.", "node-id", a.clusterReplicas)
	replicas.Flags |= command.Admin
	help := &transport.Command{Run: clusterHelp, Spec: helpSpec("cluster", "5.0.0", command.Loading|command.Stale)}
	return &transport.Command{
		Spec: command.Spec{Name: "CLUSTER", Arity: -2, Group: "cluster", Since: "3.0.0", Complexity: "Depends on subcommand.",
			Summary: "A container of the commands about the cluster."},
		Sub: []*transport.Command{
			sub("SLOTS", 2, "3.0.0", "Lists the ranges of slots with the nodes that serve them.", "", a.clusterSlots),
			sub("SHARDS", 2, "7.0.0", "Lists the shards with their slots and nodes.", "", a.clusterShards),
			sub("NODES", 2, "3.0.0", "Lists the nodes of the cluster.", "", a.clusterNodes),
			sub("INFO", 2, "3.0.0", "Tells the state of the cluster.", "", a.clusterInfo),
			sub("MYID", 2, "3.0.0", "Returns the ID of this node.", "", func(s *transport.Session, _ [][]byte) { s.BulkString(a.Node.ID()) }),
			sub("KEYSLOT", 3, "3.0.0", "Returns the hash slot of a key.", "key", clusterKeyslot),
			sub("COUNTKEYSINSLOT", 3, "3.0.0", "Counts the keys in a hash slot.", "slot", a.clusterCountKeys),
			sub("GETKEYSINSLOT", 4, "3.0.0", "Lists keys of a hash slot.", "slot count", a.clusterGetKeys),
			replicas, help,
		},
	}
}

func nonDeterministic(name string) []string {
	switch name {
	case "KEYSLOT", "COUNTKEYSINSLOT", "MYID":
		return nil
	}
	return []string{"nondeterministic_output"}
}

// inCluster refuses a command outside cluster mode, with Redis's words.
func (a *Admin) inCluster(run func(*transport.Session, [][]byte)) func(*transport.Session, [][]byte) {
	return func(s *transport.Session, args [][]byte) {
		if !a.Node.Cluster() {
			s.Error("ERR This instance has cluster support disabled")
			return
		}
		run(s, args)
	}
}

func clusterHelp(s *transport.Session, _ [][]byte) {
	help(s, "CLUSTER",
		"COUNTKEYSINSLOT <slot>", "    Count the keys in <slot>.",
		"GETKEYSINSLOT <slot> <count>", "    List up to <count> keys of <slot>.",
		"INFO", "    Tell the state of the cluster.",
		"KEYSLOT <key>", "    Return the hash slot of <key>.",
		"MYID", "    Return the ID of this node.",
		"NODES", "    List the nodes of the cluster.",
		"REPLICAS <node-id>", "    List the replicas of a node.",
		"SLOTS", "    List the ranges of slots with the nodes that serve them.",
		"SHARDS", "    List the shards with their slots and nodes.")
}

// clusterSlots implements CLUSTER SLOTS: for each range first, last and the node
// that leads its group.
func (a *Admin) clusterSlots(s *transport.Session, _ [][]byte) {
	m := a.Node.Map()
	rows := servedRanges(m)
	s.Array(len(rows))
	for _, row := range rows {
		n := m.Nodes[row.leader]
		s.Array(3)
		s.Int(int64(row.First))
		s.Int(int64(row.Last))
		s.Array(4)
		s.BulkString(n.Host)
		s.Int(int64(n.Port))
		s.BulkString(n.ID)
		s.Array(0)
	}
}

// servedRange is a range of slots and the node that leads their group.
type servedRange struct {
	slots.Range
	leader string
}

// servedRanges returns the ranges in the order of their slots, as Redis lists
// them: clients take the first node for what has no key.
func servedRanges(m *slots.Map) []servedRange {
	var rows []servedRange
	for id, ranges := range m.ByLeader() {
		for _, r := range ranges {
			rows = append(rows, servedRange{r, id})
		}
	}
	slices.SortFunc(rows, func(a, b servedRange) int { return int(a.First) - int(b.First) })
	return rows
}

// clusterShards implements CLUSTER SHARDS.
func (a *Admin) clusterShards(s *transport.Session, _ [][]byte) {
	m := a.Node.Map()
	led := m.ByLeader()
	s.Array(len(m.Nodes))
	for _, id := range m.NodeIDs() {
		n := m.Nodes[id]
		s.Map(2)
		s.BulkString("slots")
		s.Array(2 * len(led[id]))
		for _, r := range led[id] {
			s.Int(int64(r.First))
			s.Int(int64(r.Last))
		}
		s.BulkString("nodes")
		s.Array(1)
		s.Map(7)
		s.BulkString("id")
		s.BulkString(n.ID)
		s.BulkString("port")
		s.Int(int64(n.Port))
		s.BulkString("ip")
		s.BulkString(n.Host)
		s.BulkString("endpoint")
		s.BulkString(n.Host)
		s.BulkString("role")
		s.BulkString("master")
		s.BulkString("replication-offset")
		s.Int(int64(m.Version))
		s.BulkString("health")
		if n.Failed {
			s.BulkString("fail")
		} else {
			s.BulkString("online")
		}
	}
}

// clusterNodes implements CLUSTER NODES.
func (a *Admin) clusterNodes(s *transport.Session, _ [][]byte) {
	s.Verbatim("txt", a.nodesText())
}

func (a *Admin) nodesText() string {
	m := a.Node.Map()
	var b strings.Builder
	if m.Cluster == "" {
		self := a.Node.Self()
		fmt.Fprintf(&b, "%s %s@%d myself,master - 0 0 0 connected\n", self.ID, self.Addr(), self.PeerPort)
		return b.String()
	}
	led := m.ByLeader()
	for _, id := range m.NodeIDs() {
		n := m.Nodes[id]
		flags, link := "master", "connected"
		if n.Failed {
			flags, link = "master,fail", "disconnected"
		}
		if id == a.Node.ID() {
			flags, link = "myself,master", "connected"
		}
		fmt.Fprintf(&b, "%s %s@%d %s - 0 0 %d %s", n.ID, n.Addr(), n.PeerPort, flags, epochOf(m, id), link)
		for _, r := range led[id] {
			fmt.Fprintf(&b, " %s", r)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// epochOf returns the term in which a node leads, the largest if it leads several groups.
func epochOf(m *slots.Map, id string) (epoch uint64) {
	for _, g := range m.Groups {
		if g.Leader == id {
			epoch = max(epoch, g.Term)
		}
	}
	return epoch
}

// clusterInfo implements CLUSTER INFO.
func (a *Admin) clusterInfo(s *transport.Session, _ [][]byte) {
	m := a.Node.Map()
	assigned, served := m.Assigned()
	failed, leaders := 0, map[string]bool{}
	for _, n := range m.Nodes {
		if n.Failed {
			failed++
		}
	}
	for _, g := range m.Groups {
		if g.Leader != "" {
			leaders[g.Leader] = true
		}
	}
	// Without a leader of the control group this node is cut off from the
	// majority, and what its map says is of the past.
	state := "fail"
	if c := a.Node.Control(); served == hashslot.Count && c != nil {
		if id, _ := c.Leader(); id != "" {
			state = "ok"
		}
	}
	var b strings.Builder
	for _, f := range []struct {
		name  string
		value any
	}{
		{"cluster_state", state},
		{"cluster_slots_assigned", assigned},
		{"cluster_slots_ok", served},
		{"cluster_slots_pfail", 0},
		{"cluster_slots_fail", assigned - served},
		{"cluster_known_nodes", max(1, len(m.Nodes))},
		{"cluster_size", len(leaders)},
		{"cluster_current_epoch", m.Epoch},
		{"cluster_my_epoch", epochOf(m, a.Node.ID())},
		{"cluster_stats_messages_sent", 0},
		{"cluster_stats_messages_received", 0},
		{"total_cluster_links_buffer_limit_exceeded", 0},
		{"quorate_failed_nodes", failed},
		{"quorate_map_version", m.Version},
	} {
		fmt.Fprintf(&b, "%s:%v\r\n", f.name, f.value)
	}
	s.Verbatim("txt", b.String())
}

func clusterKeyslot(s *transport.Session, args [][]byte) { s.Int(int64(hashslot.Of(args[2]))) }

func slotArg(s *transport.Session, arg []byte) (uint16, bool) {
	n, ok := keyspace.ParseInt(arg)
	if !ok || n < 0 || n >= hashslot.Count {
		s.Error("ERR Invalid slot")
		return 0, false
	}
	return uint16(n), true
}

// clusterCountKeys implements CLUSTER COUNTKEYSINSLOT: of the replica on this
// node, 0 if it has none.
func (a *Admin) clusterCountKeys(s *transport.Session, args [][]byte) {
	slot, ok := slotArg(s, args[2])
	if !ok {
		return
	}
	n := 0
	if g := a.Node.Local(int(slot)); g != nil {
		g.View(func(m *fsm.Machine) { n = m.Keyspace().KeysInSlot(slot) })
	}
	s.Int(int64(n))
}

// clusterGetKeys implements CLUSTER GETKEYSINSLOT.
func (a *Admin) clusterGetKeys(s *transport.Session, args [][]byte) {
	slot, ok := slotArg(s, args[2])
	if !ok {
		return
	}
	count, ok := keyspace.ParseInt(args[3])
	if !ok || count < 0 {
		s.Error("ERR Invalid number of keys")
		return
	}
	var keys []string
	if g := a.Node.Local(int(slot)); g != nil {
		g.View(func(m *fsm.Machine) {
			d := m.Keyspace().DB(0).Slot(slot)
			for i := 0; i < d.Len() && int64(i) < count; i++ {
				keys = append(keys, d.At(i).Key())
			}
		})
	}
	s.Array(len(keys))
	for _, k := range keys {
		s.BulkString(k)
	}
}

// clusterReplicas implements CLUSTER REPLICAS. Every node that leads a group is
// a master; a group's followers are masters of other groups, so nobody is a
// replica in Redis's sense.
func (a *Admin) clusterReplicas(s *transport.Session, args [][]byte) {
	if a.Node.Map().Nodes[strings.ToLower(string(args[2]))] == nil {
		s.Error("ERR Unknown node " + string(args[2]))
		return
	}
	s.Array(0)
}
