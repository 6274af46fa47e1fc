package store

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
)

// Blocking commands (docs/decisions/0010-blocking.md). The machine of the node
// that leads knows who waits for which key; what has come for them is put first
// into the next entry, before anything else may see it, and an entry ends
// behind a step that may bring something.

// servePerEntry is how many waiters an entry serves at the most.
const servePerEntry = 1024

// urgent reports whether something has come for a waiter.
func (g *Group) urgent() bool { return g.waiters.Due() && g.Serving() != 0 }

// park lets a unit's only step wait without an entry, if it can be seen that it
// finds nothing. False: it has to go through the log.
//
// The waiter is registered first and the state proved recent then, so that its
// place among the others is that of its arrival: a round later, a push that came
// behind it may be through. It may even be served before the round is over.
func (g *Group) park(u *fsm.Unit) (bool, error) {
	g.mu.RLock()
	term := g.Serving()
	// Every push that was acknowledged before the command came is applied here if
	// the replica led then, and every later one finds the waiter.
	parked := g.unusable == nil && term != 0 && g.machine.Park(u, g.now())
	g.mu.RUnlock()
	if !parked {
		return false, nil
	}
	if err := g.confirmTerm(term); err != nil && u.Waiter.Withdraw() {
		return false, err
	}
	return true, nil
}

// lookAndWait runs a blocking command that only reads, its unit's only step, in the same way:
// what it finds is good if the replica still leads in the same term. False: it has
// to be run like any read.
func (g *Group) lookAndWait(u *fsm.Unit) (bool, error) {
	mark := len(u.Reply.Buf)
	g.mu.RLock()
	term := g.Serving()
	// What is about to be handed to a waiter must not be seen.
	done := g.unusable == nil && term != 0 && !g.waiters.Due() && g.machine.Read(u, g.now(), rand.Uint64())
	g.mu.RUnlock()
	if !done {
		return false, nil
	}
	if err := g.confirmTerm(term); err != nil && (!u.Waiter.Blocked() || u.Waiter.Withdraw()) {
		u.Reply.Buf = u.Reply.Buf[:mark]
		return false, err
	}
	return true, nil
}

// confirmTerm proves that the replica led all the time since it was serving in term.
func (g *Group) confirmTerm(term uint64) error {
	if err := g.Confirm(); err != nil {
		return err
	}
	if g.Serving() != term {
		return ErrNotLeader
	}
	return nil
}

// claim takes the waiters for whom something has come. Commands that only read
// are answered here and now; the others are put into the entry.
func (g *Group) claim(b *batch, now int64) {
	if !g.waiters.Due() {
		return
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.unusable != nil {
		return
	}
	for _, u := range g.machine.Claim(now, servePerEntry) {
		if !u.Writes() && g.machine.Read(u, now, rand.Uint64()) {
			g.waiters.Deliver(u, nil, false)
			continue
		}
		b.served = append(b.served, u)
		b.closed = b.closed || g.brings(b, &u.Ops[0])
	}
	b.closed = b.closed || g.waiters.Left()
	g.sweepWaited()
}

// deliver tells the waiters of an entry what became of it.
func (g *Group) deliver(b *batch, err error) {
	// Whatever isn't known to be without effect may have taken an element.
	again := errors.Is(err, ErrNotLeader) || errors.Is(err, ErrOverloaded)
	for _, u := range b.served {
		g.waiters.Deliver(u, err, again)
	}
}

// brings reports whether a step may put something where somebody waits or,
// having found nothing earlier in the entry, will wait.
func (g *Group) brings(b *batch, op *fsm.Op) bool {
	if !op.Writes() {
		return false
	}
	for i := range op.Tx {
		if g.brings(b, &op.Tx[i]) {
			return true
		}
	}
	if op.Tx != nil {
		return false
	}
	if op.Args[0][0] == '#' {
		return false
	}
	switch op.Cmd.Name {
	case "MOVE", "COPY": // into another database
		return true
	}
	if op.Cmd.Categories()&command.Scripting != 0 {
		return true
	}
	if takesOnly(op.Cmd) {
		return false
	}
	var buf [16]int
	keys, ok := op.Cmd.AppendKeys(buf[:0], op.Args)
	if !ok || len(keys) == 0 {
		return true
	}
	for _, i := range keys {
		if _, waits := b.waits[string(op.Args[i])]; waits || g.waiters.Expects(op.DB, op.Args[i]) {
			return true
		}
	}
	return false
}

// takesOnly reports whether a command puts nothing at any of its keys.
func takesOnly(cmd *fsm.Command) bool {
	for i := range cmd.Keys {
		if cmd.Keys[i].Flags&(command.KeyInsert|command.KeyUpdate|command.KeyOW|command.KeyIncomplete) != 0 {
			return false
		}
	}
	return len(cmd.Keys) > 0
}

// cut returns how many steps of a unit, beginning at from, go into the entry:
// those up to the first that may bring something to a waiter.
func (g *Group) cut(b *batch, u *fsm.Unit, from int) int {
	n := len(u.Ops)
	if b.waits == nil && g.waiters.Len() == 0 {
		if u.Waiter != nil {
			b.willWait(u)
		}
		return n
	}
	for i := from; i < n; i++ {
		if g.brings(b, &u.Ops[i]) {
			b.closed = true
			return i + 1
		}
	}
	if u.Waiter != nil {
		b.willWait(u)
	}
	return n
}

// willWait notes the keys of a blocking command in the entry.
func (b *batch) willWait(u *fsm.Unit) {
	if b.waits == nil {
		b.waits = map[string]struct{}{}
	}
	op := &u.Ops[len(u.Ops)-1]
	keys, _ := op.Cmd.AppendKeys(nil, op.Args)
	for _, i := range keys {
		b.waits[string(op.Args[i])] = struct{}{}
	}
}

// retryServe is the pause after an entry with waiters was refused while the
// node goes on leading: leadership is being handed over.
const retryServe = 5 * time.Millisecond
