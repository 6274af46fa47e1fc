package fsm

import (
	"strconv"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/lua"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/security"
	"github.com/quorate/quorate/slots/hashslot"
)

// scriptHost runs the commands of one run of a script. In a read of the group
// write is nil and only reads can run.
type scriptHost struct {
	read  *ReadCall  // of the command that runs the script
	write *WriteCall // the same, if it is a write

	readOnly  bool // writes are refused although the command could do them
	crossSlot bool // keys of several slots are allowed in cluster mode
	full      bool // what may need memory is refused, unless the script wrote before
	wrote     bool
	slot      int // of the keys so far in cluster mode; -1: none
	db        int
	reply     resp.Writer
	call      WriteCall // of the command that runs

	// Of the command that is about to run.
	cmd     *Command
	session *sessionCommand
}

// Errors of commands in scripts, as in redis-server 7.0.15.
const (
	errScriptUnknown   = "Unknown Redis command called from script"
	errScriptArity     = "Wrong number of args calling Redis command from script"
	errScriptForbidden = "This Redis command is not allowed from script"
	errScriptReadOnly  = "Write commands are not allowed from read-only scripts."
	errScriptNonLocal  = "Script attempted to access a non local key in a cluster node"
	errScriptCrossSlot = "Script attempted to access keys that do not hash to the same slot"
)

// commandsByName are the commands and the containers by name, and subcommands
// by both names.
var commandsByName = map[string]*Command{}

func init() {
	for _, c := range Commands() {
		commandsByName[c.Name] = c
		for _, s := range c.Sub {
			commandsByName[c.Name+" "+s.Name] = s
		}
	}
}

// lookupCommand returns the command that args name, or nil.
func lookupCommand(args [][]byte) *Command {
	if len(args) == 0 {
		return nil
	}
	var buf [64]byte
	name := appendUpper(buf[:0], args[0])
	c := commandsByName[string(name)]
	if c != nil && len(c.Sub) > 0 && len(args) > 1 {
		return commandsByName[string(appendUpper(append(name, ' '), args[1]))]
	}
	return c
}

// resolve finds the command.
func (h *scriptHost) resolve(args [][]byte) {
	h.cmd, h.session = lookupCommand(args), nil
	if h.cmd == nil {
		var buf [64]byte
		h.session = sessionCommands[string(appendUpper(buf[:0], args[0]))]
	}
}

// Cost implements lua.Host: commands that aren't fast are taken to look at all
// of their keys, or at all keys.
func (h *scriptHost) Cost(args [][]byte) int64 {
	h.resolve(args)
	if h.cmd == nil || h.cmd.Flags.Has(command.Fast) {
		return 0
	}
	const bytesPerStep = 64
	var buf [16]int
	keys, _ := h.cmd.AppendKeys(buf[:0], args)
	if len(keys) == 0 {
		total := 0
		for i := range h.read.m.ks.Databases() {
			total += h.read.m.ks.DB(i).Len()
		}
		return int64(total)
	}
	product, total := int64(1), int64(0)
	for _, k := range keys {
		if e := h.read.m.ks.DB(h.db).Find(hashslot.Of(args[k]), args[k]); e != nil {
			n := int64(e.MemUsage()) / bytesPerStep
			total += n
			product = min(product*(n+1), 1<<40)
		}
	}
	if h.cmd.Name == "LCS" {
		return product * bytesPerStep
	}
	return total
}

// Known implements lua.Host.
func (h *scriptHost) Known(args [][]byte) bool {
	h.resolve(args)
	return h.cmd != nil || h.session != nil
}

// Permitted implements lua.Host.
func (h *scriptHost) Permitted(args [][]byte) bool {
	if h.read.as == nil {
		return true
	}
	d, _ := h.mayUser(args)
	return d.Reason == security.Allowed
}

// Log implements lua.Host.
func (h *scriptHost) Log(level int, text string) {
	f := h.read.m.ScriptLog
	switch {
	case f == nil || h.read.Discard:
	case h.read.attempt != nil:
		h.read.attempt.hold(len(text), func() { f(level, text) })
	default:
		f(level, text)
	}
}

