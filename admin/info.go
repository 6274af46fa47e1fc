package admin

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/transport"
)

// infoCommand is INFO [section ...].
func (a *Admin) infoCommand() *transport.Command {
	return &transport.Command{Run: a.info, Spec: command.Spec{Name: "INFO", Arity: -1, Flags: command.Loading | command.Stale,
		ACL: command.Dangerous, Group: "server", Since: "1.0.0", Complexity: "O(1)", Syntax: "[section [section ...]]",
		Summary: "Returns figures about the server.",
		Tips:    []string{"nondeterministic_output", "request_policy:all_shards", "response_policy:special"}}}
}

// section is one section of INFO. The fields named as in Redis mean what they
// mean there, as far as a server without forks and allocator statistics has them.
type section struct {
	name  string
	write func(a *Admin, s *transport.Session, f *fields)
	extra bool // only with "all", "everything" or by name
}

var sections = []section{
	{name: "Server", write: infoServer},
	{name: "Clients", write: infoClients},
	{name: "Memory", write: infoMemory},
	{name: "Persistence", write: infoPersistence},
	{name: "Stats", write: infoStats},
	{name: "Replication", write: infoReplication},
	{name: "CPU", write: infoCPU},
	{name: "Modules", write: func(*Admin, *transport.Session, *fields) {}},
	{name: "Commandstats", write: infoCommandstats, extra: true},
	{name: "Errorstats", write: infoErrorstats},
	{name: "Cluster", write: infoCluster},
	{name: "Keyspace", write: infoKeyspace},
	{name: "Quorate", write: infoQuorate},
}

// fields collects the lines of a section.
type fields struct{ strings.Builder }

func (f *fields) add(name string, value any) { fmt.Fprintf(f, "%s:%v\r\n", name, value) }

func (a *Admin) info(s *transport.Session, args [][]byte) {
	want := map[string]bool{}
	all, usual := false, len(args) == 1
	for _, arg := range args[1:] {
		switch name := strings.ToLower(string(arg)); name {
		case "all", "everything":
			all = true
		case "default":
			usual = true
		default:
			want[name] = true
		}
	}
	var out fields
	for _, sec := range sections {
		if !all && !(usual && !sec.extra) && !want[strings.ToLower(sec.name)] {
			continue
		}
		if out.Len() > 0 {
			out.WriteString("\r\n")
		}
		fmt.Fprintf(&out, "# %s\r\n", sec.name)
		sec.write(a, s, &out)
	}
	s.Verbatim("txt", out.String())
}

func infoServer(a *Admin, _ *transport.Session, f *fields) {
	var u syscall.Utsname
	_ = syscall.Uname(&u) // on failure the fields stay empty
	up := time.Since(a.Started)
	f.add("redis_version", RedisVersion)
	f.add("redis_git_sha1", "00000000")
	f.add("redis_git_dirty", 0)
	f.add("redis_build_id", "0")
	f.add("redis_mode", a.mode())
	f.add("os", text(u.Sysname[:])+" "+text(u.Release[:])+" "+text(u.Machine[:]))
	f.add("arch_bits", 64)
	f.add("monotonic_clock", "go")
	f.add("multiplexing_api", "goroutines")
	f.add("go_version", runtime.Version())
	f.add("quorate_version", a.Version)
	f.add("process_id", os.Getpid())
	f.add("process_supervised", "no")
	f.add("run_id", a.RunID)
	f.add("tcp_port", a.Config.Current().Port)
	f.add("server_time_usec", time.Now().UnixMicro())
	f.add("uptime_in_seconds", int64(up.Seconds()))
	f.add("uptime_in_days", int64(up.Hours()/24))
	f.add("hz", 10)
	f.add("configured_hz", 10)
	f.add("executable", executable())
	f.add("config_file", a.Config.File())
	f.add("io_threads_active", 0)
}

func text(b []int8) string {
	var out []byte
	for _, c := range b {
		if c == 0 {
			break
		}
		out = append(out, byte(c))
	}
	return string(out)
}

func infoClients(a *Admin, s *transport.Session, f *fields) {
	st := s.Server().Stats()
	f.add("connected_clients", st.Connected)
	f.add("cluster_connections", 0)
	f.add("maxclients", a.Config.Current().MaxClients)
	f.add("client_recent_max_input_buffer", st.InputBuffers)
	f.add("client_recent_max_output_buffer", st.OutputBuffers)
	f.add("blocked_clients", st.Blocked+st.Paused)
	f.add("tracking_clients", st.Tracking.Clients)
	f.add("clients_in_timeout_table", st.Timed)
}

