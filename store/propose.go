package store

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/resp"
)

// Group commit. One entry is in flight at a time; everything that queues up
// meanwhile becomes the next one. An entry costs about a millisecond of CPU
// over three nodes whatever it carries, so fewer and larger entries are what
// makes a group fast, and two in flight were slower than one in every
// measurement.
//
// One in flight also means that whoever builds an entry sees the very state it
// will run on: that is what decides WATCH.

// request is a unit that waits for its entry.
type request struct {
	unit  *fsm.Unit
	bytes int64
	from  int        // steps before it have been in an entry
	rest  *fsm.Unit  // the others, in the entry that is the unit's last
	done  chan error // capacity 1
}

// answer ends the request. Part of it may have been executed: then nothing
// else than that the outcome isn't known may be said.
func (q *request) answer(err error) {
	if err != nil && q.from > 0 {
		err = ErrUncertain
	}
	q.done <- err
}

// propose queues a unit and waits for its answer.
func (g *Group) propose(u *fsm.Unit) error {
	if g.noSpaceFor(u) {
		return ErrNoSpace
	}
	size := int64(unitBytes(u))
	if size > maxUnitBytes {
		return ErrTooLarge
	}
	if u.Reply == nil {
		u.Reply = &resp.Writer{Discard: true}
	}
	if g.refused(u) {
		return nil
	}
	mark := len(u.Reply.Buf)
	q := g.requests.Get().(*request)
	q.unit, q.bytes, q.from = u, size, 0
	if err := g.queue.push(q); err != nil {
		q.unit = nil
		g.requests.Put(q)
		return err
	}
	err := <-q.done
	if err != nil {
		u.Reply.Buf = u.Reply.Buf[:mark]
	}
	q.unit = nil
	g.requests.Put(q)
	return err
}

// noSpaceFor reports whether a unit must be refused to keep room on the disk.
// Units without writes are the leader's own, or reads that wait for a place: small
// and rare.
func (g *Group) noSpaceFor(u *fsm.Unit) bool {
	d := g.opt.Replica.Disk
	return d != nil && d.Full() && u.Writes()
}

// admit refuses those for which there is no room any more: others may have
// taken it while they were in the queue.
func (g *Group) admit(reqs []*request) []*request {
	kept := reqs[:0]
	for _, q := range reqs {
		if g.noSpaceFor(q.unit) {
			q.done <- ErrNoSpace
		} else {
			kept = append(kept, q)
		}
	}
	return kept
}

// maxUnitBytes bounds what one unit adds to an entry: above it the entry would
// not fit into a frame between nodes (docs/divergence.md: Redis takes commands
// of up to 512 MiB an argument).
const maxUnitBytes = 128 << 20

// unitBytes is about what a unit takes in an entry.
func unitBytes(u *fsm.Unit) int {
	n := 64
	for i := range u.Ops {
		n += opBytes(&u.Ops[i])
	}
	return n
}

func opBytes(o *fsm.Op) (n int) {
	for _, a := range o.Args {
		n += len(a) + 16
	}
	for i := range o.Tx {
		n += opBytes(&o.Tx[i])
	}
	return n + 32
}

// batch is the entry in flight.
type batch struct {
	requests []*request
	units    []*fsm.Unit
	head     []byte // the entry's first line, which no other entry has
	applied  bool

	served []*fsm.Unit         // of waiters: the first of units
	waits  map[string]struct{} // keys for which somebody may wait after the entry
	closed bool                // nothing may follow in the entry
	cut    *request            // the last, if only its first steps are in the entry
	upTo   int                 // so many of them
}

// isEntry reports whether data is the batch's entry: the first line names the
// process and its count.
func (b *batch) isEntry(data []byte) bool {
	return len(data) >= len(b.head) && string(data[:len(b.head)]) == string(b.head)
}

// proposeLoop makes entries of what queues up.
func (g *Group) proposeLoop() {
	defer g.wg.Done()
	var entry []byte
	var gather gatherer
	for {
		gather.look(g.reads.count.Load())
		reqs, waiting := g.queue.take(g.opt.MaxEntryBytes, gather.want, gather.patience(g.opt.Gather))
		if reqs == nil {
			return
		}
		gather.got(len(reqs), waiting)
		reqs = g.admit(reqs)
		for len(reqs) > 0 || g.urgent() {
			var b *batch
			b, entry, reqs = g.build(entry, reqs)
			if b == nil {
				entry = entry[:0]
				continue
			}
			var err error
			gather.took, err = g.commit(b, entry)
			// The library and its caches keep the entry's bytes.
			entry = nil
			if err == nil && b.cut != nil {
				b.cut.from = b.upTo
				reqs = append([]*request{b.cut}, reqs...)
			}
			if err != nil && len(b.served) > 0 {
				time.Sleep(retryServe)
			}
		}
	}
}

