package backup

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
	"github.com/quorate/quorate/slots/hashslot"
)

// item is a key on its way to the server that has its slot.
type item struct {
	key        []byte
	slot, db   int
	at         int64 // expiry, Unix ms; 0: none
	idle, freq int64 // -1: not said
	value      keyspace.Value
	size       int64 // about, in the file

	unsure   bool // an attempt may have succeeded
	compares bool // look whether it has
}

// delivery asks servers something about each of many keys: in batches, several at a time,
// each key at the server that has its slot, again where that has moved or isn't
// there for a while.
type delivery struct {
	top *topology
	// commands are what a key's server is asked.
	commands func(it *item) [][][]byte
	// take gets the answers, each a reply or a refusal that isn't passing. False: the key
	// has to be asked again. An error ends the delivery.
	take func(ctx context.Context, c *conn, it *item, answers []answer) (done bool, err error)
	// alone, if set, does with a large value all that is to be done.
	alone     func(ctx context.Context, w *worker, it *item) error
	largeFrom int64
	large     sync.Mutex

	room   *room
	ready  chan []*item
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	err    error
	filled map[string]*batch // of who adds
}

type batch struct {
	items []*item
	size  int64
}

type answer struct {
	reply
	err error
}

const (
	workers    = 8
	batchItems = 256
	batchBytes = 512 << 10
	// roomBytes is about how much of the file may be in memory.
	roomBytes = 256 << 20
)

// start begins a delivery. finish must follow.
func (d *delivery) start(ctx context.Context) context.Context {
	ctx, d.cancel = context.WithCancel(ctx)
	d.room, d.ready, d.filled = newRoom(roomBytes), make(chan []*item), map[string]*batch{}
	context.AfterFunc(ctx, d.room.close)
	for range workers {
		// Ends when ready closes; finish waits.
		d.wg.Go(func() {
			w := worker{d: d, conns: map[string]*conn{}}
			defer w.close()
			for items := range d.ready {
				size := int64(0)
				for _, it := range items {
					size += it.size
				}
				if err := w.deliver(ctx, items); err != nil {
					d.fail(err)
				}
				d.room.give(size)
			}
		})
	}
	return ctx
}

// fail ends the delivery with an error, the first one counts.
func (d *delivery) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = err
		d.cancel()
	}
}

// add takes a key over; it waits while too much is under way.
func (d *delivery) add(ctx context.Context, it *item) error {
	if !d.room.try(it.size) {
		if err := d.handAll(ctx); err != nil { // what isn't under way frees nothing
			return err
		}
		d.room.take(it.size)
	}
	if d.alone != nil && it.size >= d.largeFrom {
		return d.hand(ctx, []*item{it})
	}
	at := d.top.of(it.slot)
	b := d.filled[at]
	if b == nil {
		b = &batch{}
		d.filled[at] = b
	}
	b.items, b.size = append(b.items, it), b.size+it.size
	if len(b.items) < batchItems && b.size < batchBytes {
		return nil
	}
	delete(d.filled, at)
	return d.hand(ctx, b.items)
}

