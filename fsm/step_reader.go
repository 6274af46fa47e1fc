package fsm

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/quorate/quorate/slots/hashslot"
)

// stepReader reads the steps of an entry's body, only the writes in them, some
// at a time: they are in the CPU's nearest cache then from when they are read until they
// have run, and their room is used again.
type stepReader struct {
	body      []byte // what is still to be read; arguments are slices of it
	databases int

	ops      []loggedOp
	args     [][]byte // of the commands of ops
	usedOps  int      // so much of their room has been used for the entry
	usedArgs int

	db     int
	watch  int64
	slot   int
	evict  bool
	as     *As
	before *Command // of the step in front, if its name is one word: many are alike
	word   []byte   // as it was written there
}

// begin begins with the body of an entry.
func (r *stepReader) begin(body []byte, databases int) {
	*r = stepReader{ops: r.ops, args: r.args, body: body, databases: databases, watch: -1, slot: -1}
	if r.args == nil {
		r.args = make([][]byte, 0, stepArgs)
	}
}

// stepArgs is the room for the arguments of the steps that are read at once. Commands with many
// get slices of their own.
const stepArgs = 8 * warmSteps

// end gives up what refers to the entry.
func (r *stepReader) end() {
	r.used()
	clear(r.ops[:r.usedOps])
	clear(r.args[:r.usedArgs])
	*r = stepReader{ops: r.ops[:0], args: r.args[:0]}
}

func (r *stepReader) used() {
	r.usedOps, r.usedArgs = max(r.usedOps, len(r.ops)), max(r.usedArgs, len(r.args))
}

// next returns up to most of the steps to come, none at the end. Those it returned before
// are gone.
func (r *stepReader) next(most int) ([]loggedOp, error) {
	r.used()
	r.ops, r.args = r.ops[:0], r.args[:0]
	var tx *loggedOp
	for len(r.body) > 0 && (len(r.ops) < most || tx != nil) {
		var args [][]byte
		if r.body[0] == '#' {
			line, rest, ok := bytes.Cut(r.body, []byte("\r\n"))
			if !ok {
				return nil, fmt.Errorf("%w: unfinished line %.40q", ErrEntry, r.body)
			}
			r.body, args = rest, bytes.Fields(line)
		} else {
			room := r.args[len(r.args):]
			found, rest, ok := nextCommand(r.body, room)
			if !ok {
				return nil, fmt.Errorf("%w: at %.40q", ErrEntry, r.body)
			}
			if len(found) <= cap(room) {
				r.args = r.args[:len(r.args)+len(found)]
			} else { // it has a slice of its own, but began here
				r.usedArgs = cap(r.args)
			}
			r.body, args = rest, found[:len(found):len(found)]
			if !r.evict && r.as == nil && tx == nil && r.before != nil && bytes.Equal(args[0], r.word) {
				r.add(r.before, args)
				continue
			}
		}
		var err error
		if tx, err = r.line(tx, args); err != nil {
			return nil, err
		}
	}
	if tx != nil {
		return nil, fmt.Errorf("%w: MULTI without EXEC", ErrEntry)
	}
	return r.ops, nil
}

// add adds a step that is one command. It is put together in its place.
func (r *stepReader) add(cmd *Command, args [][]byte) *loggedOp {
	if len(r.ops) < cap(r.ops) {
		r.ops = r.ops[:len(r.ops)+1]
	} else {
		r.ops = append(r.ops, loggedOp{})
	}
	o := &r.ops[len(r.ops)-1]
	*o = loggedOp{}
	o.op.Cmd, o.op.Args, o.op.DB = cmd, args, r.db
	return o
}

// line takes what isn't a command like the one in front. tx is the transaction that it is
// in, or nil; what it is in afterwards is returned.
func (r *stepReader) line(tx *loggedOp, args [][]byte) (_ *loggedOp, err error) {
	switch name := string(args[0]); {
	case name == "#watch" && len(args) == 2:
		if r.watch, err = strconv.ParseInt(string(args[1]), 10, 64); err != nil {
			return nil, fmt.Errorf("%w: %q", ErrEntry, args)
		}
	case name == "#slot" && len(args) == 2:
		if r.slot, err = strconv.Atoi(string(args[1])); err != nil || r.slot < 0 || r.slot >= hashslot.Count {
			return nil, fmt.Errorf("%w: %q", ErrEntry, args)
		}
	case name == asLine:
		if r.as, err = parseAs(r.as, args); err != nil {
			return nil, err
		}
	case name == evictLine && len(args) == 1 && tx == nil:
		r.evict = true
	case r.evict && name == "DEL" && len(args) > 1:
		r.add(evictCommand, args)
		r.evict = false
	case r.evict:
		return nil, fmt.Errorf("%w: %.40q behind %s", ErrEntry, args, evictLine)
	case name == "SELECT" && len(args) == 2:
		if r.db, err = strconv.Atoi(string(args[1])); err != nil || r.db < 0 || r.db >= r.databases {
			return nil, fmt.Errorf("%w: database %q", ErrEntry, args[1])
		}
	case name == "MULTI" && tx == nil:
		tx = r.add(nil, nil)
		tx.watch, tx.slot, tx.tx = r.watch, r.slot, []Op{}
		r.watch, r.slot = -1, -1
	case name == "EXEC" && tx != nil:
		tx = nil
	default:
		cmd := findWrite(args)
		if cmd == nil {
			return nil, fmt.Errorf("%w: unknown command %.40q", ErrEntry, args[0])
		}
		as := r.as
		if as != nil {
			if as.Rules, err = unescapeAs(as.Rules); err != nil {
				return nil, err
			}
			r.as = nil
		}
		if tx != nil {
			tx.tx = append(tx.tx, Op{Cmd: cmd, Args: args, DB: r.db, As: as})
			break
		}
		r.add(cmd, args).op.As = as
		if r.before = nil; len(args[0]) == len(cmd.Name) && bytes.EqualFold(args[0], []byte(cmd.Name)) {
			r.before, r.word = cmd, args[0]
		}
	}
	return tx, nil
}

// nextCommand reads the RESP array of strings at the beginning of data and appends
// them to args. The entry has been checked by the log; what is wrong here is
// of a version that this one doesn't know.
func nextCommand(data []byte, args [][]byte) (_ [][]byte, rest []byte, ok bool) {
	n, rest, ok := respNumber(data, '*')
	if !ok || n == 0 {
		return nil, nil, false
	}
	for ; n > 0; n-- {
		var size int
		if size, rest, ok = respNumber(rest, '$'); !ok || size+2 > len(rest) || rest[size] != '\r' || rest[size+1] != '\n' {
			return nil, nil, false
		}
		args = append(args, rest[:size:size])
		rest = rest[size+2:]
	}
	return args, rest, true
}

// respNumber reads a line of a kind with a number of up to ten digits.
func respNumber(data []byte, kind byte) (n int, rest []byte, ok bool) {
	if len(data) == 0 || data[0] != kind {
		return 0, nil, false
	}
	for i := 1; i < len(data) && i <= 11; i++ {
		switch c := data[i]; {
		case '0' <= c && c <= '9':
			n = 10*n + int(c-'0')
		case c == '\r' && i > 1 && i+1 < len(data) && data[i+1] == '\n':
			return n, data[i+2:], true
		default:
			return 0, nil, false
		}
	}
	return 0, nil, false
}

// loggedOp is a step as a replica reads it from the log.
type loggedOp struct {
	op    Op
	tx    []Op  // a transaction, if not nil
	watch int64 // the index that must have been applied last, or -1
	slot  int   // of the transaction's keys, or -1
}
