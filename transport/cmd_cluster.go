package transport

import "github.com/quorate/quorate/command"

func clusterCommands() []*Command {
	spec := func(name string, flags command.Flags, summary string) command.Spec {
		return command.Spec{Name: name, Arity: 1, Flags: flags, ACL: command.Connection, Group: "cluster",
			Since: "3.0.0", Complexity: "O(1)", Summary: summary}
	}
	const flags = command.Loading | command.Stale | command.Fast
	return []*Command{
		{Run: readonlyCmd, Spec: spec("READONLY", flags, "Lets the connection read from replicas, whose data may be old.")},
		{Run: readwrite, Spec: spec("READWRITE", flags, "Takes READONLY back.")},
		{Run: asking, Spec: spec("ASKING", command.Fast, "Announces a command that follows an ASK redirect.")},
	}
}

// readonlyCmd implements READONLY.
func readonlyCmd(s *Session, args [][]byte) { s.clusterOnly(func() { s.readonly = true }) }

// readwrite implements READWRITE.
func readwrite(s *Session, args [][]byte) { s.clusterOnly(func() { s.readonly = false }) }

// asking implements ASKING.
func asking(s *Session, args [][]byte) { s.clusterOnly(func() { s.asking = true }) }

func (s *Session) clusterOnly(do func()) {
	if !s.srv.opts.Router.Cluster() {
		s.Error(errClusterOff)
		return
	}
	do()
	s.OK()
}
