package fsm

import (
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
)

// ReadCall is one run of a read command: arguments, the state as it is now, and
// the reply. Handlers look up, check the type and answer; a lookup helper that
// meets a value of the wrong type has written the error already.
//
// Arguments and everything looked up are valid until the handler returns.
type ReadCall struct {
	*resp.Writer
	Args [][]byte // Args[0] is the command's name (a subcommand's name is Args[1])
	DB   int

	now  int64 // Unix ms; a key whose expiry is not after now is gone
	m    *Machine
	rand Rand

	nested *Nested // see Op
	as     *As     // see Op

	hits, misses int64
	seen         seen // left behind at the keys that are accessed
	// aged is set when a key counted as gone by now but not yet by the time
	// the group has committed: the answer must not be given before that time
	// is committed, or a later leader with a slower clock could revive it.
	aged bool
	// sweep is Unit.Sweep.
	sweep bool
	// stores is set by a read that would store something: see logged.go.
	stores bool

	scripted bool     // a script runs the command
	patient  bool     // a script may run for long: it holds up nobody but this process
	attempt  *attempt // of a script that is tried as a read; else nil

	slotted *byte  // where the key begins whose slot is known, or nil
	slot    uint16 // that slot

	waiter *Waiter // of a blocking command that may wait
	wants  *Wait   // what it waits for, once the handler has said so
}

// Now returns the time of the call in Unix milliseconds.
func (c *ReadCall) Now() int64 { return c.now }

// Rand returns the call's random numbers: of the entry's seed in a write.
func (c *ReadCall) Rand() *Rand { return &c.rand }

// Limits returns the thresholds of the compact encodings.
func (c *ReadCall) Limits() *keyspace.Limits { return &c.m.ks.Limits }

// db returns the call's database.
func (c *ReadCall) db() *keyspace.DB { return c.m.ks.DB(c.DB) }

// begin makes a step the one that the call is for.
func (c *ReadCall) begin(op *Op) {
	c.Args, c.DB, c.nested, c.as = op.Args, op.DB, op.Nested, op.As
	c.slotted = nil
	// Outside cluster mode the keys of a step need not share its slot; 0 may mean that
	// it isn't known.
	if c.m.owned != nil && op.Slot > 0 && len(op.Args) > 1 && len(op.Args[1]) > 0 {
		c.slotted, c.slot = &op.Args[1][0], uint16(op.Slot)
	}
}

// slotOf returns the hash slot of a key. That of a step's first argument, if it is a key, is
// mostly known: whoever sent or looked ahead has worked it out.
func (c *ReadCall) slotOf(key []byte) uint16 {
	if c.slotted != nil && len(key) > 0 && &key[0] == c.slotted {
		return c.slot
	}
	return hashslot.Of(key)
}

// peek returns the entry of key or nil if it is missing or expired. It doesn't
// count as a hit or a miss.
func (c *ReadCall) peek(key []byte) *keyspace.Entry {
	return c.alive(c.db().Find(c.slotOf(key), key))
}

// alive returns e, or nil if it has expired.
func (c *ReadCall) alive(e *keyspace.Entry) *keyspace.Entry {
	if e == nil {
		return nil
	}
	if at := e.ExpireAt(); at != 0 && at <= c.now {
		if at > c.m.now || c.sweep {
			c.aged = true
		}
		return nil
	}
	return e
}

// find is peek, counted in keyspace_hits and keyspace_misses, and an access to
// the key.
func (c *ReadCall) find(key []byte) *keyspace.Entry {
	e := c.peek(key)
	if e == nil {
		c.misses++
		c.miss(key)
		return nil
	}
	c.hits++
	if c.seen.counts { // touch, which the compiler doesn't inline
		c.count(e)
	} else {
		e.SetAccess(c.seen.clock)
	}
	return e
}

// look is find for a command that asks about the key, not for its value, and
// leaves the time of its last access alone.
func (c *ReadCall) look(key []byte) *keyspace.Entry {
	e := c.peek(key)
	if e == nil {
		c.misses++
		c.miss(key)
	} else {
		c.hits++
	}
	return e
}

// miss announces that a key isn't there.
func (c *ReadCall) miss(key []byte) {
	switch {
	case c.aged, c.m.Events == nil: // the call is repeated, or nobody listens
	case c.attempt != nil:
		m, db, name := c.m, c.DB, string(key)
		c.attempt.hold(len(key), func() { m.Events('m', "keymiss", db, []byte(name)) })
	default:
		c.m.Events('m', "keymiss", c.DB, key)
	}
}

// findKind is find for a value of one type. It returns nil, true for a missing
// key, and nil, false after it has written WRONGTYPE.
func (c *ReadCall) findKind(key []byte, kind keyspace.Kind) (*keyspace.Entry, bool) {
	e := c.find(key)
	if e != nil && e.Kind() != kind {
		c.Error(errWrongType)
		return nil, false
	}
	return e, true
}

// WriteCall is one run of a write command. It can do all that a ReadCall can,
// and change the state. Whatever it changes it announces: dirty for INFO and
// the digest, modified for WATCH, notify for keyspace notifications.
type WriteCall struct {
	ReadCall
	fed bool // the handler has said what its effects are: see feed.go
}