func (d *delivery) hand(ctx context.Context, items []*item) error {
	select {
	case d.ready <- items:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *delivery) handAll(ctx context.Context) error {
	for at, b := range d.filled {
		delete(d.filled, at)
		if err := d.hand(ctx, b.items); err != nil {
			return err
		}
	}
	return nil
}

// finish waits until everything is answered. err is of who has added.
func (d *delivery) finish(ctx context.Context, err error) error {
	if err == nil {
		err = d.handAll(ctx)
	}
	if err != nil {
		d.cancel()
	}
	close(d.ready)
	d.wg.Wait()
	d.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	return err
}

// itemOf makes an item of a record. size is how much of the file it took.
func itemOf(rec *rdb.Record, db int, size int64) *item {
	return &item{key: bytes.Clone(rec.Key), slot: int(hashslot.Of(rec.Key)), db: db, at: rec.ExpireAt,
		idle: rec.Idle, freq: rec.Freq, value: rec.Value, size: size}
}

// worker delivers batches over its own connections.
type worker struct {
	d     *delivery
	conns map[string]*conn
}

func (w *worker) close() {
	for _, c := range w.conns {
		c.close()
	}
}

func (w *worker) deliver(ctx context.Context, items []*item) error {
	if w.d.alone != nil && items[0].size >= w.d.largeFrom {
		w.d.large.Lock() // one at a time: others write, too
		defer w.d.large.Unlock()
		if err := w.d.alone(ctx, w, items[0]); err != nil {
			return fmt.Errorf("key %.80q: %w", items[0].key, err)
		}
		return nil
	}
	since := time.Now()
	for {
		left, passing, err := w.round(ctx, items)
		if err != nil {
			return err
		}
		if len(left) < len(items) {
			since = time.Now()
		}
		if items = left; len(items) == 0 {
			return nil
		}
		if passing != nil { // else there are only redirections and comparisons
			if !again(ctx, since, patience) {
				return fmt.Errorf("key %.80q: %w", items[0].key, passing)
			}
			_ = w.d.top.refresh(ctx) // what fails is tried again
		} else if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// round asks once for each of the items and returns those that have to be asked again.
func (w *worker) round(ctx context.Context, items []*item) (left []*item, passing, err error) {
	byServer := map[string][]*item{}
	var order []string
	for _, it := range items {
		at := w.d.top.of(it.slot)
		if byServer[at] == nil {
			order = append(order, at)
		}
		byServer[at] = append(byServer[at], it)
	}
	for _, at := range order {
		rest, p, err := w.exchange(ctx, at, byServer[at])
		if err != nil {
			return nil, nil, err
		}
		left = append(left, rest...)
		if p != nil {
			passing = p
		}
	}
	return left, passing, nil
}

// exchange asks one server.
func (w *worker) exchange(ctx context.Context, at string, items []*item) (left []*item, passing, err error) {
	c, err := w.conn(ctx, at)
	if err != nil {
		if isPassing(err) && ctx.Err() == nil {
			return items, err, nil
		}
		return nil, nil, err
	}
	lost := func(from int, err error) ([]*item, error, error) {
		w.drop(at)
		if !isPassing(err) || ctx.Err() != nil {
			return nil, nil, firstCause([]error{ctx.Err(), err})
		}
		for _, it := range items[from:] {
			it.unsure = true
		}
		return append(left, items[from:]...), err, nil
	}
	counts := make([]int, len(items))
	for i, it := range items {
		if it.db != c.db {
			c.sendWords("SELECT", strconv.Itoa(it.db))
			c.db = it.db
			counts[i] = 1
		}
		commands := w.d.commands(it)
		for _, command := range commands {
			c.send(command...)
		}
		counts[i] += len(commands) << 1
	}
	if err := c.flush(); err != nil {
		return lost(0, err)
	}
	for i, it := range items {
		if counts[i]&1 != 0 {
			if _, err := c.receive(); err != nil {
				w.drop(at)
				return nil, nil, fmt.Errorf("SELECT %d: %w", it.db, err)
			}
		}
		answers := make([]answer, counts[i]>>1)
		var hindrance error
		for j := range answers {
			answers[j].reply, answers[j].err = c.receive()
			err := answers[j].err
			if err != nil && !isRefusal(err) {
				return lost(i, err)
			}
			if next, elsewhere := moved(err); elsewhere {
				w.d.top.tell(it.slot, next)
				hindrance = errElsewhere
			} else if isPassing(err) {
				hindrance, passing = err, err
				it.unsure = it.unsure || isUncertain(err)
			}
		}
		if hindrance != nil {
			left = append(left, it)
			continue
		}
		done, err := w.d.take(ctx, c, it, answers)
		if err != nil {
			w.drop(at)
			return nil, nil, fmt.Errorf("key %.80q: %w", it.key, err)
		}
		if !done {
			left = append(left, it)
		}
	}
	return left, passing, nil
}

func (w *worker) conn(ctx context.Context, at string) (*conn, error) {
	if c := w.conns[at]; c != nil {
		return c, nil
	}
	c, err := w.d.top.access.dial(ctx, at)
	if err == nil {
		w.conns[at] = c
	}
	return c, err
}

func (w *worker) drop(at string) {
	if c := w.conns[at]; c != nil {
		c.close()
		delete(w.conns, at)
	}
}

// room bounds what is in memory.
type room struct {
	mu     sync.Mutex
	free   sync.Cond
	size   int64
	taken  int64
	closed bool
}

func newRoom(size int64) *room {
	r := &room{size: size}
	r.free.L = &r.mu
	return r
}

// take waits for n bytes of room; more than there is at all is let in alone.
func (r *room) take(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.taken > 0 && r.taken+n > r.size && !r.closed {
		r.free.Wait()
	}
	r.taken += n
}

// try takes n bytes of room if there is so much.
func (r *room) try(n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken+n > r.size {
		return false
	}
	r.taken += n
	return true
}

func (r *room) give(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken -= n
	r.free.Broadcast()
}

// close lets everybody in: nothing will be given back any more.
func (r *room) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.free.Broadcast()
}
