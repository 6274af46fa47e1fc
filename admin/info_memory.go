package admin

import (
	"fmt"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/transport"
)

// memoryFigures are what the data on this node take, by the machines' own
// accounts: estimates that replicas agree on.
type memoryFigures struct {
	used    uint64 // of the groups that count
	startup uint64 // of used, what groups without data take as well
	peak    uint64 // the largest used that was seen here
	keys    int

	// A group that the node leads has all that were sent to the node; SCRIPT LOAD
	// and FUNCTION LOAD go to every one of them. So it is the largest number that
	// is the node's, not the sum.
	scripts, scriptBytes            int
	libraries, functions, codeBytes int
}

// memory returns the figures of the groups that this node leads. A node that
// leads none shows its replicas, as one of Redis does.
func (a *Admin) memory() (f memoryFigures) {
	groups := a.Node.Led()
	if len(groups) == 0 {
		for _, g := range a.Node.Groups() {
			groups = append(groups, g)
		}
	}
	for _, g := range groups {
		f.add(g)
	}
	for {
		f.peak = peakBytes.Load()
		if f.peak >= f.used || peakBytes.CompareAndSwap(f.peak, f.used) {
			f.peak = max(f.peak, f.used)
			return f
		}
	}
}

func (f *memoryFigures) add(g *store.Group) {
	g.View(func(m *fsm.Machine) {
		f.used += uint64(m.Used())
		f.startup += fsm.StartupMemory
		f.keys += m.Keyspace().Len()
		scripts, scriptBytes := m.Scripts()
		f.scripts, f.scriptBytes = max(f.scripts, scripts), max(f.scriptBytes, scriptBytes)
		libraries, functions := m.Functions()
		f.libraries, f.functions = max(f.libraries, libraries), max(f.functions, functions)
		f.codeBytes = max(f.codeBytes, m.FunctionBytes())
	})
}

// infoMemory is the section Memory. The fields that are named as in Redis 7.0
// tell of data; what the process takes besides, the log's cache and the garbage
// that waits for its collector, is in used_memory_rss and in go_*.
func infoMemory(a *Admin, s *transport.Session, f *fields) {
	m := a.allocator()
	d := a.memory()
	rss := residentBytes()
	cfg := a.Config.Current()
	buffers := s.Server().Stats()
	data := d.used - d.startup
	f.add("used_memory", d.used)
	f.add("used_memory_human", human(d.used))
	f.add("used_memory_rss", rss)
	f.add("used_memory_rss_human", human(rss))
	f.add("used_memory_peak", d.peak)
	f.add("used_memory_peak_human", human(d.peak))
	f.add("used_memory_peak_perc", percent(d.used, d.peak))
	f.add("used_memory_overhead", d.startup)
	f.add("used_memory_startup", d.startup)
	f.add("used_memory_dataset", data)
	f.add("used_memory_dataset_perc", percent(data, data))
	f.add("allocator_allocated", m.allocated)
	f.add("allocator_active", m.active)
	f.add("allocator_resident", m.resident)
	f.add("total_system_memory", totalMemory())
	f.add("total_system_memory_human", human(totalMemory()))
	// Interpreters come and go with the scripts that run: no memory is theirs.
	f.add("used_memory_lua", 0)
	f.add("used_memory_vm_eval", 0)
	f.add("used_memory_lua_human", human(0))
	f.add("used_memory_scripts_eval", d.scriptBytes)
	f.add("number_of_cached_scripts", d.scripts)
	f.add("number_of_functions", d.functions)
	f.add("number_of_libraries", d.libraries)
	f.add("used_memory_vm_functions", 0)
	f.add("used_memory_vm_total", 0)
	f.add("used_memory_vm_total_human", human(0))
	f.add("used_memory_functions", d.codeBytes)
	f.add("used_memory_scripts", d.scriptBytes+d.codeBytes)
	f.add("used_memory_scripts_human", human(uint64(d.scriptBytes+d.codeBytes)))
	f.add("maxmemory", cfg.MaxMemory)
	f.add("maxmemory_human", human(uint64(cfg.MaxMemory)))
	f.add("maxmemory_policy", cfg.MaxMemoryPolicy)
	f.ratio("allocator_frag", m.active, m.allocated)
	f.ratio("allocator_rss", m.resident, m.active)
	f.ratio("rss_overhead", rss, m.resident)
	f.add("mem_fragmentation_ratio", ratio(rss, d.used))
	f.add("mem_fragmentation_bytes", int64(rss)-int64(d.used))
	f.add("mem_not_counted_for_evict", 0)
	f.add("mem_replication_backlog", 0)
	f.add("mem_total_replication_buffers", 0)
	f.add("mem_clients_slaves", 0)
	f.add("mem_clients_normal", buffers.InputBuffers+buffers.OutputBuffers)
	f.add("mem_cluster_links", 0)
	f.add("mem_aof_buffer", a.AOF.Figures().Waiting)
	f.add("mem_allocator", "go")
	f.add("active_defrag_running", 0)
	f.add("lazyfree_pending_objects", 0)
	f.add("lazyfreed_objects", lazyFreed(a))
	f.add("go_heap_alloc", m.heap.HeapAlloc)
	f.add("go_heap_sys", m.heap.HeapSys)
	f.add("go_gc_runs", m.heap.NumGC)
	f.add("go_gc_pause_total_us", m.heap.PauseTotalNs/1000)
}

// ratio adds how large a is in relation to b, and by how many bytes it is larger.
func (f *fields) ratio(name string, a, b uint64) {
	f.add(name+"_ratio", ratio(a, b))
	f.add(name+"_bytes", int64(a)-int64(b))
}

func ratio(a, b uint64) string { return fmt.Sprintf("%.2f", float64(a)/float64(max(b, 1))) }

func percent(a, b uint64) string {
	return fmt.Sprintf("%.2f%%", 100*float64(a)/float64(max(b, 1)))
}

// lazyFreed counts the values that Redis would have freed in the background.
func lazyFreed(a *Admin) (n int64) {
	for _, g := range a.Node.Groups() {
		g.View(func(m *fsm.Machine) { n += m.Stats.LazyFreed.Load() })
	}
	return n
}
