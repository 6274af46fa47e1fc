// Package admin holds the commands of the operator (INFO, CONFIG, CLUSTER, DEBUG,
// SAVE ...) and the pages for machines (/metrics, /health). A command is one
// handler beside one table entry, in the file of its theme.
package admin

import (
	"os"
	"strings"
	"sync"
	"time"

	"github.com/quorate/quorate/aof"
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/config"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/transport"
)

// Admin is what the commands look at and act on.
type Admin struct {
	Node    *node.Node
	Config  *config.Config
	Version string // of this program
	Started time.Time
	RunID   string // 40 hexadecimal digits, drawn at this start
	// Counters are told of every command.
	Counters *Counters
	slow     slowLog
	latency  latencyMonitor
	// Busy returns the error while a script has been running for too long, or "".
	Busy func() string
	// Stop ends the process in an orderly way; it returns at once.
	Stop func()
	// Warn writes to the log, with pairs of names and values behind the text.
	Warn func(text string, pairs ...any)

	dumps dumps
	AOF   *aof.Keeper // of the append-only files

	selftest sync.Mutex // held by the PFSELFTEST that runs
}

// RedisVersion is the version of Redis whose commands this server answers.
const RedisVersion = "7.0.15"

// Commands returns the operator's commands for the table.
func (a *Admin) Commands() []*transport.Command {
	return append(a.replicationCommands(),
		a.infoCommand(), a.configCommand(), a.clusterCommand(), a.debugCommand(),
		a.saveCommand(), a.bgsaveCommand(), a.lastsaveCommand(), a.shutdownCommand(),
		lolwutCommand(), a.pfselftestCommand(),
		a.slowlogCommand(), a.latencyCommand(), a.memoryCommand(), a.moduleCommand(), a.aclCommand(), a.bgrewriteaofCommand())
}

// mode returns Redis's word for how the server runs.
func (a *Admin) mode() string {
	if a.Node.Cluster() {
		return "cluster"
	}
	return "standalone"
}

// executable returns the path of this program, for INFO.
func executable() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}

// help writes a HELP reply: the heading that Redis has and the lines.
func help(s *transport.Session, name string, lines ...string) {
	all := append([]string{name + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"}, lines...)
	all = append(all, "HELP", "    Print this help.")
	s.Array(len(all))
	for _, l := range all {
		s.Simple(l)
	}
}

// word reports whether an argument is the word, in any case.
func word(arg []byte, w string) bool { return strings.EqualFold(string(arg), w) }

// helpSpec is the entry of a container's HELP.
func helpSpec(group, since string, flags command.Flags) command.Spec {
	return command.Spec{Name: "HELP", Arity: 2, Flags: flags, Group: group, Since: since, Complexity: "O(1)",
		Summary: "Lists the subcommands."}
}
