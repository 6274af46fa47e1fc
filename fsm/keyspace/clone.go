package keyspace

import "unsafe"

// Clone returns an independent copy: what COPY needs. O(N) in the size of the
// value, O(1) for an integer.
func (v *Value) Clone() Value {
	c := *v
	switch v.kind {
	case KindString:
		if v.enc != encInt {
			c = NewRawString(v.bytes())
			c.enc = v.enc
		}
	case KindZSet:
		c.p = unsafe.Pointer((*ZSet)(v.p).Clone())
	}
	return c
}

// Encoding returns what OBJECT ENCODING replies.
func (v *Value) Encoding() string {
	switch v.kind {
	case KindZSet:
		return (*ZSet)(v.p).Encoding()
	}
	return v.StringEncoding()
}
