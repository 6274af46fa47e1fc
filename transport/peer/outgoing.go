package peer

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// outgoing is a dialled connection: it numbers requests, keeps the calls that
// wait for an answer, and fails them all when it breaks.
//
// Its goroutines are the reader (run, which link.connect becomes) and the writer
// of the outbox; both end when the connection is closed, and the reader cleans up.
type outgoing struct {
	outbox // its mu also guards the fields below the line

	m    *Mux
	link *link
	node string        // who answered the handshake
	gone chan struct{} // closed when the connection is of no more use

	cause    error // why the connection was given up; nil while alive
	last     uint64
	pending  map[uint64]*call
	inflight int    // bytes of requests without an answer
	sent     string // our cluster id, as the other end knows it
	theirs   string // the other end's, as it last told
	received uint64 // frames, watched by the monitor
	seenRecv uint64 // received and bulkBeats at the last tick
	seenBeat uint64
	quiet    int // ticks without either while something was outstanding

	in interner // owned by the reader
}

// unansweredInline is how many bytes may be unanswered for the sender to write
// itself. So much fits into any socket buffer: the write will not block, whatever
// the other end does.
const unansweredInline = 8 << 10

var errNeedHello = errors.New("peer: cluster id changed since the handshake")

func newOutgoing(l *link, conn net.Conn, d dialled) *outgoing {
	c := &outgoing{
		m: l.m, link: l, node: d.node, gone: make(chan struct{}),
		pending: map[uint64]*call{}, sent: d.sent, theirs: d.cluster,
	}
	c.init(conn, l.m.opts.MaxFrame+16<<20)
	return c
}

