package fsm

import (
	"math"
	"strings"

	"github.com/quorate/quorate/fsm/keyspace"
)

const (
	errStreamID    = "ERR Invalid stream ID specified as stream command argument"
	errStreamStart = "ERR invalid start ID for the interval"
	errStreamEnd   = "ERR invalid end ID for the interval"
)

// streamID is an ID as a client writes it: "ms-seq", "ms", "ms-*", "-" or "+".
type streamID struct {
	keyspace.StreamID
	special bool // "-" or "+"
	anySeq  bool // "ms-*"
}

// parseStreamID parses an ID; missingSeq is the sequence number of one without.
//
// Redis reads the two numbers with strtoull after a stricter attempt, and so
// accepts white space in front, a plus sign, and a minus sign in the second one,
// which turns it round. It stops at a zero byte.
func parseStreamID(arg []byte, missingSeq uint64) (id streamID, ok bool) {
	const longest = 127
	if len(arg) > longest {
		return id, false
	}
	text := cString(arg)
	switch text {
	case "-":
		return streamID{special: true}, true
	case "+":
		return streamID{StreamID: keyspace.MaxStreamID, special: true}, true
	}
	ms, seq, dash := strings.Cut(text, "-")
	if id.MS, ok = parseUnsigned(ms); !ok {
		return id, false
	}
	switch {
	case !dash:
		id.Seq = missingSeq
	case seq == "*":
		id.anySeq = true
	default:
		id.Seq, ok = parseUnsigned(seq)
	}
	return id, ok
}

// parseUnsigned parses a number like Redis's string2ull.
func parseUnsigned(s string) (uint64, bool) {
	if n, ok := keyspace.ParseInt([]byte(s)); ok {
		return uint64(n), n >= 0
	}
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	negative := false
	if s != "" && (s[0] == '+' || s[0] == '-') {
		negative = s[0] == '-'
		s = s[1:]
	}
	if s == "" {
		return 0, false
	}
	n := uint64(0)
	for _, d := range []byte(s) {
		if d < '0' || d > '9' || n > (math.MaxUint64-uint64(d-'0'))/10 {
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// idArg parses argument i as an ID of an entry, or writes the error.
func (c *ReadCall) idArg(i int) (keyspace.StreamID, bool) {
	id, ok := strictStreamID(c.Args[i])
	if !ok {
		c.Error(errStreamID)
	}
	return id, ok
}

// strictStreamID parses the ID of an entry, whose sequence number may be left out.
func strictStreamID(arg []byte) (keyspace.StreamID, bool) {
	id, ok := parseStreamID(arg, 0)
	return id.StreamID, ok && !id.special && !id.anySeq
}

// idArgs parses the arguments from i on as IDs of entries, or writes the error.
func (c *ReadCall) idArgs(i int) ([]keyspace.StreamID, bool) {
	ids := make([]keyspace.StreamID, 0, len(c.Args)-i)
	for ; i < len(c.Args); i++ {
		id, ok := c.idArg(i)
		if !ok {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, true
}

// bound parses argument i as one end of a range of IDs, "(" leaving out the ID
// itself, or writes the error.
func (c *ReadCall) boundArg(i int, end bool) (keyspace.StreamID, bool) {
	missingSeq := uint64(0)
	if end {
		missingSeq = math.MaxUint64
	}
	arg := c.Args[i]
	exclusive := len(arg) > 1 && arg[0] == '('
	if exclusive {
		arg = arg[1:]
	}
	id, ok := parseStreamID(arg, missingSeq)
	switch {
	case !ok || id.anySeq || exclusive && id.special:
		c.Error(errStreamID)
		return id.StreamID, false
	case !exclusive:
		return id.StreamID, true
	case end:
		if id.StreamID, ok = id.Prev(); !ok {
			c.Error(errStreamEnd)
		}
	default:
		if id.StreamID, ok = id.Next(); !ok {
			c.Error(errStreamStart)
		}
	}
	return id.StreamID, ok
}

// replyID replies an ID.
func (c *ReadCall) replyID(id keyspace.StreamID) {
	var room [41]byte
	c.Bulk(id.Append(room[:0]))
}

// replyEntry replies an entry: its ID and its fields and values.
func (c *ReadCall) replyEntry(e *keyspace.StreamEntry) {
	if c.Discard {
		return
	}
	c.Array(2)
	c.replyID(e.ID)
	c.Array(2 * e.Fields)
	e.Each(func(field, value []byte) {
		c.Bulk(field)
		c.Bulk(value)
	})
}

// replyEntries replies entries as an array, at most count of them; 0: all.
func (c *ReadCall) replyEntries(s *keyspace.Stream, start, end keyspace.StreamID, backwards bool, count int64) {
	mark, n := c.Mark(), int64(0)
	s.Walk(start, end, backwards, func(e *keyspace.StreamEntry) bool {
		c.replyEntry(e)
		n++
		return n != count
	})
	c.InsertArray(mark, int(n))
}

// replyOne replies the entry id and reports whether there is one.
func (c *ReadCall) replyOne(s *keyspace.Stream, id keyspace.StreamID) (found bool) {
	s.Walk(id, id, false, func(e *keyspace.StreamEntry) bool {
		c.replyEntry(e)
		found = true
		return false
	})
	return found
}

// errSubcommand is the reply to a subcommand whose arguments make no sense.
func (c *ReadCall) errSubcommand() {
	sub := cString(c.Args[1])
	c.Error("ERR unknown subcommand or wrong number of arguments for '" + sub[:min(len(sub), 128)] +
		"'. Try " + strings.ToUpper(cString(c.Args[0])) + " HELP.")
}

// errNoGroup is the reply where a group or its key is missing; where says more.
func (c *ReadCall) errNoGroup(key, group []byte, where string) {
	c.Error(errFormat("NOGROUP No such key '" + cString(key) + "' or consumer group '" + cString(group) + "'" + where))
}

// errNoSuchGroup is the reply where a group of a stream that exists is missing.
func (c *ReadCall) errNoSuchGroup(key, group []byte) {
	c.Error(errFormat("NOGROUP No such consumer group '" + cString(group) + "' for key name '" + cString(key) + "'"))
}
