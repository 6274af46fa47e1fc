package fsm

import (
	"strconv"

	"github.com/quorate/quorate/fsm/keyspace"
)

const (
	errStreamZero      = "ERR The ID specified in XADD must be greater than 0-0"
	errStreamExhausted = "ERR The stream has exhausted the last possible ID, unable to add more items"
	errStreamSmaller   = "ERR The ID specified in XADD is equal or smaller than the target stream top item"
	errStreamLarge     = "ERR Elements are too large to be stored"
	errTrimBoth        = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
	errTrimMaxLen      = "ERR The MAXLEN argument must be >= 0."
	errTrimLimit       = "ERR The LIMIT argument must be >= 0."
	errTrimNoStrategy  = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
	errTrimMissing     = "ERR syntax error, XTRIM must be called with a trimming strategy"
	errTrimExactLimit  = "ERR syntax error, LIMIT cannot be used without the special ~ option"
)

// addOptions are the arguments of XADD and XTRIM in front of the ID.
type addOptions struct {
	trims      bool
	trim       keyspace.StreamTrim
	trimAt     int // argument with its threshold
	noMkStream bool
	idAt       int      // argument with the ID; that behind the last if there is none
	id         streamID // XADD's, if it is not auto
	auto       bool     // "*"
}

// addOptions parses the options of XADD (with withID, up to the ID) or XTRIM, or
// writes the error.
//
// Source: Redis 7.0 docs for XADD and XTRIM.
func (c *ReadCall) addOptions(withID bool) (o addOptions, ok bool) {
	limitGiven := false
	i := 2
options:
	for ; i < len(c.Args); i++ {
		more := len(c.Args) - 1 - i
		switch arg := c.Args[i]; {
		case withID && cString(arg) == "*":
			o.auto = true
			break options
		case more > 0 && (isWord(arg, "MAXLEN") || isWord(arg, "MINID")):
			if o.trims {
				c.Error(errTrimBoth)
				return o, false
			}
			o.trims, o.trim.ByID = true, isWord(arg, "MINID")
			if operator := cString(c.Args[i+1]); more >= 2 && (operator == "~" || operator == "=") {
				o.trim.Approx = operator == "~"
				i++
			}
			i++
			o.trimAt = i
			if !c.threshold(i, &o.trim) {
				return o, false
			}
		case more > 0 && isWord(arg, "LIMIT"):
			i++
			if o.trim.Limit, ok = c.intArg(i); !ok {
				return o, false
			}
			if o.trim.Limit < 0 {
				c.Error(errTrimLimit)
				return o, false
			}
			limitGiven = true
		case withID && isWord(arg, "NOMKSTREAM"):
			o.noMkStream = true
		case withID:
			if o.id, ok = parseStreamID(arg, 0); !ok || o.id.special {
				c.Error(errStreamID)
				return o, false
			}
			break options
		default:
			c.Error(errSyntax)
			return o, false
		}
	}
	o.idAt = i
	return o, c.checkTrim(&o, withID, limitGiven)
}

// threshold parses argument i as the measure of a trimming, or writes the error.
func (c *ReadCall) threshold(i int, t *keyspace.StreamTrim) (ok bool) {
	if t.ByID {
		t.MinID, ok = c.idArg(i)
		return ok
	}
	t.MaxLen, ok = c.intArg(i)
	if ok && t.MaxLen < 0 {
		c.Error(errTrimMaxLen)
		return false
	}
	return ok
}

// checkTrim checks that the options of a trimming go together and chooses the
// limit of an approximate one that has none: a hundred full nodes.
func (c *ReadCall) checkTrim(o *addOptions, withID, limitGiven bool) bool {
	switch {
	case o.trim.Limit != 0 && !o.trims:
		c.Error(errTrimNoStrategy)
	case !withID && !o.trims:
		c.Error(errTrimMissing)
	case limitGiven && !o.trim.Approx:
		c.Error(errTrimExactLimit)
	default:
		if o.trim.Approx && !limitGiven {
			const byDefault, most = 10_000, 1_000_000
			o.trim.Limit = 100 * int64(c.Limits().StreamNodeMaxEntries)
			if o.trim.Limit <= 0 {
				o.trim.Limit = byDefault
			}
			o.trim.Limit = min(o.trim.Limit, most)
		}
		return true
	}
	return false
}

// xadd implements XADD key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold
// [LIMIT count]] <* | id> field value [field value ...]. Reply: the ID of the
// entry, or null with NOMKSTREAM if there is no stream.
//
// Source: Redis 7.0 docs for XADD.
func xadd(c *WriteCall) {
	o, ok := c.addOptions(true)
	if !ok {
		return
	}
	pairs := c.Args[min(o.idAt+1, len(c.Args)):]
	if len(pairs) < 2 || len(pairs)%2 != 0 {
		c.Error(errArity("xadd"))
		return
	}
	if !o.auto && !o.id.anySeq && o.id.IsZero() {
		c.Error(errStreamZero)
		return
	}
	key := c.Args[1]
	s, ok := c.modifyStream(key)
	isNew := s == nil
	switch {
	case !ok:
		return
	case isNew && o.noMkStream:
		c.Null()
		return
	case isNew:
		s = &keyspace.Stream{}
	}
	id, errText := c.newID(s, &o)
	if errText == "" && !s.Fits(pairs) {
		errText = errStreamLarge
	}
	if errText != "" {
		c.Error(errText)
		return
	}
	if isNew {
		c.put(key, keyspace.NewStreamValue(s))
	}
	s.Add(id, pairs, c.Limits())
	c.replyID(id)
	c.changed('t', "xadd", key)
	if o.trims && s.Trim(o.trim) > 0 {
		c.notify('t', "xtrim", key)
	}
	if c.feeding() {
		args := c.trimmedArgs(s, &o)
		if o.auto || o.id.anySeq {
			args[o.idAt] = id.Append(nil)
		}
		c.propagate(args...)
	}
}

