package keyspace

import (
	"math"
	"unsafe"

	"github.com/quorate/quorate/fsm/listpack"
)

// packed is what a collection is made of: a listpack while it is small, or a B.
// Small collections are many, so both share the room of one. The zero value is
// neither.
type packed[B any] struct {
	p        unsafe.Pointer // first byte of the listpack, or the B
	len, cap uint32         // of the listpack; cap 0: there is none
}

// lp returns the listpack, nil if there is none.
func (x *packed[B]) lp() listpack.LP {
	if x.cap == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(x.p), x.cap)[:x.len]
}

// setLP makes a listpack, which is not nil, the content.
func (x *packed[B]) setLP(lp listpack.LP) {
	*x = packed[B]{unsafe.Pointer(unsafe.SliceData(lp)), uint32(len(lp)), uint32(min(cap(lp), math.MaxUint32))}
}

// big returns the B, nil if there is none.
func (x *packed[B]) big() *B {
	if x.cap != 0 {
		return nil
	}
	return (*B)(x.p)
}

// setBig makes a B the content.
func (x *packed[B]) setBig(b *B) { *x = packed[B]{p: unsafe.Pointer(b)} }
