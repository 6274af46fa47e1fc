package config

import "math"

// flags of a directive.
type flags uint16

const (
	// immutable: file and command line only, CONFIG SET refuses it.
	immutable flags = 1 << iota
	// protected: CONFIG SET only as enable-protected-configs allows.
	protected
	// multi: any number of arguments; one argument is split into words again.
	multi
	// needsHook: CONFIG SET refuses a change unless somebody registered OnApply
	// for it, because without that the new value would have no effect.
	needsHook
	// unsupported: only the default is accepted, because the effect does not
	// exist, unless Options.Supported names the directive.
	unsupported
	// cosmetic: accepted, kept and shown, but without effect here, and harmless
	// without; the doc line says why.
	cosmetic
	// hidden: CONFIG GET shows it to who asks for its name, not for a pattern.
	hidden
	// otherDefault: Redis's default is another one, so CONFIG REWRITE writes what
	// CONFIG SET has named also where it is ours.
	otherDefault
	// lineOnly: only lines of a file or the command line have it; CONFIG doesn't
	// know it.
	lineOnly
)

// directive is one entry of the table.
type directive struct {
	name    string   // lower case
	aliases []string // older names, accepted and shown like the name
	value   value
	def     string // default, as in a file
	flags   flags
	doc     string // what it is, unit, what zero means
}

const (
	maxInt   = math.MaxInt32
	maxInt64 = math.MaxInt64
	mb       = 1 << 20
	gb       = 1 << 30
)