// modify returns the entry of key, ready to be changed in place, or nil if it is
// missing. An expired key is deleted first. As in Redis it doesn't count as a
// hit or a miss; a write that replies what it found uses take instead.
func (c *WriteCall) modify(key []byte) *keyspace.Entry {
	return c.modifyIn(c.DB, c.slotOf(key), key)
}

func (c *WriteCall) modifyIn(db int, slot uint16, key []byte) *keyspace.Entry {
	e := c.visit(db, slot, key)
	if e != nil {
		c.m.ks.Modify(db, slot, e)
	}
	return e
}

// visit is modifyIn for an entry that will not be changed.
func (c *WriteCall) visit(db int, slot uint16, key []byte) *keyspace.Entry {
	e := c.m.ks.DB(db).Find(slot, key)
	if e == nil {
		return nil
	}
	if at := e.ExpireAt(); at != 0 && at <= c.now {
		c.m.expire(db, slot, key)
		return nil
	}
	c.touch(e)
	return e
}

// modifyKind is modify for a value of one type; see findKind.
func (c *WriteCall) modifyKind(key []byte, kind keyspace.Kind) (*keyspace.Entry, bool) {
	e := c.modify(key)
	if e != nil && e.Kind() != kind {
		c.Error(errWrongType)
		return nil, false
	}
	return e, true
}

// take is modifyKind, counted in keyspace_hits and keyspace_misses: for writes
// that also read (GETSET, GETDEL).
func (c *WriteCall) take(key []byte, kind keyspace.Kind) (*keyspace.Entry, bool) {
	e := c.modify(key)
	if e == nil {
		c.misses++
		c.notify('m', "keymiss", key)
		return nil, true
	}
	c.hits++
	if e.Kind() != kind {
		c.Error(errWrongType)
		return nil, false
	}
	return e, true
}

// put sets key to v, which the keyspace takes over, removes its expiry, and returns its entry.
func (c *WriteCall) put(key []byte, v keyspace.Value) *keyspace.Entry {
	return c.store(c.DB, key, v, false)
}

// putKeepTTL sets key to v and leaves its expiry alone.
func (c *WriteCall) putKeepTTL(key []byte, v keyspace.Value) { c.store(c.DB, key, v, true) }

// store sets key of a database to v. It announces a key that wasn't there as
// "new", which Redis does before the event of the command.
func (c *WriteCall) store(db int, key []byte, v keyspace.Value, keepTTL bool) *keyspace.Entry {
	slot := c.slotOf(key)
	e := c.modifyIn(db, slot, key)
	if e == nil {
		e = c.m.ks.Add(db, slot, key, v)
		c.m.notify('n', "new", db, key)
		return e
	}
	e.SetValue(v)
	if !keepTTL {
		c.m.ks.Unexpire(db, e)
	}
	return e
}

// putString sets key to the string b, of which a copy is made, as put and
// putKeepTTL do.
func (c *WriteCall) putString(key, b []byte, keepTTL bool) {
	slot := c.slotOf(key)
	e := c.visit(c.DB, slot, key)
	if e == nil {
		c.m.ks.AddString(c.DB, slot, key, b)
		c.notify('n', "new", key)
		return
	}
	c.m.ks.Overwrite(c.DB, slot, e, b)
	if !keepTTL {
		c.m.ks.Unexpire(c.DB, e)
	}
}

// remove deletes key and reports whether it was there and not expired.
func (c *WriteCall) remove(key []byte) bool {
	slot := c.slotOf(key)
	if c.modifyIn(c.DB, slot, key) == nil {
		return false
	}
	return c.m.ks.Delete(c.DB, slot, key)
}

// expireAt sets the expiry of an existing key in Unix milliseconds.
func (c *WriteCall) expireAt(key []byte, at int64) {
	c.m.ks.SetExpire(c.DB, c.slotOf(key), key, at)
}

// persist removes the expiry of key and reports whether it had one.
func (c *WriteCall) persist(key []byte) bool {
	return c.m.ks.Persist(c.DB, c.slotOf(key), key)
}

// changed announces that key was created, changed or deleted: class and event
// are those of Redis's keyspace notifications ('$' "set", 'g' "del", ...).
func (c *WriteCall) changed(class byte, event string, key []byte) {
	c.modified(key)
	c.notify(class, event, key)
}

// modified announces a change for WATCH, INFO's changes counter and the digest.
func (c *WriteCall) modified(key []byte) { c.m.modified(c.DB, key) }

// also counts n changes more for what was announced as one: Redis counts elements.
func (c *WriteCall) also(n int) { c.m.changed += int64(n) }

// notify announces a keyspace event.
func (c *WriteCall) notify(class byte, event string, key []byte) {
	c.m.notify(class, event, c.DB, key)
}

// shrunk announces that elements were taken out of the collection at key, of
// which left are left, and deletes it with the last one.
func (c *WriteCall) shrunk(class byte, event string, key []byte, left int) {
	c.changed(class, event, key)
	if left == 0 {
		c.remove(key)
		c.notify('g', "del", key)
	}
}
