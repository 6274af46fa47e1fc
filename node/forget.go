package node

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// forget deletes what this node has of a group whose replica isn't its own any
// more, for good. The identity goes first: files without it promise nothing, and what a crash
// leaves of them is deleted at the next start. Without its files, the identity
// would say that they are lost.
func (n *Node) forget(group uint32) error {
	n.mu.Lock()
	delete(n.id.Groups, group)
	n.id.GivenUp[group] = true
	err := n.id.save()
	if err != nil {
		n.id.Groups[group] = true
		delete(n.id.GivenUp, group)
	}
	n.mu.Unlock()
	if err != nil {
		return fmt.Errorf("write the node's identity: %w", err)
	}
	return n.deleteReplica(group)
}

func (n *Node) deleteReplica(group uint32) error {
	if w := n.wal.Load(); w != nil {
		if err := w.Drop(group); err != nil {
			return fmt.Errorf("delete the log of group %d: %w", group, err)
		}
	}
	// The log first: it is found by the directory.
	return os.RemoveAll(n.dirOf(group))
}

// forgetLeftovers deletes the replicas that a crash has kept from being deleted,
// or from being entered into the identity before they were used.
func (n *Node) forgetLeftovers() error {
	names, err := os.ReadDir(n.opt.Dir)
	for _, name := range names {
		text, ok := strings.CutPrefix(name.Name(), groupPrefix)
		group, perr := strconv.ParseUint(text, 10, 32)
		if !ok || perr != nil || n.id.Groups[uint32(group)] {
			continue
		}
		n.log.Info("deleting what is left of a replica that was given up", "group", group)
		err = errors.Join(err, n.deleteReplica(uint32(group)))
	}
	return err
}
