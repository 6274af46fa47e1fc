package fsm

import (
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/slots/hashslot"
)

// Where memory is much larger than the CPU's caches, a lookup is four or five
// accesses, each of which waits for the one before. The lookups of different
// commands don't depend on each other, so those of the commands to come are
// begun together: their waits overlap. (Valkey 8 prefetches for the same reason.)
const (
	warmFrom  = 4  // commands from which that is worth it
	warmSteps = 64 // of one unit, or of an entry's text, at once: more may push each other out
	warmUnits = 16 // of an entry at once
)

// warm brings the entries of a step's first key into the CPU's caches with the
// warmer's others. It changes nothing that is replicated.
func (m *Machine) warm(w *keyspace.Warmer, op *Op) {
	// The commands that come in masses have their key first.
	if op.Cmd != nil && len(op.Args) > 1 && op.Cmd.KeyIsFirst() {
		slot := hashslot.Of(op.Args[1])
		w.Add(m.ks.DB(op.DB), slot, op.Args[1])
		if op.Slot == 0 {
			op.Slot = int(slot) // see Op.slot
		}
	}
}

// warmOps warms up for the first steps of ops.
func (m *Machine) warmOps(ops []Op) {
	if len(ops) < warmFrom {
		return
	}
	var w keyspace.Warmer
	for i := range min(len(ops), warmSteps) {
		m.warm(&w, &ops[i])
	}
	w.Finish()
}

// warmEntry warms up for the first units of an entry.
func (m *Machine) warmEntry(units []*Unit) {
	var w keyspace.Warmer
	for _, u := range units[:min(len(units), warmUnits)] {
		for i := range min(len(u.Ops), warmSteps) {
			m.warm(&w, &u.Ops[i])
		}
	}
	w.Finish()
}

// warmText warms up for the first steps of an entry's text.
func (m *Machine) warmText(steps []loggedOp) {
	var w keyspace.Warmer
	for i := range min(len(steps), warmSteps) {
		m.warm(&w, &steps[i].op)
	}
	w.Finish()
}