// expirePerEntry is how many expired keys an entry deletes at the most: enough
// to keep up, few enough not to be noticed.
const expirePerEntry, expirePerTick = 20, 2000

// build makes an entry of what has come for waiters and of the requests, all of
// them unless a step may bring something for a waiter or one holds a
// transaction with watched keys: that one begins an entry of its own, since its
// decision holds for the state as it is now. Keys that must be evicted first may
// need an entry of their own, too. It returns what is left.
func (g *Group) build(dst []byte, reqs []*request) (*batch, []byte, []*request) {
	g.seq++
	now := g.now()
	b := &batch{}
	g.mu.RLock()
	now = max(now, g.machine.Now())
	applied, chain := g.machine.Index(), g.machine.Chain()
	if len(reqs) > 0 && reqs[0].from == 0 {
		if w, ok := reqs[0].unit.Watched(); ok && !g.machine.WatchHolds(w, now) {
			w.Break()
		}
	}
	room, alone := g.makeRoom(reqs, now)
	room = append(room, g.machine.Let()...)
	g.mu.RUnlock()
	if bar := g.Bar(); bar != fsm.NoBar {
		room = append(room, bar.Step())
	}
	g.claim(b, now)
	if len(reqs) == 0 && len(b.served) == 0 {
		return nil, dst, nil
	}

	h := fsm.Header{Time: now, Seed: rand.Uint64(), Origin: g.origin, Seq: g.seq, Applied: applied, Chain: chain}
	switch {
	case g.paused():
	case len(reqs) == 1 && len(reqs[0].unit.Ops) == 0:
		h.Expire = expirePerTick // what the entry is for: see expireLoop and Do
	case g.expiring.Load():
		h.Expire = expirePerEntry
	}
	if dst == nil {
		size := int64(128)
		for _, q := range reqs {
			size += q.bytes
		}
		dst = make([]byte, 0, size)
	}
	dst = fsm.AppendHeader(dst, h)
	b.head = append([]byte(nil), dst...)
	db := 0
	for _, u := range b.served {
		dst, db = fsm.AppendUnit(dst, u, db, now, applied)
		b.units = append(b.units, u)
	}
	if len(room) > 0 {
		u := ownUnit(room)
		dst, db = fsm.AppendUnit(dst, u, db, now, applied)
		b.units = append(b.units, u)
		if alone {
			return b, dst, reqs
		}
	}
	for i, q := range reqs {
		if b.closed {
			return b, dst, reqs[i:]
		}
		if w, ok := q.unit.Watched(); ok && q.from == 0 {
			if i > 0 || len(b.served) > 0 {
				return b, dst, reqs[i:]
			}
			if w.Dirty() {
				// Decided without the log: what was watched has changed, and that
				// change is committed.
				return nil, dst, g.abort(q, reqs[1:])
			}
		}
		u, n := q.unit, g.cut(b, q.unit, q.from)
		if q.from > 0 || n < len(u.Ops) {
			u = &fsm.Unit{Ops: u.Ops[q.from:n], Reply: u.Reply, Client: u.Client, Flushed: u.Flushed}
			if n == len(q.unit.Ops) {
				u.Waiter, q.rest = q.unit.Waiter, u
			}
		}
		dst, db = fsm.AppendUnit(dst, u, db, now, applied)
		b.units = append(b.units, u)
		if n < len(q.unit.Ops) {
			b.cut, b.upTo = q, n
			return b, dst, reqs[i+1:]
		}
		b.requests = append(b.requests, q)
	}
	return b, dst, nil
}

// abort answers a transaction whose watch is broken. The rest of its unit, which
// may still write, is queued again with the answer in the transaction's place:
// the unit keeps its number of steps.
func (g *Group) abort(q *request, rest []*request) []*request {
	w := &resp.Writer{Proto: q.unit.Reply.Proto}
	w.NullArray()
	if len(q.unit.Ops) == 1 {
		q.unit.Reply.Raw(w.Buf)
		q.done <- nil
		return rest
	}
	q.unit.Ops[0] = fsm.Op{Raw: w.Buf, Slot: -1}
	return append([]*request{q}, rest...)
}

// commit proposes an entry and answers its units. It returns how long that took,
// and what the units were told.
func (g *Group) commit(b *batch, entry []byte) (time.Duration, error) {
	g.mu.Lock()
	g.pending = b
	g.mu.Unlock()
	start := time.Now()
	err := g.apply(entry)
	g.mu.Lock()
	g.pending = nil
	switch {
	case b.applied:
		err = nil // applied here, so committed, whatever the library said
	case err == nil:
		err = ErrUncertain // committed, but not by this machine: it was replaced or is broken
	}
	g.mu.Unlock()
	took := time.Since(start)
	if err == nil && g.opt.Observer != nil {
		g.opt.Observer.Entry(len(b.units), len(entry), took)
	}
	g.deliver(b, err)
	for _, q := range b.requests {
		if q.rest != nil {
			q.unit.Index, q.rest = q.rest.Index, nil
		}
		q.answer(err)
	}
	if b.cut != nil && err != nil {
		b.cut.answer(err)
	}
	return took, err
}