// trimmedArgs returns a copy of the arguments of XADD or XTRIM in which an
// approximate trimming, which depends on how a stream lies in memory, is the exact one
// that it came to.
func (c *WriteCall) trimmedArgs(s *keyspace.Stream, o *addOptions) [][]byte {
	args := append([][]byte(nil), c.Args...)
	if o.trims && o.trim.Approx {
		args[o.trimAt-1] = []byte("=")
		if o.trim.ByID {
			args[o.trimAt] = s.OldestID().Append(nil)
		} else {
			args[o.trimAt] = strconv.AppendInt(nil, int64(s.Len()), 10)
		}
	}
	return args
}

// newID returns the ID of the entry that XADD adds, or the text of an error.
func (c *WriteCall) newID(s *keyspace.Stream, o *addOptions) (id keyspace.StreamID, errText string) {
	last := s.LastID()
	if last == keyspace.MaxStreamID {
		return id, errStreamExhausted
	}
	switch {
	case o.auto:
		id, _ = s.NextID(c.now)
	case o.id.anySeq && o.id.MS == last.MS:
		// Wraps around at the end, and is then smaller.
		id = keyspace.StreamID{MS: last.MS, Seq: last.Seq + 1}
	default:
		id = o.id.StreamID
	}
	if !last.Less(id) {
		return id, errStreamSmaller
	}
	return id, ""
}

// xtrim implements XTRIM key <MAXLEN | MINID> [= | ~] threshold [LIMIT count].
// Reply: how many entries were removed.
//
// Source: Redis 7.0 docs for XTRIM.
func xtrim(c *WriteCall) {
	o, ok := c.addOptions(false)
	if !ok {
		return
	}
	s, ok := c.modifyStream(c.Args[1])
	if !ok {
		return
	}
	removed := int64(0)
	if s != nil {
		removed = s.Trim(o.trim)
	}
	if removed > 0 {
		c.changed('t', "xtrim", c.Args[1])
		c.also(int(removed) - 1)
		if c.feeding() {
			c.propagate(c.trimmedArgs(s, &o)...)
		}
	}
	c.Int(removed)
}

// xdel implements XDEL key id [id ...]. Reply: how many entries were removed.
// The key stays when the last one goes.
//
// Source: Redis 7.0 docs for XDEL.
func xdel(c *WriteCall) {
	s, ok := c.modifyStream(c.Args[1])
	if !ok {
		return
	}
	if s == nil {
		c.Int(0)
		return
	}
	ids, ok := c.idArgs(2)
	if !ok {
		return
	}
	removed := int64(0)
	for _, id := range ids {
		if s.Delete(id) {
			removed++
		}
	}
	if removed > 0 {
		c.changed('t', "xdel", c.Args[1])
		c.also(int(removed) - 1)
	}
	c.Int(removed)
}

// xsetid implements XSETID key last-id [ENTRIESADDED entries_added]
// [MAXDELETEDID max_deleted_entry_id].
//
// Source: Redis 7.0 docs for XSETID.
func xsetid(c *WriteCall) {
	id, ok := c.idArg(2)
	if !ok {
		return
	}
	added, maxDeleted := int64(-1), keyspace.StreamID{}
	for i := 3; i < len(c.Args); i += 2 {
		switch {
		case isWord(c.Args[i], "ENTRIESADDED") && i+1 < len(c.Args):
			if added, ok = c.intArg(i + 1); !ok {
				return
			}
			if added < 0 {
				c.Error("ERR entries_added must be positive")
				return
			}
		case isWord(c.Args[i], "MAXDELETEDID") && i+1 < len(c.Args):
			if maxDeleted, ok = c.idArg(i + 1); !ok {
				return
			}
			if id.Less(maxDeleted) {
				c.Error("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
				return
			}
		default:
			c.Error(errSyntax)
			return
		}
	}
	s, ok := c.modifyStream(c.Args[1])
	switch {
	case !ok:
		return
	case s == nil:
		c.Error(errNoSuchKey)
		return
	case s.Len() > 0 && id.Less(s.TopID()):
		c.Error("ERR The ID specified in XSETID is smaller than the target stream top item")
		return
	case s.Len() > 0 && added != -1 && int64(s.Len()) > added:
		c.Error("ERR The entries_added specified in XSETID is smaller than the target stream length")
		return
	}
	s.SetLastID(id)
	if added != -1 {
		s.SetAdded(added)
	}
	if !maxDeleted.IsZero() {
		s.SetMaxDeletedID(maxDeleted)
	}
	c.OK()
	c.changedQuietly(c.Args[1])
	c.notify('t', "xsetid", c.Args[1])
}
