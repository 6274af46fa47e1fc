package node

import (
	"context"

	"github.com/quorate/quorate/slots"
)

// SetUsers has the control group take the next revision of the cluster's users.
// slots.ErrUsersChanged, perhaps from another node and then only its text, says that
// there is one already. After other errors the outcome is unknown.
func (n *Node) SetUsers(ctx context.Context, u slots.Users) error {
	return n.change(ctx, slots.Change{Users: &u})
}

// tellUsers tells of the users of a map, if anybody listens and they were ever changed.
func (n *Node) tellUsers(m *slots.Map) {
	if n.opt.OnUsers != nil && m.Users.Revision > 0 {
		n.opt.OnUsers(m.Users)
	}
}
