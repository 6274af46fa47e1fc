package keyspace

import (
	"math"
	"unsafe"

	"github.com/quorate/quorate/fsm/listpack"
)

// body is what a value holds: bytes, an object, or a number.
type body struct {
	p        unsafe.Pointer // first byte, or the object
	len, cap uint32         // of the bytes, or the halves of the number
}

// packed is what a collection is made of: a listpack while it is small, or a B.
// Small collections are many, so both share the room of one, which is that of a Value. The
// zero value is neither: cap is 0 where there is no listpack.
type packed[B any] struct{ body }

// lp returns the listpack, nil if there is none.
func (x *packed[B]) lp() listpack.LP {
	if x.cap == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(x.p), x.cap)[:x.len]
}

// setLP makes a listpack, which is not nil, the content.
func (x *packed[B]) setLP(lp listpack.LP) {
	x.body = body{unsafe.Pointer(unsafe.SliceData(lp)), uint32(len(lp)), uint32(min(cap(lp), math.MaxUint32))}
}

// big returns the B, nil if there is none.
func (x *packed[B]) big() *B {
	if x.cap != 0 {
		return nil
	}
	return (*B)(x.p)
}

// setBig makes a B the content.
func (x *packed[B]) setBig(b *B) { x.body = body{p: unsafe.Pointer(b)} }
