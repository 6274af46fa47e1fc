package transport

import "github.com/quorate/quorate/fsm"

// Group is one Raft group as a session sees it. Safe for concurrent use, and
// comparable: sessions tell groups apart by ==.
type Group interface {
	// Do runs a unit and blocks until it is answered. On nil the replies are in
	// u.Reply; otherwise the error is one of store's and nothing was written.
	Do(u *fsm.Unit) error
	// DoStale runs a unit that only reads on the local replica, which may lag.
	DoStale(u *fsm.Unit) error
	// Watch adds keys of a database to w.
	Watch(w *fsm.Watch, db int, keys [][]byte) error
	// Unwatch forgets all keys of w.
	Unwatch(w *fsm.Watch)
	// Acked asks how many other replicas are known to have the log entry at an
	// index (fsm.Unit.Index) on stable storage.
	Acked(index uint64) int
}

// Router knows which group serves a slot. Safe for concurrent use.
type Router interface {
	// Cluster reports whether the node runs in cluster mode.
	Cluster() bool
	// Route returns the group that serves a slot through this node, or nil and
	// the error reply without "-": "MOVED 1 127.0.0.1:7002".
	Route(slot int) (g Group, redirect string)
	// Local returns a local replica of the slot's group, or nil.
	Local(slot int) Group
	// Led returns the groups this node leads, in the order of their first
	// slots; in plain mode exactly the one.
	Led() []Group
	// Redirect returns the error reply for a slot whose group has just said
	// that this node doesn't lead it.
	Redirect(slot int) string
}
