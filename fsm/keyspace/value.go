package keyspace

import (
	"strconv"
	"unsafe"
)

// Kind is the type of a value.
type Kind uint8

// The kinds, in the order of Redis's object types.
const (
	KindString Kind = iota
	KindList
	KindSet
	KindZSet
	KindHash
	KindStream
)

// String returns the name that TYPE replies.
func (k Kind) String() string {
	return [...]string{"string", "list", "set", "zset", "hash", "stream"}[k]
}

// Value is one value of the keyspace: a string, held in one allocation or, if
// it is the decimal text of an int64, in none; or a List, Set, ZSet, Hash or Stream. The
// zero value is the empty string.
//
// A Value that is copied shares its content with the original: only Clone
// makes an independent one.
type Value struct {
	body // the string, the integer, the object, or of a Hash or ZSet all there is
	kind Kind
	enc  stringEncoding

	access uint32 // of the entry whose value this is, which has no room of its own; see access.go
}

// become gives v another content.
func (v *Value) become(other Value) {
	v.body, v.kind, v.enc = other.body, other.kind, other.enc
}

// stringEncoding tells how a string is held and what OBJECT ENCODING calls it.
type stringEncoding uint8

const (
	encEmbstr stringEncoding = iota // bytes, at most embstrMax of them
	encRaw                          // bytes
	encInt                          // no bytes, only n
	encFrozen                       // of any kind: see Value.Frozen
)

// embstrMax is the length up to which Redis embeds a string in its object
// header; here it only decides what OBJECT ENCODING replies.
const embstrMax = 44

// NewString returns a string value holding a copy of b, as an integer if b is
// the canonical decimal text of an int64 (Redis's tryObjectEncoding).
func NewString(b []byte) Value {
	if n, ok := ParseInt(b); ok {
		return NewInt(n)
	}
	return NewText(b)
}

// overwrite makes v what NewString(b) returns, where b is, if that takes as much memory
// as the string that is there, or reports false.
func (v *Value) overwrite(b []byte) bool {
	held := int(v.cap)
	if v.kind != KindString || v.enc == encInt || len(b) > held || allocated(len(b)) != allocated(held) {
		return false
	}
	if _, ok := ParseInt(b); ok {
		return false
	}
	n := copy(unsafe.Slice((*byte)(v.p), held), b)
	v.len, v.enc = uint32(n), textEncoding(n)
	return true
}

// NewText returns a string value holding a copy of b, never as an integer: what
// INCRBYFLOAT leaves behind.
func NewText(b []byte) Value {
	v := NewRawString(b)
	v.enc = textEncoding(len(b))
	return v
}

// textEncoding returns the encoding of a string of n bytes that is no integer.
func textEncoding(n int) stringEncoding {
	if n <= embstrMax {
		return encEmbstr
	}
	return encRaw
}

// NewRawString returns a string value holding a copy of b, never as an integer:
// what APPEND and SETRANGE leave behind.
func NewRawString(b []byte) Value {
	c := make([]byte, len(b))
	copy(c, b)
	return ownString(c)
}

// ownString returns a raw string value that takes b over.
func ownString(b []byte) Value {
	return Value{body: body{unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)), uint32(cap(b))}, enc: encRaw}
}

// NewInt returns a string value that is the decimal text of n.
func NewInt(n int64) Value {
	return Value{body: body{len: uint32(n), cap: uint32(n >> 32)}, enc: encInt}
}

// Kind returns the value's type.
func (v *Value) Kind() Kind { return v.kind }

// Int returns the integer and true if the string is held as one.
func (v *Value) Int() (int64, bool) { return v.number(), v.kind == KindString && v.enc == encInt }

func (v *Value) number() int64 { return int64(v.len) | int64(v.cap)<<32 }

// Str returns the bytes of a string. An integer is written into buf, which
// should have room for 20 bytes. The bytes must not be changed and are valid
// until the value is modified.
func (v *Value) Str(buf []byte) []byte {
	if v.enc == encInt {
		return strconv.AppendInt(buf[:0], v.number(), 10)
	}
	return v.bytes()
}

func (v *Value) bytes() []byte {
	return unsafe.Slice((*byte)(v.p), v.cap)[:v.len]
}

// StrLen returns the length of a string in bytes.
func (v *Value) StrLen() int {
	if v.enc == encInt {
		var buf [20]byte
		return len(strconv.AppendInt(buf[:0], v.number(), 10))
	}
	return int(v.len)
}

// Append appends b to a string, growing it in place where there is room, and
// returns the new length.
func (v *Value) Append(b []byte) int {
	var buf [20]byte
	old := v.Str(buf[:])
	if v.enc == encInt {
		old = old[:len(old):len(old)] // buf must not become the value
		grown := make([]byte, len(old), 2*(len(old)+len(b)))
		copy(grown, old)
		old = grown
	}
	v.become(ownString(append(old, b...)))
	return v.StrLen()
}

// SetRange overwrites the string from offset on, padding with zero bytes, and
// returns the new length. The caller has checked offset+len(b) against the
// limit of 512 MiB.
func (v *Value) SetRange(offset int, b []byte) int {
	var buf [20]byte
	s := v.Str(buf[:])
	if need := offset + len(b); v.enc == encInt || need > cap(s) {
		grown := make([]byte, len(s), max(need, len(s)))
		copy(grown, s)
		s = grown
	}
	n := len(s)
	if need := offset + len(b); need > n {
		s = s[:need]
		clear(s[n:])
	}
	copy(s[offset:], b)
	v.become(ownString(s))
	return len(s)
}

// StringEncoding returns what OBJECT ENCODING replies for a string.
func (v *Value) StringEncoding() string {
	switch v.enc {
	case encInt:
		return "int"
	case encEmbstr:
		return "embstr"
	}
	return "raw"
}

// ParseInt parses the canonical decimal text of an int64: an optional minus
// sign and digits without leading zeros, nothing else. Redis's string2ll.
func ParseInt(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	neg := b[0] == '-'
	digits := b
	if neg {
		digits = b[1:]
	}
	if len(digits) == 0 || digits[0] == '0' && (neg || len(digits) > 1) {
		return 0, false
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		d := uint64(c - '0')
		if n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	switch {
	case neg && n <= 1<<63:
		return -int64(n), true
	case !neg && n < 1<<63:
		return int64(n), true
	}
	return 0, false
}
