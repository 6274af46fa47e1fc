package compat

import (
	"strconv"
	"strings"
)

// The server and the connection: commands about commands, settings, objects
// and clients, as far as they answer the same at any moment. Left out is what
// depends on the process (INFO, CLIENT INFO, MEMORY USAGE), what changes the
// protocol of a connection or stops its replies, and texts of one's own (HELP,
// COMMAND DOCS).
func init() {
	const (
		name = "(GET|SET|set|MGET|Lpush|BLMOVE|XADD|XREADGROUP|ZUNIONSTORE|EVAL|SORT|BITOP|OBJECT|CLIENT|CONFIG|MIGRATE|GEORADIUS|LMPOP|SINTERCARD|COPY|FCALL|DISCARD|HELLO|SUBSCRIBE|client|list|client|x|nosuch)"
		cat  = "(keyspace|read|write|set|sortedset|list|hash|string|bitmap|hyperloglog|geo|stream|pubsub|fast|blocking|connection|transaction|scripting|nosuch)"
		size = "(hash-max-listpack-entries|hash-max-ziplist-value|zset-max-listpack-entries|zset-max-ziplist-value|set-max-intset-entries|list-max-listpack-size|hash-max-listpack-value)"
	)
	templates["server"] = []string{
		"OBJECT REFCOUNT (string:0|string:1|hash:0|list:0|set:0|zset:0|nokey)", "OBJECT FREQ %a", "OBJECT (ENCODING|REFCOUNT|IDLETIME|FREQ) %a %a", "OBJECT (ENCODING|REFCOUNT|IDLETIME|FREQ)",
		"OBJECT IDLETIME (nokey|nosuch)", "OBJECT ENCODING %a",
		"COMMAND COUNT [x]", "COMMAND INFO <" + name + ">", "COMMAND INFO <%sub>",
		"COMMAND LIST FILTERBY (ACLCAT " + cat + "|MODULE nosuch|PATTERN (b*|h*set|x?dd|config*|[g-k]*)|NOSUCH x)", "COMMAND LIST (FILTERBY|x)", "COMMAND NOSUCH",
		"COMMAND GETKEYS SET %k %v", "COMMAND GETKEYS MSET <%k %v>", "COMMAND GETKEYS (EVAL|FCALL) %v %#", "COMMAND GETKEYS ZUNIONSTORE %k %# [WEIGHTS %w]",
		"COMMAND GETKEYS XREAD [COUNT 2] STREAMS %k %k 0 0", "COMMAND GETKEYS XREADGROUP GROUP %G %C STREAMS %k %N", "COMMAND GETKEYS MIGRATE host 1 (k|%k) 0 1 [COPY] [KEYS %k %k]",
		"COMMAND GETKEYS LMPOP %# LEFT", "COMMAND GETKEYS BZMPOP 0 %# MIN", "COMMAND GETKEYS BITOP AND <%k>", "COMMAND GETKEYS " + name + " <%a>", "COMMAND GETKEYS",
		"COMMAND GETKEYSANDFLAGS " + name + " <%a>", "COMMAND GETKEYSANDFLAGS SET %k %v [GET|NX]", "COMMAND GETKEYSANDFLAGS BITFIELD %k (GET|SET) u8 0 [1]", "COMMAND GETKEYSANDFLAGS COPY %k %k",
		"CONFIG GET " + size, "CONFIG GET (hash-max-*|*-max-listpack-*|zset-*|list-*|databases|proto-max-bulk-len|stream-node-*|hll-*|lua-time-limit|slowlog-*|nosuch)", "CONFIG GET maxmemory (maxmemory-samples|maxmemory*)",
		"CONFIG SET " + size + " (1|2|3|5|128|512)", "CONFIG SET " + size + " (1|4|64) " + size + " (2|5|512)", "CONFIG SET list-max-listpack-size (-1|-2|-5|1|4|128)",
		"CONFIG SET (nosuch|databases|maxmemory-policy|" + size + ") (x|nosuch|%i)", "CONFIG SET " + size, "CONFIG SET " + size + " 1 x", "CONFIG GET", "CONFIG NOSUCH", "CONFIG RESETSTAT [x]",
		"CLIENT SETNAME (one|two|a#b|caf\xc3\xa9|!~)", "CLIENT SETNAME %v", "CLIENT GETNAME [x]", "CLIENT ID x", "CLIENT GETREDIR", "CLIENT TRACKINGINFO", "CLIENT CACHING (YES|NO|x)",
		"CLIENT KILL (1.2.3.4:5|x|ID 0|ID x|ID 999999999999|TYPE nosuch|USER nosuch|ADDR 1.2.3.4:5|LADDR 1.2.3.4:5|SKIPME maybe|ID 999999999999 SKIPME no|NOSUCH x|ID)",
		"CLIENT LIST (TYPE nosuch|ID x|ID 999999999999|TYPE (replica|pubsub|master)|NOSUCH)", "CLIENT UNBLOCK (999999999999|x|999999999999 (TIMEOUT|ERROR|x))",
		"CLIENT REPLY (ON|x)", "CLIENT NO-EVICT (on|off|x)", "CLIENT PAUSE (x|-1|1 (x|y))", "CLIENT UNPAUSE [x]", "CLIENT NOSUCH", "CLIENT",
		"CLIENT TRACKING (x|on (REDIRECT 999999999999|REDIRECT x|PREFIX a|OPTIN OPTOUT|NOSUCH)|off [x])",
		"PUBSUB (CHANNELS|SHARDCHANNELS) [%g]", "PUBSUB (NUMSUB|SHARDNUMSUB) [a b]", "PUBSUB (NUMPAT|NOSUCH)", "PUBLISH %k %v", "SPUBLISH %k %v",
		"SWAPDB (0|1|2|16|x) (0|1|2|-1|x)", "WAIT 0 (0|x|-1)", "WAIT x 0", "ECHO", "PING %v %v", "READONLY", "READWRITE", "ASKING", "CLUSTER (INFO|NODES|SLOTS|NOSUCH)", "HELLO (1|4|x)",
		"SLOWLOG (GET x|GET -2|LEN x|RESET|NOSUCH)", "LATENCY (HISTORY nosuch|RESET nosuch|LATEST x|NOSUCH|GRAPH nosuch)", "MEMORY (USAGE none|USAGE none SAMPLES (-1|x|1)|USAGE|NOSUCH)",
		"SADD %a <%i>", "ZADD %a <%s %m>", "HSET %a <%d %v>", "RPUSH %a <%v>",
	}
	policies["COMMAND"], policies["FUNCTION"], policies["CONFIG"] = anyOrder, anyOrder, pairs
}

