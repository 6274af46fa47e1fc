package main

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector lets garbage grow to the size of the data before it runs, which
// is what makes it cheap under load, and the runtime keeps that room long after
// the load has ended. So once little is allocated any more, the room goes back to
// the system: a full collection, and pages that have to be faulted in again
// when load returns, while there is time for both.

// quietSeconds is how long little must have been allocated: a load with short
// breaks keeps its room.
const quietSeconds = 20

// returnMemory looks once a second until stop closes.
func returnMemory(stop <-chan struct{}) {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	h := heapWatch{patience: quietSeconds}
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		metrics.Read(samples)
		if h.second(samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()-samples[3].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}

// heapWatch decides when room goes back.
type heapWatch struct {
	patience int    // seconds of quiet
	last     uint64 // bytes allocated since the start, a second ago
	returned uint64 // and when room was last given back
	quiet    int    // seconds
}

// second is told once a second how many bytes were allocated since the start, how many
// the last collection left, and how many the process holds. It reports whether
// it is time to give room back: little happens, there is much of it, and enough
// has happened since the last time.
func (h *heapWatch) second(allocated, live, held uint64) bool {
	const some = 16 << 20
	h.quiet++
	if allocated-h.last > live/50+1<<20 {
		h.quiet = 0
	}
	h.last = allocated
	if h.quiet < h.patience || held < live+live/4+some || allocated-h.returned < some {
		return false
	}
	h.returned = allocated
	return true
}
