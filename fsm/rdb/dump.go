package rdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/quorate/quorate/fsm/keyspace"
)

// The payload of DUMP and RESTORE is
//
//	<type> <value> <version u16> <CRC-64 of everything before it>
//
// with little-endian numbers.
const dumpFooter = 2 + 8

// ErrDump is returned for a payload of a newer version or with a wrong
// checksum: RESTORE's "DUMP payload version or checksum are wrong". Any other
// error is its "Bad data format".
var ErrDump = errors.New("payload version or checksum are wrong")

// AppendDump appends the payload for a value, as Redis 7.0 writes it but for
// the order of elements that have none, with long strings compressed.
func AppendDump(dst []byte, v *keyspace.Value) []byte { return appendDump(dst, v, false) }

// AppendPlainDump is AppendDump without compression.
func AppendPlainDump(dst []byte, v *keyspace.Value) []byte { return appendDump(dst, v, true) }

func appendDump(dst []byte, v *keyspace.Value, plain bool) []byte {
	start := len(dst)
	e := Encoder{buf: append(dst, 0), LikeRedis: true, Uncompressed: plain}
	e.buf[start] = e.value(v)
	e.buf = binary.LittleEndian.AppendUint16(e.buf, Version)
	return binary.LittleEndian.AppendUint64(e.buf, CRC64(0, e.buf[start:]))
}

// ParseDump returns the value of a payload, held as the limits tell.
func ParseDump(b []byte, limits *keyspace.Limits) (keyspace.Value, error) {
	if len(b) < dumpFooter {
		return keyspace.Value{}, ErrDump
	}
	body, footer := b[:len(b)-dumpFooter], b[len(b)-dumpFooter:]
	if binary.LittleEndian.Uint16(footer) > Version || binary.LittleEndian.Uint64(footer[2:]) != CRC64(0, b[:len(b)-8]) {
		return keyspace.Value{}, ErrDump
	}
	d := Decoder{Limits: limits, src: source{r: bytes.NewReader(body), buf: make([]byte, 0, min(len(body)+1, sourceBuffer))}}
	v, err := d.dumped()
	if err != nil {
		return keyspace.Value{}, d.fail(err)
	}
	return v, nil
}

func (d *Decoder) dumped() (keyspace.Value, error) {
	valueType, err := d.src.byte()
	if err != nil {
		return keyspace.Value{}, err
	}
	v, err := d.value(valueType)
	if err != nil {
		return v, err
	}
	if err := d.src.fill(); !errors.Is(err, io.EOF) {
		return v, malformed("bytes behind the value")
	}
	return v, nil
}