// dispatch runs a command, or says why not. The order of the checks is Redis's.
func (h *scriptHost) dispatch(args [][]byte, proto int) (reply []byte, refused string) {
	h.reply.Buf, h.reply.Proto = h.reply.Buf[:0], proto
	if h.cmd == nil {
		return h.callSession(args)
	}
	cmd := h.cmd
	switch {
	case !cmd.ArityOK(len(args)) || len(cmd.Sub) > 0:
		return nil, errScriptArity
	case h.denies(cmd.Flags, cmd.Group):
		return nil, errScriptForbidden
	}
	if refused := h.checkUser(args); refused != "" {
		return nil, refused
	}
	switch {
	case (cmd.Write != nil || cmd.Logged != nil) && (h.readOnly || h.write == nil && h.read.attempt == nil):
		return nil, errScriptReadOnly // PFCOUNT counts as a write here, too
	case h.write != nil && h.read.m.bar != NoBar && !h.wrote && cmd.Flags.Has(command.Write):
		return nil, "-" + h.read.m.bar.Reply()
	case h.full && !h.wrote && cmd.Flags.Has(command.DenyOOM):
		return nil, "-" + errOOM
	}
	if h.read.attempt != nil && h.mustLog(args) {
		h.read.attempt.wrote = true
		return nil, lua.Abandon
	}
	h.wrote = h.wrote || cmd.Write != nil
	if refused := h.checkSlots(args); refused != "" {
		return nil, refused
	}
	h.announce(args)
	if !h.run(args) {
		h.read.attempt.wrote = true
		return nil, lua.Abandon
	}
	return h.reply.Buf, ""
}

// run runs the command as a step of its own would (Machine.runCmd), but that it
// never waits: as in a transaction, nobody is there who could. False: in an attempt,
// the command would have had something to store.
func (h *scriptHost) run(args [][]byte) bool {
	cmd, c := h.cmd.For(args), h.read
	if cmd.Logged != nil && c.attempt == nil {
		cmd = cmd.Logged
	}
	call := &h.call
	*call = WriteCall{ReadCall: ReadCall{Writer: &h.reply, Args: args, DB: h.db, now: c.now, m: c.m,
		rand: Rand{c.rand.Uint64()}, seen: c.seen, scripted: true, attempt: c.attempt, as: c.as}}
	if cmd.Write == nil {
		cmd.Read(&call.ReadCall)
		c.aged = c.aged || call.aged
	} else {
		c.m.runWrite(call, cmd)
		c.m.ks.Settle()
	}
	c.hits, c.misses = c.hits+call.hits, c.misses+call.misses
	return c.attempt == nil || !call.stores
}

// checkSlots makes sure that a command's keys are the group's.
func (h *scriptHost) checkSlots(args [][]byte) (refused string) {
	m := h.read.m
	if m.owned == nil {
		return ""
	}
	var buf [16]int
	keys, _ := h.cmd.AppendKeys(buf[:0], args)
	slot := -1
	for _, k := range keys {
		s := int(hashslot.Of(args[k]))
		if slot >= 0 && s != slot || !m.serves(s) {
			return errScriptNonLocal
		}
		slot = s
	}
	if slot >= 0 && !h.crossSlot {
		if h.slot >= 0 && h.slot != slot {
			return errScriptCrossSlot
		}
		h.slot = slot
	}
	return ""
}

// sessionCommand is a command that a session runs and not the state machine.
type sessionCommand struct {
	arity int
	run   func(h *scriptHost, args [][]byte) // nil: not allowed in scripts
	flags command.Flags                      // NoScript: allowed only if DEBUG SET-DISABLE-DENY-SCRIPTS says so
}

// callSession runs one of the few commands about the connection that make sense
// in a script.
func (h *scriptHost) callSession(args [][]byte) (reply []byte, refused string) {
	s := h.session
	switch {
	case s == nil:
		return nil, errScriptUnknown
	case s.arity > 0 && len(args) != s.arity || len(args) < -s.arity:
		return nil, errScriptArity
	case h.denies(s.flags, ""):
		return nil, errScriptForbidden
	}
	if spec := h.read.m.commands.Find(args); spec == nil || !spec.Flags.Has(command.NoScript) {
		if refused := h.checkUser(args); refused != "" {
			return nil, refused
		}
	}
	switch {
	case s.flags.Has(command.MayReplicate) && (h.readOnly || h.write == nil && h.read.attempt == nil):
		return nil, errScriptReadOnly
	case s.run == nil:
		return nil, errScriptForbidden
	}
	s.run(h, args)
	return h.reply.Buf, ""
}

