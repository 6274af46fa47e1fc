package admin

import (
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/glob"
	"github.com/quorate/quorate/transport"
)

// debugCommand is DEBUG: what tests need to look behind the commands. It is off
// unless enable-debug-command allows it.
func (a *Admin) debugCommand() *transport.Command {
	return &transport.Command{Run: a.debug, Spec: command.Spec{Name: "DEBUG", Arity: -2,
		Flags: command.Admin | command.NoScript | command.Loading | command.Stale,
		Group: "server", Since: "1.0.0", Complexity: "Depends on subcommand.", Summary: "A container of the commands for debugging."}}
}

func (a *Admin) debug(s *transport.Session, args [][]byte) {
	allowed := a.Config.Current().EnableDebugCommand
	if allowed == "no" || allowed == "local" && !isLocal(s) {
		s.Error("ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, " +
			"otherwise you need to set this option in the configuration file, and then restart the server.")
		return
	}
	if a.Node.Loading() && (word(args[1], "RELOAD") || word(args[1], "LOADAOF") || word(args[1], "POPULATE")) {
		s.Error("LOADING Redis is loading the dataset in memory")
		return
	}
	switch sub := args[1]; {
	case word(sub, "SLEEP") && len(args) == 3:
		debugSleep(s, args[2])
	case word(sub, "SET-ACTIVE-EXPIRE") && len(args) == 3:
		for _, g := range a.Node.Groups() {
			g.SetActiveExpire(string(args[2]) != "0")
		}
		s.OK()
	case word(sub, "SET-DISABLE-DENY-SCRIPTS") && len(args) == 3:
		for _, g := range a.Node.Groups() {
			g.View(func(m *fsm.Machine) { m.LetScripts(atoi(args[2]) != 0) })
		}
		s.OK()
	case word(sub, "PAUSE-CRON") && len(args) == 3:
		// Redis's cron closes clients and deletes expired keys.
		paused := string(args[2]) != "0"
		s.Server().PauseJanitor(paused)
		for _, g := range a.Node.Groups() {
			g.SetActiveExpire(!paused)
		}
		s.OK()
	case word(sub, "DIGEST") && len(args) == 2:
		a.debugDigest(s)
	case word(sub, "DIGEST-VALUE"):
		a.debugDigestValue(s, args[2:])
	case word(sub, "RELOAD"), word(sub, "LOADAOF") && len(args) == 2:
		a.debugReload(s, args[2:])
	case word(sub, "LOG") && len(args) == 3:
		a.Node.Log().Info("DEBUG LOG", "text", string(args[2]))
		s.OK()
	case word(sub, "STRINGMATCH-LEN") && len(args) == 4:
		debugMatch(s, args[2], args[3])
	case word(sub, "OBJECT") && len(args) == 3:
		a.debugObject(s, args[2])
	case word(sub, "PROTOCOL") && len(args) == 3:
		s.Example(string(args[2]))
	case word(sub, "QUICKLIST-PACKED-THRESHOLD") && len(args) == 3:
		a.debugPackedThreshold(s, string(args[2]))
	case word(sub, "POPULATE") && len(args) >= 3 && len(args) <= 5:
		a.debugPopulate(s, args[2:])
	case word(sub, "ERROR") && len(args) == 3:
		s.Error(strings.NewReplacer("\r", " ", "\n", " ").Replace(string(args[2])))
	case word(sub, "HELP") && len(args) == 2:
		help(s, "DEBUG",
			"DIGEST", "    Return a digest of the dataset of the replicas on this node.",
			"DIGEST-VALUE <key> [<key> ...]", "    Return digests of the values of keys.",
			"ERROR <string>", "    Reply with an error.",
			"LOADAOF", "    The same as RELOAD.",
			"LOG <message>", "    Write <message> to the server's log.",
			"OBJECT <key>", "    Return how the value of a key is held.",
			"POPULATE <count> [<prefix>] [<size>]", "    Write <count> strings, through the log.",
			"PROTOCOL <type>", "    Reply with a value of a type of the protocol: string, integer, double, bignum, null, array, set, map, attrib,",
			"    push, verbatim, true or false.",
			"PAUSE-CRON <0|1>", "    1 stops the closing of idle and slow clients and the deletion of expired keys that nobody asks for.",
			"QUICKLIST-PACKED-THRESHOLD <size>", "    Have elements of lists from <size> on in nodes of their own. 0: only those that no node takes.",
			"RELOAD [MERGE] [NOFLUSH] [NOSAVE]", "    Write the dataset of the replicas on this node as RDB and read it back, or with NOSAVE load the file at dir/dbfilename.",
			"    NOFLUSH without MERGE is an error if there is any.",
			"SET-ACTIVE-EXPIRE <0|1>", "    Turn the deletion of expired keys that nobody asks for off or on.",
			"SET-DISABLE-DENY-SCRIPTS <0|1>", "    1 lets scripts call commands that are not allowed from scripts, where they can run there.",
			"SLEEP <seconds>", "    Keep this connection waiting.",
			"STRINGMATCH-LEN <length> <pattern>", "    Match <length> times the letter a against a pattern.")
	default:
		name, _, _ := strings.Cut(string(sub), "\x00") // Redis prints it so
		s.Error("ERR unknown subcommand or wrong number of arguments for '" + name + "'. Try DEBUG HELP.")
	}
}

