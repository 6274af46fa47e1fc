package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Shapes of directives that nothing reads.
func inertBool(name string) value {
	return inert{name: name, parse: func(arg string) (string, error) {
		b, err := parseBool(arg)
		return formatBool(b), err
	}}
}

func inertInt(name string, min, max int64) value {
	return inert{name: name, parse: canonicalInt(intParser(min, max))}
}

func inertMemory(name string) value {
	return inert{name: name, parse: canonicalInt(memoryParser(0, math.MaxInt64))}
}

// inertPercent is a number of bytes or, with a percent sign, a share of maxmemory.
func inertPercent(name string) value {
	bytes := canonicalInt(memoryParser(0, math.MaxInt64))
	return inert{name: name, parse: func(arg string) (string, error) {
		number, percent := strings.CutSuffix(arg, "%")
		if !percent {
			n, err := bytes(arg)
			if errors.Is(err, errNotMemory) {
				err = errNotPercent
			}
			return n, err
		}
		n, err := strconv.ParseUint(number, 10, 63)
		if err != nil {
			return "", errNotPercent
		}
		if n > 100 {
			return "", errAboveAll
		}
		return strconv.FormatUint(n, 10) + "%", nil
	}}
}

// Error texts of Redis 7.0 for sizes that may be percentages.
var (
	errNotPercent = errors.New("argument must be a memory or percent value")
	errAboveAll   = errors.New("percentage argument must be less or equal to 100")
)

func canonicalInt(parse func(string) (int64, error)) func(string) (string, error) {
	return func(arg string) (string, error) {
		n, err := parse(arg)
		return formatInt(n), err
	}
}

func inertEnum(name string, words ...string) value {
	return inert{name: name, parse: enumParser(words...)}
}

func inertText(name string) value {
	return inert{name: name, parse: anyText, quote: true}
}

