// Package metrics holds the figures that /metrics shows. It knows numbers and
// label strings and nobody else's types. Units are in the names: _seconds,
// _bytes, _total. Commands are labelled by their name from the command table,
// never by key or client.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are one process's figures. Methods are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	latency  *prometheus.HistogramVec
	failures *prometheus.CounterVec

	fsync, commit, snapshot prometheus.Histogram
	units, entryBytes       prometheus.Histogram
	snapshotFailures        prometheus.Counter
}

// GroupFigures are the figures of one group's replica at one moment.
type GroupFigures struct {
	Group                                      string // "0" is the control group
	State                                      string // Leader, Follower, Candidate
	Term, LastIndex, CommitIndex, AppliedIndex uint64
	LogBytes, Keys                             float64
	Serving                                    bool
}

// ServerFigures are the figures of the process at one moment.
type ServerFigures struct {
	Clients, TotalClients, RejectedClients float64
	InputBytes, OutputBytes                float64
	Hits, Misses, Expired                  float64
	DiskFreeBytes                          float64
}

// New returns an empty set of figures. Groups and server are asked at each scrape.
func New(groups func() []GroupFigures, server func() ServerFigures) *Metrics {
	fine := prometheus.ExponentialBuckets(25e-6, 2, 18) // 25 us to 3.3 s
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "quorate_command_duration_seconds",
			Help: "Time from the arrival of a command to its reply being ready, by command.", Buckets: fine}, []string{"command"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "quorate_command_errors_total",
			Help: "Commands that were answered with an error because their group could not serve them, by command."}, []string{"command"}),
		fsync: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "quorate_log_write_duration_seconds",
			Help: "Time of a write to the log or to the stable store, syncs included.", Buckets: fine}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "quorate_commit_duration_seconds",
			Help: "Time from proposing an entry until it is committed and applied on the leader.", Buckets: fine}),
		units: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "quorate_entry_units",
			Help: "Runs of commands from one connection that share a log entry.", Buckets: prometheus.ExponentialBuckets(1, 2, 11)}),
		entryBytes: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "quorate_entry_bytes",
			Help: "Size of a log entry.", Buckets: prometheus.ExponentialBuckets(64, 4, 12)}),
		snapshot: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "quorate_snapshot_duration_seconds",
			Help: "Time to write a snapshot.", Buckets: prometheus.ExponentialBuckets(1e-3, 4, 10)}),
		snapshotFailures: prometheus.NewCounter(prometheus.CounterOpts{Name: "quorate_snapshot_failures_total",
			Help: "Snapshots that could not be written."}),
	}
	m.registry.MustRegister(m.latency, m.failures, m.fsync, m.commit, m.units, m.entryBytes, m.snapshot, m.snapshotFailures,
		&scrape{groups: groups, server: server},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler returns the page for a Prometheus server.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Command is the pair of figures of one command; get it once and keep it.
type Command struct {
	latency prometheus.Observer
	errors  prometheus.Counter
}

// Command returns the figures of a command.
func (m *Metrics) Command(name string) *Command {
	return &Command{m.latency.WithLabelValues(name), m.failures.WithLabelValues(name)}
}

// Observe notes n runs of the command that took d each.
func (c *Command) Observe(n int, d time.Duration, failed bool) {
	s := d.Seconds()
	for range n {
		c.latency.Observe(s)
	}
	if failed {
		c.errors.Add(float64(n))
	}
}

// LogWrite notes a write of the log.
func (m *Metrics) LogWrite(d time.Duration) { m.fsync.Observe(d.Seconds()) }

// Entry notes a committed entry.
func (m *Metrics) Entry(units, bytes int, commit time.Duration) {
	m.units.Observe(float64(units))
	m.entryBytes.Observe(float64(bytes))
	m.commit.Observe(commit.Seconds())
}

// Snapshot notes an attempt to write a snapshot.
func (m *Metrics) Snapshot(took time.Duration, _ int64, err error) {
	if err != nil {
		m.snapshotFailures.Inc()
		return
	}
	m.snapshot.Observe(took.Seconds())
}
