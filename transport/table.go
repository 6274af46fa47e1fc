package transport

import (
	"strings"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
)

// Command is a command that a session runs itself: about the connection (this
// package) or about the server (package admin). One without Run is a container.
type Command struct {
	command.Spec

	// Run executes the command and writes exactly one reply to the session.
	// The arguments are valid until it returns. Inside MULTI it runs at EXEC.
	Run func(*Session, [][]byte)

	// Pure says that Run changes nothing but the session, never blocks and
	// doesn't depend on what earlier commands of the pipeline did, so that it
	// may run before they are answered.
	Pure bool

	Sub []*Command
}

// Handler is what runs a command: one of its fields is set, or none for a
// container.
type Handler struct {
	Data *fsm.Command
	Conn *Command
}

// Table is all commands of a server.
type Table = command.Table[Handler]

// Node is a command in the table.
type Node = command.Node[Handler]

// Subcommands returns a container's subcommands in the order of their entry.
func Subcommands(n *Node) []*Node {
	subs := make([]*Node, 0, len(n.Spec.Subs))
	for _, s := range n.Spec.Subs {
		subs = append(subs, n.Sub([]byte(s.Name)))
	}
	return subs
}

// NewTable joins this package's commands, the data commands and others into one
// table. Specs are copied: several tables may exist beside each other.
func NewTable(others ...*Command) *Table {
	t := command.NewTable[Handler]()
	for _, c := range append(Commands(), others...) {
		n := t.Add(copySpec(&c.Spec), handler(c))
		for _, s := range c.Sub {
			n.AddSub(copySpec(&s.Spec), handler(s))
		}
	}
	for _, c := range fsm.Commands() {
		// A container may have subcommands of both kinds: MEMORY.
		n := t.Find([]byte(c.Name))
		if n == nil || !n.IsContainer() {
			n = t.Add(copySpec(&c.Spec), dataHandler(c))
		} else {
			subs := n.Spec.Subs
			*n.Spec = *copySpec(&c.Spec)
			n.Spec.Subs = subs
		}
		for _, s := range c.Sub {
			n.AddSub(copySpec(&s.Spec), dataHandler(s))
		}
	}
	return t
}

// Commands returns this package's commands.
func Commands() []*Command {
	var all []*Command
	for _, family := range [][]*Command{
		connectionCommands(), transactionCommands(), clusterCommands(), pubsubCommands(),
		{clientCommand(), commandCommand(), waitCommand(), monitorCommand(), migrateCommand()},
	} {
		all = append(all, family...)
	}
	return all
}

func copySpec(s *command.Spec) *command.Spec {
	c := *s
	c.Subs = nil
	return &c
}

func handler(c *Command) Handler {
	if c.Run == nil {
		return Handler{}
	}
	return Handler{Conn: c}
}

func dataHandler(c *fsm.Command) Handler {
	if c.Read == nil && c.Write == nil {
		return Handler{}
	}
	return Handler{Data: c}
}

// lookup finds the command that args name and checks its arity; otherwise it
// returns the error reply. The texts are those of redis-server 7.0.15.
func lookup(t *Table, args [][]byte) (*Node, string) {
	n := t.Find(args[0])
	if n == nil {
		return nil, unknownCommand(args)
	}
	if len(args) > 1 && n.IsContainer() {
		sub := n.Sub(args[1])
		if sub == nil {
			return nil, "ERR unknown subcommand '" + cString(args[1], 128) + "'. Try " + n.Spec.Name + " HELP."
		}
		n = sub
	}
	if !n.Spec.ArityOK(len(args)) || n.Item == (Handler{}) {
		return n, "ERR wrong number of arguments for '" + n.Spec.FullName() + "' command"
	}
	return n, ""
}

func unknownCommand(args [][]byte) string {
	var list strings.Builder
	for _, a := range args[1:] {
		if list.Len() >= 128 {
			break
		}
		list.WriteString("'" + cString(a, 128-list.Len()) + "' ")
	}
	return "ERR unknown command '" + cString(args[0], 128) + "', with args beginning with: " + list.String()
}

// cString returns b as printf's %.*s prints it: to the first NUL, at most n bytes.
func cString(b []byte, n int) string {
	b = b[:min(len(b), n)]
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
