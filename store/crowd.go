package store

import (
	"runtime/metrics"
	"sync"
	"time"
)

// crowding tells whether goroutines wait for a processor: then work that is spared is
// worth more than time. Safe for concurrent use.
type crowding struct {
	mu      sync.Mutex
	at      time.Time
	sample  []metrics.Sample
	counts  []uint64      // of the histogram at the last look
	average time.Duration // how long a goroutine waited between the last two
}

const (
	// crowdedEvery is the time between two looks of those who ask all the time.
	crowdedEvery = 100 * time.Millisecond
	// crowdedWait is how long a goroutine that is ready to run waits on average where there
	// is too much to do: on an idle machine it is some microseconds.
	crowdedWait = 30 * time.Microsecond
)

// processors are those of this process, all groups share them.
var processors crowding

// short reports whether there was too much to do of late.
func (c *crowding) short() bool { return c.lately(crowdedEvery) > crowdedWait }

// lately returns how long a goroutine waited on average of late; every is the time between two looks.
func (c *crowding) lately(every time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.at) > every {
		c.at = now
		c.average = time.Duration(c.wait() * float64(time.Second))
	}
	return c.average
}

// wait returns how many seconds a goroutine has waited on average since the last call.
func (c *crowding) wait() float64 {
	if c.sample == nil {
		c.sample = []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	}
	metrics.Read(c.sample)
	if c.sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0
	}
	h := c.sample[0].Value.Float64Histogram()
	if len(c.counts) != len(h.Counts) {
		c.counts = make([]uint64, len(h.Counts))
	}
	var n, sum float64
	for i, count := range h.Counts {
		events := float64(count - c.counts[i])
		c.counts[i] = count
		n += events
		sum += events * max(0, h.Buckets[i]) // the first begins below zero
	}
	if n == 0 {
		return 0
	}
	return sum / n
}
