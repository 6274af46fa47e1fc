package node

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/slots"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/transport/peer"
)

// The services that nodes offer each other beside Raft.
const (
	svcStatus  byte = iota + 1 // group (4 bytes) -> term, last index, applied index (8 bytes each), or nothing
	svcHello                   // -> hello as JSON
	svcFound                   // image of the first map as JSON -> nothing
	svcJoin                    // node as JSON -> joinReply as JSON
	svcControl                 // change as JSON -> nothing
	svcVersion                 // -> version of the newest committed map as JSON
	svcPublish                 // batch of published messages -> nothing; see spread.go
	svcUsers                   // -> revision of the users in force (8 bytes)
)

// hello is how a node presents itself to one that doesn't know it.
type hello struct {
	Node    string `json:"node"`
	Cluster string `json:"cluster"`
}

// joinReply is the answer to a node that wants to belong to the cluster.
type joinReply struct {
	Cluster string `json:"cluster"`
	// Founding is set if the node is one of the founders and missed it.
	Founding *slots.Image `json:"founding,omitempty"`
}

// link is a group's transport with the question that confirms reads.
type link struct {
	*peer.GroupTransport
	mux   *peer.Mux
	group [4]byte
}

func newLink(mux *peer.Mux, group uint32) *link {
	l := &link{GroupTransport: mux.Group(group), mux: mux}
	binary.BigEndian.PutUint32(l.group[:], group)
	return l
}

// AskStatus implements store.Transport.
func (l *link) AskStatus(id raft.ServerID, addr raft.ServerAddress, limit time.Duration, answer func(store.Status, error)) {
	l.mux.Go(string(id), string(addr), svcStatus, l.group[:], limit, func(b []byte, err error) {
		if err == nil && len(b) != 24 {
			err = errors.New("no replica of this group there")
		}
		if err != nil {
			answer(store.Status{}, err)
			return
		}
		answer(store.Status{Term: binary.BigEndian.Uint64(b), LastIndex: binary.BigEndian.Uint64(b[8:]), Applied: binary.BigEndian.Uint64(b[16:])}, nil)
	})
}

// offerServices registers the node's side of the services.
func (n *Node) offerServices() {
	n.mux.HandleInline(svcStatus, n.serveStatus)
	n.mux.HandleInline(svcUsers, func(_ string, _, dst []byte) []byte {
		return binary.BigEndian.AppendUint64(dst, n.users.Load())
	})
	n.mux.Handle(svcHello, func(context.Context, string, []byte) ([]byte, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		return json.Marshal(hello{n.id.Node, n.id.Cluster})
	})
	n.mux.Handle(svcFound, n.serveFound)
	n.mux.Handle(svcJoin, n.serveJoin)
	n.mux.Handle(svcControl, n.serveControl)
	n.mux.Handle(svcPublish, n.servePublish)
	n.mux.Handle(svcVersion, func(context.Context, string, []byte) ([]byte, error) {
		c := n.Control()
		if c == nil {
			return nil, errors.New("this node belongs to no cluster yet")
		}
		if err := c.Confirm(); err != nil {
			return nil, err
		}
		return json.Marshal(n.Map().Version)
	})
}

// serveStatus answers from memory: it runs where the peer port is read.
func (n *Node) serveStatus(_ string, req, dst []byte) []byte {
	// Who doesn't answer isn't given leadership: without this the new leader
	// would hand it back to its preferred node, which is about to end.
	if len(req) != 4 || n.leaving.Load() {
		return dst
	}
	r := n.replica(binary.BigEndian.Uint32(req))
	if r == nil {
		return dst
	}
	st := r.Status()
	dst = binary.BigEndian.AppendUint64(dst, st.Term)
	dst = binary.BigEndian.AppendUint64(dst, st.LastIndex)
	return binary.BigEndian.AppendUint64(dst, st.Applied)
}

// call asks another node and decodes its JSON answer.
func (n *Node) call(ctx context.Context, id, addr string, svc byte, req, answer any) error {
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	b, err := n.mux.Call(ctx, id, addr, svc, body)
	if err != nil || answer == nil {
		return err
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return fmt.Errorf("answer of %s: %w", addr, err)
	}
	return nil
}

// change has a change of the map made: by this node if it leads the control
// group, else by the node that does.
func (n *Node) change(ctx context.Context, ch slots.Change) error {
	ch.Version = 1
	c := n.Control()
	if c == nil {
		return errors.New("this node belongs to no cluster yet")
	}
	if c.Leading() {
		body, err := json.Marshal(ch)
		if err != nil {
			return err
		}
		return applyChange(c, body)
	}
	id, addr := c.Leader()
	if id == "" || id == n.ID() {
		return errors.New("the control group has no leader at the moment")
	}
	return n.call(ctx, id, addr, svcControl, ch, nil)
}

func (n *Node) serveControl(_ context.Context, _ string, req []byte) ([]byte, error) {
	c := n.Control()
	if c == nil || !c.Leading() {
		return nil, errors.New("not the leader of the control group")
	}
	return nil, applyChange(c, req)
}

func applyChange(c *store.Replica, body []byte) error {
	answer, err := c.Apply(body)
	if err != nil {
		return err
	}
	if refused, ok := answer.(error); ok {
		return refused
	}
	return nil
}
