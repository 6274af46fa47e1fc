package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.openGroupLocked(plainGroup, []raft.Server{{Suffrage: raft.Voter, ID: raft.ServerID(n.id.Node), Address: plainAddr}})
}

// seed gives the group of a node in plain mode its first state, if there is a file
// for that and no state yet.
func (n *Node) seed(files *store.Files, members []raft.Server, o fsm.Options) error {
	if n.opt.Cluster || n.opt.Seed == "" || members == nil {
		return nil
	}
	f, err := os.Open(n.opt.Seed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	var limits map[string]int
	if n.opt.Limits != nil {
		limits = n.opt.Limits()
	}
	start := time.Now()
	used, err := files.Seed(f, members, o, limits, start.UnixMilli())
	switch {
	case err != nil:
		return fmt.Errorf("load %s, as there is no other data: %w", n.opt.Seed, err)
	case used:
		n.log.Info("began with an RDB file", "file", n.opt.Seed, "took", time.Since(start))
	default:
		n.log.Info("RDB file not loaded: there is data already", "file", n.opt.Seed)
	}
	return nil
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
