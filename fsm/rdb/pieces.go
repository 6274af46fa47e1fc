package rdb

import (
	"fmt"

	"github.com/quorate/quorate/fsm/keyspace"
)

// Pieces is a key with a large value on its way to a file: a piece at a time, so that others
// get a turn. What it writes in all is what UsedKey writes for the value.
type Pieces struct {
	value *keyspace.Frozen
	next  int // element, or node
}

// BeginKey writes the beginning of a key: what comes before the first element of its value.
func (e *Encoder) BeginKey(key string, expireAt int64, u Usage, value *keyspace.Frozen) *Pieces {
	typeAt := e.key(key, expireAt, u)
	e.buf[typeAt] = frozenType(value.Kind())
	if value.Kind() != keyspace.KindString {
		e.length(uint64(value.Len()))
	}
	return &Pieces{value: value}
}

func frozenType(k keyspace.Kind) byte {
	switch k {
	case keyspace.KindString:
		return typeString
	case keyspace.KindList:
		return typeListQuick2
	case keyspace.KindSet:
		return typeSet
	case keyspace.KindZSet:
		return typeZSet2
	case keyspace.KindHash:
		return typeHash
	case keyspace.KindStream:
		return typeStream2
	}
	panic(fmt.Sprintf("rdb: value of unknown kind %d", k))
}

// IsString reports whether the value is a string: one piece, for which nobody has to wait, as
// it is a copy.
func (p *Pieces) IsString() bool { return p.value.Kind() == keyspace.KindString }

// Release gives the value back. It may be called at any time, and must be at the end.
func (p *Pieces) Release() { p.value.Thaw() }

// Copied estimates the bytes that are in memory for the value's sake.
func (p *Pieces) Copied() int { return p.value.Size() }

// descentElements is how many elements of a sorted set are looked up at once.
const descentElements = 64

// Write writes elements until the Encoder holds size bytes, and reports whether there
// are more.
func (p *Pieces) Write(e *Encoder, size int) (more bool) {
	v := p.value
	for n := v.Len(); p.next < n; p.next++ {
		if e.Len() >= size {
			return true
		}
		switch v.Kind() {
		case keyspace.KindString:
			e.blob(v.Str())
		case keyspace.KindList:
			e.listNode(v.Node(p.next))
		case keyspace.KindSet:
			e.text(v.Member(p.next))
		case keyspace.KindHash:
			field, value := v.Field(p.next)
			e.text(field)
			e.text(value)
		case keyspace.KindZSet:
			if e.LikeRedis {
				step := min(descentElements, n-p.next)
				v.Descend(n-p.next-step, n-p.next, e.scored)
				p.next += step - 1
			} else {
				e.scored(v.Scored(p.next))
			}
		case keyspace.KindStream:
			e.streamNode(v.NextNode())
		}
	}
	if v.Kind() == keyspace.KindStream {
		e.streamEnd(v.Stream())
	}
	return false
}
