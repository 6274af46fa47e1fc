package admin

import (
	"strconv"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/transport"
)

// replicationCommands are the commands of Redis's own replication, whose place
// Raft takes within a cluster. A server outside may follow; this one never does.
func (a *Admin) replicationCommands() []*transport.Command {
	const flags = command.Admin | command.NoScript
	cmd := func(name string, arity int, f command.Flags, since, complexity, syntax, summary string, run func(*transport.Session, [][]byte)) *transport.Command {
		return &transport.Command{Run: run, Spec: command.Spec{Name: name, Arity: arity, Flags: f, Group: "server", Since: since,
			Complexity: complexity, Syntax: syntax, Summary: summary}}
	}
	role := cmd("ROLE", 1, command.NoScript|command.Loading|command.Stale|command.Fast, "2.8.12", "O(1)", "", "Returns the role of this node.", a.role)
	role.ACL = command.Admins | command.Dangerous
	const hosts = "<host port | NO ONE>"
	return []*transport.Command{
		role,
		cmd("REPLICAOF", 3, flags|command.Stale|command.NoAsyncLoading, "5.0.0", "O(1)", hosts, "Refused, but for NO ONE.", a.replicaof),
		cmd("SLAVEOF", 3, flags|command.Stale|command.NoAsyncLoading, "1.0.0", "O(1)", hosts, "Refused, but for NO ONE.", a.replicaof),
		cmd("PSYNC", -3, flags|command.NoAsyncLoading|command.NoMulti, "2.8.0", "", "replicationid offset", "Sends the state and then the stream of changes.", transport.PSync),
		cmd("SYNC", 1, flags|command.NoAsyncLoading|command.NoMulti, "1.0.0", "", "", "Sends the state and then the stream of changes.", transport.Sync),
		cmd("REPLCONF", -1, flags|command.Loading|command.Stale|command.AllowBusy, "3.0.0", "O(1)", "", "Is how replicas tell about themselves.", transport.ReplConf),
		cmd("FAILOVER", -1, flags|command.Stale, "6.2.0", "O(1)", "[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]", "Refused: Raft elects leaders.", failover),
	}
}

// role answers as a master with the replicas that follow by SYNC, in the terms
// that INFO uses: a node that serves leads a group, and its followers speak Raft.
func (a *Admin) role(s *transport.Session, _ [][]byte) {
	s.Array(3)
	s.BulkString("master")
	r := s.Server().Replication()
	s.Int(r.Offset)
	online := r.Replicas[:0]
	for _, c := range r.Replicas {
		if c.Online {
			online = append(online, c)
		}
	}
	s.Array(len(online))
	for _, c := range online {
		s.Array(3)
		s.BulkString(c.IP)
		s.BulkString(strconv.Itoa(c.Port))
		s.BulkString(strconv.FormatInt(c.Offset, 10))
	}
}

func (a *Admin) replicaof(s *transport.Session, args [][]byte) {
	switch {
	case a.Node.Cluster():
		s.Error("ERR REPLICAOF not allowed in cluster mode.")
	case word(args[1], "NO") && word(args[2], "ONE"):
		s.OK()
	default:
		s.Error("ERR REPLICAOF is not supported: replicas are the members of a Raft group, see quorate-initial-nodes")
	}
}

func failover(s *transport.Session, args [][]byte) {
	if len(args) == 2 && word(args[1], "ABORT") {
		s.Error("ERR No failover in progress.")
		return
	}
	s.Error("ERR FAILOVER requires connected replicas.")
}
