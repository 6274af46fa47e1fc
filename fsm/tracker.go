package fsm

// Tracker is told on every replica which keys change, so that a node can tell
// clients what they must not cache any longer (CLIENT TRACKING). It is no part
// of the replicated state. Calls come one at a time, under the group's lock:
// they must be quick and must not block.
type Tracker interface {
	// Changed says that a key was created, changed or deleted by a client of
	// this node, 0 for anybody else. key is valid until it returns.
	Changed(client int64, key []byte)
	// Replaced says that any number of keys may have changed: by FLUSHALL, a
	// snapshot, slots that went to another group.
	Replaced()
	// Applied says that an entry has come to its end.
	Applied()
}

// tellReplaced tells the tracker that any key may have changed.
func (m *Machine) tellReplaced() {
	if m.tracker != nil {
		m.tracker.Replaced()
	}
}
