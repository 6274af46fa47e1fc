package rdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Function writes a library of functions: its code.
func (e *Encoder) Function(code string) {
	e.buf = append(e.buf, opFunction)
	e.text([]byte(code))
}

// AppendFunctions appends the payload of FUNCTION DUMP for libraries' code, as
// Redis 7.0 writes it.
func AppendFunctions(dst []byte, codes []string) []byte {
	start := len(dst)
	e := Encoder{buf: dst}
	for _, code := range codes {
		e.Function(code)
	}
	e.buf = binary.LittleEndian.AppendUint16(e.buf, Version)
	return binary.LittleEndian.AppendUint64(e.buf, CRC64(0, e.buf[start:]))
}

// oldFunction reads a library as the release candidates of 7.0 wrote it: name,
// engine, description and code, and returns it with the first line that 7.0 wants.
func (d *Decoder) oldFunction() ([]byte, error) {
	var name, engine []byte
	for _, to := range []*[]byte{&name, &engine} {
		b, err := d.blob()
		if err != nil {
			return nil, err
		}
		*to = b
	}
	described, err := d.src.count()
	if err == nil && described != 0 {
		_, err = d.blob()
	}
	if err != nil {
		return nil, err
	}
	code, err := d.blob()
	return fmt.Appendf(nil, "#!%s name=%s\n%s", engine, name, code), err
}

// ErrNotFunction is returned for a payload that holds something else.
var ErrNotFunction = errors.New("the payload holds something that is no function library")

// ParseFunctions returns the code of the libraries in a payload. The error is
// ErrDump for a wrong version or checksum.
func ParseFunctions(b []byte) (codes []string, err error) {
	if len(b) < dumpFooter {
		return nil, ErrDump
	}
	body, footer := b[:len(b)-dumpFooter], b[len(b)-dumpFooter:]
	if binary.LittleEndian.Uint16(footer) > Version || binary.LittleEndian.Uint64(footer[2:]) != CRC64(0, b[:len(b)-8]) {
		return nil, ErrDump
	}
	d := Decoder{src: source{r: bytes.NewReader(body), buf: make([]byte, 0, min(len(body)+1, sourceBuffer))}}
	for d.src.offset() < int64(len(body)) {
		op, err := d.src.byte()
		if err != nil {
			return nil, d.fail(err)
		}
		if op != opFunction {
			return nil, ErrNotFunction
		}
		code, err := d.blob()
		if err != nil {
			return nil, d.fail(err)
		}
		codes = append(codes, string(code))
	}
	return codes, nil
}