// table lists the directives that the server acts on, in the order CONFIG GET
// shows them. inertTable (table_inert.go) lists the rest. To add a directive: a
// field in Settings, an entry here.
var table = []directive{
	// Where the server listens and what it writes.
	{name: "port", def: "6379", flags: needsHook,
		value: integer(0, 65535, func(s *Settings) *int64 { return &s.Port }),
		doc:   "TCP port for clients. 0: do not listen for clients."},
	{name: "bind", def: "* -::*", flags: multi | needsHook,
		value: list{func(s *Settings) *[]string { return &s.Bind }, checkBind},
		doc:   `Addresses to listen on, at most 16; "-" before one: it may be missing; * and ::* are all of IPv4 and IPv6. Empty: none.`},
	{name: "protected-mode", def: "yes",
		value: boolean(func(s *Settings) *bool { return &s.ProtectedMode }),
		doc:   "Refuse clients from other machines while no password is set."},
	{name: "tcp-backlog", def: "511", flags: immutable | cosmetic,
		value: integer(0, maxInt, func(s *Settings) *int64 { return &s.TCPBacklog }),
		doc:   "Pending connections. No effect: the Go runtime takes the system's net.core.somaxconn."},
	{name: "tcp-keepalive", def: "300",
		value: integer(0, maxInt, func(s *Settings) *int64 { return &s.TCPKeepAlive }),
		doc:   "Seconds between keepalive probes on client connections. 0: none."},
	{name: "timeout", def: "0",
		value: integer(0, maxInt, func(s *Settings) *int64 { return &s.Timeout }),
		doc:   "Seconds after which an idle client is closed. 0: never."},
	{name: "maxclients", def: "10000",
		value: integer(1, math.MaxUint32, func(s *Settings) *int64 { return &s.MaxClients }),
		doc:   "Most client connections at a time."},
	{name: "databases", def: "16", flags: immutable,
		value: integer(1, maxInt, func(s *Settings) *int64 { return &s.Databases }),
		doc:   "Number of databases for SELECT. In cluster mode there is one, whatever this says."},
	{name: "requirepass", def: `""`,
		value: text(func(s *Settings) *string { return &s.RequirePass }),
		doc:   "Password of the default user. Empty: none."},
	{name: "user", flags: multi | lineOnly, value: usersValue{},
		doc: "A user and rules, as for ACL SETUSER; one line for each. Not together with aclfile."},
	{name: "aclfile", def: `""`, flags: immutable,
		value: text(func(s *Settings) *string { return &s.ACLFile }),
		doc:   "File of users, read at the start and by ACL LOAD, written by ACL SAVE. Empty: none."},
	{name: "acllog-max-len", def: "128",
		value: integer(0, maxInt64, func(s *Settings) *int64 { return &s.ACLLogMaxLen }),
		doc:   "Entries of ACL LOG."},
	{name: "acl-pubsub-default", def: "resetchannels",
		value: enum(func(s *Settings) *string { return &s.ACLPubSubDefault }, "allchannels", "resetchannels"),
		doc:   "Channels of new users: all or none."},
	{name: "dir", def: "./", flags: protected, value: directory{},
		doc: "Directory of the RDB file and the data; it must exist. Relative paths of other directives start here. CONFIG SET moves all but the data: see quorate-data-dir."},
	{name: "logfile", def: `""`, flags: immutable,
		value: text(func(s *Settings) *string { return &s.LogFile }),
		doc:   "File to log to. Empty: standard output."},
	{name: "loglevel", def: "notice",
		value: enum(func(s *Settings) *string { return &s.LogLevel }, "debug", "verbose", "notice", "warning"),
		doc:   "Least severe level that is logged."},
	{name: "daemonize", def: "no", flags: immutable,
		value: boolean(func(s *Settings) *bool { return &s.Daemonize }),
		doc:   "Run in the background."},
	{name: "pidfile", def: `""`, flags: immutable,
		value: text(func(s *Settings) *string { return &s.PidFile }),
		doc:   "File that holds the process id while the server runs. Empty: none."},

	// Cluster.
	{name: "cluster-enabled", def: "no", flags: immutable,
		value: boolean(func(s *Settings) *bool { return &s.ClusterEnabled }),
		doc:   "Cluster mode: hash slots, MOVED, one database."},
	{name: "cluster-node-timeout", def: "15000",
		value: integer(0, maxInt64, func(s *Settings) *int64 { return &s.ClusterNodeTimeout }),
		doc:   "Milliseconds; scales the election timers, which are 250-300 ms at the default. Low values cause needless elections."},
	{name: "cluster-config-file", def: "nodes.conf", flags: immutable | cosmetic,
		value: text(func(s *Settings) *string { return &s.ClusterConfigFile }),
		doc:   "No effect: the control group's Raft log in dir holds what Redis keeps in this file."},

	// Durability.
	{name: "appendfsync", def: "always", flags: needsHook | otherDefault,
		value: enum(func(s *Settings) *string { return &s.AppendFsync }, "everysec", "always", "no"),
		doc:   "When the Raft log is synced. always: before a write is acknowledged. The others give up that promise for a power failure of a majority."},
	{name: "appendonly", def: "no", flags: needsHook,
		value: boolean(func(s *Settings) *bool { return &s.AppendOnly }),
		doc:   "Keep a copy of the data as append-only files of Redis's kind in appenddirname, in cluster mode of all groups that the node has. Every write is in the Raft log in any case."},
	{name: "appendfilename", def: `"appendonly.aof"`, flags: immutable,
		value: namePart("appendfilename", "filename", func(s *Settings) *string { return &s.AppendFilename }),
		doc:   "What the names of the append-only files begin with."},
	{name: "appenddirname", def: `"appendonlydir"`, flags: immutable,
		value: namePart("appenddirname", "dirname", func(s *Settings) *string { return &s.AppendDirName }),
		doc:   "Directory of the append-only files, in dir."},
	{name: "auto-aof-rewrite-percentage", def: "100",
		value: integer(0, maxInt, func(s *Settings) *int64 { return &s.AOFRewritePercentage }),
		doc:   "By how much the append-only files may grow, compared with the last rewrite, before they are written anew. 0: never."},
	{name: "auto-aof-rewrite-min-size", def: "64mb",
		value: memory(0, maxInt64, func(s *Settings) *int64 { return &s.AOFRewriteMinSize }),
		doc:   "Size of the append-only files, bytes, below which they aren't written anew by themselves."},
	{name: "aof-load-truncated", def: "yes",
		value: boolean(func(s *Settings) *bool { return &s.AOFLoadTruncated }),
		doc:   "Whether a node without data begins with append-only files whose last one ends in the middle of a command."},
	{name: "save", def: "3600 1 300 100 60 10000", flags: multi,
		value: saveValue{},
		doc:   "Pairs of seconds and changes: the RDB file is written after so many of both, and at the end of the process. Empty: never by itself."},
	{name: "dbfilename", def: "dump.rdb", flags: protected,
		value: fileName("dbfilename", func(s *Settings) *string { return &s.DBFilename }),
		doc:   "Name in dir of the RDB file that SAVE, BGSAVE, save points and the end of the process write, in cluster mode with all groups that the node has. A node in plain mode without any state begins with it."},
	{name: "rdbcompression", def: "yes",
		value: boolean(func(s *Settings) *bool { return &s.RDBCompression }),
		doc:   "Compress strings in the RDB file and in that of SYNC. Raft snapshots and DUMP always do."},
	{name: "rdbchecksum", def: "yes", flags: immutable,
		value: boolean(func(s *Settings) *bool { return &s.RDBChecksum }),
		doc:   "Put a checksum at the end of the RDB file and that of SYNC; without, it is zero. Raft snapshots always have one. One that is there is always checked."},
	{name: "stop-writes-on-bgsave-error", def: "yes",
		value: boolean(func(s *Settings) *bool { return &s.StopWritesOnBgsaveError }),
		doc:   "Refuse writes with MISCONF while there are save points and the last RDB file that was written in the background has failed."},

	// Limits on clients.
	{name: "proto-max-bulk-len", def: "512mb",
		value: memory(mb, maxInt64, func(s *Settings) *int64 { return &s.ProtoMaxBulkLen }),
		doc:   "Largest single argument of a command, bytes."},
	{name: "client-query-buffer-limit", def: "1gb",
		value: memory(mb, maxInt64, func(s *Settings) *int64 { return &s.ClientQueryBufferLimit }),
		doc:   "Bytes of unfinished input after which a client is closed."},
	{name: "client-output-buffer-limit", flags: multi,
		def:   "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60",
		value: outputLimits{},
		doc:   "Per class: hard limit, soft limit (bytes), seconds above the soft one, after which a client that does not read is closed. 0: no limit."},
	{name: "repl-ping-replica-period", aliases: []string{"repl-ping-slave-period"}, def: "10",
		value: integer(1, maxInt, func(s *Settings) *int64 { return &s.ReplPingReplicaPeriod }),
		doc:   "Seconds between the PINGs in the stream of those that sent SYNC."},
	{name: "notify-keyspace-events", def: `""`,
		value: events(func(s *Settings) *string { return &s.NotifyKeyspaceEvents }),
		doc:   "Classes of keyspace events that are published, and K and E for how. Empty: none."},
	{name: "tracking-table-max-keys", def: "1000000",
		value: integer(0, maxInt64, func(s *Settings) *int64 { return &s.TrackingTableMaxKeys }),
		doc:   "Keys remembered for CLIENT TRACKING; beyond them clients are told to forget some. 0: no bound."},
	{name: "slowlog-log-slower-than", def: "10000",
		value: integer(-1, maxInt64, func(s *Settings) *int64 { return &s.SlowlogLogSlowerThan }),
		doc:   "Microseconds from which a command enters the slow log. 0: every command, -1: none."},
	{name: "slowlog-max-len", def: "128",
		value: integer(0, maxInt64, func(s *Settings) *int64 { return &s.SlowlogMaxLen }),
		doc:   "Entries the slow log keeps. 0: none."},
	{name: "lua-time-limit", aliases: []string{"busy-reply-threshold"}, def: "5000",
		value: integer(0, maxInt64, func(s *Settings) *int64 { return &s.LuaTimeLimit }),
		doc:   "Milliseconds a script runs before other commands are told BUSY. It ends by the number of its steps."},
	{name: "latency-monitor-threshold", def: "0",
		value: integer(0, maxInt64, func(s *Settings) *int64 { return &s.LatencyMonitorThreshold }),
		doc:   "Milliseconds from which LATENCY records what a command took. 0: off."},

	// Memory.
	{name: "maxmemory", def: "0",
		value: memory(0, maxInt64, func(s *Settings) *int64 { return &s.MaxMemory }),
		doc:   "Bytes of data, by used_memory, from which each group evicts keys or refuses writes. 0: no limit."},
	{name: "maxmemory-policy", def: "noeviction",
		value: enum(func(s *Settings) *string { return &s.MaxMemoryPolicy }, "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
			"allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction"),
		doc: "What is evicted when maxmemory is reached."},
	{name: "min-replicas-to-write", aliases: []string{"min-slaves-to-write"}, def: "0",
		value: integer(0, maxInt, func(s *Settings) *int64 { return &s.MinReplicasToWrite }),
		doc:   "Other replicas of a group that must answer its leader for writes to be taken, beyond the majority that has each of them anyway."},
	{name: "min-replicas-max-lag", aliases: []string{"min-slaves-max-lag"}, def: "10",
		value: integer(0, maxInt, func(s *Settings) *int64 { return &s.MinReplicasMaxLag }),
		doc:   "Seconds within which a replica must have answered for min-replicas-to-write. 0 turns that off."},
	{name: "maxmemory-samples", def: "5",
		value: integer(1, maxInt, func(s *Settings) *int64 { return &s.MaxMemorySamples }),
		doc:   "Keys looked at for one to evict."},
	{name: "maxmemory-eviction-tenacity", def: "10",
		value: integer(0, 100, func(s *Settings) *int64 { return &s.MaxMemoryTenacity }),
		doc:   "How much is evicted at once: a hundred keys for each step."},
	{name: "lfu-log-factor", def: "10",
		value: integer(0, maxInt, func(s *Settings) *int64 { return &s.LFULogFactor }),
		doc:   "How slowly counters of accesses grow under an LFU policy."},
	{name: "lfu-decay-time", def: "1",
		value: integer(0, maxInt, func(s *Settings) *int64 { return &s.LFUDecayTime }),
		doc:   "Minutes after which a counter of accesses loses one. 0: never."},

	// Encodings of small values.
	{name: "hash-max-listpack-entries", aliases: []string{"hash-max-ziplist-entries"}, def: "512",
		value: integer(0, maxInt64, func(s *Settings) *int64 { return &s.HashMaxListpackEntries }),
		doc:   "Most fields of a compact hash."},
	{name: "hash-max-listpack-value", aliases: []string{"hash-max-ziplist-value"}, def: "64",
		value: memory(0, maxInt64, func(s *Settings) *int64 { return &s.HashMaxListpackValue }),
		doc:   "Longest field or value of a compact hash, bytes."},
	{name: "list-max-listpack-size", aliases: []string{"list-max-ziplist-size"}, def: "-2",
		value: integer(math.MinInt32, maxInt, func(s *Settings) *int64 { return &s.ListMaxListpackSize }),
		doc:   "Size of one piece of a list: elements, or -1 to -5 for 4, 8, 16, 32, 64 kb."},
	{name: "list-compress-depth", def: "0", flags: cosmetic,
		value: integer(0, maxInt, func(s *Settings) *int64 { return &s.ListCompressDepth }),
		doc:   "Pieces at each end of a list left uncompressed. No effect: lists are not compressed, only memory use differs."},
	{name: "set-max-intset-entries", def: "512",
		value: integer(0, maxInt64, func(s *Settings) *int64 { return &s.SetMaxIntsetEntries }),
		doc:   "Most members of a set of integers in compact form."},
	{name: "zset-max-listpack-entries", aliases: []string{"zset-max-ziplist-entries"}, def: "128",
		value: integer(0, maxInt64, func(s *Settings) *int64 { return &s.ZSetMaxListpackEntries }),
		doc:   "Most members of a compact sorted set."},
	{name: "zset-max-listpack-value", aliases: []string{"zset-max-ziplist-value"}, def: "64",
		value: memory(0, maxInt64, func(s *Settings) *int64 { return &s.ZSetMaxListpackValue }),
		doc:   "Longest member of a compact sorted set, bytes."},
	{name: "stream-node-max-bytes", def: "4096",
		value: memory(0, maxInt64, func(s *Settings) *int64 { return &s.StreamNodeMaxBytes }),
		doc:   "Bytes from which a node of a stream takes no further entry. 0: no limit."},
	{name: "stream-node-max-entries", def: "100",
		value: integer(0, maxInt64, func(s *Settings) *int64 { return &s.StreamNodeMaxEntries }),
		doc:   "Most entries of a node of a stream. 0: no limit."},
	{name: "hll-sparse-max-bytes", def: "3000",
		value: memory(0, maxInt64, func(s *Settings) *int64 { return &s.HLLSparseMaxBytes }),
		doc:   "Longest HyperLogLog in sparse form, bytes."},

	// Who may do what.
	{name: "enable-debug-command", def: "no", flags: immutable,
		value: enum(func(s *Settings) *string { return &s.EnableDebugCommand }, "no", "yes", "local"),
		doc:   "Who may use DEBUG; local: clients on a loopback address."},
	{name: "enable-module-command", def: "no", flags: immutable,
		value: enum(func(s *Settings) *string { return &s.EnableModuleCommand }, "no", "yes", "local"),
		doc:   "Who may use MODULE."},
	{name: "enable-protected-configs", def: "no", flags: immutable,
		value: enum(func(s *Settings) *string { return &s.EnableProtectedConfigs }, "no", "yes", "local"),
		doc:   "Who may change protected directives with CONFIG SET."},

	// Quorate's own.
	{name: "quorate-data-dir", def: `""`, flags: immutable,
		value: text(func(s *Settings) *string { return &s.DataDir }),
		doc:   "Directory of the Raft log and its snapshots. Empty: quorate-data in dir. It stays where it is when CONFIG SET moves dir; CONFIG REWRITE writes it down then."},
	{name: "quorate-initial-nodes", def: `""`, flags: immutable | multi,
		value: list{func(s *Settings) *[]string { return &s.InitialNodes }, checkNodes},
		doc:   "Client addresses (host:port) of all nodes that form a new cluster together, the same list on each. Empty: none, the node starts alone. Read only while the data directory is empty."},
	{name: "quorate-initial-groups", def: "0", flags: immutable,
		value: integer(0, 16384, func(s *Settings) *int64 { return &s.InitialGroups }),
		doc:   "Number of groups that a new cluster divides the slots among. 0: one for each node, so that each leads one. Each costs some CPU when idle."},
	{name: "quorate-peer-port", def: "0", flags: immutable,
		value: integer(0, 65535, func(s *Settings) *int64 { return &s.PeerPort }),
		doc:   "TCP port for links between nodes. 0: the client port plus 10000."},
	{name: "quorate-metrics-port", def: "-1", flags: immutable,
		value: integer(-1, 65535, func(s *Settings) *int64 { return &s.MetricsPort }),
		doc:   "TCP port of the metrics page. 0: off. -1: the client port plus 20000, off when that is above 65535."},
	{name: "quorate-snapshot-log-bytes", def: "64mb",
		value: memory(mb, maxInt64, func(s *Settings) *int64 { return &s.SnapshotLogSize }),
		doc:   "Bytes of log since the last snapshot of a group after which the next is taken, or as many as that snapshot has if these are more. High values make restarts slow, low ones write the data often."},
	{name: "quorate-log-store", def: "shared", flags: immutable,
		value: enum(func(s *Settings) *string { return &s.LogStore }, "shared", "boltdb"),
		doc:   "How the Raft log is stored. shared: one log for all groups of the node; boltdb: one file for each, always synced. A node keeps the kind it began with; \"quorate log migrate\" moves it."},
	{name: "quorate-gather-max-us", def: "5000",
		value: integer(0, 1_000_000, func(s *Settings) *int64 { return &s.GatherMax }),
		doc:   "Microseconds a log entry waits at most for the clients of the last one, and never longer than twice what that one took, four times where most clients read and processors are short. 0: does not wait."},
	{name: "quorate-max-entry-bytes", def: "1mb",
		value: memory(4096, 64*mb, func(s *Settings) *int64 { return &s.MaxEntrySize }),
		doc:   "Bytes after which a log entry takes no further command. One command may be larger."},
	{name: "quorate-disk-watchdog-ms", def: "10000",
		value: integer(0, maxInt, func(s *Settings) *int64 { return &s.DiskWatchdog }),
		doc:   "Milliseconds after which a hanging disk sync ends the process, so that another node leads. 0: never; a leader with a hung disk then leads for ever."},
	{name: "quorate-min-free-bytes", def: "64mb",
		value: memory(0, maxInt64, func(s *Settings) *int64 { return &s.MinFreeSize }),
		doc:   "Free bytes on the disk of dir below which writes are refused. 0: no reserve; a full disk ends the process."},
}
