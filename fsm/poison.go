package fsm

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// A handler must not panic on any input. Should one do it all the same, every
// replica panics at the same step of the same entry, with half a command done;
// to stop would take the cluster down, to go on would serve a broken state. So
// the machine is thrown away, a new one is built from snapshot and log with that
// step left out, and as the panic is deterministic, all replicas leave it out.
// See docs/decisions/0008-poison.md.

// Poison names a step that must be left out: the n-th write of an entry, from 1.
type Poison struct {
	Index uint64 `json:"index"`
	Step  int    `json:"step"`
}

// PanicError is what Apply returns when a handler has panicked. The machine is
// broken and must not be used any more.
type PanicError struct {
	Poison
	Value any
	Stack []byte
}

// Error implements error.
func (e *PanicError) Error() string {
	return fmt.Sprintf("entry %d, step %d: a command panicked: %v", e.Index, e.Step, e.Value)
}

// ErrDiverged is returned by Apply when replicas differ. The node must stop.
var ErrDiverged = errors.New("replicas have diverged")

const errPoison = "ERR internal error: this command could not be executed and changed nothing"

// catch turns a panic of a handler into a PanicError.
func (m *Machine) catch(err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{Poison{m.index, m.step}, v, debug.Stack()}
	}
}

// panicNow is an internal command for tests of what happens then.
func panicNow(*WriteCall) { panic("asked for by a test") }

// Panic returns a step whose handler panics: tests only.
func Panic() Op {
	return Op{Cmd: writesByName["#PANIC"], Slot: -1, Args: [][]byte{[]byte("#panic")}}
}
