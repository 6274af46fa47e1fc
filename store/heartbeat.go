package store

import (
	_ "unsafe" // for go:linkname

	"github.com/hashicorp/raft"
)

// setLastContact is all that a heartbeat of the known leader has to do. The
// library's own handler for heartbeats does more: beside the main loop it may
// change role and term behind its back (hashicorp/raft issue 695), and asking
// for both first leaves a moment in which the main loop becomes a candidate. A
// version of the library without this method doesn't link.
//
//go:linkname setLastContact github.com/hashicorp/raft.(*Raft).setLastContact
func setLastContact(*raft.Raft)

// Heartbeats returns the function by which a transport tells Raft of a
// heartbeat without waiting for its main loop, which may be busy with the disk.
// It returns the last index of the log, and false for what must take its turn in the main
// loop: whatever doesn't come from the leader that this follower knows, in the
// current term. It changes nothing but the time of last contact: at worst
// a candidate of a newer term has heard from the old leader. Safe for concurrent use.
func Heartbeats(r *raft.Raft) func(term uint64, leader raft.ServerID) (last uint64, ok bool) {
	return func(term uint64, leader raft.ServerID) (uint64, bool) {
		if r.CurrentTerm() != term || r.State() != raft.Follower {
			return 0, false
		}
		if _, known := r.LeaderWithID(); known != leader || leader == "" {
			return 0, false
		}
		setLastContact(r)
		return r.LastIndex(), true
	}
}
