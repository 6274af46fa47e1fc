package peer

import (
	"fmt"
	"net"
	"sync"
)

// outbox is the sending half of a connection.
//
// Whoever has something to send appends it under mu. If nobody is writing, the
// appender either writes it at once or, if that might block, leaves it to the
// connection's writer goroutine; if somebody is writing, that one will take it
// along. Small frames therefore cost one system call for as many as come
// together and no goroutine switch when alone.
//
// Small frames overtake bulk frames, and a writer takes one bulk frame at a
// time: a heartbeat waits for at most one of them.
type outbox struct {
	conn  net.Conn
	limit int           // queued bytes at which an end that does not read is given up
	wake  chan struct{} // tells the writer goroutine that writing was handed to it

	mu      sync.Mutex
	small   []byte
	spare   []byte // the other buffer of the pair, empty
	bulk    []bulkFrame
	queued  int  // bytes in small and bulk
	writing bool // somebody has the writer's role
	broken  bool // a write failed; the connection is closed

	// Watched by the monitor: completed writes, and those of bulk pieces. A small
	// write ends in the socket's buffer and so proves nothing about the other end.
	beats, bulkBeats uint64
}

// bulkFrame is a frame kept in pieces that are not copied.
type bulkFrame struct {
	pieces net.Buffers
	size   int
	call   *call // if set and no longer pending, the frame need not be sent
}

const (
	bulkSize   = 16 << 10  // frames from this size on are bulk
	pieceSize  = 256 << 10 // most that goes into one system call
	keepBuffer = 64 << 10  // buffers above this are not kept for reuse
)

func (o *outbox) init(conn net.Conn, limit int) {
	o.conn = conn
	o.limit = limit
	o.wake = make(chan struct{}, 1)
}

// addBulkLocked queues a bulk frame.
func (o *outbox) addBulkLocked(f bulkFrame) {
	o.bulk = append(o.bulk, f)
	o.queued += f.size
}

// flushLocked sees to it that what is queued gets written. With inline, the
// caller may be held up by one write.
func (o *outbox) flushLocked(inline bool) {
	if o.writing || o.queued == 0 || o.broken {
		return
	}
	o.writing = true
	if inline {
		o.writeLocked()
		if o.queued == 0 || o.broken {
			o.writing = false
			return
		}
	}
	o.wake <- struct{}{} // never blocks: only the holder of the role sends
}

// writer writes what was handed over, until stop closes. The owner runs it as a
// goroutine and closes the connection to unblock it.
func (o *outbox) writer(stop <-chan struct{}) {
	for {
		select {
		case <-o.wake:
		case <-stop:
			return
		}
		o.mu.Lock()
		for o.queued > 0 && !o.broken {
			o.writeLocked()
		}
		o.writing = false
		o.mu.Unlock()
	}
}

// writeLocked writes all small frames and one bulk frame, releasing mu meanwhile.
// Only the holder of the writer's role calls it.
func (o *outbox) writeLocked() {
	small := o.small
	o.small, o.spare = o.spare, nil
	o.queued -= len(small)
	var bulk bulkFrame
	for len(o.bulk) > 0 && bulk.size == 0 {
		f := o.bulk[0]
		o.bulk[0] = bulkFrame{}
		o.bulk = o.bulk[1:]
		o.queued -= f.size
		if f.call == nil || f.call.pending {
			bulk = f
		}
	}
	if len(o.bulk) == 0 {
		o.bulk = nil
	}
	o.mu.Unlock()
	err := o.write(small, bulk.pieces)
	o.mu.Lock()
	o.beats++
	if cap(small) <= keepBuffer {
		o.spare = small[:0]
	}
	if err != nil {
		o.broken = true
		o.conn.Close() // the reading goroutine notices and cleans up
	}
}

func (o *outbox) write(small []byte, pieces net.Buffers) error {
	if len(pieces) == 0 {
		if len(small) == 0 {
			return nil
		}
		_, err := o.conn.Write(small)
		return err
	}
	if len(small) > 0 {
		pieces = append(net.Buffers{small}, pieces...)
	}
	for len(pieces) > 0 {
		n, size := 0, 0
		for n < len(pieces) && (n == 0 || size+len(pieces[n]) <= pieceSize) {
			size += len(pieces[n])
			n++
		}
		part := pieces[:n:n]
		if _, err := part.WriteTo(o.conn); err != nil {
			return err
		}
		pieces = pieces[n:]
		o.mu.Lock()
		o.beats++
		o.bulkBeats++
		o.mu.Unlock()
	}
	return nil
}

// appendPieces appends b in pieces of at most pieceSize.
func appendPieces(dst net.Buffers, b []byte) net.Buffers {
	for len(b) > pieceSize {
		dst = append(dst, b[:pieceSize:pieceSize])
		b = b[pieceSize:]
	}
	if len(b) > 0 {
		dst = append(dst, b)
	}
	return dst
}

// overflowLocked says whether size more bytes would exceed the limit. A single
// frame is always allowed.
func (o *outbox) overflowLocked(size int) error {
	if o.queued > 0 && o.queued+size > o.limit {
		return fmt.Errorf("peer: %d bytes wait to be sent to an end that does not read", o.queued)
	}
	return nil
}
