package fsm

// PFCOUNT is a read for clients and for a follower's stale reads, but Redis keeps
// the estimate in the value, where GET shows it. A replica can't do that by
// itself: values would differ. So a read like that has a second form, a write
// under the same name (Command.Logged), and
//
//   - within an entry the write runs, on every replica;
//   - a unit that only reads runs the read; if that finds something to store,
//     the unit becomes an entry;
//   - a stale read answers the same without storing anything, and so does a
//     transaction with a watch that only reads, unless it is alone in its unit
//     (as sessions make them): one that writes must be the first step of its entry.

// storeReads puts the writing form in the place of every read of the unit that
// has one and may use it. It reports whether there was any.
func (u *Unit) storeReads() (found bool) {
	for i := range u.Ops {
		op := &u.Ops[i]
		if op.storeRead() {
			found = true
		}
		if op.Watch != nil && !op.Writes() && len(u.Ops) > 1 {
			continue
		}
		for j := range op.Tx {
			if op.Tx[j].storeRead() {
				found = true
			}
		}
	}
	return found
}

func (o *Op) storeRead() bool {
	if o.Cmd == nil || o.Cmd.Logged == nil {
		return false
	}
	o.Cmd = o.Cmd.Logged
	return true
}
