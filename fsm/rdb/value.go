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
	e.UsedKey(key, expireAt, Unknown, v)
}

// UsedKey is Key for a key of which the usage is known.
func (e *Encoder) UsedKey(key string, expireAt int64, u Usage, v *keyspace.Value) {
	typeAt := e.key(key, expireAt, u)
	e.buf[typeAt] = e.value(v)
}

// key writes what stands in front of a value and returns where its type goes.
func (e *Encoder) key(key string, expireAt int64, u Usage) (typeAt int) {
	if expireAt != 0 {
		e.expire(expireAt)
	}
	e.usage(u)
	typeAt = len(e.buf)
	e.buf = append(e.buf, 0)
	e.text([]byte(key))
	return typeAt
}

// value writes the value and returns its type.
func (e *Encoder) value(v *keyspace.Value) byte {
	switch v.Kind() {
	case keyspace.KindString:
		return e.stringValue(v)
	case keyspace.KindList:
		return e.listValue(v.List())
	case keyspace.KindSet:
		return e.setValue(v.Set())
	case keyspace.KindZSet:
		return e.zsetValue(v.ZSet())
	case keyspace.KindHash:
		return e.hashValue(v.Hash())
	case keyspace.KindStream:
		return e.streamValue(v.Stream())
	}
	panic(fmt.Sprintf("rdb: value of unknown kind %d", v.Kind()))
}

// value reads a value of a type.
func (d *Decoder) value(valueType byte) (keyspace.Value, error) {
	switch valueType {
	case typeString:
		return d.stringValue()
	case typeList:
		return d.listElements()
	case typeListZiplist:
		return d.listZiplist()
	case typeListQuicklist:
		return d.listZiplists()
	case typeListQuick2:
		return d.listNodes()
	case typeSet:
		return d.setElements()
	case typeSetIntset:
		return d.setIntset()
	case typeSetListpack:
		return d.setListpack()
	case typeZSet:
		return d.zsetElements(d.scoreText)
	case typeZSet2:
		return d.zsetElements(d.scoreBinary)
	case typeZSetZiplist:
		return d.zsetPacked(d.repack())
	case typeZSetListpack:
		return d.zsetPacked(d.blob())
	case typeHash:
		return d.hashElements()
	case typeHashZipmap:
		return d.hashZipmap()
	case typeHashZiplist:
		return d.hashPacked(d.repack())
	case typeHashListpack:
		return d.hashPacked(d.blob())
	case typeStream1, typeStream2, typeStream3:
		return d.stream(valueType)
	case typeModule1, typeModule2:
		return keyspace.Value{}, d.moduleValue()
	}
	if name := unsupported[valueType]; name != "" {
		return keyspace.Value{}, fmt.Errorf("%w: %s", ErrUnsupported, name)
	}
	return keyspace.Value{}, malformed("value of unknown type %d", valueType)
}
