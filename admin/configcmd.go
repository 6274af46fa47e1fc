package admin

import (
	"net"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/transport"
)

// configCommand is CONFIG.
func (a *Admin) configCommand() *transport.Command {
	flags := command.Admin | command.NoScript | command.Loading | command.Stale
	spec := func(name string, arity int, since, summary, syntax string) command.Spec {
		return command.Spec{Name: name, Arity: arity, Flags: flags, Group: "server", Since: since, Complexity: "O(N)",
			Summary: summary, Syntax: syntax, Tips: setTips(name)}
	}
	return &transport.Command{
		Spec: command.Spec{Name: "CONFIG", Arity: -2, Group: "server", Since: "2.0.0", Complexity: "Depends on subcommand.",
			Summary: "A container of the commands about the configuration."},
		Sub: []*transport.Command{
			{Run: a.configGet, Spec: spec("GET", -3, "2.0.0", "Returns the values of directives.", "parameter [parameter ...]")},
			{Run: a.configSet, Spec: spec("SET", -4, "2.0.0", "Sets directives while the server runs.", "parameter value [parameter value ...]")},
			{Run: a.configRewrite, Spec: spec("REWRITE", 2, "2.8.0", "Writes the configuration in force into its file.", "")},
			{Run: a.configResetstat, Spec: spec("RESETSTAT", 2, "2.0.0", "Sets the counters of INFO to zero.", "")},
			{Run: configHelp, Spec: helpSpec("server", "5.0.0", command.Loading|command.Stale)},
		},
	}
}

func setTips(name string) []string {
	if name == "SET" {
		return []string{"request_policy:all_nodes", "response_policy:all_succeeded"}
	}
	return nil
}

func (a *Admin) configGet(s *transport.Session, args [][]byte) {
	pairs := a.Config.Get(texts(args[2:])...)
	s.Map(len(pairs))
	for _, p := range pairs {
		s.BulkString(p.Name)
		s.BulkString(p.Value)
	}
}

func (a *Admin) configSet(s *transport.Session, args [][]byte) {
	if err := a.Config.Set(texts(args[2:]), isLocal(s)); err != nil {
		s.Error("ERR " + err.Error())
		return
	}
	s.OK()
}

func (a *Admin) configRewrite(s *transport.Session, _ [][]byte) {
	if settings := a.Config.Current(); settings.ACLFile == "" {
		a.Config.SetUsers(userLines(s.Server().Users(), settings))
	}
	if err := a.Config.Rewrite(); err != nil {
		s.Error("ERR " + err.Error())
		return
	}
	s.OK()
}

func (a *Admin) configResetstat(s *transport.Session, _ [][]byte) {
	s.Server().ResetStats()
	a.Counters.Reset()
	a.dumps.mu.Lock()
	a.dumps.saves = 0
	a.dumps.mu.Unlock()
	for _, g := range a.Node.Groups() {
		g.ResetStats()
	}
	s.OK()
}

func configHelp(s *transport.Session, _ [][]byte) {
	help(s, "CONFIG",
		"GET <pattern>", "    Return the directives that match <pattern> with their values.",
		"SET <directive> <value>", "    Set <directive> to <value>.",
		"RESETSTAT", "    Set the counters of INFO to zero.",
		"REWRITE", "    Write the configuration in force into its file.")
}

func texts(args [][]byte) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = string(a)
	}
	return out
}

// isLocal reports whether a client is on this machine.
func isLocal(s *transport.Session) bool {
	host, _, err := net.SplitHostPort(s.Addr())
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
