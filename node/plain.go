package node

import (
	"time"

	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/store"
)

// plainGroup is the number of the one group of plain mode.
const plainGroup = 1

// openPlain starts the one group of plain mode: a single voter that elects
// itself. Nothing listens for other nodes.
func (n *Node) openPlain() error {
	return n.openGroup(plainGroup, []raft.Server{{Suffrage: raft.Voter, ID: raft.ServerID(n.id.Node), Address: plainAddr}})
}

// awaitPlain waits until the group has applied its log and serves: only then is there a
// complete state. Thresholds that were changed meanwhile are put in force.
func (n *Node) awaitPlain() {
	g := n.Groups()[plainGroup]
	for g.Serving() == 0 {
		g.Replaying() // has Loading tell about the log
		select {
		case <-n.stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
	n.mu.Lock()
	g.View(func(m *fsm.Machine) {
		if n.loaded == (fsm.Loaded{}) { // nothing but its own snapshot and log
			expired := int64(m.Keyspace().Expired(time.Now().UnixMilli()))
			n.loaded.Keys, n.loaded.Expired = int64(m.Keyspace().Len())-expired, expired
		}
	})
	n.mu.Unlock()
	if err := n.bringUpToDate(g, plainGroup); err != nil {
		n.log.Warn("thresholds that were changed while loading are not in force", "error", err)
	}
}

// plainTimeout is the election timeout of a group of one: there is nobody to
// wait for.
const plainTimeout = 20 * time.Millisecond

// plainAddr is the address of the one replica, which nobody dials.
const plainAddr = "plain"

// aloneTransport connects a group to nobody.
type aloneTransport struct{ *raft.InmemTransport }

// SetHeartbeats implements store.Transport: there are no heartbeats.
func (aloneTransport) SetHeartbeats(func(uint64, raft.ServerID) (uint64, bool)) {}

// AskStatus implements store.Transport.
func (aloneTransport) AskStatus(_ raft.ServerID, _ raft.ServerAddress, _ time.Duration, answer func(store.Status, error)) {
	answer(store.Status{}, store.ErrNoQuorum)
}

// Loaded returns what the RDB file had that the node began with, or else what its snapshot
// and its log have made of it, in plain mode. It is complete once the node doesn't load any more.
func (n *Node) Loaded() fsm.Loaded {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.loaded
}
