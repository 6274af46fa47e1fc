package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/lua"
)

// Command is a data command: exactly one of Read and Write is set, or neither
// for a container with Subs.
type Command struct {
	command.Spec

	Read  func(*ReadCall)
	Write func(*WriteCall)

	// Log returns the arguments to put into the log where they must not be
	// those of the client: relative times become absolute. It returns args
	// itself when there is nothing to change or the arguments are bad (the
	// handler then replies the error, on every replica the same). It must
	// describe exactly what Write does with args at the time now (Unix ms).
	Log func(args [][]byte, now int64) [][]byte

	// Reading returns the command that runs in place of this write where args
	// say that it changes nothing (BITFIELD with only GET), so that it costs no
	// entry; nil where it may change something. See For.
	Reading func(args [][]byte) *Command

	// Logged is the write that runs in place of this read wherever it is part of
	// an entry: a read that has something to store (PFCOUNT). See logged.go.
	Logged *Command

	// Wait says what a blocking command with these arguments waits for if none
	// of its keys is there; false: the arguments are bad. Nil for those to which
	// it matters what else there is.
	Wait func(*ReadCall) (Wait, bool)

	// Blocks says whether a blocking command with these arguments may wait;
	// nil: it always may.
	Blocks func(args [][]byte) bool

	// script says for which flags the script runs that these arguments name;
	// false: they name none. Only commands that run scripts have it.
	script func(m *Machine, args [][]byte) (lua.Flags, bool)

	// try runs such a command as a read, and wrote says that it isn't worth
	// trying: see script_try.go.
	try   func(*ReadCall)
	wrote func(m *Machine, args [][]byte) bool

	// Aside runs a command that looks at nothing but what runs on this node. It
	// doesn't need the state, and so not the lock that a script may hold.
	Aside func(c *AsideCall)

	Sub []*Command
}

// MayWait reports whether the command with these arguments may wait.
func (c *Command) MayWait(args [][]byte) bool {
	return c.Flags.Has(command.Blocking) && (c.Blocks == nil || c.Blocks(args))
}

// Commands returns all data commands. The order is that of the families.
func Commands() []*Command {
	var all []*Command
	for _, family := range [][]*Command{
		stringCommands,
		listCommands,
		listBlockingCommands,
		hashCommands,
		setCommands,
		zsetCommands,
		streamCommands,
		geoCommands,
		sortCommands,
		dumpCommands,
		zsetBlockingCommands,
		keyCommands,
		expireCommands,
		serverCommands,
		bitCommands,
		hyperloglogCommands,
		memoryCommands,
		scriptCommands,
		functionCommands,
	} {
		all = append(all, family...)
	}
	return all
}

// For returns the command that runs for these arguments: c, or one that only
// reads. The arity has been checked.
func (c *Command) For(args [][]byte) *Command {
	if c.Reading != nil {
		if r := c.Reading(args); r != nil {
			return r
		}
	}
	return c
}

// writesByName finds the commands that a log entry can name.
var writesByName map[string]*Command

func init() {
	writesByName = map[string]*Command{}
	for _, c := range append(Commands(), internalCommands...) {
		if c.Write != nil {
			writesByName[c.Name] = c
		}
		if c.Logged != nil {
			writesByName[c.Name] = c.Logged
		}
		for _, s := range c.Sub {
			if s.Write != nil {
				writesByName[c.Name+" "+s.Name] = s
			}
		}
	}
}

// findWrite returns the write command that args name, or nil. It doesn't
// allocate: replicas call it for every command of every entry.
func findWrite(args [][]byte) *Command {
	if len(args) == 0 {
		return nil
	}
	var buf [64]byte
	name := appendUpper(buf[:0], args[0])
	if c := writesByName[string(name)]; c != nil {
		return c
	}
	if len(args) > 1 {
		name = appendUpper(append(name, ' '), args[1])
		return writesByName[string(name)]
	}
	return nil
}

// appendUpper appends a word in capitals; what would not fit into dst belongs
// to no command's name and is left out.
func appendUpper(dst, word []byte) []byte {
	for _, c := range word {
		if len(dst) == cap(dst) {
			break
		}
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
