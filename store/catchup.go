package store

import (
	"time"

	"github.com/hashicorp/raft"
)

// CatchUp waits, up to a limit, until this replica has what its leader has applied, and so
// what was acknowledged before: for a file of what this node has. The leader isn't asked
// whether it still is one.
func (g *Group) CatchUp(limit time.Duration) {
	deadline := time.Now().Add(limit)
	addr, id := g.raft.LeaderWithID()
	if id == "" || g.Leading() {
		return
	}
	answers := make(chan uint64, 1)
	g.trans.AskStatus(id, addr, limit, func(st Status, _ error) { answers <- st.Applied })
	var want uint64
	select {
	case want = <-answers:
	case <-time.After(limit):
	case <-g.stopped:
	}
	for g.lacks(want) && time.Now().Before(deadline) {
		select {
		case <-g.stopped:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// lacks reports whether something up to an index is still to be applied. The library counts
// what it has handed over, and tells the state machine only of commands.
func (g *Group) lacks(index uint64) bool {
	g.mu.RLock()
	applied := g.machine.Index()
	g.mu.RUnlock()
	if applied >= index {
		return false
	}
	if g.raft.AppliedIndex() < index || g.pendingEntries() {
		return true
	}
	var l raft.Log
	for i := applied + 1; i <= index; i++ {
		// One that isn't there any more is in a snapshot that was installed.
		if g.opt.Replica.Files.Log.GetLog(i, &l) == nil && l.Type == raft.LogCommand {
			return true
		}
	}
	return false
}