func infoPersistence(a *Admin, _ *transport.Session, f *fields) {
	saving, status, bytes := 0, "ok", int64(0)
	for _, g := range a.Node.Groups() {
		p := g.Persistence()
		if p.LastErr != nil {
			status = "err"
		}
		if p.Saving {
			saving = 1
		}
		bytes += p.LogBytes
	}
	loading := 0
	if a.Node.Loading() {
		loading = 1
	}
	f.add("loading", loading)
	f.add("async_loading", 0)
	a.infoRDB(f)
	infoAppendOnly(a, f, saving, status, bytes)
	if loading == 1 {
		infoLoading(a.Node.Progress(), f)
	}
	f.add("quorate_fsync_policy", a.Config.Current().AppendFsync)
}

// infoAppendOnly tells about the append-only files, and of the log what would be theirs
// where there are none: rewriting it is taking a snapshot.
func infoAppendOnly(a *Admin, f *fields, saving int, status string, logBytes int64) {
	k, on := a.AOF.Figures(), a.AOF.On()
	number := map[bool]int{true: 1}
	ok := map[bool]string{true: "ok", false: "err"}
	seconds := func(d time.Duration) int64 {
		if d < 0 {
			return -1
		}
		return int64(d / time.Second)
	}
	if on {
		saving, status = number[k.Rewriting], ok[k.RewriteOK]
	}
	f.add("aof_enabled", number[on])
	f.add("aof_rewrite_in_progress", saving)
	f.add("aof_rewrite_scheduled", 0)
	f.add("aof_last_rewrite_time_sec", seconds(k.Last))
	f.add("aof_current_rewrite_time_sec", seconds(k.Current))
	f.add("aof_last_bgrewrite_status", status)
	f.add("aof_rewrites", k.Rewrites)
	f.add("aof_rewrites_consecutive_failures", k.Failures)
	f.add("aof_last_write_status", ok[k.WriteOK])
	f.add("aof_last_cow_size", 0)
	if on {
		f.add("aof_current_size", k.Size)
		f.add("aof_base_size", k.BaseSize)
		f.add("aof_pending_rewrite", 0)
		f.add("aof_buffer_length", k.Waiting)
		f.add("aof_pending_bio_fsync", 0)
		f.add("aof_delayed_fsync", 0)
	}
	f.add("quorate_log_bytes", logBytes)
}

// infoLoading is what INFO says while data is loaded, with Redis's estimates.
func infoLoading(p node.Progress, f *fields) {
	elapsed := time.Now().Unix() - p.Since.Unix()
	percent, eta, left := 0.0, int64(1), int64(1)
	if p.Total > 0 {
		percent, left = 100*float64(p.Done)/float64(p.Total), p.Total-p.Done
	} else if p.UsedMemory > 0 {
		percent, left = min(100*float64(p.Done)/float64(p.UsedMemory), 99.99), max(p.UsedMemory-p.Done, 1)
	}
	if elapsed > 0 {
		eta = elapsed * left / (p.Done + 1)
	}
	f.add("loading_start_time", p.Since.Unix())
	f.add("loading_total_bytes", p.Total)
	f.add("loading_rdb_used_mem", p.UsedMemory)
	f.add("loading_loaded_bytes", p.Done)
	f.add("loading_loaded_perc", fmt.Sprintf("%.2f", percent))
	f.add("loading_eta_seconds", eta)
}

func infoStats(a *Admin, s *transport.Session, f *fields) {
	st := s.Server().Stats()
	var hits, misses, expired, evicted int64
	var exceeded, current time.Duration
	for _, g := range a.Node.Groups() {
		total, now := g.Exceeded()
		exceeded, current = exceeded+total, max(current, now)
		g.View(func(m *fsm.Machine) {
			hits += m.Stats.Hits.Load()
			misses += m.Stats.Misses.Load()
			expired += m.Stats.Expired.Load()
			evicted += m.Stats.Evicted.Load()
		})
	}
	f.add("total_connections_received", st.TotalConnections)
	f.add("total_commands_processed", st.Commands)
	f.add("instantaneous_ops_per_sec", a.Counters.PerSecond())
	f.add("total_net_input_bytes", st.InputBytes)
	f.add("total_net_output_bytes", st.OutputBytes)
	f.add("rejected_connections", st.Rejected)
	f.add("sync_full", s.Server().Replication().Synced)
	f.add("sync_partial_ok", 0)
	f.add("sync_partial_err", 0)
	f.add("expired_keys", expired)
	f.add("evicted_keys", evicted)
	f.add("evicted_clients", 0)
	f.add("total_eviction_exceeded_time", exceeded.Milliseconds())
	f.add("current_eviction_exceeded_time", current.Milliseconds())
	f.add("keyspace_hits", hits)
	f.add("keyspace_misses", misses)
	f.add("pubsub_channels", st.PubSub.Channels)
	f.add("pubsub_patterns", st.PubSub.Patterns)
	f.add("pubsubshard_channels", st.PubSub.ShardChannels)
	f.add("tracking_total_keys", st.Tracking.Keys)
	f.add("tracking_total_items", st.Tracking.Items)
	f.add("tracking_total_prefixes", st.Tracking.Prefixes)
	f.add("latest_fork_usec", 0)
	f.add("total_forks", 0)
	f.add("migrate_cached_sockets", 0) // MIGRATE closes its connections
	f.add("total_error_replies", st.ErrorReplies)
	f.add("unexpected_error_replies", 0)
}

