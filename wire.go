package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/quorate/quorate/admin"
	"github.com/quorate/quorate/aof"
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/config"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/metrics"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/security"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/wal"
	"github.com/quorate/quorate/transport"
)

// nodeOptions turns the configuration into a node's options.
func nodeOptions(cfg *config.Config, m *metrics.Metrics, running *fsm.Running, set *security.Commands, notSaved func() bool, log hclog.Logger) (node.Options, error) {
	s := cfg.Current()
	memory := &fsm.Memory{}
	memory.Store(memoryLimit(s))
	for _, name := range memoryDirectives {
		cfg.OnChange(name, func(s *config.Settings) { memory.Store(memoryLimit(s)) })
	}
	o := node.Options{
		Dir: s.DataPath(), Cluster: s.ClusterEnabled, Databases: databases(s), Fsync: fsyncPolicy(s.AppendFsync), LogStore: s.LogStore,
		Timeout:     electionTimeout(s.ClusterNodeTimeout),
		NodeTimeout: max(2*time.Second, time.Duration(s.ClusterNodeTimeout)*time.Millisecond/5),
		Limits:      func() map[string]int { return encodingLimits(cfg.Current()) },
		DiskLimit:   time.Duration(s.DiskWatchdog) * time.Millisecond, MinFree: s.MinFreeSize,
		OnSync: m.LogWrite, Logger: log,
		Fatal: func(err error) {
			log.Error("the node stops because going on would risk data", "error", err)
			os.Exit(70) // EX_SOFTWARE: not an ordinary end
		},
		Group: func(g *store.GroupOptions) {
			g.Machine.Memory, g.Machine.Running, g.Machine.Commands = memory, running, set
			g.MinReplicas = func() (int, time.Duration) {
				s := cfg.Current()
				return int(s.MinReplicasToWrite), time.Duration(s.MinReplicasMaxLag) * time.Second
			}
			g.NotSaved = notSaved
			g.Machine.Uncompressed = func() bool { return !cfg.Current().RDBCompression }
			g.MaxEntryBytes = int(s.MaxEntrySize)
			g.Gather = time.Duration(s.GatherMax) * time.Microsecond
			if g.Gather == 0 {
				g.Gather = -1
			}
			g.SnapshotBytes = s.SnapshotLogSize
			g.Observer = m
		},
	}
	if !s.ClusterEnabled {
		o.Seed = node.Seed{RDB: s.Path(s.DBFilename), Truncated: s.AOFLoadTruncated}
		if s.AppendOnly {
			o.Seed.AOF = appendOnlyDir(s)
		}
		if len(s.InitialNodes) > 0 {
			return o, errors.New("quorate-initial-nodes needs cluster-enabled yes: several nodes in plain mode are not supported")
		}
		return o, nil
	}
	port, err := s.EffectivePeerPort()
	if err != nil {
		return o, err
	}
	o.Self = node.Address{Host: hostOf(firstBind(s)), Port: int(s.Port), PeerPort: int(port)}
	o.InitialGroups = int(s.InitialGroups)
	for _, text := range s.InitialNodes {
		host, p, err := net.SplitHostPort(text)
		if err != nil {
			return o, fmt.Errorf("quorate-initial-nodes: %w", err)
		}
		n, err := strconv.Atoi(p)
		if err != nil {
			return o, fmt.Errorf("quorate-initial-nodes: port of %s: %w", text, err)
		}
		// Every node's peer port stands in the same relation to its client port.
		o.InitialNodes = append(o.InitialNodes, node.Address{Host: host, Port: n, PeerPort: n + int(port-s.Port)})
	}
	if len(o.InitialNodes) == 0 {
		o.InitialNodes = []node.Address{o.Self}
	}
	return o, nil
}

// appendOnlyDir is where the append-only files are.
func appendOnlyDir(s *config.Settings) aof.Dir {
	return aof.Dir{Path: s.Path(s.AppendDirName), Name: s.AppendFilename}
}

// appendOnlyKeeper keeps the append-only files of a node, whose base write writes when there
// is data.
func appendOnlyKeeper(cfg *config.Config, write func(w io.Writer, begin func(group uint32), all func()) error, data func() bool, log hclog.Logger) *aof.Keeper {
	return aof.NewKeeper(aof.Options{
		Base: write, Ready: data,
		Sync: func() bool { return cfg.Current().AppendFsync != "no" },
		Growth: func() (int64, int64) {
			s := cfg.Current()
			return s.AOFRewritePercentage, s.AOFRewriteMinSize
		},
		Warn: log.Named("appendonly").Warn,
	})
}

