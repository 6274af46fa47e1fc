// Package slab holds many small pieces of memory outside of the heap of Go's runtime.
//
// A collection of garbage looks at each object on the heap. Ten million keys with their
// values are twenty million of them, none of which leads anywhere, and looking at them takes the
// processors away from clients for seconds. What lies here it doesn't see, and room
// that is free here isn't left for garbage. In exchange whoever allocates must free.
//
// All of it lies in one range of addresses that is reserved at the start and grows into it, in
// slabs of 64 KiB with pieces of one size each.
package slab
