package admin

import (
	"sort"
	"strconv"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/metrics"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/transport"
)

// groupFigures are a group's figures for INFO and metrics.
type groupFigures struct {
	metrics.GroupFigures
	id           uint32
	machineIndex uint64 // last entry applied to the machine
	chain        uint64 // rolling digest at that entry
	used         int64  // bytes that the data take
}

// groupFigures returns the figures of all replicas on this node, by group.
func (a *Admin) groupFigures() []groupFigures {
	var out []groupFigures
	if c := a.Node.Control(); c != nil {
		out = append(out, replicaFigures(0, c))
	}
	for id, g := range a.Node.Groups() {
		f := replicaFigures(id, g.Replica)
		f.LogBytes = float64(g.Persistence().LogBytes)
		g.View(func(m *fsm.Machine) {
			f.machineIndex, f.chain, f.used = m.Index(), m.Chain(), m.Used()
			for i := range m.Keyspace().Databases() {
				f.Keys += float64(m.Keyspace().DB(i).Len())
			}
		})
		out = append(out, f)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].id < out[j].id })
	return out
}

func replicaFigures(id uint32, r *store.Replica) groupFigures {
	f := r.Raft()
	return groupFigures{id: id, machineIndex: f.AppliedIndex, GroupFigures: metrics.GroupFigures{
		Group: strconv.FormatUint(uint64(id), 10), State: f.State, Term: f.Term, LastIndex: f.LastIndex,
		CommitIndex: f.CommitIndex, AppliedIndex: f.AppliedIndex, Serving: r.Serving() != 0}}
}

// GroupFigures is what /metrics shows about the groups.
func (a *Admin) GroupFigures() []metrics.GroupFigures {
	var out []metrics.GroupFigures
	for _, g := range a.groupFigures() {
		out = append(out, g.GroupFigures)
	}
	return out
}

// ServerFigures is what /metrics shows about the process. srv may be nil before
// clients are served.
func (a *Admin) ServerFigures(srv *transport.Server) metrics.ServerFigures {
	var f metrics.ServerFigures
	for _, g := range a.Node.Groups() {
		g.View(func(m *fsm.Machine) {
			f.Hits += float64(m.Stats.Hits.Load())
			f.Misses += float64(m.Stats.Misses.Load())
			f.Expired += float64(m.Stats.Expired.Load())
		})
	}
	if d := a.Node.Disk(); d != nil {
		f.DiskFreeBytes = float64(d.Free())
	}
	if srv != nil {
		st := srv.Stats()
		f.Clients, f.TotalClients, f.RejectedClients = float64(st.Connected), float64(st.TotalConnections), float64(st.Rejected)
		f.InputBytes, f.OutputBytes = float64(st.InputBytes), float64(st.OutputBytes)
	}
	return f
}
