package config

import (
	"errors"
	"strconv"
	"strings"
)

// redisTable lists the directives of Redis 7.0 that its own redis.conf doesn't
// set, so that CONFIG GET shows them and what it shows can be set. Nothing here
// reads them.
var redisTable = []directive{
	// Passwords of other servers.
	{name: "masterauth", def: `""`, flags: cosmetic, value: inertText("masterauth"),
		doc: "No effect: the members of a group know each other by the cluster's secrets."},
	{name: "masteruser", def: `""`, flags: cosmetic, value: inertText("masteruser"), doc: "No effect, see masterauth."},

	// Redis's allocator, files and processes.
	{name: "active-defrag-cycle-max", def: "25", flags: cosmetic, value: inertInt("active-defrag-cycle-max", 1, 99), doc: noDefrag},
	{name: "active-defrag-cycle-min", def: "1", flags: cosmetic, value: inertInt("active-defrag-cycle-min", 1, 99), doc: noDefrag},
	{name: "active-defrag-ignore-bytes", def: "100mb", flags: cosmetic, value: inertMemory("active-defrag-ignore-bytes"), doc: noDefrag},
	{name: "active-defrag-max-scan-fields", def: "1000", flags: cosmetic, value: inertInt("active-defrag-max-scan-fields", 1, maxInt64), doc: noDefrag},
	{name: "active-defrag-threshold-lower", def: "10", flags: cosmetic, value: inertInt("active-defrag-threshold-lower", 0, 1000), doc: noDefrag},
	{name: "active-defrag-threshold-upper", def: "100", flags: cosmetic, value: inertInt("active-defrag-threshold-upper", 0, 1000), doc: noDefrag},
	{name: "active-expire-effort", def: "1", flags: cosmetic, value: inertInt("active-expire-effort", 1, 10),
		doc: "No effect: the leader deletes expired keys as they are due."},
	{name: "aof-disable-auto-gc", def: "no", flags: cosmetic, value: inertBool("aof-disable-auto-gc"), doc: "No effect: the log is cut after snapshots."},
	{name: "server_cpulist", def: `""`, flags: immutable | cosmetic, value: inertText("server_cpulist"), doc: noPinning},
	{name: "bio_cpulist", def: `""`, flags: immutable | cosmetic, value: inertText("bio_cpulist"), doc: noPinning},
	{name: "aof_rewrite_cpulist", def: `""`, flags: immutable | cosmetic, value: inertText("aof_rewrite_cpulist"), doc: noPinning},
	{name: "bgsave_cpulist", def: `""`, flags: immutable | cosmetic, value: inertText("bgsave_cpulist"), doc: noPinning},
	{name: "crash-log-enabled", def: "yes", flags: cosmetic, value: inertBool("crash-log-enabled"), doc: "No effect: the Go runtime writes its own report."},
	{name: "crash-memcheck-enabled", def: "yes", flags: cosmetic, value: inertBool("crash-memcheck-enabled"), doc: "No effect: memory is not tested."},
	{name: "ignore-warnings", def: `""`, flags: cosmetic, value: inertText("ignore-warnings"), doc: "No effect: there are no such warnings."},
	{name: "latency-tracking", def: "yes", flags: cosmetic, value: inertBool("latency-tracking"), doc: "No effect: histograms are always kept."},
	{name: "latency-tracking-info-percentiles", def: `"50 99 99.9"`, flags: cosmetic,
		value: inert{name: "latency-tracking-info-percentiles", parse: percentiles, quote: true},
		doc:   "No effect: INFO has no section with percentiles."},
	{name: "propagation-error-behavior", def: "ignore", flags: cosmetic,
		value: inertEnum("propagation-error-behavior", "ignore", "panic", "panic-on-replicas"),
		doc:   "No effect: a replica whose state differs stops."},
	{name: "shutdown-on-sigint", def: "default", flags: cosmetic,
		value: inert{name: "shutdown-on-sigint", parse: shutdownFlags, quote: true}, doc: noSave},
	{name: "shutdown-on-sigterm", def: "default", flags: cosmetic,
		value: inert{name: "shutdown-on-sigterm", parse: shutdownFlags, quote: true}, doc: noSave},
	{name: "shutdown-timeout", def: "10", flags: cosmetic, value: inertInt("shutdown-timeout", 0, maxInt), doc: "No effect: leadership is handed over first."},
	{name: "syslog-enabled", def: "no", flags: immutable | unsupported, value: inertBool("syslog-enabled"), doc: "Log to syslog."},
	{name: "syslog-facility", def: "local0", flags: immutable | cosmetic,
		value: inertEnum("syslog-facility", "user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"),
		doc:   "No effect, see syslog-enabled."},
	{name: "syslog-ident", def: "redis", flags: immutable | cosmetic, value: inertText("syslog-ident"), doc: "No effect, see syslog-enabled."},

	{name: "key-load-delay", def: "0", flags: cosmetic | hidden, value: inertInt("key-load-delay", -maxInt-1, maxInt),
		doc: "No effect: clients are answered all the time while data is loaded."},
	{name: "loading-process-events-interval-bytes", def: "2097152", flags: cosmetic | hidden,
		value: inertInt("loading-process-events-interval-bytes", 1024, maxInt), doc: "No effect: nothing is served before all is loaded."},
	{name: "rdb-key-save-delay", def: "0", flags: cosmetic | hidden, value: inertInt("rdb-key-save-delay", -maxInt-1, maxInt),
		doc: "No effect: no write waits for a snapshot, so slow ones show nothing."},

	// Sockets.
	{name: "bind-source-addr", def: `""`, flags: unsupported, value: inertText("bind-source-addr"), doc: "Address that connections to other nodes come from."},
	{name: "socket-mark-id", def: "0", flags: immutable | unsupported, value: inertInt("socket-mark-id", 0, 1<<32-1), doc: "Mark of sockets."},
	{name: "unixsocket", def: `""`, flags: immutable | unsupported, value: inertText("unixsocket"), doc: "Path of a socket for clients."},
	{name: "unixsocketperm", def: "0", flags: immutable | unsupported, value: inert{name: "unixsocketperm", parse: octal}, doc: "Permissions of unixsocket."},

	// Cluster and replicas.
	{name: "cluster-allow-pubsubshard-when-down", def: "yes", flags: cosmetic, value: inertBool("cluster-allow-pubsubshard-when-down"),
		doc: "No effect: messages need no quorum."},
	{name: "cluster-allow-replica-migration", def: "yes", flags: cosmetic, value: inertBool("cluster-allow-replica-migration"),
		doc: "No effect: replicas do not migrate by themselves."},
	{name: "cluster-announce-bus-port", def: "0", flags: unsupported, value: inertInt("cluster-announce-bus-port", 0, 65535), doc: announce},
	{name: "cluster-announce-hostname", def: `""`, flags: unsupported, value: inertText("cluster-announce-hostname"), doc: announce},
	{name: "cluster-announce-ip", def: `""`, flags: unsupported, value: inertText("cluster-announce-ip"), doc: announce},
	{name: "cluster-announce-port", def: "0", flags: unsupported, value: inertInt("cluster-announce-port", 0, 65535), doc: announce},
	{name: "cluster-announce-tls-port", def: "0", flags: unsupported, value: inertInt("cluster-announce-tls-port", 0, 65535), doc: announce},
	{name: "cluster-link-sendbuf-limit", def: "0", flags: cosmetic, value: inertMemory("cluster-link-sendbuf-limit"),
		doc: "No effect: links between nodes have bounds of their own."},
	{name: "cluster-port", def: "0", flags: immutable | unsupported, value: inertInt("cluster-port", 0, 65535), doc: "See quorate-peer-port."},
	{name: "cluster-preferred-endpoint-type", def: "ip", flags: unsupported,
		value: inertEnum("cluster-preferred-endpoint-type", "ip", "hostname", "unknown-endpoint"), doc: "What redirections name."},
	{name: "cluster-replica-no-failover", aliases: []string{"cluster-slave-no-failover"}, def: "no", flags: unsupported,
		value: inertBool("cluster-replica-no-failover"), doc: "Keep this node from leading."},
	{name: "replica-announce-ip", aliases: []string{"slave-announce-ip"}, def: `""`, flags: cosmetic, value: inertText("replica-announce-ip"), doc: noReplicas},
	{name: "replica-announce-port", aliases: []string{"slave-announce-port"}, def: "0", flags: cosmetic, value: inertInt("replica-announce-port", 0, 65535), doc: noReplicas},
	{name: "replica-announced", def: "yes", flags: cosmetic, value: inertBool("replica-announced"), doc: noReplicas},
	{name: "replica-ignore-disk-write-errors", def: "no", flags: cosmetic, value: inertBool("replica-ignore-disk-write-errors"),
		doc: "No effect: a node whose disk fails stops."},
	{name: "replicaof", aliases: []string{"slaveof"}, def: `""`, flags: immutable | unsupported, value: inertText("replicaof"), doc: noReplicas},

	// TLS for clients.
	{name: "tls-port", def: "0", flags: unsupported, value: inertInt("tls-port", 0, 65535), doc: "Port for clients with TLS."},
	{name: "tls-cluster", def: "no", flags: unsupported, value: inertBool("tls-cluster"), doc: "TLS between nodes."},
	{name: "tls-replication", def: "no", flags: unsupported, value: inertBool("tls-replication"), doc: "TLS between nodes."},
	{name: "tls-auth-clients", def: "yes", flags: cosmetic, value: inertEnum("tls-auth-clients", "no", "yes", "optional"), doc: noTLS},
	{name: "tls-ca-cert-dir", def: `""`, flags: unsupported, value: inertText("tls-ca-cert-dir"), doc: noTLS},
	{name: "tls-ca-cert-file", def: `""`, flags: unsupported, value: inertText("tls-ca-cert-file"), doc: noTLS},
	{name: "tls-cert-file", def: `""`, flags: unsupported, value: inertText("tls-cert-file"), doc: noTLS},
	{name: "tls-ciphers", def: `""`, flags: unsupported, value: inertText("tls-ciphers"), doc: noTLS},
	{name: "tls-ciphersuites", def: `""`, flags: unsupported, value: inertText("tls-ciphersuites"), doc: noTLS},
	{name: "tls-client-cert-file", def: `""`, flags: unsupported, value: inertText("tls-client-cert-file"), doc: noTLS},
	{name: "tls-client-key-file", def: `""`, flags: unsupported, value: inertText("tls-client-key-file"), doc: noTLS},
	{name: "tls-client-key-file-pass", def: `""`, flags: unsupported, value: inertText("tls-client-key-file-pass"), doc: noTLS},
	{name: "tls-dh-params-file", def: `""`, flags: unsupported, value: inertText("tls-dh-params-file"), doc: noTLS},
	{name: "tls-key-file", def: `""`, flags: unsupported, value: inertText("tls-key-file"), doc: noTLS},
	{name: "tls-key-file-pass", def: `""`, flags: unsupported, value: inertText("tls-key-file-pass"), doc: noTLS},
	{name: "tls-prefer-server-ciphers", def: "no", flags: cosmetic, value: inertBool("tls-prefer-server-ciphers"), doc: noTLS},
	{name: "tls-protocols", def: `""`, flags: unsupported, value: inertText("tls-protocols"), doc: noTLS},
	{name: "tls-session-cache-size", def: "20480", flags: cosmetic, value: inertInt("tls-session-cache-size", 0, maxInt), doc: noTLS},
	{name: "tls-session-cache-timeout", def: "300", flags: cosmetic, value: inertInt("tls-session-cache-timeout", 0, maxInt), doc: noTLS},
	{name: "tls-session-caching", def: "yes", flags: cosmetic, value: inertBool("tls-session-caching"), doc: noTLS},
}