// send registers the call and sends the request. It does not wait for the other
// end. Its errors wrap ErrNotDelivered and leave the call unregistered;
// errNeedHello asks for greetAgain and another try.
func (c *outgoing) send(k *call, q *request) error {
	size := q.bytes()
	if size > c.m.opts.MaxFrame-bulkSize {
		return notDelivered(ErrTooLarge)
	}
	var bulk bulkFrame
	if size >= bulkSize {
		bulk = q.bulk()
	}
	cluster := ""
	if q.kind == kindGroup {
		if cluster = c.m.cluster(); cluster == "" {
			return notDelivered(fmt.Errorf("%w: this node belongs to none", ErrCluster))
		}
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil || c.broken {
		return notDelivered(ErrConnectionLost)
	}
	if k.group != nil && k.group.closed.Load() {
		return notDelivered(ErrClosed)
	}
	if q.kind == kindGroup && (c.sent != cluster || c.theirs != cluster) {
		return errNeedHello
	}
	if err := c.overflowLocked(size); err != nil {
		return notDelivered(err)
	}
	c.last++
	k.id = c.last
	k.pending = true
	k.conn.Store(c)
	c.pending[k.id] = k
	if bulk.size > 0 {
		setFrameID(bulk.pieces[0], k.id)
		bulk.call = k
		k.size = bulk.size
		c.addBulkLocked(bulk)
	} else {
		before := len(c.small)
		c.small = q.encode(c.small, k.id)
		k.size = len(c.small) - before
		c.queued += k.size
	}
	c.inflight += k.size
	k.timer.Reset(k.limit)
	c.flushLocked(c.inflight < unansweredInline)
	return nil
}

// takeLocked removes the pending call. Whoever takes a call must finish it.
func (c *outgoing) takeLocked(k *call) {
	delete(c.pending, k.id)
	c.inflight -= k.size
	k.pending = false
	k.spent = !k.timer.Stop()
}

// finish gives a taken call its outcome.
func (c *outgoing) finish(k *call, err error) {
	if k.async != nil {
		k.async(k.body, err)
		return
	}
	k.done <- err
}

// giveUp ends a call that got no answer, unless it got one meanwhile, and tells
// the other end if that one may still be working on it.
func (c *outgoing) giveUp(k *call, err error) {
	c.mu.Lock()
	if c.pending[k.id] != k {
		c.mu.Unlock()
		return
	}
	c.takeLocked(k)
	if k.resp == nil && c.cause == nil {
		before := len(c.small)
		c.small = beginFrame(c.small, kindCancel, k.id)
		endFrame(c.small, before, 0)
		c.queued += len(c.small) - before
		c.flushLocked(c.inflight < unansweredInline)
	}
	c.mu.Unlock()
	c.finish(k, err)
}

// giveUpGroup ends all calls of a group.
func (c *outgoing) giveUpGroup(g *GroupTransport) {
	var ended []*call
	c.mu.Lock()
	for _, k := range c.pending {
		if k.group == g {
			ended = append(ended, k)
		}
	}
	for _, k := range ended {
		c.takeLocked(k)
	}
	c.mu.Unlock()
	for _, k := range ended {
		c.finish(k, ErrClosed)
	}
}

// run reads answers until the connection breaks, then fails all pending calls.
func (c *outgoing) run() {
	if !c.m.spawn(func() { c.writer(c.gone) }) {
		c.conn.Close()
	}
	fr := newFrameReader(c.conn, readBuffer, c.m.opts.MaxFrame)
	fr.step = trustedStep
	var err error
	for err == nil {
		var f frame
		if f, err = fr.next(); err == nil {
			err = c.answer(f)
		}
	}
	c.cleanUp(err)
}

// answer hands an answer to its call. An error is a broken protocol.
func (c *outgoing) answer(f frame) error {
	c.mu.Lock()
	c.received++
	k := c.pending[f.id]
	if k == nil {
		c.mu.Unlock()
		return nil // given up already, or the answer to a ping
	}
	c.takeLocked(k)
	c.mu.Unlock()

	var err, broken error
	switch f.kind {
	case kindOK:
		if k.resp != nil {
			broken = decodeResponse(k.resp, f.body, &c.in)
			err = broken
		} else if f.owned {
			k.body = f.body
		} else {
			k.body = append(make([]byte, 0, len(f.body)), f.body...)
		}
	case kindError:
		err = decodeErrorBody(f.body)
		if errors.Is(err, ErrProtocol) {
			broken = err
		}
	default:
		broken = fmt.Errorf("%w: frame kind %d from the answering end", ErrProtocol, f.kind)
		err = broken
	}
	c.finish(k, err)
	return broken
}

// cleanUp runs once, at the end of the reader.
func (c *outgoing) cleanUp(err error) {
	c.link.conn.CompareAndSwap(c, nil)
	c.m.drop(c.conn)
	c.mu.Lock()
	if c.cause == nil {
		c.cause = err
	}
	cause := c.cause
	ended := make([]*call, 0, len(c.pending))
	for _, k := range c.pending {
		c.takeLocked(k)
		ended = append(ended, k)
	}
	c.mu.Unlock()
	close(c.gone)

	lost := fmt.Errorf("%w: %s: %w", ErrConnectionLost, c.link.addr, cause)
	if c.m.ctx.Err() != nil {
		lost = ErrClosed
	} else {
		c.m.log.Debug("connection to peer lost", "node", c.node, "addr", c.link.addr, "error", cause)
	}
	for _, k := range ended {
		c.finish(k, lost)
	}
	c.m.nodeDown(c.node)
}

// tick is called by the monitor. With requests outstanding and nothing moving in
// either direction it sends a ping, and gives up when not even that is answered.
func (c *outgoing) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	moved := c.received != c.seenRecv || c.bulkBeats != c.seenBeat
	c.seenRecv, c.seenBeat = c.received, c.bulkBeats
	if moved || (len(c.pending) == 0 && c.quiet == 0 && !c.writing) {
		c.quiet = 0
		return
	}
	c.quiet++
	switch {
	case c.quiet == 1:
		before := len(c.small)
		c.small = beginFrame(c.small, kindPing, 0)
		endFrame(c.small, before, 0)
		c.queued += len(c.small) - before
		c.flushLocked(false)
	case c.quiet >= monitorTicks && c.cause == nil:
		c.cause = fmt.Errorf("peer: silent for %v: %w", c.m.opts.StallTimeout, ErrTimeout)
		c.conn.Close()
	}
}

// greetAgain tells the other end our present cluster id and learns its.
func (c *outgoing) greetAgain(limit time.Duration, g *GroupTransport) error {
	ours := c.m.cluster()
	k := c.m.newCall(limit)
	k.group = g
	if err := c.send(k, &request{kind: kindHello, body: []byte(ours)}); err != nil {
		c.m.release(k)
		return err
	}
	theirs, err := c.m.wait(k, nil)
	if err != nil {
		return notDelivered(err)
	}
	c.mu.Lock()
	c.sent, c.theirs = ours, string(theirs)
	c.mu.Unlock()
	if ours == "" || string(theirs) != ours {
		return notDelivered(fmt.Errorf("%w: ours %q, theirs %q", ErrCluster, ours, theirs))
	}
	return nil
}

// newCall returns a call with the time limit, to be used once.
func (m *Mux) newCall(limit time.Duration) *call {
	k := m.calls.Get().(*call)
	k.limit = limit
	return k
}

// wait waits for the outcome of a sent call and releases it.
func (m *Mux) wait(k *call, cancel <-chan struct{}) ([]byte, error) {
	var err error
	if cancel == nil {
		err = <-k.done
	} else {
		select {
		case err = <-k.done:
		case <-cancel:
			k.conn.Load().giveUp(k, errCancelled)
			err = <-k.done
		}
	}
	body := k.body
	m.release(k)
	return body, err
}

var errCancelled = errors.New("peer: cancelled")
