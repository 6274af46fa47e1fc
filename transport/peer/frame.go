package peer

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// A frame, all integers big-endian:
//
//	u32  length of what follows
//	u8   version, frameVersion
//	u8   kind
//	u64  call number: the answer repeats the request's; 0 where there is no call
//	...  payload, by kind
const (
	frameVersion = 1
	headerLen    = 4 + 1 + 1 + 8
)

// Frame kinds. Requests go from the dialling end to the accepting end, answers back.
const (
	kindGroup   = 1 // Raft RPC: u8 rpc, uvarint group, message
	kindService = 2 // service call: u8 service, u32 time limit in ms (0: none), request
	kindCancel  = 3 // the caller of this call number gave up; no payload, no answer
	kindHello   = 4 // the dialling end's cluster id has changed: new cluster id
	kindPing    = 5 // no payload; answered with kindOK by the reading goroutine itself
	kindOK      = 6 // answer: message or service response
	kindError   = 7 // answer: u8 code, text

	// On a snapshot stream; the call number of a chunk counts chunks.
	kindSnapshot = 8  // Raft RPC, like kindGroup; first frame
	kindChunk    = 9  // u32 CRC-32C of the data, data
	kindEnd      = 10 // u64 number of bytes in all chunks
	kindWorking  = 11 // to the sender: Raft is still busy; no payload
)

// Codes of kindError.
const (
	codeHandler = 1 // the handler, or Raft, returned this error
	codeRefused = 2 // the request did not reach a handler
)

// beginFrame appends a header whose length endFrame fills in.
func beginFrame(dst []byte, kind byte, id uint64) []byte {
	dst = append(dst, 0, 0, 0, 0, frameVersion, kind)
	return binary.BigEndian.AppendUint64(dst, id)
}

// endFrame completes the frame that starts at dst[start]; extra is the number of
// payload bytes that will be sent after dst.
func endFrame(dst []byte, start, extra int) {
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4+extra))
}

// setFrameID replaces the call number of a frame.
func setFrameID(frame []byte, id uint64) { binary.BigEndian.PutUint64(frame[6:], id) }

// frame is one received frame. If owned is false, body is only valid until the
// next call of next.
type frame struct {
	kind  byte
	id    uint64
	body  []byte
	owned bool
}

// frameReader reads frames. A frame that fits the read buffer is used in place;
// a larger one gets memory in steps, as its bytes arrive, never by the length it
// claims. Not safe for concurrent use.
type frameReader struct {
	br   *bufio.Reader
	max  int // largest accepted length field
	step int // first allocation for a frame larger than the buffer
	used int // bytes of the previous frame still to be discarded
}

const (
	readBuffer  = 64 << 10
	strangeStep = 64 << 10           // first allocation for an end not known to be of our cluster
	trustedStep = 2<<20 + readBuffer // a batch of the default size in one piece
)

func newFrameReader(r io.Reader, buffer, maxFrame int) *frameReader {
	return &frameReader{br: bufio.NewReaderSize(r, buffer), max: maxFrame, step: strangeStep}
}

// next returns the next frame. At a clean end of the stream the error is io.EOF,
// inside a frame io.ErrUnexpectedEOF.
func (r *frameReader) next() (frame, error) {
	if r.used > 0 {
		if _, err := r.br.Discard(r.used); err != nil {
			return frame{}, err
		}
		r.used = 0
	}
	head, err := r.br.Peek(headerLen)
	if err != nil {
		if err == io.EOF && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	length := int64(binary.BigEndian.Uint32(head))
	if head[4] != frameVersion {
		return frame{}, fmt.Errorf("%w: frame version %d", ErrProtocol, head[4])
	}
	if length < headerLen-4 || length > int64(r.max) {
		return frame{}, fmt.Errorf("%w: frame length %d", ErrProtocol, length)
	}
	f := frame{kind: head[5], id: binary.BigEndian.Uint64(head[6:])}
	total := int(length) + 4
	if total <= r.br.Size() {
		b, err := r.br.Peek(total)
		if err != nil {
			return frame{}, cutShort(err)
		}
		f.body = b[headerLen:]
		r.used = total
		return f, nil
	}
	if _, err := r.br.Discard(headerLen); err != nil {
		return frame{}, err
	}
	f.owned = true
	f.body, err = readStepwise(r.br, total-headerLen, r.step)
	return f, err
}

// more says whether a complete frame is already in memory, so that next will not block.
func (r *frameReader) more() bool {
	n := r.br.Buffered() - r.used
	if n < headerLen {
		return false
	}
	b, err := r.br.Peek(r.used + 4)
	if err != nil {
		return false
	}
	return int64(n) >= 4+int64(binary.BigEndian.Uint32(b[r.used:]))
}

// readStepwise reads n bytes. It never holds more than step bytes, or twice what
// has arrived, whatever n claims.
func readStepwise(r io.Reader, n, step int) ([]byte, error) {
	buf := make([]byte, min(n, step))
	have := 0
	for {
		if _, err := io.ReadFull(r, buf[have:]); err != nil {
			return nil, cutShort(err)
		}
		have = len(buf)
		if have == n {
			return buf, nil
		}
		bigger := make([]byte, min(n, 2*have))
		copy(bigger, buf)
		buf = bigger
	}
}

func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendErrorFrame appends an answer of kindError.
func appendErrorFrame(dst []byte, id uint64, code byte, text string) []byte {
	start := len(dst)
	dst = beginFrame(dst, kindError, id)
	dst = append(dst, code)
	dst = append(dst, text[:min(len(text), maxErrorText)]...)
	endFrame(dst, start, 0)
	return dst
}

// maxErrorText bounds the text of a remote error, in bytes.
const maxErrorText = 4096

// decodeErrorBody returns the error that a kindError frame carries.
func decodeErrorBody(body []byte) error {
	if len(body) < 1 || len(body) > 1+maxErrorText {
		return fmt.Errorf("%w: error frame of %d bytes", ErrProtocol, len(body))
	}
	switch body[0] {
	case codeHandler, codeRefused:
		return &RemoteError{Msg: string(body[1:]), Refused: body[0] == codeRefused}
	}
	return fmt.Errorf("%w: error code %d", ErrProtocol, body[0])
}