// keepAppendOnly begins to keep the append-only files if that is configured, and has
// CONFIG SET appendonly begin and end it.
func keepAppendOnly(cfg *config.Config, adm *admin.Admin, log hclog.Logger) error {
	set := func(s *config.Settings) error {
		if !s.AppendOnly {
			adm.AOF.Stop()
			return nil
		}
		dir := appendOnlyDir(s)
		if !adm.AOF.On() {
			if err := adm.KeepFoundDir(dir); err != nil {
				return err
			}
		}
		return adm.AOF.Start(dir)
	}
	if err := set(cfg.Current()); err != nil {
		return fmt.Errorf("append-only files: %w", err)
	}
	cfg.OnApply(func(_, next *config.Settings) error {
		if err := set(next); err != nil {
			log.Error("append-only files", "error", err)
			return errors.New("Unable to turn on AOF. Check server logs.")
		}
		return nil
	}, "appendonly")
	return nil
}

// electionTimeout scales Raft's timers with cluster-node-timeout: 300 ms at its
// default of 15 s.
func electionTimeout(nodeTimeoutMs int64) time.Duration {
	return min(max(time.Duration(nodeTimeoutMs)*time.Millisecond/50, 100*time.Millisecond), 5*time.Second)
}

// fsyncPolicy translates appendfsync.
func fsyncPolicy(name string) wal.Sync {
	switch name {
	case "everysec":
		return wal.EverySecond
	case "no":
		return wal.Never
	}
	return wal.Always
}

// encodingLimits are the thresholds that belong to the replicated state.
func encodingLimits(s *config.Settings) map[string]int {
	return map[string]int{
		"hash-max-listpack-entries": int(s.HashMaxListpackEntries), "hash-max-listpack-value": int(s.HashMaxListpackValue),
		"list-max-listpack-size": int(s.ListMaxListpackSize), "list-compress-depth": int(s.ListCompressDepth),
		"set-max-intset-entries":    int(s.SetMaxIntsetEntries),
		"zset-max-listpack-entries": int(s.ZSetMaxListpackEntries), "zset-max-listpack-value": int(s.ZSetMaxListpackValue),
		"stream-node-max-bytes": int(s.StreamNodeMaxBytes), "stream-node-max-entries": int(s.StreamNodeMaxEntries),
		"hll-sparse-max-bytes": int(s.HLLSparseMaxBytes), "proto-max-bulk-len": int(s.ProtoMaxBulkLen),
	}
}

var memoryDirectives = []string{"maxmemory", "maxmemory-policy", "maxmemory-samples", "maxmemory-eviction-tenacity",
	"lfu-log-factor", "lfu-decay-time"}

// memoryLimit is what the groups are told about the use of memory.
func memoryLimit(s *config.Settings) fsm.MemoryLimit {
	policy, _ := fsm.PolicyNamed(s.MaxMemoryPolicy) // the table takes the eight names only
	return fsm.MemoryLimit{Max: s.MaxMemory, Policy: policy, Samples: int(s.MaxMemorySamples), Tenacity: int(s.MaxMemoryTenacity),
		LogFactor: int(s.LFULogFactor), DecayTime: int(s.LFUDecayTime)}
}

// busyWith returns what clients are told while a script runs for too long.
func busyWith(running *fsm.Running, cfg *config.Config) func() string {
	return func() string {
		if !running.Any() {
			return ""
		}
		return running.Busy(time.Now().UnixMilli(), max(cfg.Current().LuaTimeLimit, 1))
	}
}

// evictInTime has the groups look for keys to evict as soon as they may use less.
func evictInTime(cfg *config.Config, n *node.Node) {
	soon := func(*config.Settings) {
		for _, g := range n.Led() {
			g.EvictSoon()
		}
	}
	cfg.OnChange("maxmemory", soon)
	cfg.OnChange("maxmemory-policy", soon)
}

// replicasInTime has the groups that this node leads know their replicas before
// min-replicas-to-write is in force.
func replicasInTime(cfg *config.Config, n *node.Node) {
	cfg.OnApply(func(_, next *config.Settings) error {
		for _, g := range n.Led() {
			if next.MinReplicasToWrite > 0 {
				g.LookForReplicas()
			}
		}
		return nil
	}, "min-replicas-to-write", "min-replicas-max-lag")
}

