package wal

import (
	"sync"
	"unsafe"
)

// Writes past the page cache need memory and a length that are aligned like
// their place in the file.

// memoryAlign is that of any disk's blocks.
const memoryAlign = 4096

// withRoom returns b with room for n more bytes. What has come through here has a
// capacity that is a multiple of align.
func withRoom(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	size := max(2*cap(b), int(aligned(int64(len(b)+n))))
	raw := make([]byte, size+memoryAlign)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(raw))) % memoryAlign)
	fresh := raw[skip : skip+len(b) : skip+size]
	copy(fresh, b)
	return fresh
}

// padded returns b, which comes from withRoom, with zeros up to a multiple of align.
func padded(b []byte) []byte {
	n := len(b)
	b = b[:aligned(int64(n))]
	clear(b[n:])
	return b
}

// buffers are those of batches that were written.
var buffers = sync.Pool{New: func() any { return withRoom(nil, 16<<10) }}

// keepBuffer is the size above which a buffer isn't kept.
const keepBuffer = 1 << 20
