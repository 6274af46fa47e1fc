package fsm

import "github.com/quorate/quorate/resp"

// Unit is a run of commands from one session that goes to one group as one
// piece and is answered as one piece.
type Unit struct {
	Ops []Op

	// Reply takes the replies, in the order of Ops. Only one goroutine at a
	// time writes to it: the session's own for a unit that only reads, the
	// group's apply goroutine for a unit that is in an entry.
	Reply *resp.Writer

	// Client is the session's number, for Tracker; 0 is nobody's.
	Client int64

	// Stale says that the unit runs on whatever state the replica has and can't
	// become an entry.
	Stale bool

	// Sweep asks Read to report false for a key that has expired and is still
	// there, though its expiry is committed: the caller then deletes it.
	Sweep bool

	// Waiter is set if the last step is a blocking command that may wait. If it
	// finds nothing it writes no reply, and Waiter.Blocked says so.
	Waiter *Waiter

	// Flushed, if set, becomes true when a step has run FLUSHALL on the replica that
	// answers the unit.
	Flushed *bool

	// Index is the log index of the entry that the unit was part of; 0: none.
	Index uint64
}

// waiterOf returns the waiter of step i, or nil.
func (u *Unit) waiterOf(i int) *Waiter {
	if i == len(u.Ops)-1 {
		return u.Waiter
	}
	return nil
}

// Op is one step of a unit. Exactly one of Cmd, Tx and Raw is set.
type Op struct {
	Cmd  *Command
	Args [][]byte // owned by the session, unchanged until the unit is answered
	DB   int
	Slot int // hash slot of the command's or transaction's keys, or -1 if it has none

	// Tx are the commands of a transaction; it runs as one piece or, if Watch
	// doesn't hold, not at all. Its elements have Cmd or Raw set. A transaction
	// with a Watch and a write is the first step of its unit, and its unit the
	// first of its entry: what the proposer saw is then what it runs on.
	Tx    []Op
	Watch *Watch

	// Before, if set, is called just before Cmd runs, at its place among the
	// others and under the group's lock: CLIENT TRACKING notes what is read. It
	// may be called again if the unit is run again.
	Before func()

	// Nested, if set, hears of the commands of a script that Cmd runs.
	Nested *Nested

	// Try says that Cmd runs a script that is worth trying as a read first. Steps
	// like that share a unit with others that write only if all go into the log.
	Try bool

	// As is the user for whom Cmd runs, if it may meet commands or keys that are
	// forbidden to him; nil: nothing is.
	As *As

	took int64 // see Took

	decided uint64 // the applied index on which the decision about Watch rests

	// Raw is a reply that is known already and only waits for its place: what
	// a connection command inside MULTI answered.
	Raw []byte
}

// Writes reports whether a command of the unit can change the state.
func (u *Unit) Writes() bool {
	for i := range u.Ops {
		if u.Ops[i].Writes() {
			return true
		}
	}
	return false
}

// Writes reports whether the step can change the state.
func (o *Op) Writes() bool {
	if o.Cmd != nil {
		return o.Cmd.Write != nil
	}
	for i := range o.Tx {
		if o.Tx[i].Writes() {
			return true
		}
	}
	return false
}

// Watched reports whether the unit begins with a transaction that writes and
// has watched keys, and returns its watch.
func (u *Unit) Watched() (*Watch, bool) {
	if len(u.Ops) == 0 || u.Ops[0].Watch == nil || !u.Ops[0].Writes() {
		return nil, false
	}
	return u.Ops[0].Watch, true
}
