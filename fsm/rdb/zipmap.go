package rdb

import (
	"encoding/binary"

	"github.com/quorate/quorate/fsm/keyspace"
)

// Zipmaps are what small hashes were before Redis 2.6. They are only read.
//
//	<pairs u8> <entry>... <0xff>
//	entry: <length> <field> <length> <unused u8> <value> <unused bytes>
//
// A length is one byte below 254, or 254 and four bytes, little-endian. As a number
// of pairs 254 and 255 mean that it isn't told.
const (
	zipmapBig = 0xfe
	zipmapEnd = 0xff
)

// eachZipmap checks b and calls visit with every field and value in order.
func eachZipmap(b []byte, visit func(field, value []byte) error) error {
	if len(b) < 2 || b[len(b)-1] != zipmapEnd {
		return malformed("zipmap of %d bytes without its end", len(b))
	}
	pairs := 0
	for p := b[1:]; p[0] != zipmapEnd; pairs++ {
		var field, value []byte
		var ok bool
		if field, p, ok = zipmapString(p, false); ok {
			value, p, ok = zipmapString(p, true)
		}
		if !ok || len(p) == 0 {
			return malformed("zipmap ends within pair %d", pairs)
		}
		if err := visit(field, value); err != nil {
			return err
		}
		if p[0] == zipmapEnd && len(p) > 1 {
			return malformed("bytes behind a zipmap")
		}
	}
	if pairs == 0 { // as in Redis, unlike the empty collections of other forms
		return malformed("empty zipmap")
	}
	if b[0] < zipmapBig && int(b[0]) != pairs {
		return malformed("zipmap of %d pairs, %d announced", pairs, b[0])
	}
	return nil
}

// zipmapString takes a length and that many bytes off p, and of a value what was
// unused behind it.
func zipmapString(p []byte, isValue bool) (s, rest []byte, ok bool) {
	if len(p) == 0 || p[0] == zipmapEnd {
		return nil, nil, false
	}
	n := uint64(p[0])
	p = p[1:]
	if n == zipmapBig {
		if len(p) < 4 {
			return nil, nil, false
		}
		n = uint64(binary.LittleEndian.Uint32(p))
		p = p[4:]
	}
	unused := uint64(0)
	if isValue {
		if len(p) == 0 {
			return nil, nil, false
		}
		unused = uint64(p[0])
		p = p[1:]
	}
	if n+unused > uint64(len(p)) {
		return nil, nil, false
	}
	return p[:n], p[n+unused:], true
}

// hashZipmap reads a zipmap. Unlike the packed forms that came later it may have
// fields and values that are too long for a listpack.
func (d *Decoder) hashZipmap() (keyspace.Value, error) {
	b, err := d.blob()
	if err != nil {
		return keyspace.Value{}, err
	}
	h, limits := &keyspace.Hash{}, d.limits()
	err = eachZipmap(b, func(field, value []byte) error {
		if !h.Set(field, value, limits) {
			return malformed("field %.80q twice", field)
		}
		return nil
	})
	return keyspace.NewHashValue(h), err
}
