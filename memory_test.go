package main

import "testing"

// TestHeapWatch: room goes back once after a load has ended, not during it, and
// not for nothing.
func TestHeapWatch(t *testing.T) {
	const mb = 1 << 20
	h := heapWatch{patience: 2}
	for i, s := range []struct {
		allocated, live, held uint64
		want                  bool
	}{
		{10 * mb, 10 * mb, 20 * mb, false},
		{500 * mb, 100 * mb, 200 * mb, false}, // load
		{900 * mb, 100 * mb, 220 * mb, false},
		{901 * mb, 100 * mb, 220 * mb, false}, // quiet, one second
		{902 * mb, 100 * mb, 220 * mb, true},
		{903 * mb, 100 * mb, 190 * mb, false}, // it has just been done
		{904 * mb, 100 * mb, 190 * mb, false},
		{2000 * mb, 100 * mb, 220 * mb, false}, // load again
		{2001 * mb, 100 * mb, 130 * mb, false},
		{2002 * mb, 100 * mb, 130 * mb, false}, // little to give
		{2003 * mb, 100 * mb, 180 * mb, true},
		{9000 * mb, 4000 * mb, 9000 * mb, false},
		{9010 * mb, 4000 * mb, 9000 * mb, false}, // some load, though little beside the data
		{9020 * mb, 4000 * mb, 9000 * mb, false},
		{9030 * mb, 4000 * mb, 9000 * mb, false},
		{9031 * mb, 4000 * mb, 9000 * mb, false},
		{9032 * mb, 4000 * mb, 9000 * mb, true},
	} {
		if got := h.second(s.allocated, s.live, s.held); got != s.want {
			t.Errorf("second %d: %v, want %v", i, got, s.want)
		}
	}
}

func TestCollectAt(t *testing.T) {
	for _, c := range []struct {
		live, slabs uint64
		want        int
	}{
		{0, 0, 2000}, {1 << 20, 0, 2000}, {64 << 20, 0, 200}, {100 << 20, 0, 128}, {128 << 20, 0, 100}, {10 << 30, 0, 100},
		{100 << 20, 100 << 20, 128}, {1 << 30, 1 << 30, 100}, {1 << 30, 3 << 30, 200}, {1 << 20, 1 << 30, 2000},
	} {
		if got := collectAt(c.live, c.slabs); got != c.want {
			t.Errorf("%d bytes, %d in slabs: %d, want %d", c.live, c.slabs, got, c.want)
		}
	}
}