// infoReplication tells the role in Redis's terms: a node that serves a group
// is a master; whether it has followers is in the section Quorate.
func infoReplication(a *Admin, s *transport.Session, f *fields) {
	f.add("role", "master")
	r := s.Server().Replication()
	f.add("connected_slaves", len(r.Replicas))
	good := -1
	for _, g := range a.Node.Led() {
		if n, wanted := g.GoodReplicas(); wanted && (good < 0 || n < good) {
			good = n
		}
	}
	if good >= 0 { // of the group that has fewest
		f.add("min_slaves_good_slaves", good)
	}
	for i, c := range r.Replicas {
		state := "wait_bgsave"
		if c.Online {
			state = "online"
		}
		f.add(fmt.Sprintf("slave%d", i), fmt.Sprintf("ip=%s,port=%d,state=%s,offset=%d,lag=%d", c.IP, c.Port, state, c.Offset, c.Lag))
	}
	f.add("master_failover_state", "no-failover")
	f.add("master_replid", a.RunID)
	f.add("master_repl_offset", r.Offset)
	f.add("second_repl_offset", -1)
	f.add("repl_backlog_active", 0)
}

func infoCPU(_ *Admin, _ *transport.Session, f *fields) {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // can't fail with these arguments
	f.add("used_cpu_sys", seconds(r.Stime))
	f.add("used_cpu_user", seconds(r.Utime))
}

func seconds(t syscall.Timeval) string { return fmt.Sprintf("%d.%06d", t.Sec, t.Usec) }

func infoCommandstats(a *Admin, _ *transport.Session, f *fields) {
	for _, c := range a.Counters.Commands() {
		f.add("cmdstat_"+c.Name, fmt.Sprintf("calls=%d,usec=%d,usec_per_call=%.2f,rejected_calls=%d,failed_calls=%d",
			c.Calls, c.Micros, float64(c.Micros)/float64(max(c.Calls, 1)), c.Rejected, c.Failed))
	}
}

func infoErrorstats(_ *Admin, s *transport.Session, f *fields) {
	codes := s.Server().Stats().Errors
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		f.add("errorstat_"+code, fmt.Sprintf("count=%d", codes[code]))
	}
}

func infoCluster(a *Admin, _ *transport.Session, f *fields) {
	enabled := 0
	if a.Node.Cluster() {
		enabled = 1
	}
	f.add("cluster_enabled", enabled)
}

func infoKeyspace(a *Admin, _ *transport.Session, f *fields) {
	type db struct {
		keys, expires int
		sum           float64
	}
	dbs := map[int]*db{}
	most := 0
	now := float64(time.Now().UnixMilli())
	for _, g := range a.Node.Led() {
		g.View(func(m *fsm.Machine) {
			ks := m.Keyspace()
			most = max(most, ks.Databases())
			for i := range ks.Databases() {
				if d := ks.DB(i); d.Len() > 0 {
					if dbs[i] == nil {
						dbs[i] = &db{}
					}
					dbs[i].keys += d.Len()
					dbs[i].expires += d.Expires()
					if d.Expires() > 0 {
						dbs[i].sum += ks.ExpirySum(i)
					}
				}
			}
		})
	}
	for i := range most {
		d := dbs[i]
		if d == nil {
			continue
		}
		avg := 0.0
		if d.expires > 0 {
			avg = max(0, d.sum/float64(d.expires)-now)
		}
		f.add(fmt.Sprintf("db%d", i), fmt.Sprintf("keys=%d,expires=%d,avg_ttl=%.0f", d.keys, d.expires, avg))
	}
}

// infoQuorate tells about this node's Raft groups: one line a group, the
// control group first.
func infoQuorate(a *Admin, _ *transport.Session, f *fields) {
	f.add("node_id", a.Node.ID())
	if a.Node.Cluster() {
		f.add("cluster_id", a.Node.Map().Cluster)
		f.add("map_version", a.Node.Map().Version)
	}
	if d := a.Node.Disk(); d != nil {
		n, total := d.Syncs()
		avg := time.Duration(0)
		if n > 0 {
			avg = total / time.Duration(n)
		}
		f.add("log_writes", n)
		f.add("log_write_avg_usec", avg.Microseconds())
		f.add("disk_free", d.Free())
		f.add("disk_full", d.Full())
	}
	for _, g := range a.groupFigures() {
		f.add("group"+g.Group, fmt.Sprintf("state=%s,serving=%v,term=%d,last=%d,commit=%d,applied=%d,chain=%016x,keys=%.0f,log_bytes=%.0f,used_memory=%d",
			strings.ToLower(g.State), g.Serving, g.Term, g.LastIndex, g.CommitIndex, g.machineIndex, g.chain, g.Keys, g.LogBytes, g.used))
	}
}
