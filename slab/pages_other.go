//go:build !linux

package slab

import "unsafe"

// Elsewhere everything stays on the heap.

func reserveAddresses(uintptr) unsafe.Pointer { return nil }

func makeAccessible(unsafe.Pointer, uintptr) bool { return false }

func returnPages(unsafe.Pointer, uintptr) {}
