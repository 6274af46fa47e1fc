package keyspace

import "sync/atomic"

// What is known about the accesses to a key lies in 24 bits of its entry, as in
// Redis 7.0 (object.h, evict.c). Under an LRU policy, and under those that need
// neither, they are a clock in seconds; under an LFU policy 16 bits of a
// clock in minutes and a counter of 8 bits.
//
// It is no part of the replicated state: reads, which happen on one replica
// alone, change it. They run beside each other, so it is loaded and stored
// atomically; a change of the keyspace needs it alone and may use plain accesses.
const (
	accessMask = 1<<24 - 1
	openBit    = 1 << 31 // the entry is not in DB.used at the moment: see usage.go
)

// Access returns the 24 bits that tell of the last accesses.
func (e *Entry) Access() uint32 { return atomic.LoadUint32(&e.access) & accessMask }

// SetAccess puts the 24 low bits of word in place of those that tell of the
// last accesses. It writes to memory only if they differ, so that reads of
// popular keys don't fight for a cache line. Reads may call it.
func (e *Entry) SetAccess(word uint32) {
	old := atomic.LoadUint32(&e.access)
	if next := old&^accessMask | word&accessMask; next != old {
		atomic.StoreUint32(&e.access, next)
	}
}