// inertTable lists what the redis.conf files of Redis 6.2 and 7.0 set, so that
// they load unchanged, and that nothing here reads. Directives marked cosmetic
// take every value Redis takes: they tune how Redis works inside, or ask for
// what always holds here. Those marked unsupported take only the default.
var inertTable = []directive{
	{name: "always-show-logo", def: "no", flags: immutable | cosmetic, value: inertBool("always-show-logo"),
		doc: "No effect: there is no logo."},
	{name: "set-proc-title", def: "yes", flags: immutable | cosmetic, value: inertBool("set-proc-title"),
		doc: "No effect: the process title is left alone."},
	{name: "proc-title-template", def: `"{title} {listen-addr} {server-mode}"`, flags: cosmetic, value: inertText("proc-title-template"),
		doc: "No effect: the process title is left alone."},
	{name: "supervised", def: "no", flags: immutable | unsupported, value: inertEnum("supervised", "upstart", "systemd", "auto", "no"),
		doc: "Supervision protocol."},
	{name: "hz", def: "10", flags: cosmetic, value: inertInt("hz", 0, maxInt),
		doc: "No effect: background work has no fixed frequency."},
	{name: "dynamic-hz", def: "yes", flags: cosmetic, value: inertBool("dynamic-hz"),
		doc: "No effect, see hz."},
	{name: "io-threads", def: "1", flags: immutable | cosmetic, value: inertInt("io-threads", 1, 128),
		doc: "No effect: connections are always served on all cores."},
	{name: "io-threads-do-reads", def: "no", flags: immutable | cosmetic, value: inertBool("io-threads-do-reads"),
		doc: "No effect, see io-threads."},
	{name: "disable-thp", def: "yes", flags: immutable | cosmetic, value: inertBool("disable-thp"),
		doc: "No effect: the Go runtime decides about huge pages."},
	{name: "jemalloc-bg-thread", def: "yes", flags: cosmetic, value: inertBool("jemalloc-bg-thread"),
		doc: "No effect: there is no jemalloc."},
	{name: "activerehashing", def: "yes", flags: cosmetic, value: inertBool("activerehashing"),
		doc: "No effect: tables grow in steps anyway."},
	{name: "activedefrag", def: "no", flags: cosmetic, value: inertBool("activedefrag"),
		doc: "No effect: the garbage collector frees memory."},
	{name: "oom-score-adj", def: "no", flags: unsupported, value: inertEnum("oom-score-adj", "no", "yes", "relative", "absolute"),
		doc: "Change the kernel's out-of-memory score of the process."},
	{name: "oom-score-adj-values", def: "0 200 800", flags: multi | cosmetic,
		value: inert{name: "oom-score-adj-values", words: 3, parse: canonicalInt(intParser(-2000, 2000))},
		doc:   "No effect while oom-score-adj is no."},
	{name: "sanitize-dump-payload", def: "no", flags: cosmetic, value: inertEnum("sanitize-dump-payload", "no", "yes", "clients"),
		doc: "No effect: payloads are always checked in full."},

	// Memory limits.
	{name: "maxmemory-clients", def: "0", flags: cosmetic, value: inertPercent("maxmemory-clients"),
		doc: "No effect: clients have limits of their own, see client-query-buffer-limit and client-output-buffer-limit."},
	{name: "replica-ignore-maxmemory", aliases: []string{"slave-ignore-maxmemory"}, def: "yes", flags: cosmetic, value: inertBool("replica-ignore-maxmemory"),
		doc: "No effect: only the leader of a group evicts."},
	{name: "lazyfree-lazy-eviction", def: "no", flags: cosmetic, value: inertBool("lazyfree-lazy-eviction"),
		doc: "No effect: freeing is the garbage collector's work, never a client's wait."},
	{name: "lazyfree-lazy-expire", def: "no", flags: cosmetic, value: inertBool("lazyfree-lazy-expire"),
		doc: "No effect, see lazyfree-lazy-eviction."},
	{name: "lazyfree-lazy-server-del", def: "no", flags: cosmetic, value: inertBool("lazyfree-lazy-server-del"),
		doc: "No effect, see lazyfree-lazy-eviction."},
	{name: "lazyfree-lazy-user-del", def: "no", flags: cosmetic, value: inertBool("lazyfree-lazy-user-del"),
		doc: "No effect, see lazyfree-lazy-eviction."},
	{name: "lazyfree-lazy-user-flush", def: "no", flags: cosmetic, value: inertBool("lazyfree-lazy-user-flush"),
		doc: "No effect, see lazyfree-lazy-eviction."},

	// RDB and AOF files, whose place snapshots and the Raft log take.
	{name: "rdb-del-sync-files", def: "no", flags: cosmetic, value: inertBool("rdb-del-sync-files"),
		doc: "No effect: no such files are left."},
	{name: "rdb-save-incremental-fsync", def: "yes", flags: cosmetic, value: inertBool("rdb-save-incremental-fsync"),
		doc: "No effect: a hint about disk writes."},
	{name: "no-appendfsync-on-rewrite", def: "no", flags: cosmetic, value: inertBool("no-appendfsync-on-rewrite"),
		doc: "No effect: the Raft log is synced as appendfsync says whatever else is written."},
	{name: "aof-use-rdb-preamble", def: "yes", flags: cosmetic, value: inertBool("aof-use-rdb-preamble"),
		doc: "No effect: the base of the append-only files is an RDB file."},
	{name: "aof-timestamp-enabled", def: "no", flags: cosmetic, value: inertBool("aof-timestamp-enabled"),
		doc: "No effect: every log entry carries its time."},
	{name: "aof-rewrite-incremental-fsync", def: "yes", flags: cosmetic, value: inertBool("aof-rewrite-incremental-fsync"),
		doc: "No effect: a hint about disk writes."},

	// Replication and cluster, whose place Raft takes.
	{name: "replica-serve-stale-data", aliases: []string{"slave-serve-stale-data"}, def: "yes", flags: cosmetic, value: inertBool("replica-serve-stale-data"),
		doc: "No effect: stale data is served to clients that sent READONLY, to no others."},
	{name: "replica-read-only", aliases: []string{"slave-read-only"}, def: "yes", flags: unsupported, value: inertBool("replica-read-only"),
		doc: "Replicas take no writes of their own."},
	{name: "replica-priority", aliases: []string{"slave-priority"}, def: "100", flags: unsupported, value: inertInt("replica-priority", 0, maxInt),
		doc: "Preference when a new leader is chosen."},
	{name: "replica-lazy-flush", aliases: []string{"slave-lazy-flush"}, def: "no", flags: cosmetic, value: inertBool("replica-lazy-flush"),
		doc: "No effect: a restored snapshot replaces the data at once."},
	{name: "repl-timeout", def: "60", flags: cosmetic, value: inertInt("repl-timeout", 1, maxInt),
		doc: "No effect: cluster-node-timeout scales Raft's timers."},
	{name: "repl-diskless-sync", def: "yes", flags: cosmetic, value: inertBool("repl-diskless-sync"),
		doc: "No effect: Raft copies snapshots."},
	{name: "repl-diskless-sync-delay", def: "5", flags: cosmetic, value: inertInt("repl-diskless-sync-delay", 0, maxInt),
		doc: "No effect: Raft copies snapshots."},
	{name: "repl-diskless-sync-max-replicas", def: "0", flags: cosmetic, value: inertInt("repl-diskless-sync-max-replicas", 0, maxInt),
		doc: "No effect: Raft copies snapshots."},
	{name: "repl-diskless-load", def: "disabled", flags: cosmetic, value: inertEnum("repl-diskless-load", "disabled", "on-empty-db", "swapdb"),
		doc: "No effect: a snapshot is complete on disk before it is loaded."},
	{name: "repl-disable-tcp-nodelay", def: "no", flags: cosmetic, value: inertBool("repl-disable-tcp-nodelay"),
		doc: "No effect: writes wait for these links, so they never delay."},
	{name: "repl-backlog-size", def: "1mb", flags: cosmetic, value: inertMemory("repl-backlog-size"),
		doc: "No effect: the Raft log is the backlog."},
	{name: "repl-backlog-ttl", def: "3600", flags: cosmetic, value: inertInt("repl-backlog-ttl", 0, maxInt64),
		doc: "No effect: the Raft log is the backlog."},
	{name: "cluster-require-full-coverage", def: "yes", flags: unsupported, value: inertBool("cluster-require-full-coverage"),
		doc: "Refuse all commands while some slot has no owner."},
	{name: "cluster-allow-reads-when-down", def: "no", flags: unsupported, value: inertBool("cluster-allow-reads-when-down"),
		doc: "Serve reads without a quorum."},
	{name: "cluster-replica-validity-factor", aliases: []string{"cluster-slave-validity-factor"}, def: "10", flags: cosmetic,
		value: inertInt("cluster-replica-validity-factor", 0, maxInt),
		doc:   "No effect: only a replica with every acknowledged write can become leader."},
	{name: "cluster-migration-barrier", def: "1", flags: cosmetic, value: inertInt("cluster-migration-barrier", 0, maxInt),
		doc: "No effect: replicas do not migrate by themselves."},
}
