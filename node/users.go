package node

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/quorate/quorate/slots"
)

// SetUsers has the control group take the next revision of the cluster's users,
// and waits for the nodes that can be reached to have it in force.
// slots.ErrUsersChanged, perhaps from another node and then only its text, says that
// there is one already. After other errors the outcome is unknown.
func (n *Node) SetUsers(ctx context.Context, u slots.Users) error {
	if err := n.change(ctx, slots.Change{Users: &u}); err != nil {
		return err
	}
	n.awaitUsers(ctx, u.Revision)
	return nil
}

// usersPatience is how long is waited for nodes that answer and don't follow; one
// that is cut off doesn't answer. usersPoll is the pause between two looks.
const (
	usersPatience = time.Second
	usersPoll     = 5 * time.Millisecond
)

// awaitUsers waits until this node and the others have the revision in force: who
// has changed a password may use it next.
func (n *Node) awaitUsers(ctx context.Context, revision uint64) {
	ctx, cancel := context.WithTimeout(ctx, usersPatience)
	defer cancel()
	var others sync.WaitGroup
	for _, other := range n.Map().Nodes {
		if other.ID == n.ID() || other.Failed {
			continue
		}
		others.Go(func() {
			poll(ctx, func() bool {
				b, err := n.mux.Call(ctx, other.ID, other.PeerAddr(), svcUsers, nil)
				return err != nil || len(b) != 8 || binary.BigEndian.Uint64(b) >= revision
			})
		})
	}
	poll(ctx, func() bool { return n.users.Load() >= revision })
	others.Wait()
}

// poll looks until ok or until ctx ends, which is false.
func poll(ctx context.Context, ok func() bool) bool {
	for !ok() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(usersPoll):
		}
	}
	return true
}

// tellUsers tells of the users of a map, if anybody listens and they were ever changed.
func (n *Node) tellUsers(m *slots.Map) {
	if n.opt.OnUsers != nil && m.Users.Revision > 0 {
		n.opt.OnUsers(m.Users)
		n.users.Store(m.Users.Revision)
	}
}
