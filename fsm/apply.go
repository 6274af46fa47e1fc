package fsm

import (
	"fmt"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
)

// Apply runs one log entry. On the replica that proposed it, units are the
// units it was made of: their reads run in their place among the writes and
// the replies go to their sessions. Elsewhere units is nil and the writes come
// from the entry's text. Both must do exactly the same to the state.
//
// An error means that this binary can't go on: see ErrEntry. Part of the entry may have been applied then.
// ErrDiverged says that this replica's state is not that of the replica that
// proposed the entry. A *PanicError says that a handler panicked.
func (m *Machine) Apply(index uint64, data []byte, units []*Unit) (err error) {
	h, body, err := ParseHeader(data)
	if err != nil {
		return fmt.Errorf("entry %d: %w", index, err)
	}
	if h.Applied != 0 && h.Applied == m.index && h.Chain != m.chain {
		return fmt.Errorf("entry %d: %w: after entry %d the proposer had %016x, here it is %016x",
			index, ErrDiverged, h.Applied, h.Chain, m.chain)
	}
	last := m.index
	m.now = max(m.now, h.Time)
	m.index = index
	m.mix(data)
	m.step, m.deny, m.bar, m.letAll = 0, 0, NoBar, false
	m.answers = units != nil
	m.heard = m.Events != nil && (m.listening == nil || m.listening())
	m.setClock()
	defer m.catch(&err)
	defer m.tally()
	defer func() { m.call = WriteCall{} }() // nothing may keep the entry's bytes
	if m.tracker != nil {
		defer m.tracker.Applied()
	}
	m.expireDue(h.Expire)
	seed := NewRand(h.Seed)
	if units != nil {
		for n, u := range units {
			if n%warmUnits == 0 {
				m.warmEntry(units[n:])
			}
			u.Index = index
			m.client, m.flushed = u.Client, u.Flushed
			took := m.startLaps()
			for i := range u.Ops {
				m.runOp(&u.Ops[i], u.Reply, u.waiterOf(i), seed, last)
				took.done(u.Ops, i)
			}
		}
		m.client, m.flushed = 0, nil
		m.review()
		m.countFunctions()
		return nil
	}
	m.steps.begin(body, m.ks.Databases())
	defer m.steps.end() // nothing may keep the entry's bytes
	nobody := &resp.Writer{Discard: true}
	for {
		ops, err := m.steps.next(warmSteps)
		if err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		if len(ops) == 0 {
			break
		}
		m.warmText(ops)
		for i := range ops {
			o := &ops[i]
			if o.tx == nil {
				m.runOp(&o.op, nobody, nil, seed, last)
			} else if o.watch < 0 || uint64(o.watch) == last {
				m.runTx(o.tx, o.slot, nobody, seed)
				m.endStep()
			}
		}
	}
	m.review()
	m.countFunctions()
	return nil
}

// setClock makes the machine's time that of accesses from now on.
func (m *Machine) setClock() {
	m.seen = seenAt(m.now, m.memory.Load())
	m.ks.Fresh = m.seen.fresh()
}

// expireDue deletes up to budget keys whose time has come, earliest first.
func (m *Machine) expireDue(budget int) {
	for ; budget > 0; budget-- {
		db, slot, key, ok := m.ks.NextExpired(m.now)
		if !ok {
			return
		}
		m.expire(db, slot, key)
		m.endStep()
	}
}

func (m *Machine) runOp(op *Op, reply *resp.Writer, w *Waiter, seed *Rand, last uint64) {
	if m.feed != nil {
		defer m.feed.end()
	}
	switch {
	case op.Tx != nil:
		// The same test as on the other replicas, which only have the index.
		// A transaction that only reads runs on this replica alone, and may look.
		if op.Watch != nil && (op.Writes() && op.decided != last || !op.Writes() && !m.WatchHolds(op.Watch, m.now)) {
			reply.NullArray()
			return
		}
		m.runTx(op.Tx, op.Slot, reply, seed)
	case op.Raw != nil:
		reply.Raw(op.Raw)
	default:
		if slot := op.slot(m); !m.serves(slot) {
			reply.Buf = m.redirect(reply.Buf, uint16(slot))
			if w != nil {
				w.found = true
			}
			return
		}
		if m.deny > 0 && m.refuses(op) {
			reply.Error(errOOM)
			if w != nil {
				w.found = true
			}
			return
		}
		if m.bar != NoBar && m.barsStep(op) {
			reply.Error(m.bar.Reply())
			if w != nil {
				w.found = true
			}
			return
		}
		m.runCmd(op, reply, w, seed)
	}
}

// runTx runs a transaction, all of whose keys are in one slot in cluster mode.
// Ownership is settled for the whole before its first command: a transaction
// never stops half-way, and every replica knows the slot, also where only reads
// have keys.
func (m *Machine) runTx(tx []Op, slot int, reply *resp.Writer, seed *Rand) {
	if !m.serves(slot) {
		if !reply.Discard {
			reply.Buf = m.redirect(reply.Buf, uint16(slot))
		}
		return
	}
	if m.deny > 0 && m.refusesTx(tx) {
		reply.Error(errExecOOM)
		return
	}
	if m.bar != NoBar && barsTx(tx) {
		reply.Error(errExecBarred + m.bar.Reply())
		return
	}
	reply.Array(len(tx))
	for i := range tx {
		switch {
		case tx[i].Raw != nil:
			reply.Raw(tx[i].Raw)
		case m.bar != NoBar && m.barsStep(&tx[i]): // a script, as there is no write
			reply.Error(m.bar.replyInTx())
		default:
			m.runCmd(&tx[i], reply, nil, seed)
		}
	}
}