// sessionCommands are those of Redis 7.0 that are no data commands. Those that
// Redis lets scripts call and that are refused here are about the server or the
// connection: replicas would answer each something else.
var sessionCommands = map[string]*sessionCommand{
	"PING": {arity: -1, run: func(h *scriptHost, args [][]byte) {
		switch len(args) {
		case 1:
			h.reply.Simple("PONG")
		case 2:
			h.reply.Bulk(args[1])
		default:
			h.reply.Error(errArity("ping"))
		}
	}},
	"ECHO": {arity: 2, run: func(h *scriptHost, args [][]byte) { h.reply.Bulk(args[1]) }},
	"TIME": {arity: 1, run: func(h *scriptHost, _ [][]byte) {
		// The time of the entry, which stands still while the script runs.
		h.reply.Array(2)
		h.reply.BulkInt(h.read.now / 1000)
		h.reply.BulkInt(h.read.now % 1000 * 1000)
	}},
	"SELECT": {arity: 2, run: func(h *scriptHost, args [][]byte) {
		n, err := strconv.ParseInt(string(args[1]), 10, 64)
		switch {
		case err != nil:
			h.reply.Error("ERR value is not an integer or out of range")
		case h.read.m.owned != nil && n != 0:
			h.reply.Error("ERR SELECT is not allowed in cluster mode")
		case n < 0 || n >= int64(h.read.m.ks.Databases()):
			h.reply.Error(errDBIndex)
		default:
			h.db = int(n)
			h.reply.OK()
		}
	}},
	"ACL": {arity: -2}, "ASKING": {arity: 1}, "AUTH": {arity: -2}, "BGREWRITEAOF": {arity: 1}, "BGSAVE": {arity: -1},
	"CLIENT": {arity: -2}, "CLUSTER": {arity: -2}, "COMMAND": {arity: -1}, "CONFIG": {arity: -2}, "DEBUG": {arity: -2, run: debugInScript, flags: command.NoScript},
	"DISCARD": {arity: 1}, "EXEC": {arity: 1}, "FAILOVER": {arity: -1}, "HELLO": {arity: -1}, "INFO": {arity: -1},
	"LASTSAVE": {arity: 1}, "LATENCY": {arity: -2}, "LOLWUT": {arity: -1}, "MIGRATE": {arity: -6}, "MODULE": {arity: -2},
	"MONITOR": {arity: 1}, "MULTI": {arity: 1}, "PFSELFTEST": {arity: 1}, "PSUBSCRIBE": {arity: -2}, "PSYNC": {arity: -3},
	"PUBLISH": {arity: 3, run: func(h *scriptHost, args [][]byte) { h.publish(false, args[1], args[2]) }, flags: command.MayReplicate}, "PUBSUB": {arity: -2}, "PUNSUBSCRIBE": {arity: -1}, "QUIT": {arity: -1}, "READONLY": {arity: 1},
	"READWRITE": {arity: 1}, "REPLCONF": {arity: -1}, "REPLICAOF": {arity: 3}, "RESET": {arity: 1}, "RESTORE-ASKING": {arity: -4},
	"ROLE": {arity: 1}, "SAVE": {arity: 1}, "SHUTDOWN": {arity: -1}, "SLAVEOF": {arity: 3}, "SLOWLOG": {arity: -2},
	"SPUBLISH": {arity: 3, run: publishShard, flags: command.MayReplicate}, "SSUBSCRIBE": {arity: -2}, "SUBSCRIBE": {arity: -2}, "SUNSUBSCRIBE": {arity: -1}, "SYNC": {arity: 1},
	"UNSUBSCRIBE": {arity: -1}, "UNWATCH": {arity: 1}, "WAIT": {arity: 3}, "WATCH": {arity: -2},
}

var _ lua.Host = (*scriptHost)(nil)
