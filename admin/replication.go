package admin

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/transport"
)

// replicationCommands are the commands of Redis's own replication, whose place
// Raft takes: ROLE answers for it, the others are refused.
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
		cmd("PSYNC", -3, flags|command.NoAsyncLoading|command.NoMulti, "2.8.0", "", "replicationid offset", "Refused.", noReplication),
		cmd("SYNC", 1, flags|command.NoAsyncLoading|command.NoMulti, "1.0.0", "", "", "Refused.", noReplication),
		cmd("REPLCONF", -1, flags|command.Loading|command.Stale|command.AllowBusy, "3.0.0", "O(1)", "", "Refused.", noReplication),
		cmd("FAILOVER", -1, flags|command.Stale, "6.2.0", "O(1)", "[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]", "Refused: Raft elects leaders.", failover),
		a.migrateCommand(),
	}
}

// role answers as a master without replicas, in the terms that INFO uses: a
// node that serves leads a group, and its followers speak Raft.
func (a *Admin) role(s *transport.Session, _ [][]byte) {
	s.Array(3)
	s.BulkString("master")
	s.Int(int64(a.offset()))
	s.Array(0)
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

func noReplication(s *transport.Session, _ [][]byte) {
	s.Error("ERR Redis replication is not supported: replicas are the members of a Raft group")
}

func failover(s *transport.Session, args [][]byte) {
	if len(args) == 2 && word(args[1], "ABORT") {
		s.Error("ERR No failover in progress.")
		return
	}
	s.Error("ERR FAILOVER requires connected replicas.")
}

// migrateCommand is MIGRATE, which finds out that there is nothing to move and
// refuses to move what there is.
func (a *Admin) migrateCommand() *transport.Command {
	moves := command.KeyRW | command.KeyAccess | command.KeyDelete
	return &transport.Command{Run: a.migrate, Spec: command.Spec{Name: "MIGRATE", Arity: -6, Flags: command.Write | command.MovableKeys,
		ACL: command.Keyspace | command.Dangerous, Group: "generic", Since: "2.6.0", Complexity: "O(N)",
		Keys: []command.KeySpec{{Flags: moves, Pos: 3, Step: 1},
			{Flags: moves | command.KeyIncomplete, Pos: -2, Keyword: "KEYS", Last: -1, Step: 1}},
		Extract: migrateExtract,
		Syntax:  "host port <key | \"\"> destination-db timeout [COPY] [REPLACE] [AUTH [password] | AUTH2 [username password]] [KEYS key [key ...]]",
		Summary: "Refused, if any of the keys exists.", Tips: []string{"nondeterministic_output"}}}
}

// migrateExtract finds the keys as Redis does for COMMAND GETKEYS: it passes
// over words that the command would refuse, and a KEYS without keys.
func migrateExtract(args [][]byte) (keys []int, ok bool) {
	for i := 6; i < len(args)-1; i++ {
		switch {
		case word(args[i], "AUTH"):
			i++
		case word(args[i], "AUTH2"):
			i += 2
		case word(args[i], "KEYS"):
			if len(args[3]) != 0 {
				return nil, false
			}
			for i++; i < len(args); i++ {
				keys = append(keys, i)
			}
			return keys, true
		}
	}
	return []int{3}, true
}

// migrateKeys returns the indexes of the keys of a MIGRATE, or the error of its
// arguments.
func migrateKeys(args [][]byte) (keys []int, problem string) {
	for i := 6; i < len(args); i++ {
		switch {
		case word(args[i], "COPY"), word(args[i], "REPLACE"):
		case word(args[i], "AUTH"):
			if i++; i >= len(args) {
				return nil, "ERR syntax error"
			}
		case word(args[i], "AUTH2"):
			if i += 2; i >= len(args) {
				return nil, "ERR syntax error"
			}
		case word(args[i], "KEYS"):
			if len(args[3]) != 0 {
				return nil, "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
			}
			for i++; i < len(args); i++ {
				keys = append(keys, i)
			}
			return keys, ""
		default:
			return nil, "ERR syntax error"
		}
	}
	return []int{3}, ""
}

func (a *Admin) migrate(s *transport.Session, args [][]byte) {
	keys, problem := migrateKeys(args)
	if problem != "" {
		s.Error(problem)
		return
	}
	for _, at := range []int{5, 4} {
		if _, ok := keyspace.ParseInt(args[at]); !ok {
			s.Error("ERR value is not an integer or out of range")
			return
		}
	}
	for _, at := range keys {
		var there bool
		g := a.Node.GroupOf(args[at])
		if g == nil {
			s.Error("ERR MIGRATE is not supported by this release")
			return
		}
		g.View(func(m *fsm.Machine) { there = m.DigestValue(s.DB(), args[at]) != [20]byte{} })
		if there {
			s.Error("ERR MIGRATE is not supported by this release")
			return
		}
	}
	s.Simple("NOKEY")
}
