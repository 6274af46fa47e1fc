package admin

import (
	"math/bits"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/metrics"
)

// Counters count commands by name, for INFO commandstats and for metrics. They
// implement transport.Observer. Safe for concurrent use.
type Counters struct {
	m      *metrics.Metrics
	byName sync.Map // *command.Spec -> *counter
	total  atomic.Int64
	rate   atomic.Int64
}

// counter are the figures of one command.
type counter struct {
	name                            string
	calls, micros, failed, rejected atomic.Int64
	buckets                         [latencyBuckets]atomic.Int64
	page                            *metrics.Command
}

// NewCounters returns counters at zero that also feed m.
func NewCounters(m *metrics.Metrics) *Counters { return &Counters{m: m} }

func (c *Counters) of(spec *command.Spec) *counter {
	v, ok := c.byName.Load(spec)
	if !ok {
		name := spec.FullName()
		v, _ = c.byName.LoadOrStore(spec, &counter{name: name, page: c.m.Command(name)})
	}
	return v.(*counter)
}

// Failure notes an error of a command: one that ran and was noted as good, or
// one that was rejected and is no call.
func (c *Counters) Failure(spec *command.Spec, ran bool) {
	if k := c.of(spec); ran {
		k.failed.Add(1)
	} else {
		k.rejected.Add(1)
	}
}

// Observe notes n commands that were answered together after d.
func (c *Counters) Observe(spec *command.Spec, n int, d time.Duration, failed bool) {
	k := c.of(spec)
	k.calls.Add(int64(n))
	k.micros.Add(int64(n) * d.Microseconds())
	k.buckets[bucketOf(d)].Add(int64(n))
	if failed {
		k.failed.Add(int64(n))
	}
	k.page.Observe(n, d, failed)
	c.total.Add(int64(n))
}

// CommandFigures are the figures of one command. Micros is the time from the
// arrival of a command to its answer, waiting for the quorum included.
type CommandFigures struct {
	Name                            string
	Calls, Micros, Failed, Rejected int64
	Buckets                         [latencyBuckets]int64 // calls by time, see bucketBound
}

// latencyBuckets are the classes of a histogram: up to 1024 ns, twice that, and
// so on to about 18 minutes, which takes the rest.
const latencyBuckets = 31

func bucketOf(d time.Duration) int {
	if d <= 1024 {
		return 0
	}
	return min(bits.Len64(uint64(d-1)>>10), latencyBuckets-1)
}

// bucketBound is the upper end of a class in microseconds as LATENCY HISTOGRAM
// prints it in Redis, whose classes have two significant digits.
func bucketBound(i int) int64 {
	ns := int64(1024) << i
	return (ns + ns/128 - 1) / 1000
}

// Commands returns the figures of the commands that were used, by name.
func (c *Counters) Commands() []CommandFigures {
	var out []CommandFigures
	c.byName.Range(func(_, v any) bool {
		k := v.(*counter)
		if n, r := k.calls.Load(), k.rejected.Load(); n > 0 || r > 0 {
			f := CommandFigures{Name: k.name, Calls: n, Micros: k.micros.Load(), Failed: k.failed.Load(), Rejected: r}
			for i := range k.buckets {
				f.Buckets[i] = k.buckets[i].Load()
			}
			out = append(out, f)
		}
		return true
	})
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// Reset sets the figures that INFO shows to zero; those of metrics only grow.
func (c *Counters) Reset() {
	c.byName.Range(func(_, v any) bool {
		k := v.(*counter)
		k.calls.Store(0)
		k.micros.Store(0)
		k.failed.Store(0)
		k.rejected.Store(0)
		for i := range k.buckets {
			k.buckets[i].Store(0)
		}
		return true
	})
}

// PerSecond returns the commands of the last full second.
func (c *Counters) PerSecond() int64 { return c.rate.Load() }

// Sample measures PerSecond until stop closes.
func (c *Counters) Sample(stop <-chan struct{}) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	last := c.total.Load()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			now := c.total.Load()
			c.rate.Store(now - last)
			last = now
		}
	}
}