const (
	noDefrag   = "No effect: Go's allocator has no such thing."
	noPinning  = "No effect: the process runs on the cores that it is given."
	noSave     = "No effect: a signal hands leadership over and stops; all that was acknowledged is in the log."
	noReplicas = "No effect: replicas are the members of a Raft group."
	announce   = "What other nodes and clients are told of this node. Default: where it listens."
	noTLS      = "No effect while tls-port is 0."
)

var (
	errPercentiles = errors.New("Invalid latency-tracking-info-percentiles parameters")
	errOctal       = errors.New("argument couldn't be parsed into an integer")
)

func percentiles(arg string) (string, error) {
	for _, w := range strings.Fields(arg) {
		f, err := strconv.ParseFloat(w, 64)
		if err != nil || !(f >= 0 && f <= 100) {
			return "", errPercentiles
		}
	}
	return strings.Join(strings.Fields(arg), " "), nil
}

func octal(arg string) (string, error) {
	n, err := strconv.ParseUint(arg, 8, 32)
	if err != nil || n > 0o777 {
		return "", errOctal
	}
	return strconv.FormatUint(n, 8), nil
}

// shutdownFlags are default alone or any of the others, in Redis's order.
func shutdownFlags(arg string) (string, error) {
	parse := enumParser("default", "save", "nosave", "now", "force")
	given := map[string]bool{}
	for _, w := range strings.Fields(arg) {
		name, err := parse(w)
		if err != nil {
			return "", err
		}
		given[name] = true
	}
	delete(given, "default")
	if given["save"] && given["nosave"] {
		_, err := parse("")
		return "", err
	}
	var out []string
	for _, name := range []string{"save", "nosave", "now", "force"} {
		if given[name] {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return "default", nil
	}
	return strings.Join(out, " "), nil
}
