package fsm

import (
	"fmt"
	"strconv"

	"github.com/quorate/quorate/fsm/keyspace"
)

// Replay runs the commands of an append-only file on a machine that nobody uses yet.
// They become entries of its kind; like in Redis nothing expires meanwhile, and
// what a command replies doesn't matter. Relative times count from now (Unix ms).
type Replay struct {
	m     *Machine
	now   int64
	db    int
	entry []byte
	in    int // database selected at the end of entry
	tx    []Op
	open  bool
}

// NewReplay begins a replay.
func NewReplay(m *Machine, now int64) *Replay { return &Replay{m: m, now: now} }

// replayBytes is about how long the entries are.
const replayBytes = 1 << 20

// Command takes the next command. Its arguments must stay as they are until End.
func (r *Replay) Command(args [][]byte) error {
	var buf [16]byte
	switch name := string(appendUpper(buf[:0], args[0])); {
	case name == "SELECT" && len(args) == 2:
		db, err := strconv.Atoi(string(args[1]))
		if err != nil || db < 0 || db >= r.m.ks.Databases() {
			return fmt.Errorf("database %.20q of %d", args[1], r.m.ks.Databases())
		}
		r.db = db
		return nil
	case name == "MULTI" && len(args) == 1 && !r.open:
		r.open = true
		return nil
	case name == "EXEC" && len(args) == 1 && r.open:
		unit := Unit{Ops: []Op{{Tx: r.tx, Slot: -1}}}
		r.entry, r.in = AppendUnit(r.begin(), &unit, r.in, r.now, 0)
		r.tx, r.open = nil, false
		return r.full()
	}
	cmd := findWrite(args)
	if cmd == nil || args[0][0] == '#' {
		return fmt.Errorf("Unknown command '%.128s'", args[0])
	}
	if !cmd.ArityOK(len(args)) {
		return fmt.Errorf("wrong number of arguments for '%.128s'", args[0])
	}
	op := Op{Cmd: cmd, Args: args, DB: r.db, Slot: -1}
	if r.open {
		r.tx = append(r.tx, op)
		return nil
	}
	r.entry, r.in = appendOp(r.begin(), &op, r.in, r.now)
	return r.full()
}

// begin returns the entry under construction.
func (r *Replay) begin() []byte {
	if len(r.entry) == 0 {
		r.entry, r.in = AppendHeader(r.entry, Header{Seed: 1}), 0
	}
	return r.entry
}

func (r *Replay) full() error {
	if len(r.entry) < replayBytes {
		return nil
	}
	return r.flush()
}

func (r *Replay) flush() error {
	if len(r.entry) == 0 {
		return nil
	}
	err := r.m.Apply(0, r.entry, nil)
	r.entry = r.entry[:0]
	return err
}

// End runs what is left, and drops a transaction that is open. It reports whether
// there was one.
func (r *Replay) End() (unfinished bool, err error) {
	unfinished = r.open
	r.tx, r.open = nil, false
	return unfinished, r.flush()
}

// Done follows the End of the last file: the time is now, and, as in Redis, every
// key was used at it.
func (r *Replay) Done() {
	m := r.m
	m.now = max(m.now, r.now)
	m.setClock()
	for i := range m.ks.Databases() {
		for cursor, more := uint64(0), true; more; more = cursor != 0 {
			cursor = m.ks.DB(i).Scan(cursor, 1000, func(e *keyspace.Entry) { e.SetAccess(m.ks.Fresh) })
		}
	}
}
