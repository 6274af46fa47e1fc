package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// grpcConn makes unary gRPC calls, one at a time, over cleartext HTTP/2. It is
// as small as it is because a full HTTP/2 client would take a good part of the
// processor time that belongs to the servers under measurement: request headers
// are encoded once, response headers are not decoded at all. A call has
// succeeded if a message arrived, since a failed unary call sends none.
//
// Source: RFC 9113 (frames, flow control), RFC 7541 (literal header fields),
// gRPC over HTTP/2 (five bytes before each message).
type grpcConn struct {
	conn     net.Conn
	br       *bufio.Reader
	out      []byte
	headers  [methodCount][]byte // encoded header block of each method
	stream   uint32              // of the next call; odd, growing
	sendLeft int64               // what the server still allows us to send
	unacked  uint32              // received since the last window update
	reply    []byte
}

const (
	methodPut = iota
	methodRange
	methodStatus
	methodCount
)

var methodPaths = [methodCount]string{
	"/etcdserverpb.KV/Put", "/etcdserverpb.KV/Range", "/etcdserverpb.Maintenance/Status",
}

const (
	frameData         = 0
	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameGoAway       = 7
	frameWindowUpdate = 8
	frameContinuation = 9

	flagEndStream  = 0x1 // DATA, HEADERS
	flagAck        = 0x1 // SETTINGS, PING
	flagEndHeaders = 0x4
	flagPadded     = 0x8

	defaultWindow = 65535
	ourWindow     = 1 << 30
	maxFrameBytes = 1<<14 + 9 // we never allow more
	grpcHeadBytes = 5
)

func dialGRPC(ctx context.Context, addr string) (*grpcConn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &grpcConn{conn: conn, br: bufio.NewReaderSize(conn, 16<<10), stream: 1, sendLeft: defaultWindow}
	for m, path := range methodPaths {
		h := []byte{0x83, 0x86} // :method POST, :scheme http
		h = appendHPACK(append(h, 0x04), path)
		h = appendHPACK(append(h, 0x01), addr)                     // :authority
		h = appendHPACK(append(h, 0x0f, 0x10), "application/grpc") // content-type
		h = appendHPACK(appendHPACK(append(h, 0x00), "te"), "trailers")
		c.headers[m] = h
	}
	out := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	out = appendFrameHead(out, 18, frameSettings, 0, 0)
	out = appendSetting(out, 1, 0) // no dynamic header table: we would not follow it
	out = appendSetting(out, 2, 0) // no push
	out = appendSetting(out, 4, ourWindow)
	out = appendFrameHead(out, 4, frameWindowUpdate, 0, 0)
	out = binary.BigEndian.AppendUint32(out, ourWindow-defaultWindow)
	if _, err := conn.Write(out); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

func (c *grpcConn) Close() error { return c.conn.Close() }

// call sends msg (under 16 KiB) and returns the reply, valid until the next call.
// errRPC means that the server answered without a message.
func (c *grpcConn) call(method int, msg []byte) ([]byte, error) {
	id := c.stream
	c.stream += 2
	h := c.headers[method]
	size := grpcHeadBytes + len(msg)
	c.out = appendFrameHead(c.out[:0], len(h), frameHeaders, flagEndHeaders, id)
	c.out = append(c.out, h...)
	c.out = appendFrameHead(c.out, size, frameData, flagEndStream, id)
	c.out = append(c.out, 0)
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(len(msg)))
	c.out = append(c.out, msg...)
	for c.sendLeft < int64(size) { // a new stream's own window is always larger
		if _, err := c.readFrame(0); err != nil {
			return nil, err
		}
	}
	c.sendLeft -= int64(size)
	if _, err := c.conn.Write(c.out); err != nil {
		return nil, err
	}
	c.reply = c.reply[:0]
	for {
		ended, err := c.readFrame(id)
		if err != nil {
			return nil, err
		}
		if ended {
			break
		}
	}
	if len(c.reply) < grpcHeadBytes {
		return nil, errRPC
	}
	return c.reply[grpcHeadBytes:], nil
}

// readFrame reads and handles one frame, adding DATA of the stream to reply.
// ended reports that the server has closed the stream.
func (c *grpcConn) readFrame(stream uint32) (ended bool, err error) {
	var head [9]byte
	if _, err := io.ReadFull(c.br, head[:]); err != nil {
		return false, err
	}
	size := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
	kind, flags := head[3], head[4]
	id := binary.BigEndian.Uint32(head[5:]) &^ (1 << 31)
	if size > maxFrameBytes {
		return false, fmt.Errorf("HTTP/2 frame of %d bytes", size)
	}
	switch kind {
	case frameData:
		if flags&flagPadded != 0 || id != stream {
			return false, fmt.Errorf("unexpected HTTP/2 DATA frame (stream %d, flags %x)", id, flags)
		}
		at := len(c.reply)
		c.reply = append(c.reply, make([]byte, size)...)
		if _, err := io.ReadFull(c.br, c.reply[at:]); err != nil {
			return false, err
		}
		return flags&flagEndStream != 0, c.received(uint32(size))
	case frameReset, frameGoAway:
		return false, fmt.Errorf("the server closed the HTTP/2 connection or stream (frame type %d)", kind)
	case frameHeaders, frameContinuation:
		_, err := c.br.Discard(size)
		return kind == frameHeaders && flags&flagEndStream != 0, err
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(c.br, payload); err != nil {
		return false, err
	}
	switch {
	case kind == frameSettings && flags&flagAck == 0:
		_, err = c.conn.Write(appendFrameHead(nil, 0, frameSettings, flagAck, 0))
	case kind == framePing && flags&flagAck == 0:
		_, err = c.conn.Write(append(appendFrameHead(nil, size, framePing, flagAck, 0), payload...))
	case kind == frameWindowUpdate && id == 0 && size == 4:
		c.sendLeft += int64(binary.BigEndian.Uint32(payload))
	}
	return false, err
}

// received gives the server its connection window back, rarely.
func (c *grpcConn) received(n uint32) error {
	if c.unacked += n; c.unacked < ourWindow/2 {
		return nil
	}
	frame := appendFrameHead(nil, 4, frameWindowUpdate, 0, 0)
	_, err := c.conn.Write(binary.BigEndian.AppendUint32(frame, c.unacked))
	c.unacked = 0
	return err
}

func appendFrameHead(dst []byte, size int, kind, flags byte, stream uint32) []byte {
	dst = append(dst, byte(size>>16), byte(size>>8), byte(size), kind, flags)
	return binary.BigEndian.AppendUint32(dst, stream)
}

func appendSetting(dst []byte, id uint16, v uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(dst, id), v)
}

// appendHPACK appends a string literal, not Huffman-coded, shorter than 127 bytes.
func appendHPACK(dst []byte, s string) []byte { return append(append(dst, byte(len(s))), s...) }
