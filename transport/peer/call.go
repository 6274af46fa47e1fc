package peer

import (
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// call is one request that waits for its answer. Until send and after the answer
// it belongs to the caller; in between, the fields below the line are guarded by
// the connection's mu. Calls are reused, so that a round trip allocates little.
type call struct {
	group *GroupTransport          // whose Close ends the call; may be nil
	resp  any                      // Raft response to decode into; nil for services
	async func([]byte, error)      // called with the outcome instead of waking a caller
	limit time.Duration            // time to wait for the answer
	done  chan error               // receives the outcome, unless async
	conn  atomic.Pointer[outgoing] // set by send

	id      uint64
	size    int // of the request
	pending bool
	spent   bool        // the timer fired: not to be reused
	timer   *time.Timer // runs while pending
	body    []byte      // of a service's answer
}

func newCall() *call {
	c := &call{done: make(chan error, 1)}
	c.timer = time.AfterFunc(time.Hour, c.expire)
	c.timer.Stop()
	return c
}

// expire runs when the timer does. A call whose timer has fired is never reused,
// therefore c is still the call that the timer was set for.
func (c *call) expire() {
	if conn := c.conn.Load(); conn != nil {
		conn.giveUp(c, ErrTimeout)
	}
}

// release makes a call available again that is finished or was never sent.
func (m *Mux) release(c *call) {
	if c.spent {
		return
	}
	c.group, c.resp, c.async, c.body = nil, nil, nil, nil
	m.calls.Put(c)
}

// request is what is to be sent: a Raft RPC or a service call.
type request struct {
	kind byte

	group  uint32 // kindGroup
	rpc    byte
	append *raft.AppendEntriesRequest // for rpcAppendEntries
	msg    any                        // for the others

	service byte // kindService, and body for kindHello
	limitMs uint32
	body    []byte
}

// bytes returns the number of payload bytes that make a frame bulk.
func (q *request) bytes() int {
	n := len(q.body)
	if q.append != nil {
		for _, e := range q.append.Entries {
			n += len(e.Data) + len(e.Extensions) + entryOverhead
		}
	}
	return n
}

// entryOverhead is more than an entry takes besides its bytes: six varints and a type.
const entryOverhead = 64

// head appends the frame up to the byte strings that bulk frames do not copy.
func (q *request) head(dst []byte, id uint64) []byte {
	dst = beginFrame(dst, q.kind, id)
	switch q.kind {
	case kindGroup, kindSnapshot:
		dst = append(dst, q.rpc)
		dst = appendUvarint32(dst, q.group)
		if q.append != nil {
			return appendAppendEntriesHead(dst, q.append)
		}
		return appendRequest(dst, q.msg)
	case kindService:
		dst = append(dst, q.service)
		dst = appendUint32(dst, q.limitMs)
	}
	return dst
}

// encode appends the whole frame.
func (q *request) encode(dst []byte, id uint64) []byte {
	start := len(dst)
	dst = q.head(dst, id)
	if q.append != nil {
		for _, e := range q.append.Entries {
			dst = append(dst, e.Data...)
			dst = append(dst, e.Extensions...)
		}
	}
	dst = append(dst, q.body...)
	endFrame(dst, start, 0)
	return dst
}

// directSize is the size from which a byte string is handed to the kernel where
// it lies; below, copying is cheaper than one more piece.
const directSize = 32 << 10

// bulk returns the frame in pieces. It keeps referring to the entries' bytes and
// the body, which must not change. The first piece begins with the header.
func (q *request) bulk() bulkFrame {
	copied := 0
	each := func(f func(b []byte)) {
		if q.append != nil {
			for _, e := range q.append.Entries {
				f(e.Data)
				f(e.Extensions)
			}
		}
		f(q.body)
	}
	total := 0
	each(func(b []byte) {
		total += len(b)
		if len(b) < directSize {
			copied += len(b)
		}
	})
	// Pieces are cut out of buf while it is filled: only the header, known
	// beforehand to be at its start, is changed afterwards.
	buf := q.head(make([]byte, 0, 512), 0)
	endFrame(buf, 0, total)
	f := bulkFrame{size: len(buf) + total}
	buf = append(make([]byte, 0, len(buf)+copied), buf...)
	from := 0
	each(func(b []byte) {
		if len(b) < directSize {
			buf = append(buf, b...)
			return
		}
		f.pieces = appendPieces(f.pieces, buf[from:len(buf):len(buf)])
		f.pieces = appendPieces(f.pieces, b)
		from = len(buf)
	})
	f.pieces = appendPieces(f.pieces, buf[from:])
	return f
}
