package keyspace

import "slices"

// NewOwnedString returns a raw string value that takes b over.
func NewOwnedString(b []byte) Value { return ownString(b) }

// NewOwnedText returns what NewText returns, but takes b over.
func NewOwnedText(b []byte) Value {
	v := ownString(b)
	v.enc = textEncoding(len(b))
	return v
}

// Keep has a function copy the bytes of a string that isn't held as an integer, and makes the copy its
// content.
func (v *Value) Keep(copyOf func([]byte) []byte) {
	if v.kind == KindString && v.enc != encInt {
		enc := v.enc
		*v = ownString(copyOf(v.bytes()))
		v.enc = enc
	}
}

// Raw makes the string at least n bytes long, padding it with zero bytes, turns
// it into the raw encoding, and returns its bytes, which may be changed in
// place until the value is used otherwise. The caller has checked n against
// the limit on strings.
//
// Room is taken ahead as by append: a bitmap that is set bit by bit grows in
// linear time.
func (v *Value) Raw(n int) []byte {
	var s []byte
	if v.enc == encInt {
		s = v.Str(make([]byte, 0, 20))
	} else {
		s = v.bytes()
	}
	if old := len(s); old < n {
		if n > cap(s) {
			s = slices.Grow(s, n-old)
		}
		s = s[:n]
		clear(s[old:])
	}
	v.become(ownString(s))
	return s
}
