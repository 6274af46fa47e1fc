package admin

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/slab"
	"github.com/quorate/quorate/transport"
)

// memoryCommand is the part of MEMORY that is about the process; the part about
// keys is in fsm.
func (a *Admin) memoryCommand() *transport.Command {
	special := []string{"nondeterministic_output", "request_policy:all_shards", "response_policy:special"}
	sub := func(name, complexity, summary string, tips []string, run func(*transport.Session, [][]byte)) *transport.Command {
		return &transport.Command{Run: run, Spec: command.Spec{Name: name, Arity: 2, Group: "server", Since: "4.0.0",
			Complexity: complexity, Summary: summary, Tips: tips}}
	}
	return &transport.Command{
		Spec: command.Spec{Name: "MEMORY", Arity: -2, Group: "server", Since: "4.0.0"},
		Sub: []*transport.Command{
			sub("DOCTOR", "O(1)", "Reports on the memory in use.", special, a.memoryDoctor),
			sub("MALLOC-STATS", "O(1)", "Returns the figures of the allocator.", special, a.memoryMallocStats),
			sub("PURGE", "O(N), N: memory in use", "Gives free memory back to the system.",
				[]string{"request_policy:all_shards", "response_policy:all_succeeded"}, memoryPurge),
			sub("STATS", "O(1)", "Returns what memory is in use for.", special, a.memoryStats),
		},
	}
}

// allocatorFigures are what memory the process has for objects, on Go's heap and in slabs.
type allocatorFigures struct {
	heap runtime.MemStats

	allocated uint64 // bytes in use
	active    uint64 // and of the pages that they are in
	resident  uint64 // and with those that are free
}

// allocator returns them.
func (a *Admin) allocator() (f allocatorFigures) {
	runtime.ReadMemStats(&f.heap)
	held := uint64(slab.Held())
	f.allocated, f.active, f.resident = f.heap.HeapAlloc, f.heap.HeapInuse+held, f.heap.HeapSys-f.heap.HeapReleased+held
	for _, g := range a.Node.Groups() {
		g.View(func(m *fsm.Machine) { f.allocated += uint64(m.Keyspace().InSlabs()) })
	}
	return f
}

func memoryPurge(s *transport.Session, _ [][]byte) {
	debug.FreeOSMemory()
	s.OK()
}

func (a *Admin) memoryMallocStats(s *transport.Session, _ [][]byte) {
	f := a.allocator()
	m := &f.heap
	s.Verbatim("txt", fmt.Sprintf("Go %s: %d bytes in %d objects, %d allocated and %d freed in all; %d from the system, %d of them idle, %d given back; %d collections\n"+
		"Slabs: %d bytes of keys and strings, %d from the system\n",
		runtime.Version(), m.HeapAlloc, m.HeapObjects, m.Mallocs, m.Frees, m.HeapSys, m.HeapIdle, m.HeapReleased, m.NumGC,
		f.allocated-m.HeapAlloc, slab.Held()))
}

func (a *Admin) memoryDoctor(s *transport.Session, _ [][]byte) {
	used, rss, all := a.allocator().allocated, residentBytes(), totalMemory()
	text := fmt.Sprintf("%s are in use, %s resident, of %s that the machine has.", human(used), human(rss), human(all))
	switch {
	case all > 0 && rss > all/10*8:
		text += " That is more than 80%: snapshots and the lag of followers need the rest."
	case used > 64<<20 && rss > 3*used:
		text += " Much of it is free: MEMORY PURGE gives it back to the system."
	default:
		text += " There is nothing to be said against it."
	}
	s.Verbatim("txt", text+"\n")
}

// memoryStats implements MEMORY STATS with the fields that mean something here;
// those of Redis's allocator and replication are 0.
func (a *Admin) memoryStats(s *transport.Session, _ [][]byte) {
	f := a.allocator()
	used, rss := f.allocated, residentBytes()
	peak := max(peakBytes.Load(), used)
	peakBytes.Store(peak)
	keys, dbs := int64(0), map[int]int64{}
	for _, g := range a.Node.Groups() {
		g.View(func(m *fsm.Machine) {
			for i := range m.Keyspace().Databases() {
				n := int64(m.Keyspace().DB(i).Len())
				keys += n
				dbs[i] += n
			}
		})
	}
	clients := s.Server().Stats()
	buffers := uint64(clients.InputBuffers + clients.OutputBuffers)
	overhead := min(buffers, used)
	ratio := func(x, y uint64) []byte { return strconv.AppendFloat(nil, float64(x)/float64(max(y, 1)), 'g', 17, 64) }
	type field struct {
		name string
		put  func()
	}
	integer := func(name string, n uint64) field { return field{name, func() { s.Int(int64(n)) }} }
	double := func(name string, text []byte) field { return field{name, func() { s.Double(text) }} }
	fields := []field{
		integer("peak.allocated", peak), integer("total.allocated", used), integer("startup.allocated", 0),
		integer("replication.backlog", 0), integer("clients.slaves", 0), integer("clients.normal", buffers),
		integer("cluster.links", 0), integer("aof.buffer", uint64(a.AOF.Figures().Waiting)), integer("lua.caches", 0), integer("functions.caches", 0),
	}
	for i := range 1 << 14 {
		if dbs[i] == 0 {
			if i > len(dbs) {
				break
			}
			continue
		}
		fields = append(fields, field{"db." + strconv.Itoa(i), func() {
			s.Map(3)
			for _, name := range []string{"overhead.hashtable.main", "overhead.hashtable.expires", "overhead.hashtable.slot-to-keys"} {
				s.BulkString(name)
				s.Int(0)
			}
		}})
	}
	fields = append(fields,
		integer("overhead.total", overhead), integer("keys.count", uint64(keys)), integer("keys.bytes-per-key", (used-overhead)/uint64(max(keys, 1))),
		integer("dataset.bytes", used-overhead), double("dataset.percentage", ratio((used-overhead)*100, used)), double("peak.percentage", ratio(used*100, peak)),
		integer("allocator.allocated", used), integer("allocator.active", f.active), integer("allocator.resident", f.resident),
		double("allocator-fragmentation.ratio", ratio(f.active, used)), integer("allocator-fragmentation.bytes", f.active-min(used, f.active)),
		double("allocator-rss.ratio", ratio(f.resident, f.active)), integer("allocator-rss.bytes", f.resident-min(f.active, f.resident)),
		double("rss-overhead.ratio", ratio(rss, f.resident)), integer("rss-overhead.bytes", rss-min(rss, f.resident)),
		double("fragmentation", ratio(rss, used)), integer("fragmentation.bytes", rss-min(rss, used)))
	s.Map(len(fields))
	for _, f := range fields {
		s.BulkString(f.name)
		f.put()
	}
}
