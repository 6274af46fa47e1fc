package metrics

import "github.com/prometheus/client_golang/prometheus"

// scrape asks for the figures that are states rather than events.
type scrape struct {
	groups func() []GroupFigures
	server func() ServerFigures
}

func groupDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("quorate_group_"+name, help, []string{"group"}, nil)
}

func serverDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("quorate_"+name, help, nil, nil)
}

var (
	descState   = prometheus.NewDesc("quorate_group_state", "1 for the state that the replica is in.", []string{"group", "state"}, nil)
	descServing = groupDesc("serving", "1 if this node leads the group and serves it.")
	descTerm    = groupDesc("term", "Raft term.")
	descLast    = groupDesc("last_index", "Last index of the Raft log.")
	descCommit  = groupDesc("commit_index", "Committed index of the Raft log.")
	descApplied = groupDesc("applied_index", "Last index applied to the state.")
	descLog     = groupDesc("log_bytes", "Size of the entries since the last snapshot.")
	descKeys    = groupDesc("keys", "Keys of the group.")

	descClients  = serverDesc("clients", "Connected clients.")
	descTotal    = serverDesc("clients_total", "Clients that have connected.")
	descRejected = serverDesc("clients_rejected_total", "Clients refused because of maxclients.")
	descInput    = serverDesc("input_bytes_total", "Bytes read from clients.")
	descOutput   = serverDesc("output_bytes_total", "Bytes written to clients.")
	descHits     = serverDesc("keyspace_hits_total", "Lookups of keys that were there.")
	descMisses   = serverDesc("keyspace_misses_total", "Lookups of keys that were not there.")
	descExpired  = serverDesc("expired_keys_total", "Keys deleted because their time had come.")
	descFree     = serverDesc("disk_free_bytes", "Free space under the data directory.")
)

// Describe implements prometheus.Collector: the set depends on the groups, so
// the collector is an unchecked one and describes nothing.
func (s *scrape) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s *scrape) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	for _, g := range s.groups() {
		for _, state := range []string{"Leader", "Follower", "Candidate"} {
			gauge(descState, truth(g.State == state), g.Group, state)
		}
		gauge(descServing, truth(g.Serving), g.Group)
		gauge(descTerm, float64(g.Term), g.Group)
		gauge(descLast, float64(g.LastIndex), g.Group)
		gauge(descCommit, float64(g.CommitIndex), g.Group)
		gauge(descApplied, float64(g.AppliedIndex), g.Group)
		gauge(descLog, g.LogBytes, g.Group)
		gauge(descKeys, g.Keys, g.Group)
	}
	f := s.server()
	gauge(descClients, f.Clients)
	counter(descTotal, f.TotalClients)
	counter(descRejected, f.RejectedClients)
	counter(descInput, f.InputBytes)
	counter(descOutput, f.OutputBytes)
	counter(descHits, f.Hits)
	counter(descMisses, f.Misses)
	counter(descExpired, f.Expired)
	gauge(descFree, f.DiskFreeBytes)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