// putLimitsInForce has a CONFIG SET of an encoding threshold go through the log
// of the groups that this node leads.
func putLimitsInForce(cfg *config.Config, n *node.Node) {
	var names []string
	for name := range encodingLimits(cfg.Current()) {
		names = append(names, name)
	}
	cfg.OnApply(func(old, next *config.Settings) error {
		before := encodingLimits(old)
		var ops []fsm.Op
		for name, value := range encodingLimits(next) {
			if before[name] != value {
				ops = append(ops, fsm.Limit(name, value))
			}
		}
		for _, g := range n.Led() {
			if err := g.Propose(&fsm.Unit{Ops: ops}); err != nil {
				return err
			}
		}
		return nil
	}, names...)
}

// syncAsConfigured has a CONFIG SET appendfsync take effect before it is answered.
func syncAsConfigured(cfg *config.Config, n *node.Node) {
	cfg.OnApply(func(_, next *config.Settings) error { return n.SetFsync(fsyncPolicy(next.AppendFsync)) }, "appendfsync")
}

// clientLimits are the limits on clients, kept as configured.
func clientLimits(cfg *config.Config) *transport.Limits {
	l := transport.NewLimits()
	set := func(s *config.Settings) {
		l.MaxClients.Store(s.MaxClients)
		l.ProtoMaxBulkLen.Store(s.ProtoMaxBulkLen)
		l.QueryBuffer.Store(s.ClientQueryBufferLimit)
		l.IdleTimeout.Store(s.Timeout)
		l.TCPKeepAlive.Store(s.TCPKeepAlive)
		l.ProtectedMode.Store(s.ProtectedMode)
		normal := s.ClientOutputBufferLimit[0]
		l.OutputHard.Store(normal.Hard)
		l.OutputSoft.Store(normal.Soft)
		l.OutputSoftSecs.Store(normal.SoftSeconds)
		pubsub := s.ClientOutputBufferLimit[config.OutputPubSub]
		replica := s.ClientOutputBufferLimit[config.OutputReplica]
		l.ReplicaHard.Store(replica.Hard)
		l.ReplicaSoft.Store(replica.Soft)
		l.ReplicaSoftSecs.Store(replica.SoftSeconds)
		l.ReplicaPing.Store(s.ReplPingReplicaPeriod)
		l.PubSubHard.Store(pubsub.Hard)
		l.PubSubSoft.Store(pubsub.Soft)
		l.PubSubSoftSecs.Store(pubsub.SoftSeconds)
	}
	set(cfg.Current())
	for _, name := range []string{"maxclients", "proto-max-bulk-len", "client-query-buffer-limit", "timeout",
		"tcp-keepalive", "protected-mode", "client-output-buffer-limit", "repl-ping-replica-period"} {
		cfg.OnChange(name, set)
	}
	return l
}

// router adapts a node to what sessions need.
type router struct{ n *node.Node }

func (r router) Cluster() bool            { return r.n.Cluster() }
func (r router) Redirect(slot int) string { return r.n.Redirect(slot) }

func (r router) Route(slot int) (transport.Group, string) {
	if g, redirect := r.n.Route(slot); g != nil {
		return g, ""
	} else {
		return nil, redirect
	}
}

func (r router) Local(slot int) transport.Group {
	if g := r.n.Local(slot); g != nil {
		return g
	}
	return nil
}

func (r router) Led() []transport.Group {
	groups := r.n.Led()
	out := make([]transport.Group, len(groups))
	for i, g := range groups {
		out[i] = g
	}
	return out
}

// loading adapts a node to what sessions ask while it loads.
func loading(n *node.Node) func(slot int) bool {
	return func(slot int) bool {
		if slot < 0 {
			return n.Loading()
		}
		return n.LoadingSlot(slot)
	}
}

// source adapts a node to what sessions that follow it need.
type source struct {
	n   *node.Node
	cfg *config.Config
}

func (s source) Follow(file fsm.File, begin func(transport.Group)) (io.ReadCloser, int64, error) {
	now := s.cfg.Current()
	file.Uncompressed, file.NoChecksum = !now.RDBCompression, !now.RDBChecksum
	return s.n.Follow(file, func(g *store.Group) { begin(g) })
}

func (s source) Backup(slot int) (io.ReadCloser, int64, string, error) { return s.n.Backup(slot) }

// observer adapts the counters to what sessions tell.
type observer struct{ c *admin.Counters }

func (o observer) Commands(spec *command.Spec, n int, d time.Duration, failed bool) {
	o.c.Observe(spec, n, d, failed)
}

func (o observer) Failure(spec *command.Spec, ran bool) { o.c.Failure(spec, ran) }