func (m *Machine) runCmd(op *Op, reply *resp.Writer, w *Waiter, seed *Rand) {
	if op.Before != nil {
		op.Before()
	}
	call := &m.call
	// Field by field: a literal would be put together on the stack and copied.
	*call = WriteCall{}
	call.Writer, call.now, call.m, call.seen, call.waiter = reply, m.now, m, m.seen, w
	call.begin(op)
	if op.Cmd.Write == nil {
		// A read draws from its own numbers: replicas that only see the
		// writes must be at the same place in the entry's.
		call.rand = Rand{seed.state ^ 0x5bf03635}
		op.Cmd.Read(&call.ReadCall)
	} else {
		m.step++
		call.rand = Rand{seed.Uint64()}
		if m.skip[Poison{m.index, m.step}] {
			reply.Error(errPoison)
		} else {
			m.runWrite(call, op.Cmd)
		}
		m.ks.Settle()
	}
	m.settle(&call.ReadCall, op.Cmd)
	m.hits += call.hits
	m.misses += call.misses
}

// slot returns the hash slot of the step's keys, or -1. The session has made
// sure that all keys of a command share it in cluster mode.
func (o *Op) slot(m *Machine) int {
	if m.owned == nil {
		return -1
	}
	if o.Slot > 0 {
		return o.Slot // known; else not, or it is 0 or -1, which may be none
	}
	var buf [8]int
	keys, _ := o.Cmd.AppendKeys(buf[:0], o.Args)
	if len(keys) == 0 {
		return -1
	}
	return int(hashslot.Of(o.Args[keys[0]]))
}

// Read runs a unit that only reads, at the time now, and reports true if its
// replies are good. False means that a key had expired by now but not by the
// time the group has committed, or was not deleted yet (Unit.Sweep); nothing is
// written, and the caller commits the time first. Or it means that the unit has become one that writes, which the
// caller commits (see logged.go). The caller has made sure that the state is recent enough.
//
// A handler that panics has changed nothing: its unit is answered with errors.
func (m *Machine) Read(u *Unit, now int64, seed uint64) (good bool) { return m.read(u, now, seed, nil) }

func (m *Machine) read(u *Unit, now int64, seed uint64, a *attempt) (good bool) {
	mark := len(u.Reply.Buf)
	defer func() {
		if recover() != nil {
			u.Reply.Buf = u.Reply.Buf[:mark]
			for range u.Ops {
				u.Reply.Error(errPoison)
			}
			m.Stats.Panics.Add(1)
			good = true
		}
	}()
	call := ReadCall{Writer: u.Reply, now: max(now, m.now), m: m, rand: Rand{seed}, patient: !u.Stale, attempt: a}
	call.seen, call.sweep = seenAt(call.now, m.memory.Load()), u.Sweep
	m.warmOps(u.Ops)
	took := m.startLaps()
	for i := range u.Ops {
		op := &u.Ops[i]
		switch {
		case op.Raw != nil:
			u.Reply.Raw(op.Raw)
		case op.Tx != nil:
			m.readTx(&call, op)
		default:
			call.waiter = u.waiterOf(i)
			m.readOne(&call, op)
		}
		took.done(u.Ops, i)
		if a != nil && a.wrote {
			u.Reply.Buf = u.Reply.Buf[:mark]
			return false
		}
	}
	if call.aged || call.stores && !u.Stale && u.storeReads() {
		u.Reply.Buf = u.Reply.Buf[:mark]
		return false
	}
	if call.waiter != nil {
		m.settle(&call, u.Ops[len(u.Ops)-1].Cmd)
	}
	if call.hits|call.misses != 0 {
		m.Stats.Hits.Add(call.hits)
		m.Stats.Misses.Add(call.misses)
	}
	return true
}

func (m *Machine) readOne(call *ReadCall, op *Op) {
	if slot := op.slot(m); !m.serves(slot) {
		call.Buf = m.redirect(call.Buf, uint16(slot))
		return
	}
	if op.Cmd.Read != nil && op.Cmd.Flags.Has(command.DenyOOM) && m.OutOfMemory(m.memory.Load()) {
		call.Error(errOOM) // a write that only reads is refused by its flag, as in Redis
		return
	}
	op.begin()
	call.begin(op)
	if op.Cmd.Read == nil {
		op.Cmd.try(call)
	} else {
		op.Cmd.Read(call)
	}
}

func (o *Op) begin() {
	if o.Before != nil {
		o.Before()
	}
}

func (m *Machine) readTx(call *ReadCall, op *Op) {
	if !m.WatchHolds(op.Watch, call.now) {
		call.NullArray()
		return
	}
	if !m.serves(op.Slot) {
		call.Buf = m.redirect(call.Buf, uint16(op.Slot))
		return
	}
	call.Array(len(op.Tx))
	for i := range op.Tx {
		if o := &op.Tx[i]; o.Raw != nil {
			call.Raw(o.Raw)
		} else {
			if o.Before != nil {
				o.Before()
			}
			call.begin(o)
			o.Cmd.Read(call)
		}
	}
}
