package rdb

import (
	"fmt"

	"github.com/quorate/quorate/fsm/keyspace"
)

// Key writes a key with its value and expiry (Unix ms, 0 for none).
//
// What a Decoder without Limits makes of it is the same value held in the same
// way, the elements in the same order in memory.
func (e *Encoder) Key(key string, expireAt int64, v *keyspace.Value) {
	if expireAt != 0 {
		e.expire(expireAt)
	}
	typeAt := len(e.buf)
	e.buf = append(e.buf, 0)
	e.text([]byte(key))
	e.buf[typeAt] = e.value(v)
}

// value writes the value and returns its type.
func (e *Encoder) value(v *keyspace.Value) byte {
	switch v.Kind() {
	case keyspace.KindString:
		return e.stringValue(v)
	}
	panic(fmt.Sprintf("rdb: value of unknown kind %d", v.Kind()))
}

// value reads a value of a type.
func (d *Decoder) value(valueType byte) (keyspace.Value, error) {
	switch valueType {
	case typeString:
		return d.stringValue()
	}
	if name := unsupported[valueType]; name != "" {
		return keyspace.Value{}, fmt.Errorf("%w: %s", ErrUnsupported, name)
	}
	return keyspace.Value{}, malformed("value of unknown type %d", valueType)
}
