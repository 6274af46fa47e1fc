package admin

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/transport"
)

// moduleCommand is MODULE. There are no modules: they are machine code that
// works on the insides of redis-server.
func (a *Admin) moduleCommand() *transport.Command {
	const flags = command.Admin | command.NoScript
	load := func(name string, arity int, since, syntax, summary string) *transport.Command {
		return &transport.Command{Run: a.moduleLoad, Spec: command.Spec{Name: name, Arity: arity, Flags: flags | command.NoAsyncLoading,
			Group: "server", Since: since, Complexity: "O(1)", Syntax: syntax, Summary: summary}}
	}
	return &transport.Command{
		Spec: command.Spec{Name: "MODULE", Arity: -2, Group: "server", Since: "4.0.0", Complexity: "That of the subcommand.",
			Summary: "A container of the commands about modules."},
		Sub: []*transport.Command{
			{Run: func(s *transport.Session, _ [][]byte) { s.Array(0) }, Spec: command.Spec{Name: "LIST", Arity: 2, Flags: flags, Group: "server",
				Since: "4.0.0", Complexity: "O(N), N: modules", Summary: "Lists the modules: none.", Tips: []string{"nondeterministic_output_order"}}},
			load("LOAD", -3, "4.0.0", "path [arg [arg ...]]", "Refused: there are no modules."),
			load("LOADEX", -3, "7.0.0", "path [CONFIG name value [CONFIG name value ...]] [ARGS arg [arg ...]]", "Refused: there are no modules."),
			load("UNLOAD", 3, "4.0.0", "name", "Refused: there are no modules."),
			{Run: moduleHelp, Spec: helpSpec("server", "5.0.0", command.Loading|command.Stale)},
		},
	}
}

// moduleLoad refuses with Redis's errors: that modules are disabled, or that
// this one can't be loaded.
func (a *Admin) moduleLoad(s *transport.Session, args [][]byte) {
	allowed := a.Config.Current().EnableModuleCommand
	switch {
	case allowed == "no" || allowed == "local" && !isLocal(s):
		s.Error("ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from a local connection, " +
			"otherwise you need to set this option in the configuration file, and then restart the server.")
	case word(args[1], "UNLOAD"):
		s.Error("ERR Error unloading module: no such module with that name")
	default:
		a.Node.Log().Warn("modules can't be loaded", "path", string(args[2]), "client", s.Addr())
		s.Error("ERR Error loading the extension. Please check the server logs.")
	}
}

func moduleHelp(s *transport.Session, _ [][]byte) {
	help(s, "MODULE",
		"LIST", "    List the modules: none.",
		"LOAD <path> [<arg> ...]", "    Refused.",
		"LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]", "    Refused.",
		"UNLOAD <name>", "    Refused.")
}
