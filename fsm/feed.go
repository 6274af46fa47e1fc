package fsm

import (
	"strconv"

	"github.com/tidwall/redcon"
)

// feed collects what the entries that are applied did, as the commands that a
// replica of Redis's kind is sent: see docs/decisions/0013-effects.md. It exists
// only while somebody listens on this node, is no part of the replicated state,
// and changes nothing in what a command does.
//
// A step of an entry (a command, a transaction, a script) that had several
// effects stands between MULTI and EXEC, as in Redis 7.0.
type feed struct {
	out     []byte // effects that nobody has taken yet
	step    []byte // of the step that is running
	effects int    // in step
	db      int    // selected at the end of step; -1: none yet
	moved   bool   // slots have come or gone, which is no command
	whole   bool   // a command was about everything there is
}

// Record turns the recording of effects on or off for the entries to come. db is
// the database that is selected where they will be read, -1 for none.
func (m *Machine) Record(on bool, db int) {
	switch {
	case !on:
		m.feed = nil
	case m.feed == nil:
		m.feed = &feed{db: db}
	default:
		m.feed.db = db
	}
}

// Effects are what TakeEffects returns.
type Effects struct {
	Commands []byte // RESP; valid until the next entry is applied
	DB       int    // the database selected at their end
	Moved    bool   // the state has changed in a way that commands can't tell
	Whole    bool   // a command is about all there is (FLUSHALL), of this group only
}

// TakeEffects returns the effects of the entries since the last call, nothing
// if they aren't recorded.
func (m *Machine) TakeEffects() (e Effects) {
	if f := m.feed; f != nil {
		e = Effects{Commands: f.out, DB: f.db, Moved: f.moved, Whole: f.whole}
		f.out, f.moved, f.whole = f.out[:0], false, false
		if cap(f.out) > keepFeed {
			f.out = nil
		}
	}
	return e
}

// keepFeed is the size above which room for effects isn't kept.
const keepFeed = 1 << 20

// add notes an effect of the running step.
func (f *feed) add(db int, args ...[]byte) {
	if db != f.db {
		if f.effects == 0 {
			f.out = appendSelect(f.out, db) // before its MULTI
		} else {
			f.step = appendSelect(f.step, db)
		}
		f.db = db
	}
	f.step = redcon.AppendArray(f.step, len(args))
	for _, a := range args {
		f.step = redcon.AppendBulk(f.step, a)
	}
	f.effects++
}

// end ends the running step.
func (f *feed) end() {
	if f.effects > 1 {
		f.out = append(f.out, "*1\r\n$5\r\nMULTI\r\n"...)
	}
	f.out = append(f.out, f.step...)
	if f.effects > 1 {
		f.out = append(f.out, "*1\r\n$4\r\nEXEC\r\n"...)
	}
	f.step, f.effects = f.step[:0], 0
	if cap(f.step) > keepFeed {
		f.step = nil
	}
}

// endStep ends a step of an entry for the feed, if there is one.
func (m *Machine) endStep() {
	if m.feed != nil {
		m.feed.end()
	}
}

// changes counts what has changed in the running process but for keys that
// expired, which are effects of their own.
func (m *Machine) changes() int64 { return m.Stats.Changes.Load() + m.changed }

// feeding reports whether the effects of the command are wanted: handlers ask
// before they compute them.
func (c *WriteCall) feeding() bool { return c.m.feed != nil }

// propagate notes an effect in place of the command itself.
func (c *WriteCall) propagate(args ...[]byte) {
	if c.m.feed != nil {
		c.m.feed.add(c.DB, args...)
		c.fed = true
	}
}

// propagateNothing says that the command itself is no effect, whatever it changed.
func (c *WriteCall) propagateNothing() { c.fed = true }

// propagateAlways says that the command is an effect even if it changed nothing.
func (c *WriteCall) propagateAlways() {
	if c.m.feed != nil {
		c.m.feed.add(c.DB, c.Args...)
		c.fed = true
	}
}

// runWrite runs a write command and notes its effects: the command as the log
// has it if it has changed anything and its handler hasn't said something else.
func (m *Machine) runWrite(c *WriteCall, cmd *Command) {
	if m.feed == nil {
		cmd.Write(c)
		return
	}
	before, effects := m.changes(), m.feed.effects
	// The effects of a script are those of its commands; internal commands are
	// none of Redis's.
	c.fed = cmd.script != nil || cmd.Name[0] == '#'
	cmd.Write(c)
	if !c.fed && m.changes() != before {
		args := c.Args
		if cmd.Log != nil {
			args = cmd.Log(args, c.now)
		}
		m.feed.add(c.DB, args...)
	}
	if len(cmd.Keys) == 0 && m.feed.effects > effects {
		m.feed.whole = true
	}
}

func appendSelect(dst []byte, db int) []byte {
	dst = redcon.AppendArray(dst, 2)
	dst = redcon.AppendBulkString(dst, "SELECT")
	return redcon.AppendBulkString(dst, strconv.Itoa(db))
}

// AppendEffect appends a command to effects that were taken from a machine, or
// none, with the database db selected first where none is. It returns the one
// that is selected then.
func AppendEffect(dst []byte, selected, db int, args ...[]byte) ([]byte, int) {
	if selected < 0 {
		dst, selected = appendSelect(dst, db), db
	}
	dst = redcon.AppendArray(dst, len(args))
	for _, a := range args {
		dst = redcon.AppendBulk(dst, a)
	}
	return dst, selected
}
