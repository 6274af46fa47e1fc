package peer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// decoder reads the primitives of messages from b. After the first error every
// read returns zero and err stays set. Byte strings are sub-slices of b, capped
// so that an append cannot reach their neighbours.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: bad %s in message", ErrProtocol, what)
	}
	d.b = nil
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail("number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail("number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail("byte")
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) bool() bool {
	v := d.byte()
	if v > 1 {
		d.fail("flag")
	}
	return v == 1
}

// take returns the next n bytes; nil for none.
func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail("length")
		return nil
	}
	if n == 0 {
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes() []byte { return d.take(d.uvarint()) }

func (d *decoder) time() time.Time {
	sec := d.varint()
	nsec := d.uvarint()
	if nsec >= 1e9 {
		d.fail("time")
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// end checks that everything was read.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail("end")
	}
	return d.err
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// appendTime keeps nanoseconds and drops the zone. The zero time stays the zero time.
func appendTime(dst []byte, t time.Time) []byte {
	dst = binary.AppendVarint(dst, t.Unix())
	return binary.AppendUvarint(dst, uint64(t.Nanosecond()))
}

// interner keeps the few byte strings that every message of a connection repeats
// (node id, address), so that decoding a heartbeat allocates nothing. The strings
// it hands out are shared and must not be changed. One goroutine owns it.
type interner struct {
	known [4][]byte
	next  int
}

// keep returns a lasting copy of b, nil if b is empty.
func (in *interner) keep(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	for _, k := range in.known {
		if bytes.Equal(k, b) {
			return k
		}
	}
	c := bytes.Clone(b)
	if len(b) <= 256 {
		in.known[in.next] = c
		in.next = (in.next + 1) % len(in.known)
	}
	return c
}

func appendUint32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }

func appendUvarint32(dst []byte, v uint32) []byte { return binary.AppendUvarint(dst, uint64(v)) }

// uvarint32 reads a number that must fit 32 bits.
func (d *decoder) uvarint32() uint32 {
	v := d.uvarint()
	if v > 1<<32-1 {
		d.fail("number")
		return 0
	}
	return uint32(v)
}
