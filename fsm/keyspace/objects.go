package keyspace

import (
	"fmt"
	"unsafe"
)

// NewListValue returns a value that is l, which it takes over.
func NewListValue(l *List) Value { return Value{body: body{p: unsafe.Pointer(l)}, kind: KindList} }

// NewSetValue returns a value that is s, which it takes over.
func NewSetValue(s *Set) Value { return Value{body: body{p: unsafe.Pointer(s)}, kind: KindSet} }

// NewZSetValue returns a value that is z as it is now, and takes its content over: a change of z
// is none of the value.
func NewZSetValue(z *ZSet) Value { return Value{body: z.body, kind: KindZSet} }

// NewHashValue returns a value that is h as it is now, likewise.
func NewHashValue(h *Hash) Value { return Value{body: h.body, kind: KindHash} }

// NewStreamValue returns a value that is s, which it takes over.
func NewStreamValue(s *Stream) Value {
	return Value{body: body{p: unsafe.Pointer(s)}, kind: KindStream}
}

// List returns the list that the value is. The caller has checked the kind: it
// panics for another one, like the methods below.
func (v *Value) List() *List { return (*List)(v.object(KindList)) }

// Set returns the set that the value is.
func (v *Value) Set() *Set { return (*Set)(v.object(KindSet)) }

// ZSet returns the sorted set that the value is: it lies in the value itself, and is good for
// as long as a pointer to that is. A copy of it can be read until the set changes.
func (v *Value) ZSet() *ZSet {
	v.mustBe(KindZSet)
	return (*ZSet)(unsafe.Pointer(&v.body))
}

// Hash returns the hash that the value is, likewise.
func (v *Value) Hash() *Hash {
	v.mustBe(KindHash)
	return (*Hash)(unsafe.Pointer(&v.body))
}

// Stream returns the stream that the value is.
func (v *Value) Stream() *Stream { return (*Stream)(v.object(KindStream)) }

func (v *Value) object(kind Kind) unsafe.Pointer {
	v.mustBe(kind)
	return v.p
}

func (v *Value) mustBe(kind Kind) {
	if v.kind != kind {
		panic(fmt.Sprintf("keyspace: a %s used as a %s", v.kind, kind))
	}
}

// Clone returns a value with the same content that shares nothing that can
// change with v.
func (v *Value) Clone() Value {
	switch v.kind {
	case KindList:
		return NewListValue(v.List().Clone())
	case KindSet:
		return NewSetValue(v.Set().Clone())
	case KindZSet:
		return NewZSetValue(v.ZSet().Clone())
	case KindHash:
		return NewHashValue(v.Hash().Clone())
	case KindStream:
		return NewStreamValue(v.Stream().Clone())
	}
	if v.enc == encInt {
		return *v
	}
	c := NewRawString(v.bytes())
	c.enc = v.enc
	return c
}

// Encoding returns what OBJECT ENCODING replies.
func (v *Value) Encoding() string {
	switch v.kind {
	case KindList:
		return v.List().Encoding()
	case KindSet:
		return v.Set().Encoding()
	case KindZSet:
		return v.ZSet().Encoding()
	case KindHash:
		return v.Hash().Encoding()
	case KindStream:
		return v.Stream().Encoding()
	}
	return v.StringEncoding()
}
