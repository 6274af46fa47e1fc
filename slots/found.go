package slots

import (
	"errors"
	"fmt"

	"github.com/quorate/quorate/slots/hashslot"
)

// Replicas is the number of replicas a group has where so many nodes exist: two
// could not survive the loss of one.
const Replicas = 3

// Found returns the first map of a cluster: so many groups (0: one per node),
// led by the first nodes, with replicas on the nodes that follow, and the slots
// divided evenly in the order of the groups as redis-cli --cluster create would.
func Found(cluster string, nodes []*Node, groups int) (*Map, error) {
	if len(nodes) == 0 || cluster == "" {
		return nil, errors.New("a cluster needs an ID and a node")
	}
	if groups == 0 {
		groups = len(nodes)
	}
	if groups < 0 || groups > hashslot.Count {
		return nil, fmt.Errorf("a cluster can't have %d groups", groups)
	}
	m := NewMap()
	m.Cluster, m.Version, m.Epoch = cluster, 1, 1
	for _, n := range nodes {
		if m.Nodes[n.ID] != nil {
			return nil, errors.New("node " + n.ID + " is named twice")
		}
		m.Nodes[n.ID] = n
		m.Founded[n.ID] = n.PeerAddr()
	}
	perGroup := float64(hashslot.Count) / float64(groups)
	first := 0
	for i := range groups {
		g := &Group{ID: uint32(i + 1), Preferred: nodes[i%len(nodes)].ID}
		for r := range min(Replicas, len(nodes)) {
			g.Members = append(g.Members, nodes[(i+r)%len(nodes)].ID)
		}
		g.Initial = append(g.Initial, g.Members...)
		m.Groups[g.ID] = g
		last := int(float64(i+1)*perGroup+0.5) - 1
		if i == groups-1 {
			last = hashslot.Count - 1
		}
		for s := first; s <= last; s++ {
			m.Slots[s] = g.ID
		}
		first = last + 1
	}
	return m, nil
}