// apply hands an entry to Raft. While leadership is being handed over Raft
// refuses entries without logging them; the handover may fail, so it is worth a
// short wait before the clients are sent away.
func (g *Group) apply(entry []byte) error {
	for try := 0; ; try++ {
		_, err := g.Replica.Apply(entry)
		if err != ErrNotLeader || try == 50 || !g.Leading() {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// queue holds the units that wait for their entry.
type queue struct {
	mu       sync.Mutex
	waiting  []*request
	bytes    int64
	maxBytes int64
	want     int // wake the proposer at so many
	closed   bool
	urgent   func() bool // an entry must be made at once, also of nothing
	wake     chan struct{}
	timer    *time.Timer
}

func (q *queue) init(maxBytes int64, urgent func() bool) {
	q.maxBytes, q.urgent = maxBytes, urgent
	q.wake = make(chan struct{}, 1)
	q.want = 1
}

// wakeBytes is the amount of waiting commands from which the proposer looks
// whether an entry is full.
const wakeBytes = 256 << 10

// push adds a request, or refuses it. A queue that is empty takes any request.
func (q *queue) push(r *request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if q.bytes > 0 && q.bytes+r.bytes > q.maxBytes {
		return ErrOverloaded
	}
	q.waiting = append(q.waiting, r)
	q.bytes += r.bytes
	if n := len(q.waiting); n == 1 || n == q.want || q.bytes >= wakeBytes {
		q.signal()
	}
	return nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take waits for requests and returns up to maxBytes of them, oldest first, at
// least one unless it is urgent; nil when the queue is closed. want is asked
// once how many to wait for, given those that are there; having seen the first,
// take waits for them no longer than patience. waiting is how many were there at the call.
func (q *queue) take(maxBytes int, want func(waiting int) int, patience time.Duration) (got []*request, waiting int) {
	q.mu.Lock()
	waiting = len(q.waiting)
	q.want = want(waiting)
	q.mu.Unlock()
	var deadline <-chan time.Time
	for {
		q.mu.Lock()
		n := len(q.waiting)
		if q.closed {
			for _, r := range q.waiting {
				r.done <- ErrClosed
			}
			q.waiting = nil
			q.mu.Unlock()
			return nil, 0
		}
		if q.urgent() {
			got := q.cut(maxBytes)
			q.mu.Unlock()
			return got, waiting
		}
		if n >= q.want || n > 0 && (patience <= 0 || q.bytes >= int64(maxBytes)) {
			got := q.cut(maxBytes)
			q.mu.Unlock()
			return got, waiting
		}
		q.mu.Unlock()
		if n > 0 && deadline == nil {
			if q.timer == nil {
				q.timer = time.NewTimer(patience)
			} else {
				q.timer.Reset(patience)
			}
			deadline = q.timer.C
		}
		select {
		case <-q.wake:
		case <-deadline:
			q.mu.Lock()
			got := q.cut(maxBytes)
			q.mu.Unlock()
			return got, waiting
		}
	}
}

// cut takes the oldest requests off the queue.
func (q *queue) cut(maxBytes int) []*request {
	var size int64
	n := 0
	for n < len(q.waiting) && (n == 0 || size+q.waiting[n].bytes <= int64(maxBytes)) {
		size += q.waiting[n].bytes
		n++
	}
	got := q.waiting[:n:n]
	if n == 0 {
		return []*request{}
	}
	q.waiting = q.waiting[n:]
	if len(q.waiting) == 0 {
		q.waiting = nil
	}
	q.bytes -= size
	firstComeFirst(got)
	return got
}

// firstComeFirst puts blocking commands among requests in the order of their
// sessions, each in the place of another: sessions that were held up together
// wake up in any order, and this is the one in which waiters that came at the
// same time are served (fsm.Waiter.Client).
func firstComeFirst(reqs []*request) {
	var places []int
	for i, r := range reqs {
		if r.unit.Waiter != nil {
			places = append(places, i)
		}
	}
	if len(places) < 2 {
		return
	}
	blocking := make([]*request, len(places))
	for i, at := range places {
		blocking[i] = reqs[at]
	}
	slices.SortStableFunc(blocking, func(a, b *request) int { return cmp.Compare(a.unit.Waiter.Client, b.unit.Waiter.Client) })
	for i, at := range places {
		reqs[at] = blocking[i]
	}
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}
