package rdb

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// source reads the input, counts it and sums it up.
type source struct {
	r      io.Reader
	buf    []byte
	pos    int   // next byte in buf
	summed int   // bytes of buf that crc covers
	before int64 // bytes of the input in front of buf
	crc    uint64
	eof    error // what ended the input
}

const sourceBuffer = 64 << 10

func newSource(r io.Reader) source { return source{r: r, buf: make([]byte, 0, sourceBuffer)} }

// offset returns the number of bytes taken.
func (s *source) offset() int64 { return s.before + int64(s.pos) }

// sum returns the checksum of all bytes taken.
func (s *source) sum() uint64 {
	s.crc = CRC64(s.crc, s.buf[s.summed:s.pos])
	s.summed = s.pos
	return s.crc
}

// fill makes at least one byte available, or returns the error that ended the
// input: io.EOF at its end.
func (s *source) fill() error {
	if s.pos < len(s.buf) {
		return nil
	}
	if s.eof != nil {
		return s.eof
	}
	s.sum()
	s.before += int64(s.pos)
	s.pos, s.summed = 0, 0
	s.buf = s.buf[:0]
	// A reader that gives nothing again and again is given up, as in bufio.
	for range 100 {
		n, err := s.r.Read(s.buf[:cap(s.buf)])
		s.buf = s.buf[:n]
		s.eof = err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	s.eof = io.ErrNoProgress
	return s.eof
}

// more is fill where the format demands a byte.
func (s *source) more() error {
	err := s.fill()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (s *source) byte() (byte, error) {
	if err := s.more(); err != nil {
		return 0, err
	}
	b := s.buf[s.pos]
	s.pos++
	return b, nil
}

// append reads n bytes behind dst. The room for them is made as they come.
func (s *source) append(dst []byte, n int) ([]byte, error) {
	for n > 0 {
		if err := s.more(); err != nil {
			return dst, err
		}
		part := min(n, len(s.buf)-s.pos)
		if need := len(dst) + part; need > cap(dst) {
			dst = slices.Grow(dst, min(n, max(part, len(dst))))
		}
		dst = append(dst, s.buf[s.pos:s.pos+part]...)
		s.pos += part
		n -= part
	}
	return dst, nil
}

func (s *source) array8() (a [8]byte, err error) {
	_, err = s.append(a[:0], 8)
	return a, err
}

func (s *source) uint32() (uint32, error) {
	var a [4]byte
	_, err := s.append(a[:0], 4)
	return binary.LittleEndian.Uint32(a[:]), err
}

func (s *source) uint64() (uint64, error) {
	a, err := s.array8()
	return binary.LittleEndian.Uint64(a[:]), err
}

// length reads a length. With special set it is no length: n is the byte that
// tells the encoding of a string. padded is the form of a length that is written
// in more bytes than it needs: len14 or len32, or 0.
func (s *source) length() (n uint64, special bool, padded byte, err error) {
	first, err := s.byte()
	if err != nil {
		return 0, false, 0, err
	}
	switch {
	case first&encode == encode:
		return uint64(first), true, 0, nil
	case first&encode == len6:
		return uint64(first), false, 0, nil
	case first&encode == len14:
		second, err := s.byte()
		n = uint64(first&0x3f)<<8 | uint64(second)
		if n < 1<<6 {
			padded = len14
		}
		return n, false, padded, err
	case first == len32:
		var a [4]byte
		_, err = s.append(a[:0], 4)
		n = uint64(binary.BigEndian.Uint32(a[:]))
		if n < 1<<14 {
			padded = len32
		}
		return n, false, padded, err
	case first == len64:
		a, err := s.array8()
		n = binary.BigEndian.Uint64(a[:])
		return n, false, 0, err
	}
	return 0, false, 0, malformed("length of unknown form 0x%02x", first)
}

// count reads a length where a special encoding is not allowed.
func (s *source) count() (uint64, error) {
	n, special, _, err := s.length()
	if err == nil && special {
		err = malformed("string encoding 0x%02x where a length is due", n)
	}
	return n, err
}

// text is a string as it was written.
type text struct {
	b      []byte
	n      int64 // if isInt; b is nil then
	isInt  bool
	padded byte // see source.length
}

// text reads a string; plain bytes are put into room if they fit.
func (s *source) text(room []byte) (t text, err error) {
	n, special, padded, err := s.length()
	if err != nil {
		return t, err
	}
	if !special {
		if n > maxString {
			return t, malformed("string of %d bytes", n)
		}
		t.padded = padded
		t.b, err = s.append(room[:0], int(n))
		return t, err
	}
	t.isInt = true
	switch n {
	case encInt8:
		var b byte
		b, err = s.byte()
		t.n = int64(int8(b))
	case encInt16:
		var a [2]byte
		_, err = s.append(a[:0], 2)
		t.n = int64(int16(binary.LittleEndian.Uint16(a[:])))
	case encInt32:
		var u uint32
		u, err = s.uint32()
		t.n = int64(int32(u))
	case encLZF:
		t.isInt = false
		t.b, err = s.unpack()
	default:
		err = malformed("string of unknown encoding 0x%02x", n)
	}
	return t, err
}

// unpack reads an LZF compressed string.
func (s *source) unpack() ([]byte, error) {
	packed, err := s.count()
	if err != nil {
		return nil, err
	}
	size, err := s.count()
	if err != nil {
		return nil, err
	}
	if packed > maxString || size > maxString || !lzfFits(int(packed), size) {
		return nil, malformed("%d compressed bytes for a string of %d", packed, size)
	}
	b, err := s.append(nil, int(packed))
	if err != nil {
		return nil, err
	}
	return decompress(b, int(size))
}
