package node

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/quorate/quorate/slots"
)

// Messages of PUBLISH go to all nodes over the peer link, not through a log: at
// most once, in the order of their publisher, and nobody waits for them. A node
// that can't be reached, or can't keep up, misses messages, as on the cluster
// bus of Redis.

const (
	maxSpread   = 16 << 20 // largest message: it shares the link with heartbeats
	spreadQueue = 64 << 20 // bytes that wait for one node; what comes then is dropped
	spreadBatch = 1 << 20  // bytes that travel together
	spreadLimit = 2 * time.Second
	spreadHead  = 16 // run and number of a batch
)

var (
	errSpreadSize  = errors.New("The message is too large to be sent to the other nodes")
	errSpreadFrame = errors.New("malformed batch of messages")
)

// spread sends messages to the other nodes. Safe for concurrent use.
type spread struct {
	run   uint64        // names this process in its batches
	limit time.Duration // for the delivery of a batch

	mu    sync.Mutex
	queue map[string]*spreadTo // by node
	heard map[string]*spreadFrom
}

// spreadTo is what waits for one node.
type spreadTo struct {
	waiting []byte
	number  uint64 // of the last batch
	sending bool
	dropped int // messages, since that was last logged
}

// spreadFrom is what has come from one node. Its lock keeps batches apart.
type spreadFrom struct {
	mu          sync.Mutex
	run, number uint64
}

func newSpread() *spread {
	return &spread{run: rand.Uint64(), limit: spreadLimit, queue: map[string]*spreadTo{}, heard: map[string]*spreadFrom{}}
}

// Spread hands a message to all other nodes. It doesn't wait for them.
func (n *Node) Spread(channel, payload []byte) error {
	if n.mux == nil {
		return nil
	}
	if len(channel)+len(payload) > maxSpread {
		return errSpreadSize
	}
	m := n.Map()
	s := n.spread
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, to := range m.Nodes {
		if id == n.id.Node || to.Failed {
			continue
		}
		q := s.queue[id]
		if q == nil {
			q = &spreadTo{}
			s.queue[id] = q
		}
		if len(q.waiting) > 0 && len(q.waiting)+len(channel)+len(payload) > spreadQueue {
			q.dropped++
			continue
		}
		q.waiting = appendMessage(q.waiting, channel, payload)
		if !q.sending && n.startSpread(id, q) {
			q.sending = true
		}
	}
	// Nodes that have left the cluster leave nothing behind.
	for id, q := range s.queue {
		if m.Nodes[id] == nil && !q.sending {
			delete(s.queue, id)
		}
	}
	return nil
}

// startSpread starts the goroutine that empties a queue. Owned by Node. It stops
// when the queue is empty or n.stop closes; Close waits.
func (n *Node) startSpread(id string, q *spreadTo) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.wg.Add(1)
	go func() {
		defer n.wg.Done()
		n.sendSpread(id, q)
	}()
	return true
}

func (n *Node) sendSpread(id string, q *spreadTo) {
	s := n.spread
	for {
		s.mu.Lock()
		select {
		case <-n.stop:
			q.waiting = nil
		default:
		}
		batch, dropped := s.cut(q), q.dropped
		q.dropped = 0
		if batch == nil {
			q.sending = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if dropped > 0 {
			n.log.Warn("published messages dropped: the node doesn't keep up", "node", id, "messages", dropped)
		}
		to := n.Map().Nodes[id]
		if to == nil {
			continue
		}
		if err := n.postSpread(id, to, batch); err != nil {
			n.log.Debug("published messages lost", "node", id, "bytes", len(batch), "error", err)
		}
	}
}

func (n *Node) postSpread(id string, to *slots.Node, batch []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), n.spread.limit)
	defer cancel()
	_, err := n.mux.Call(ctx, id, to.PeerAddr(), svcPublish, batch)
	return err
}

// cut takes the next batch off a queue, at least one message; nil if there is none.
func (s *spread) cut(q *spreadTo) []byte {
	if len(q.waiting) == 0 {
		q.waiting = nil
		return nil
	}
	end := 0
	for end < len(q.waiting) {
		_, _, rest, err := nextMessage(q.waiting[end:])
		size := len(q.waiting) - end - len(rest)
		if err != nil || end > 0 && end+size > spreadBatch {
			break
		}
		end += size
	}
	q.number++
	batch := make([]byte, 0, spreadHead+end)
	batch = binary.BigEndian.AppendUint64(batch, s.run)
	batch = binary.BigEndian.AppendUint64(batch, q.number)
	batch = append(batch, q.waiting[:end]...)
	if q.waiting = q.waiting[end:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	return batch
}

// appendMessage appends a message as it stands in a batch: both lengths, then
// channel and payload.
func appendMessage(dst, channel, payload []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(channel)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	return append(append(dst, channel...), payload...)
}

// nextMessage reads the first message of a batch.
func nextMessage(b []byte) (channel, payload, rest []byte, err error) {
	if len(b) < 8 {
		return nil, nil, nil, errSpreadFrame
	}
	c, p := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	if b = b[8:]; c+p > int64(len(b)) {
		return nil, nil, nil, errSpreadFrame
	}
	return b[:c:c], b[c : c+p : c+p], b[c+p:], nil
}

// servePublish delivers a batch to this node's subscribers, unless a later one
// of the same node has come before it: order counts for more than delivery.
func (n *Node) servePublish(_ context.Context, from string, req []byte) ([]byte, error) {
	if len(req) < spreadHead {
		return nil, errSpreadFrame
	}
	run, number := binary.BigEndian.Uint64(req), binary.BigEndian.Uint64(req[8:])
	n.spread.mu.Lock()
	f := n.spread.heard[from]
	if f == nil {
		f = &spreadFrom{}
		n.spread.heard[from] = f
	}
	n.spread.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.run == run && number <= f.number {
		return nil, nil
	}
	f.run, f.number = run, number
	for b := req[spreadHead:]; len(b) > 0; {
		channel, payload, rest, err := nextMessage(b)
		if err != nil {
			return nil, err
		}
		if n.opt.OnMessage != nil {
			n.opt.OnMessage(channel, payload)
		}
		b = rest
	}
	return nil, nil
}
