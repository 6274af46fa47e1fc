package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/quorate/quorate/slots"
)

// How a cluster comes into being. Every node is started with the same list of
// addresses (quorate-initial-nodes). A node that belongs to no cluster asks
// all of them who they are:
//
//   - one belongs to a cluster: this node asks to join it;
//   - none does, all have answered, and this node is the first of the list: it
//     draws the cluster's ID, makes the first map and hands it to all of them;
//   - otherwise it asks again a little later.
//
// Whoever receives the first map writes it down before it acts on it, so that
// a crash in between is repaired by asking again. Founders bootstrap the
// groups with the same members; later nodes start empty and are added.

// askEvery is the pause between two attempts to form or join a cluster.
const askEvery = 200 * time.Millisecond

// become forms or joins a cluster, however long it takes.
func (n *Node) become() {
	defer n.wg.Done()
	warned := time.Now()
	for {
		done, err := n.tryBecome()
		if done {
			return
		}
		if err != nil && time.Since(warned) > 5*time.Second {
			warned = time.Now()
			n.log.Info("waiting to form or join a cluster", "reason", err)
		}
		select {
		case <-n.stop:
			return
		case <-time.After(askEvery):
		}
	}
}

func (n *Node) tryBecome() (done bool, err error) {
	n.mu.Lock()
	member := n.id.Cluster != ""
	n.mu.Unlock()
	if member {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var missing error
	founders := make([]*slots.Node, 0, len(n.opt.InitialNodes))
	for _, a := range n.opt.InitialNodes {
		var h hello
		if err := n.call(ctx, "", a.PeerAddr(), svcHello, struct{}{}, &h); err != nil {
			missing = fmt.Errorf("node %s doesn't answer: %w", a.Addr(), err)
			continue
		}
		if h.Node == n.ID() {
			n.mu.Lock()
			n.self.Host, n.self.Port = a.Host, a.Port
			n.mu.Unlock()
		} else if h.Cluster != "" {
			return n.join(ctx, h.Node, a.PeerAddr())
		}
		founders = append(founders, &slots.Node{ID: h.Node, Host: a.Host, Port: a.Port, PeerPort: a.PeerPort})
	}
	if missing != nil {
		return false, missing
	}
	if founders[0].ID != n.ID() {
		return false, errors.New("the first of the initial nodes has not formed the cluster yet")
	}
	m, err := slots.Found(newID(), founders, n.opt.InitialGroups)
	if err != nil {
		return false, err
	}
	// This node first: if it crashes after the others have the map, they are
	// found to belong to the cluster and this node joins as the founder it is.
	image := m.Image()
	for _, f := range founders {
		if err := n.call(ctx, f.ID, f.PeerAddr(), svcFound, image, nil); err != nil {
			return false, fmt.Errorf("hand the first map to %s: %w", f.Addr(), err)
		}
	}
	return true, nil
}

// serveFound takes the first map from the node that made it.
func (n *Node) serveFound(_ context.Context, _ string, req []byte) ([]byte, error) {
	var im slots.Image
	if err := json.Unmarshal(req, &im); err != nil {
		return nil, err
	}
	return nil, n.enter(im.Cluster, &im)
}

// enter makes this node belong to a cluster, on disk first.
func (n *Node) enter(cluster string, founding *slots.Image) error {
	select {
	case <-n.opened: // other nodes can ask before this one has its files
	case <-n.stop:
		return errors.New("the node is stopping")
	}
	if n.openErr != nil {
		return n.openErr
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.id.Cluster == cluster:
		return nil
	case n.id.Cluster != "":
		return fmt.Errorf("node %s belongs to another cluster", n.id.Node)
	case cluster == "":
		return errors.New("a cluster without an ID")
	}
	if founding != nil {
		m, err := founding.Map()
		if err != nil {
			return err
		}
		if m.Nodes[n.id.Node] == nil {
			return errors.New("the first map doesn't name this node")
		}
	}
	n.id.Cluster, n.id.Founding = cluster, founding
	if err := n.id.save(); err != nil {
		n.id.Cluster, n.id.Founding = "", nil
		return fmt.Errorf("write the node's identity: %w", err)
	}
	n.clusterID.Store(&cluster)
	n.log.Info("belongs to a cluster", "cluster", cluster, "node", n.id.Node, "founder", founding != nil)
	return n.openControlLocked()
}

// join asks a member of a cluster to be let in.
func (n *Node) join(ctx context.Context, id, addr string) (bool, error) {
	n.mu.Lock()
	self := n.self
	n.mu.Unlock()
	var reply joinReply
	if err := n.call(ctx, id, addr, svcJoin, self, &reply); err != nil {
		return false, fmt.Errorf("join the cluster of %s: %w", addr, err)
	}
	if err := n.enter(reply.Cluster, reply.Founding); err != nil {
		return false, err
	}
	return true, nil
}

// serveJoin lets a node in: a founder that missed the founding gets the first
// map, any other is entered into the map and added to the groups from there.
func (n *Node) serveJoin(ctx context.Context, _ string, req []byte) ([]byte, error) {
	var who slots.Node
	if err := json.Unmarshal(req, &who); err != nil {
		return nil, err
	}
	if len(who.ID) != 40 || who.Host == "" || who.Port == 0 || who.PeerPort == 0 {
		return nil, fmt.Errorf("a node without ID or address: %+v", who)
	}
	n.mu.Lock()
	founding, cluster := n.id.Founding, n.id.Cluster
	n.mu.Unlock()
	if cluster == "" {
		return nil, errors.New("this node belongs to no cluster")
	}
	if founding != nil && founding.Founded[who.ID] != "" {
		return json.Marshal(joinReply{cluster, founding})
	}
	if err := n.change(ctx, slots.Change{Join: &who}); err != nil {
		return nil, err
	}
	return json.Marshal(joinReply{Cluster: cluster})
}
