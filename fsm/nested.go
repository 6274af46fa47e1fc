package fsm

import (
	"bytes"

	"github.com/quorate/quorate/fsm/lua"
)

// Nested is what hears of the commands of a script: called like Op.Before, and of
// an attempt only once it counts (see script_try.go).
type Nested struct {
	// Before is called before a data command runs.
	Before func(cmd *Command, args [][]byte, db int)
	// After is called after a command that failed and after any that is no data
	// command, with its error reply without "-"; nil: it was none.
	After func(args [][]byte, end NestedEnd, failure []byte)
}

// NestedEnd is how a command of a script ended.
type NestedEnd uint8

const (
	NestedRefused NestedEnd = iota // it didn't run
	NestedRan                      // Before has told that it runs
	NestedOther                    // it ran, and Before hasn't told: it is no data command
)

// Call implements lua.Host.
func (h *scriptHost) Call(args [][]byte, proto int) (reply []byte, refused string) {
	other := h.cmd == nil
	reply, refused = h.dispatch(args, proto)
	if h.read.nested == nil || refused == lua.Abandon {
		return reply, refused
	}
	failed := len(reply) > 0 && reply[0] == '-'
	switch {
	case refused != "":
		text := "ERR " + refused
		if refused[0] == '-' {
			text = refused[1:]
		}
		h.after(args, NestedRefused, []byte(text))
	case other && failed:
		h.after(args, NestedOther, errorText(reply))
	case other:
		h.after(args, NestedOther, nil)
	case failed:
		h.after(args, NestedRan, errorText(reply))
	}
	return reply, refused
}

// errorText returns the text of an error reply.
func errorText(reply []byte) []byte {
	end := bytes.IndexByte(reply, '\r')
	return reply[1:max(end, 1)]
}

// announce tells that a data command is about to run.
func (h *scriptHost) announce(args [][]byte) {
	n, a := h.read.nested, h.read.attempt
	switch {
	case n == nil:
	case a == nil:
		n.Before(h.cmd, args, h.db)
	default:
		cmd, db := h.cmd, h.db
		copied, size := cloneArgs(args)
		a.hold(size, func() { n.Before(cmd, copied, db) })
	}
}

func (h *scriptHost) after(args [][]byte, end NestedEnd, failure []byte) {
	n, a := h.read.nested, h.read.attempt
	if a == nil {
		n.After(args, end, failure)
		return
	}
	copied, size := cloneArgs(args)
	failure = bytes.Clone(failure)
	a.hold(size+len(failure), func() { n.After(copied, end, failure) })
}

// cloneArgs copies arguments and says how many bytes the copy takes.
func cloneArgs(args [][]byte) (copied [][]byte, size int) {
	copied = make([][]byte, len(args))
	for i, arg := range args {
		copied[i] = bytes.Clone(arg)
		size += len(arg) + 24
	}
	return copied, size
}
