package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// A snapshot travels over a connection of its own: after the handshake a
// kindSnapshot frame with Raft's request, kindChunk frames, a kindEnd frame.
// Each chunk has a checksum and a time limit; there is none for the whole. The
// receiver reports kindWorking now and then, and at last kindOK or kindError, so
// that restoring a large state may take its time.

// chunkSize is the most data in one chunk; the frame then just fits the
// receiver's buffer, where it is used in place.
const (
	chunkFrame = 256 << 10
	chunkHead  = headerLen + 4
	chunkSize  = chunkFrame - chunkHead
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// InstallSnapshot streams a snapshot. It returns when the follower's Raft has
// installed or rejected it.
func (g *GroupTransport) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	conn, err := g.openStream(string(id), string(target))
	if err != nil {
		return notDelivered(err)
	}
	defer g.closeStream(conn)
	if !g.addStream(conn) {
		return notDelivered(ErrClosed)
	}
	s := &sender{conn: conn, limit: g.m.opts.ChunkTimeout, outcome: make(chan error, 1)}
	s.timer = time.AfterFunc(s.limit, func() { s.late.Store(true); conn.Close() })
	defer s.timer.Stop()
	// Owned by this call; ends when the connection does, or with the answer, and
	// reports through outcome.
	if !g.m.spawn(func() { s.outcome <- s.awaitAnswer(resp) }) {
		return ErrClosed
	}
	err = s.send(g.id, args, data)
	if err != nil {
		// An answer that came in early says more than a write that failed.
		conn.Close()
		if answer := <-s.outcome; answer == nil || errors.As(answer, new(*RemoteError)) {
			err = answer
		}
	} else {
		err = <-s.outcome
	}
	switch {
	case err == nil:
		return nil
	case g.closed.Load():
		return ErrClosed
	case s.late.Load():
		return fmt.Errorf("peer: snapshot to %s: %w", target, ErrTimeout)
	}
	return fmt.Errorf("peer: snapshot to %s: %w", target, err)
}

// openStream connects for a snapshot and checks who answers.
func (g *GroupTransport) openStream(id, addr string) (net.Conn, error) {
	conn, d, err := g.m.dial(addr, purposeSnapshot)
	if err != nil {
		return nil, err
	}
	switch {
	case d.node != id:
		err = fmt.Errorf("%w: %s is %s, want %s", ErrIdentity, addr, d.node, id)
	case d.sent == "" || d.sent != d.cluster:
		err = fmt.Errorf("%w: ours %q, theirs %q", ErrCluster, d.sent, d.cluster)
	}
	if err != nil {
		g.m.drop(conn)
		return nil, err
	}
	return conn, nil
}

// addStream registers a stream to be broken by Close.
func (g *GroupTransport) addStream(conn net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed.Load() {
		return false
	}
	g.streams[conn] = struct{}{}
	return true
}

func (g *GroupTransport) closeStream(conn net.Conn) {
	g.mu.Lock()
	delete(g.streams, conn)
	g.mu.Unlock()
	g.m.drop(conn)
}

// sender is the leader's end of a stream.
type sender struct {
	conn    net.Conn
	limit   time.Duration
	timer   *time.Timer // closes the connection
	late    atomic.Bool // it has
	ended   atomic.Bool // everything was sent
	outcome chan error
}

// send writes the request, all chunks and the end.
func (s *sender) send(group uint32, args *raft.InstallSnapshotRequest, data io.Reader) error {
	q := request{kind: kindSnapshot, group: group, rpc: rpcSnapshot, msg: args}
	head := q.encode(nil, 0)
	if len(head) > chunkFrame {
		return notDelivered(fmt.Errorf("%w: snapshot's configuration", ErrTooLarge))
	}
	if err := s.write(head); err != nil {
		return err
	}
	buf := make([]byte, chunkFrame)
	var total int64
	for seq := uint64(1); ; seq++ {
		n, err := io.ReadFull(data, buf[chunkHead:])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return fmt.Errorf("peer: read snapshot: %w", err)
		}
		if total += int64(n); total > args.Size {
			return fmt.Errorf("peer: read snapshot: longer than %d bytes", args.Size)
		}
		if n > 0 {
			frame := beginFrame(buf[:0], kindChunk, seq)
			chunk := buf[chunkHead : chunkHead+n]
			frame = appendUint32(frame, crc32.Checksum(chunk, castagnoli))
			endFrame(frame, 0, n)
			if err := s.write(buf[:chunkHead+n]); err != nil {
				return err
			}
		}
		if err != nil {
			break
		}
	}
	if total != args.Size {
		return fmt.Errorf("peer: read snapshot: %d bytes of %d", total, args.Size)
	}
	end := beginFrame(nil, kindEnd, 0)
	end = binary.BigEndian.AppendUint64(end, uint64(total))
	endFrame(end, 0, 0)
	if err := s.write(end); err != nil {
		return err
	}
	s.ended.Store(true)
	s.timer.Reset(s.limit)
	return nil
}

func (s *sender) write(b []byte) error {
	s.timer.Reset(s.limit)
	_, err := s.conn.Write(b)
	s.timer.Stop()
	return err
}

// awaitAnswer reads until the follower's answer, nil if Raft answered.
func (s *sender) awaitAnswer(resp *raft.InstallSnapshotResponse) error {
	fr := newFrameReader(s.conn, 8<<10, readBuffer)
	for {
		f, err := fr.next()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrConnectionLost, err)
		}
		switch f.kind {
		case kindWorking:
			if s.ended.Load() {
				s.timer.Reset(s.limit)
			}
		case kindOK:
			return decodeResponse(resp, f.body, new(interner))
		case kindError:
			return decodeErrorBody(f.body)
		default:
			return fmt.Errorf("%w: frame kind %d on a snapshot stream", ErrProtocol, f.kind)
		}
	}
}