// atoi reads a number as C's atoi does: what is none counts as 0.
func atoi(arg []byte) int64 {
	n, err := strconv.ParseInt(string(arg), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// debugSleep keeps the session waiting. Redis stops serving everybody; that
// would be a fault of its own here.
func debugSleep(s *transport.Session, arg []byte) {
	seconds, err := strconv.ParseFloat(string(arg), 64)
	if err != nil || math.IsNaN(seconds) || seconds > 3600 {
		s.Error("ERR value is not a valid float")
		return
	}
	if seconds > 0 {
		time.Sleep(time.Duration(seconds * float64(time.Second)))
	}
	s.OK()
}

// debugDigest answers the digest of all replicas on this node together: in
// plain mode that of the dataset, equal to what redis-server has for the same data.
func (a *Admin) debugDigest(s *transport.Session) {
	var sum [20]byte
	for _, g := range a.Node.Groups() {
		g.View(func(m *fsm.Machine) {
			for i, b := range m.Digest() {
				sum[i] ^= b
			}
		})
	}
	s.Simple(hex.EncodeToString(sum[:]))
}

func (a *Admin) debugDigestValue(s *transport.Session, keys [][]byte) {
	s.Array(len(keys))
	for _, key := range keys {
		var sum [20]byte
		if g := a.Node.GroupOf(key); g != nil {
			g.View(func(m *fsm.Machine) { sum = m.DigestValue(s.DB(), key) })
		}
		s.Simple(hex.EncodeToString(sum[:]))
	}
}

// debugReload implements DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE]. With NOSAVE the
// RDB file is loaded, in plain mode; else what would be in it is written, in plain
// mode also to the file, and read back on this node, and what NOFLUSH leaves is in
// the way of itself unless it is merged.
func (a *Admin) debugReload(s *transport.Session, options [][]byte) {
	merge, flush, save := false, true, true
	for _, o := range options {
		switch {
		case word(o, "MERGE"):
			merge = true
		case word(o, "NOFLUSH"):
			flush = false
		case word(o, "NOSAVE"):
			save = false
		default:
			s.Error("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
			return
		}
	}
	if save && !a.Node.Cluster() {
		if err := a.saveFile(); err != nil {
			a.Warn("nothing saved for DEBUG RELOAD", "error", err)
			s.Error("ERR")
			return
		}
	}
	if !flush && !merge && a.holdsData() {
		s.Error("ERR Error trying to load the RDB dump")
		return
	}
	var err error
	if save {
		for _, g := range a.Node.Groups() {
			err = errors.Join(err, g.Reload())
		}
	} else {
		err = a.loadDump(merge && !flush)
	}
	if err != nil {
		s.Error("ERR Error trying to load the RDB dump: " + err.Error())
		return
	}
	s.OK()
}

// holdsData reports whether a replica on this node has keys or functions.
func (a *Admin) holdsData() (found bool) {
	for _, g := range a.Node.Groups() {
		g.View(func(m *fsm.Machine) {
			libraries, _ := m.Functions()
			found = found || libraries > 0 || m.Keyspace().Len() > 0
		})
	}
	return found
}

func debugMatch(s *transport.Session, length, pattern []byte) {
	n, err := strconv.Atoi(string(length))
	if err != nil || n < 0 || n > 1<<20 {
		s.Error("ERR value is not an integer or out of range")
		return
	}
	text := make([]byte, n)
	for i := range text {
		text[i] = 'a'
	}
	s.Bool(glob.Match(pattern, text, false))
}
