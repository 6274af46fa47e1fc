package slab

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// reserveAddresses returns so many addresses that nothing may be accessed at, or nil.
func reserveAddresses(bytes uintptr) unsafe.Pointer {
	p, err := unix.MmapPtr(-1, 0, nil, bytes, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil
	}
	return p
}

// makeAccessible has the system put memory, all zeros, behind addresses when they are first used.
func makeAccessible(p unsafe.Pointer, bytes uintptr) bool {
	return unix.Mprotect(unsafe.Slice((*byte)(p), bytes), unix.PROT_READ|unix.PROT_WRITE) == nil
}

// returnPages gives memory back: the addresses are as makeAccessible has made them.
func returnPages(p unsafe.Pointer, bytes uintptr) {
	if unix.Madvise(unsafe.Slice((*byte)(p), bytes), unix.MADV_DONTNEED) != nil {
		clear(unsafe.Slice((*byte)(p), bytes))
	}
}
