package fsm

import (
	"container/list"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/slots/hashslot"
)

// Waiters returns the blocking commands that wait.
func (m *Machine) Waiters() *Waiters { return m.waiters }

// wait is called by the handler of a blocking command that has found nothing.
// False means that it may not wait, inside a transaction or a script or on
// a replica that only follows: the handler then replies what it would when its
// time is up. True: it replies nothing.
func (c *ReadCall) wait(w Wait) bool {
	if c.waiter == nil {
		return false
	}
	c.wants = &w
	return true
}

// retried reports whether a blocking command that waited is being run again.
func (c *ReadCall) retried() bool { return c.waiter != nil && c.waiter.set != nil }

// settle registers the command if it wants to wait. One that has waited before
// keeps its place: its key has lost again what it had.
func (m *Machine) settle(c *ReadCall, cmd *Command) {
	w := c.waiter
	if w == nil {
		return
	}
	w.found = c.wants == nil
	if w.found && w.set != nil && w.Found != nil {
		w.Found()
	}
	if !w.found && w.set == nil {
		m.waiters.add(w, c, cmd, c.wants)
	}
}

// Park registers the waiter of a unit whose only step is a blocking command
// that finds none of its keys, and reports true. So it need not be logged that
// nothing happened. The caller makes sure, before or after, that the state is
// recent enough. Safe beside reads.
func (m *Machine) Park(u *Unit, now int64) bool {
	op := &u.Ops[0]
	if u.Waiter == nil || len(u.Ops) != 1 || op.Cmd == nil || op.Cmd.Wait == nil || !m.serves(op.slot(m)) {
		return false
	}
	reply := *u.Reply
	reply.Discard = true // what is wrong with the arguments, its handler says
	c := ReadCall{Writer: &reply, Args: op.Args, DB: op.DB, now: max(now, m.now), m: m, waiter: u.Waiter}
	w, ok := op.Cmd.Wait(&c)
	if !ok {
		return false
	}
	for _, key := range w.Keys {
		if c.peek(key) != nil || c.aged {
			return false
		}
	}
	m.waiters.add(u.Waiter, &c, op.Cmd, &w)
	return true
}

// review runs after an entry: of the keys that were touched it keeps those that have something for somebody, and it sends
// away those who wait for slots that the group has lost.
func (m *Machine) review() {
	s := m.waiters
	if s.n.Load() == 0 && !s.due.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moved {
		s.moved = false
		for _, w := range s.all() {
			if w.state == stateWaiting && !m.serves(w.slot) {
				w.reply.Buf = m.redirect(w.reply.Buf, uint16(w.slot))
				s.finish(w, Served, nil)
			}
		}
	}
	kept := s.ready[:0]
	for _, k := range s.ready {
		if concerns(s.keys[k], k.key, m.valueAt(k, m.now)) {
			kept = append(kept, k)
		} else {
			delete(s.marked, k)
		}
	}
	s.ready = kept
	s.update()
}

// valueAt returns the entry of a key, nil if it is missing or expired. Called with waiters.mu held.
func (m *Machine) valueAt(k watchedKey, now int64) *keyspace.Entry {
	key := []byte(k.key)
	e := m.ks.DB(k.db).Find(hashslot.Of(key), key)
	if e != nil && e.ExpireAt() != 0 && e.ExpireAt() <= now {
		m.waiters.stale = m.waiters.stale || m.waiters.keys[k] != nil
		return nil
	}
	return e
}

// concerns reports whether what is at a key is something for a waiter.
func concerns(queue *list.List, key string, e *keyspace.Entry) bool {
	if queue == nil {
		return false
	}
	for el := queue.Front(); el != nil; el = el.Next() {
		if w := &el.Value.(*Waiter).wait; w.has(key, e) || w.lost(e) {
			return true
		}
	}
	return false
}

// has reports whether the value at a key, nil for none, has something for the command.
func (w *Wait) has(key string, e *keyspace.Entry) bool {
	return e != nil && e.Kind() == w.Kind && (w.Has == nil || w.Has(key, e))
}

// lost reports whether the command can't go on waiting with this at one of its keys.
func (w *Wait) lost(e *keyspace.Entry) bool {
	return w.Gone != "" && (e == nil || e.Kind() != w.Kind)
}

// Claim takes waiters for which there is something, up to limit, in the order
// in which their keys were changed and they came: the units run their commands
// again, each on the one key. A claimed waiter is out of its session's
// hands until Deliver says what came of it. Safe beside reads.
func (m *Machine) Claim(now int64, limit int) []*Unit {
	s := m.waiters
	s.mu.Lock()
	defer s.mu.Unlock()
	var units []*Unit
	for len(s.ready) > 0 && len(units) < limit {
		k := s.ready[0]
		s.ready = s.ready[1:]
		delete(s.marked, k)
		units = m.claimKey(units, k, m.valueAt(k, now), limit)
	}
	s.update()
	return units
}

func (m *Machine) claimKey(units []*Unit, k watchedKey, e *keyspace.Entry, limit int) []*Unit {
	s := m.waiters
	queue := s.keys[k]
	if queue == nil {
		return units
	}
	left := supply(e)
	var next *list.Element
	for el := queue.Front(); el != nil && (left > 0 || e == nil); el = next {
		next = el.Next()
		w := el.Value.(*Waiter)
		switch {
		case w.state != stateWaiting:
			w.missed = append(w.missed, k)
		case w.wait.lost(e):
			w.reply.Error(w.wait.Gone)
			s.finish(w, Served, nil)
		case !w.wait.has(k.key, e):
		case len(units) == limit:
			s.mark(k)
			return units
		default:
			w.state, w.on, w.missed = stateServing, k, w.missed[:0]
			s.serving++
			left--
			units = append(units, w.unit())
		}
	}
	return units
}

// supply is how many waiters a value has something for, at the most.
func supply(e *keyspace.Entry) int {
	if e != nil {
		switch e.Kind() {
		case keyspace.KindList:
			return e.List().Len()
		case keyspace.KindZSet:
			return e.ZSet().Len()
		}
	}
	return int(^uint(0) >> 1) // what is read there stays there
}

// unit is the waiter's command, to be run again on the key it is served with.
func (w *Waiter) unit() *Unit {
	args := w.args
	if w.wait.Only != nil {
		args = w.wait.Only(args, []byte(w.on.key))
	}
	return &Unit{Ops: []Op{{Cmd: w.cmd, Args: args, DB: w.db, Slot: w.slot, Before: w.Before}}, Reply: &w.reply, Client: w.Client, Waiter: w}
}

// Deliver says what came of a claimed waiter's unit: nil, or an error of the
// group; with again nothing was executed and the waiter goes on waiting.
func (s *Waiters) Deliver(u *Unit, err error, again bool) {
	w := u.Waiter
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving--
	k := w.on
	switch {
	case err == nil && w.found:
		w.index = u.Index
		s.finish(w, Served, nil)
		s.mark(k) // the next may find something, too
	case err != nil && !again:
		w.reply.Buf = w.reply.Buf[:0]
		s.finish(w, Failed, err)
	default:
		w.reply.Buf = w.reply.Buf[:0]
		w.state = stateWaiting
		if w.asked != Waiting {
			s.finish(w, w.asked, nil)
			s.mark(k)
			break
		}
		if err != nil {
			s.mark(k)
		}
		for _, other := range w.missed {
			s.mark(other)
		}
	}
	s.update()
}
