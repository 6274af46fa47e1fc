package fsm

import "github.com/quorate/quorate/fsm/keyspace"

// object returns the entry that a subcommand of OBJECT asks about, or nil after
// it has replied null.
func (c *ReadCall) object() *keyspace.Entry {
	e := c.find(c.Args[2])
	if e == nil {
		c.Null()
	}
	return e
}

// objectEncoding implements OBJECT ENCODING key. Reply: the name that Redis has
// for the representation, or null if the key is missing.
func objectEncoding(c *ReadCall) {
	if e := c.object(); e != nil {
		c.BulkString(e.Encoding())
	}
}

// sharedInts and sharedRefs: Redis holds the integers from 0 up to sharedInts
// once for all keys and reports this number of references for them.
const (
	sharedInts = 10000
	sharedRefs = 1<<31 - 1
)

// objectRefcount implements OBJECT REFCOUNT key. Nothing is shared here; the
// reply is what a client of Redis sees.
func objectRefcount(c *ReadCall) {
	e := c.object()
	if e == nil {
		return
	}
	c.Int(refcount(e))
}

// refcount returns the number of references to a value that Redis would report.
func refcount(e *keyspace.Entry) int64 {
	if n, ok := e.Int(); ok && n >= 0 && n < sharedInts {
		return sharedRefs
	}
	return 1
}

// objectIdletime implements OBJECT IDLETIME key. The time of the last access is
// not kept, so there is nothing true to reply for a key that exists.
func objectIdletime(c *ReadCall) {
	if c.object() != nil {
		c.Error(errNoIdleTime)
	}
}

// objectFreq implements OBJECT FREQ key. Frequencies are not kept either, which
// is what Redis replies too unless an LFU policy is set.
func objectFreq(c *ReadCall) {
	if c.object() != nil {
		c.Error(errNoFrequencies)
	}
}

// objectHelp implements OBJECT HELP.
func objectHelp(c *ReadCall) {
	c.help("OBJECT",
		"ENCODING <key>", "How the value is represented in memory.",
		"FREQ <key>", "How often the key is accessed, on a logarithmic scale. Not available.",
		"IDLETIME <key>", "Seconds since the key was last accessed. Not available.",
		"REFCOUNT <key>", "How many references to the value there are.",
	)
}

// help replies the lines of a container's HELP: subcommands and what they do,
// by turns. The first and last lines are the same for every container.
func (c *ReadCall) help(container string, pairs ...string) {
	for i := 1; i < len(pairs); i += 2 {
		pairs[i] = "    " + pairs[i]
	}
	c.helpLines(container, pairs...)
}

// helpLines is help with lines that are indented already.
func (c *ReadCall) helpLines(container string, lines ...string) {
	c.Array(len(lines) + 3)
	c.Simple(container + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
	for _, line := range lines {
		c.Simple(line)
	}
	c.Simple("HELP")
	c.Simple("    Prints this help.")
}
