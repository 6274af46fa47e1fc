package admin

import (
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/quorate/quorate/transport"
)

// latencySamples is how many samples an event keeps, as in Redis.
const latencySamples = 160

// latencySample is the worst latency of an event within one second.
type latencySample struct{ at, ms int64 }

// latencySeries are the samples of one event, the oldest first.
type latencySeries struct {
	samples []latencySample
	max     int64 // of all time
}

// latencyMonitor keeps what LATENCY tells: events that took longer than
// latency-monitor-threshold. Safe for concurrent use.
type latencyMonitor struct {
	mu     sync.Mutex
	events map[string]*latencySeries // guarded by mu; few names, all of this package
}

func (m *latencyMonitor) add(event string, at, ms int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.events == nil {
		m.events = map[string]*latencySeries{}
	}
	s := m.events[event]
	if s == nil {
		s = &latencySeries{}
		m.events[event] = s
	}
	s.max = max(s.max, ms)
	if n := len(s.samples); n > 0 && s.samples[n-1].at == at {
		s.samples[n-1].ms = max(s.samples[n-1].ms, ms)
		return
	}
	if len(s.samples) == latencySamples {
		copy(s.samples, s.samples[1:])
		s.samples = s.samples[:latencySamples-1]
	}
	s.samples = append(s.samples, latencySample{at, ms})
}

// names returns the events seen, sorted.
func (m *latencyMonitor) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := make([]string, 0, len(m.events))
	for name := range m.events {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// of returns a copy of an event's samples; none for one that was never seen.
func (m *latencyMonitor) of(event string) latencySeries {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.events[event]
	if s == nil {
		return latencySeries{}
	}
	return latencySeries{append([]latencySample(nil), s.samples...), s.max}
}

func (m *latencyMonitor) reset(event string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, there := m.events[event]
	delete(m.events, event)
	return there
}

func (a *Admin) latencyLatest(s *transport.Session, _ [][]byte) {
	names := a.latency.names()
	s.Array(len(names))
	for _, name := range names {
		series := a.latency.of(name)
		last := latencySample{}
		if n := len(series.samples); n > 0 {
			last = series.samples[n-1]
		}
		s.Array(4)
		s.BulkString(name)
		s.Int(last.at)
		s.Int(last.ms)
		s.Int(series.max)
	}
}

func (a *Admin) latencyHistory(s *transport.Session, args [][]byte) {
	samples := a.latency.of(string(args[2])).samples
	s.Array(len(samples))
	for _, sample := range samples {
		s.Array(2)
		s.Int(sample.at)
		s.Int(sample.ms)
	}
}

func (a *Admin) latencyReset(s *transport.Session, args [][]byte) {
	names := texts(args[2:])
	if len(names) == 0 {
		names = a.latency.names()
	}
	n := int64(0)
	for _, name := range names {
		if a.latency.reset(name) {
			n++
		}
	}
	s.Int(n)
}

func (a *Admin) latencyGraph(s *transport.Session, args [][]byte) {
	event := string(args[2])
	series := a.latency.of(event)
	if len(series.samples) == 0 {
		event, _, _ = strings.Cut(event, "\x00") // Redis prints it so
		s.Error("ERR No samples available for event '" + event + "'")
		return
	}
	low, high := series.samples[0].ms, series.samples[0].ms
	for _, sample := range series.samples {
		low, high = min(low, sample.ms), max(high, sample.ms)
	}
	text := fmt.Sprintf("%s - high %d ms, low %d ms (all time high %d ms)\n%s\n", event, high, low, series.max, strings.Repeat("-", 80))
	s.Verbatim("txt", text+graph(series.samples, low, high, time.Now().Unix()))
}

// graph draws samples as columns of four rows, with their ages written
// downwards below them.
func graph(samples []latencySample, low, high, now int64) string {
	const rows, marks = 4, "_o#"
	steps := int64(rows * len(marks))
	scale := max(high-low, 1)
	var out strings.Builder
	for row := rows - 1; row >= 0; row-- {
		for _, sample := range samples {
			step := min((sample.ms-low)*steps/scale, steps-1) - int64(row*len(marks))
			switch {
			case step < 0:
				out.WriteByte(' ')
			case step < int64(len(marks)):
				out.WriteByte(marks[step])
			default:
				out.WriteByte('|')
			}
		}
		out.WriteByte('\n')
	}
	labels := make([]string, len(samples))
	longest := 0
	for i, sample := range samples {
		labels[i] = age(now - sample.at)
		longest = max(longest, len(labels[i]))
	}
	for row := range longest {
		out.WriteByte('\n')
		for _, l := range labels {
			if row < len(l) {
				out.WriteByte(l[row])
			} else {
				out.WriteByte(' ')
			}
		}
	}
	out.WriteByte('\n')
	return out.String()
}

// age writes seconds in the largest unit that fits.
func age(seconds int64) string {
	switch {
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%dm", seconds/60)
	case seconds < 24*3600:
		return fmt.Sprintf("%dh", seconds/3600)
	}
	return fmt.Sprintf("%dd", seconds/(24*3600))
}

func (a *Admin) latencyDoctor(s *transport.Session, _ [][]byte) {
	threshold := a.Config.Current().LatencyMonitorThreshold
	names := a.latency.names()
	if len(names) == 0 {
		if threshold == 0 {
			s.Verbatim("txt", "Latency monitoring is off. CONFIG SET latency-monitor-threshold <milliseconds> turns it on.\n")
		} else {
			s.Verbatim("txt", fmt.Sprintf("Nothing took longer than %d ms since the last LATENCY RESET.\n", threshold))
		}
		return
	}
	var out strings.Builder
	for i, name := range names {
		series := a.latency.of(name)
		if len(series.samples) == 0 {
			continue
		}
		sum, worst := int64(0), int64(0)
		for _, sample := range series.samples {
			sum, worst = sum+sample.ms, max(worst, sample.ms)
		}
		n := int64(len(series.samples))
		span := series.samples[n-1].at - series.samples[0].at
		fmt.Fprintf(&out, "%d. %s: %d samples in %d seconds, %d ms on average, %d ms at worst (%d ms since the last reset).\n",
			i+1, name, n, span, sum/n, worst, series.max)
	}
	out.WriteString("What a command took is what its client waited for, the commit by a majority of replicas included: " +
		"see INFO quorate and the metrics of log syncs for slow disks, SLOWLOG GET for the commands themselves.\n")
	s.Verbatim("txt", out.String())
}
