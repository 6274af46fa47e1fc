// Package store runs Raft groups: it turns units of commands into log entries,
// decides when a read may be answered, and keeps logs, snapshots and membership.
package store

import "errors"

// What a caller is told when a unit was not answered decides whether the store
// is correct. The first group of errors says for certain that nothing was
// executed, so that a client may retry; ErrUncertain says that it may or may not have been,
// and nobody may retry on the client's behalf.
var (
	// ErrNotLeader: this replica doesn't lead the group, or not yet. Not executed.
	ErrNotLeader = errors.New("not the leader of the group")
	// ErrNoQuorum: the leader could not reach a majority. Returned only for
	// reads and for writes that were not appended. Not executed.
	ErrNoQuorum = errors.New("no quorum")
	// ErrOverloaded: the queue of the group is full. Not executed.
	ErrOverloaded = errors.New("too many commands are waiting")
	// ErrNoSpace: too little room on the disk to accept writes. Not executed.
	ErrNoSpace = errors.New("too little free space for the log")
	// ErrTooLarge: the unit doesn't fit into a log entry. Not executed.
	ErrTooLarge = errors.New("commands are too large for one log entry")
	// ErrLoading: another state is being put in the place of this one. Not executed.
	ErrLoading = errors.New("the state is being loaded")
	// ErrClosed: the group is shutting down and has not taken the unit. Not executed.
	ErrClosed = errors.New("the group is shut down")

	// ErrUncertain: the entry was on its way when leadership or the node was
	// lost. The writes may or may not take effect.
	ErrUncertain = errors.New("leadership was lost with the write in flight")

	// ErrNobodyThere: no other replica answered that could take over leadership.
	ErrNobodyThere = errors.New("no other replica answers")
)
