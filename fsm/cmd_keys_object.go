package fsm

import "github.com/quorate/quorate/fsm/keyspace"

// object returns the entry that a subcommand of OBJECT asks about, or nil after
// it has replied null.
func (c *ReadCall) object() *keyspace.Entry {
	e := c.look(c.Args[2])
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

// objectIdletime implements OBJECT IDLETIME key. Reply: the seconds since the
// last access to the key, as far as this node knows (a replica knows of no
// reads but its own), or null if the key is missing.
func objectIdletime(c *ReadCall) {
	e := c.object()
	switch {
	case e == nil:
	case c.seen.counts:
		c.Error(errNoIdleTime)
	default:
		c.Int(idle(e.Access(), c.seen.clock))
	}
}

// objectFreq implements OBJECT FREQ key. Reply: how often the key is accessed,
// on a logarithmic scale from 0 to 255, or null if the key is missing.
func objectFreq(c *ReadCall) {
	e := c.object()
	switch {
	case e == nil:
	case !c.seen.counts:
		c.Error(errNoFrequencies)
	default:
		c.Int(int64(c.m.memory.Load().frequency(e.Access(), c.seen.clock)))
	}
}

// objectHelp implements OBJECT HELP.
func objectHelp(c *ReadCall) {
	c.help("OBJECT",
		"ENCODING <key>", "How the value is represented in memory.",
		"FREQ <key>", "How often the key is accessed, on a logarithmic scale. Needs an LFU policy.",
		"IDLETIME <key>", "Seconds since the key was last accessed. Not with an LFU policy.",
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