// serverWord stands for the name of a subcommand, whose bar a template would take for its own.
func (g *Generator) serverWord(w string) (string, bool) {
	if w != "sub" {
		return "", false
	}
	return pick(g, []string{"CLIENT|LIST", "config|get", "OBJECT|ENCODING", "XGROUP|CREATE", "XINFO|STREAM", "SCRIPT|LOAD", "FUNCTION|LIST",
		"COMMAND|DOCS", "CLUSTER|SLOTS", "PUBSUB|NUMSUB", "MEMORY|USAGE", "client|nosuch", "|", "get|x", "get|", "CLIENT|LIST|x"}), true
}

// tameServer keeps a command that lost or changed an argument from answering
// with what differs between two processes, from disturbing a connection of the
// comparison, and from waiting for ever.
func tameServer(args []string) []string {
	number := func(i int) (n int64, ok bool) {
		if i >= len(args) {
			return 0, false
		}
		n, err := strconv.ParseInt(args[i], 10, 64)
		return n, err == nil
	}
	word := func(i int) string {
		if i >= len(args) {
			return ""
		}
		return strings.ToUpper(args[i])
	}
	switch word(0) + " " + word(1) {
	case "CLIENT LIST", "CLIENT ID", "SLOWLOG LEN":
		if len(args) == 2 {
			return append(args, "x")
		}
	case "SLOWLOG GET":
		if n, ok := number(2); len(args) == 2 || ok && n >= -1 {
			return []string{args[0], args[1], "-2"}
		}
	case "SCRIPT LOAD": // see docs/divergence.md for numbers in errors
		if len(args) > 2 && args[2] == "01" {
			args[2] = "1"
		}
	case "MEMORY USAGE": // an estimate of one's own, if the key exists
		if len(args) > 2 {
			args[2] = "none"
		}
	case "CLIENT PAUSE":
		if n, ok := number(2); ok && n > 1 {
			args[2] = "1"
		}
	case "CLIENT KILL":
		if n, ok := number(3); ok && n > 0 && n < nobody {
			args[3] = "0"
		}
	case "CLIENT TRACKING":
		if word(2) == "ON" && (len(args) != 5 || word(3) == "REDIRECT" && args[4] != "x") {
			return []string{args[0], args[1], args[2], "REDIRECT", strconv.Itoa(nobody)}
		}
	case "COMMAND ", "COMMAND INFO":
		if len(args) < 3 {
			return []string{args[0], "COUNT"}
		}
	case "COMMAND GETKEYS", "COMMAND GETKEYSANDFLAGS": // see docs/divergence.md for numbers of keys such as " 1"
		for i := 3; i < len(args); i++ {
			if strings.ContainsAny(args[i], "123456789") {
				if n, ok := number(i); !ok || n != int64(int32(n)) || strconv.FormatInt(n, 10) != args[i] {
					args[i] = "x"
				}
			}
		}
	case "COMMAND LIST":
		if n := len(args); n < 3 || args[n-1] == "*" {
			return append(args, "x")
		}
	case "HELLO ":
		return append(args, "x")
	case "CONFIG GET":
		for i := range args {
			if args[i] == "*" {
				args[i] = "nosuch"
			}
		}
	default:
		if n, ok := number(1); ok && n > 0 && word(0) == "WAIT" {
			args[1] = "0"
		}
	}
	return args
}

// nobody is a client ID that no connection has.
const nobody = 999999999999

// settings are what the family server changes, with the values that both
// servers begin with; and hz, because redis-server looks only so often for
// waits that have ended.
var settings = []string{"hash-max-listpack-entries", "512", "hash-max-listpack-value", "64", "zset-max-listpack-entries", "128",
	"zset-max-listpack-value", "64", "set-max-intset-entries", "512", "list-max-listpack-size", "-2", "hz", "500"}
