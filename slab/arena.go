package slab

import (
	"runtime"
	"unsafe"
)

// Arena is an owner of pieces. What it has is freed with it at the latest: when it can't
// be reached any more, whether its pieces still are or not. The zero value is not one. Not
// safe for concurrent use; pieces may be read by anybody while nobody frees them.
type Arena struct {
	room  [classes]uint32 // the first slab of each class that has room: number plus one
	slabs *[]uint32
	used  int64
}

// NewArena returns an arena that has nothing yet.
func NewArena() *Arena {
	a := &Arena{slabs: new([]uint32)}
	runtime.AddCleanup(a, func(slabs *[]uint32) { all.give(*slabs...) }, a.slabs)
	return a
}

// Alloc returns a piece of Round(n) bytes, which may contain anything, or nil: if n is 0 or more
// than Max, or if there is no memory.
func (a *Arena) Alloc(n int) unsafe.Pointer {
	if n <= 0 || n > Max {
		return nil
	}
	class := classOf(n)
	if a.room[class] == 0 && !a.grow(class) {
		return nil
	}
	number := a.room[class] - 1
	s, memory := all.info(number), all.slab(number)
	size := sizes[class]
	var p unsafe.Pointer
	if s.free != 0 {
		p = unsafe.Add(memory, uintptr(s.free-1)*8)
		s.free = *(*uint16)(p)
	} else {
		p = unsafe.Add(memory, uintptr(s.fresh)*8)
		s.fresh += uint16(size / 8)
	}
	s.live++
	if s.full() {
		a.unlink(number, s)
	}
	a.used += int64(size)
	return p
}

// full reports whether a slab has no room for another piece.
func (s *slabInfo) full() bool {
	return s.free == 0 && uint32(s.fresh)*8+sizes[s.class] > slabBytes
}

// grow adds a slab to a class without room.
func (a *Arena) grow(class int) bool {
	number, ok := all.take()
	if !ok {
		return false
	}
	s := all.info(number)
	*s = slabInfo{class: uint8(class), at: uint32(len(*a.slabs))}
	*a.slabs = append(*a.slabs, number)
	a.link(number, s)
	return true
}

// Free gives back a piece of the arena.
func (a *Arena) Free(p unsafe.Pointer) {
	offset := uintptr(p) - uintptr(all.base)
	number := uint32(offset >> slabShift)
	s := all.info(number)
	if Poison {
		b := unsafe.Slice((*byte)(p), sizes[s.class])
		for i := range b {
			b[i] = 0xdd
		}
	}
	full := s.full()
	*(*uint16)(p) = s.free
	s.free = uint16(offset&(slabBytes-1)>>3) + 1
	s.live--
	a.used -= int64(sizes[s.class])
	if full {
		a.link(number, s)
	}
	if s.live == 0 && s.next|s.prev != 0 { // the last one with room stays, or it might come and go
		a.unlink(number, s)
		a.drop(number, s)
	}
}

// drop gives a slab back.
func (a *Arena) drop(number uint32, s *slabInfo) {
	last := len(*a.slabs) - 1
	moved := (*a.slabs)[last]
	(*a.slabs)[s.at] = moved
	all.info(moved).at = s.at
	*a.slabs = (*a.slabs)[:last]
	all.give(number)
}

// link puts a slab in front of those of its class that have room.
func (a *Arena) link(number uint32, s *slabInfo) {
	first := &a.room[s.class]
	s.next, s.prev = *first, 0
	if *first != 0 {
		all.info(*first - 1).prev = number + 1
	}
	*first = number + 1
}

// unlink takes it from there.
func (a *Arena) unlink(number uint32, s *slabInfo) {
	if s.prev != 0 {
		all.info(s.prev - 1).next = s.next
	} else {
		a.room[s.class] = s.next
	}
	if s.next != 0 {
		all.info(s.next - 1).prev = s.prev
	}
	s.next, s.prev = 0, 0
}

// Used returns how many bytes the pieces in use have.
func (a *Arena) Used() int64 { return a.used }

// Drop frees all pieces at once; the arena is empty then. The memory goes back to the
// system in the background, as that takes a while if it is much.
func (a *Arena) Drop() {
	slabs := *a.slabs
	*a.slabs, a.room, a.used = nil, [classes]uint32{}, 0
	if len(slabs) > 0 {
		// Ends when the system has it.
		go all.give(slabs...)
	}
}
