package slab

import (
	"slices"
	"sync"
	"unsafe"
)

// slabBytes is the size of a slab.
const slabBytes = 1 << slabShift
const slabShift = 16

// slabInfo is what is known of a slab, beside the slabs so that looking at it doesn't bring
// them into the CPU's caches.
type slabInfo struct {
	next, prev uint32 // among those of its class in its arena with room: number plus one
	at         uint32 // its place in arena.slabs
	free       uint16 // the first piece that was freed: offset/8 plus one, 0: none. The piece has the next one
	fresh      uint16 // where the pieces begin that were never used: offset/8
	live       uint16 // pieces in use
	class      uint8
}

// space is the range of addresses that all slabs of the process are in.
type space struct {
	base  unsafe.Pointer // of slab 0
	bytes uintptr        // 0: the system has given none
	infos unsafe.Pointer // *slabInfo of slab 0

	mu        sync.Mutex
	used      uint32 // slabs below this have been in use
	usable    uint32 // slabs below this may be accessed
	freed     []uint32
	infosOpen uintptr // bytes at infos that may be accessed
	taken     uint32  // slabs that arenas have
}

// largest is what is reserved at the most. Addresses cost nothing.
const largest = 1 << 40

// all is the only one.
var all = reserve(largest)

// reserve asks the system for a range of addresses, for less and less until it gives
// one. Without one everything is left to the heap.
func reserve(bytes uintptr) *space {
	for ; bytes >= 1<<30; bytes /= 4 {
		infos := bytes / slabBytes * unsafe.Sizeof(slabInfo{})
		p := reserveAddresses(bytes + slabBytes + infos)
		if p == nil {
			continue
		}
		aligned := unsafe.Add(p, -uintptr(p)&(slabBytes-1))
		return &space{base: aligned, bytes: bytes, infos: unsafe.Add(aligned, bytes)}
	}
	return &space{}
}

func (s *space) info(n uint32) *slabInfo {
	return (*slabInfo)(unsafe.Add(s.infos, uintptr(n)*unsafe.Sizeof(slabInfo{})))
}

func (s *space) slab(n uint32) unsafe.Pointer { return unsafe.Add(s.base, uintptr(n)<<slabShift) }

// openSlabs and openInfos are how much is made accessible at once.
const openSlabs, openInfos = 64, 64 << 10

// take returns the number of a slab that is all zeros, and whose info is anything, or false
// if the system has no more.
func (s *space) take() (n uint32, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.freed) - 1; last >= 0 {
		n = s.freed[last]
		s.freed = s.freed[:last]
		s.taken++
		return n, true
	}
	if s.used == s.usable {
		slabs := min(openSlabs, uint32(s.bytes>>slabShift)-s.usable)
		if slabs == 0 || !makeAccessible(s.slab(s.usable), uintptr(slabs)<<slabShift) {
			return 0, false
		}
		infos := uintptr(s.usable+slabs) * unsafe.Sizeof(slabInfo{})
		for infos > s.infosOpen {
			if !makeAccessible(unsafe.Add(s.infos, s.infosOpen), openInfos) {
				return 0, false
			}
			s.infosOpen += openInfos
		}
		s.usable += slabs
	}
	s.used++
	s.taken++
	return s.used - 1, true
}

// give takes slabs back, and returns their memory to the system.
func (s *space) give(slabs ...uint32) {
	slices.Sort(slabs)
	for i := 0; i < len(slabs); {
		j := i + 1
		for j < len(slabs) && slabs[j] == slabs[j-1]+1 {
			j++
		}
		returnPages(s.slab(slabs[i]), uintptr(j-i)<<slabShift)
		i = j
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freed = append(s.freed, slabs...)
	s.taken -= uint32(len(slabs))
}

// Held returns how many bytes of memory slabs take in this process. Safe for concurrent use.
func Held() int64 {
	all.mu.Lock()
	defer all.mu.Unlock()
	return int64(all.taken) << slabShift
}

// Contains reports whether p points into a piece that Alloc has returned. Safe for
// concurrent use.
func Contains(p unsafe.Pointer) bool { return uintptr(p)-uintptr(all.base) < all.bytes }
