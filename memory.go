package main

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/quorate/quorate/slab"
)

// The collector lets garbage grow to the size of the live heap before it runs, which
// is what makes it cheap under load, and the runtime keeps that room long after
// the load has ended. So once little is allocated any more, the room goes back to
// the system: a full collection, and pages that have to be faulted in again
// when load returns, while there is time for both.

// quietSeconds is how long little must have been allocated: a load with short
// breaks keeps its room.
const quietSeconds = 20

// quietBytes is how much a node allocates in a second at the most while little happens: a few
// hundred writes. It doesn't depend on the data: the more there is, the longer all of it is
// looked through, which clients of any number notice.
const quietBytes = 1 << 20

// loadingPercent is how much garbage may gather while a file is loaded, against the data:
// nearly all that is allocated then is data, so the collector would look through all of
// it again and again to find nothing.
const loadingPercent = 400

// loader tells what a node is loading.
type loader interface {
	Loading() bool      // anything
	LoadingFiles() bool // a file, and not the log behind it
}

// easeLoading lets the collector rest while files are loaded, until stop closes. What
// comes out of the log afterwards is garbage in large part, beside data that grows too fast for
// the rule below.
func easeLoading(l loader, stop <-chan struct{}) {
	if !tuned() {
		return
	}
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for percent := 0; l.Loading(); {
		want := 100
		if l.LoadingFiles() {
			want = loadingPercent
		}
		if want != percent {
			debug.SetGCPercent(want)
			percent = want
		}
		select {
		case <-stop:
			return
		case <-t.C:
		}
	}
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(samples)
	debug.SetGCPercent(collectAt(samples[0].Value.Uint64(), uint64(slab.Held())))
}

// tuned reports whether it is up to this process when it collects garbage.
func tuned() bool { return os.Getenv("GOGC") == "" }

// returnMemory looks once a second until stop closes.
func returnMemory(l loader, stop <-chan struct{}) {
	easeLoading(l, stop)
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	h := heapWatch{patience: quietSeconds}
	tune, percent := tuned(), 0
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		metrics.Read(samples)
		if p := collectAt(samples[1].Value.Uint64(), uint64(slab.Held())); tune && (p > percent+percent/8 || p < percent-percent/8) {
			debug.SetGCPercent(p)
			percent = p
		}
		if h.second(samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()-samples[3].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}

// minGarbage is how much garbage may gather before it is collected, however little
// data there is: with 20 MB of it a collection each 20 MB of entries that pass through took 7% of
// a busy node's CPU time. Where there is more data than that Go's own rule holds, as
// much garbage as live data on the heap, or half as much as all data if that is more: most of it
// lies in slabs.
const minGarbage = 128 << 20

// collectAt returns the percentage for debug.SetGCPercent with so much live data on the
// heap and so much in slabs.
func collectAt(live, slabs uint64) int {
	garbage := max(minGarbage, live, (live+slabs)/2)
	return int(min(100*garbage/max(live, 1), 2000))
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
	if allocated-h.last > quietBytes {
		h.quiet = 0
	}
	h.last = allocated
	if h.quiet < h.patience || held < live+live/4+some || allocated-h.returned < some {
		return false
	}
	h.returned = allocated
	return true
}
