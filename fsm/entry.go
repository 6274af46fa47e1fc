package fsm

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/tidwall/redcon"

	"github.com/quorate/quorate/slots/hashslot"
)

// A log entry is AOF text: annotation lines, which begin with "#" and which
// Redis's AOF loader skips, and write commands as RESP arrays. A dumped log can
// be read by a person and parsed by Redis.
//
//	#q2 <time> <seed> <origin> <sequence> <expire> <applied> <chain>\r\n   always first
//	#watch <index>\r\n                                   before a MULTI
//	#slot <slot>\r\n                                     before a MULTI, of its keys
//	#as =|+ <rules>\r\n                                before a command, see as.go
//	#evict\r\n                                         before a DEL, see evict.go
//	#<internal command> <arguments>\r\n                  see internal.go
//	*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n            and so on
//
// time is Unix ms; seed, origin and chain are hexadecimal; "q2" is the version of
// this format: a machine that doesn't know the version must stop.

// Header is the first line of an entry.
type Header struct {
	Time   int64  // Unix ms by the leader's clock, never before an earlier entry's
	Seed   uint64 // of everything random in the entry
	Origin uint64 // the process that proposed it, drawn at its start
	Seq    uint64 // counts the entries of an origin
	Expire int    // how many expired keys the entry deletes at the most

	// Applied is the last entry that the proposer had applied when it made this
	// one, and Chain its rolling digest then. A replica that has applied the
	// same entry compares: a difference is found one entry after it arose.
	// 0: not said.
	Applied uint64
	Chain   uint64
}

// ErrEntry is returned for an entry that this binary can't understand. The node
// must stop: to go on would let replicas diverge.
var ErrEntry = errors.New("log entry can't be understood by this version")

const entryVersion = "#q2 "

// AppendHeader appends the header line.
func AppendHeader(dst []byte, h Header) []byte {
	dst = append(dst, entryVersion...)
	dst = strconv.AppendInt(dst, h.Time, 10)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, h.Seed, 16)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, h.Origin, 16)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, h.Seq, 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(h.Expire), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, h.Applied, 10)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, h.Chain, 16)
	return append(dst, '\r', '\n')
}

// AppendUnit appends the write commands of a unit, with relative times made
// absolute as of now. db is the database selected so far in the entry; the one
// selected at the end is returned. applied is the index on which the decision
// about watched keys rests.
func AppendUnit(dst []byte, u *Unit, db int, now int64, applied uint64) ([]byte, int) {
	u.storeReads()
	for i := range u.Ops {
		op := &u.Ops[i]
		switch {
		case op.Tx == nil:
			dst, db = appendOp(dst, op, db, now)
		case op.Writes():
			if op.Watch != nil {
				op.decided = applied
				dst = append(dst, "#watch "...)
				dst = strconv.AppendUint(dst, applied, 10)
				dst = append(dst, '\r', '\n')
			}
			if op.Slot >= 0 {
				// Its reads, which aren't in the entry, can be all that has keys.
				dst = append(dst, "#slot "...)
				dst = strconv.AppendInt(dst, int64(op.Slot), 10)
				dst = append(dst, '\r', '\n')
			}
			dst = append(dst, "*1\r\n$5\r\nMULTI\r\n"...)
			for j := range op.Tx {
				dst, db = appendOp(dst, &op.Tx[j], db, now)
			}
			dst = append(dst, "*1\r\n$4\r\nEXEC\r\n"...)
		}
	}
	return dst, db
}

func appendOp(dst []byte, op *Op, db int, now int64) ([]byte, int) {
	if op.Cmd == nil || op.Cmd.Write == nil {
		return dst, db
	}
	if op.Cmd != evictCommand && op.Args[0][0] == '#' {
		dst = append(dst, bytes.Join(op.Args, []byte(" "))...)
		return append(dst, '\r', '\n'), db
	}
	if op.As != nil {
		dst = appendAs(dst, op.As)
	}
	if op.DB != db {
		n := strconv.Itoa(op.DB)
		dst = redcon.AppendArray(dst, 2)
		dst = redcon.AppendBulkString(dst, "SELECT")
		dst = redcon.AppendBulkString(dst, n)
		db = op.DB
	}
	if op.Cmd == evictCommand {
		dst = append(dst, evictLine+"\r\n"...)
	}
	args := op.Args
	if op.Cmd.Log != nil {
		args = op.Cmd.Log(args, now)
	}
	dst = redcon.AppendArray(dst, len(args))
	for _, a := range args {
		dst = redcon.AppendBulk(dst, a)
	}
	return dst, db
}

// ParseHeader reads the first line of an entry and returns the rest.
func ParseHeader(data []byte) (h Header, rest []byte, err error) {
	line, rest, ok := bytes.Cut(data, []byte("\r\n"))
	if !ok || !bytes.HasPrefix(line, []byte(entryVersion)) {
		return h, nil, fmt.Errorf("%w: header %.40q", ErrEntry, data)
	}
	fields := line[len(entryVersion):]
	next := func(base int) (n uint64) {
		var field []byte
		field, fields, _ = bytes.Cut(fields, []byte(" "))
		n, perr := strconv.ParseUint(string(field), base, 64)
		if perr != nil && err == nil {
			err = fmt.Errorf("%w: header %.120q", ErrEntry, line)
		}
		return n
	}
	h.Time = int64(next(10))
	h.Seed, h.Origin, h.Seq = next(16), next(16), next(10)
	h.Expire = int(next(10))
	h.Applied, h.Chain = next(10), next(16)
	if err == nil && (len(fields) > 0 || h.Time < 0 || h.Expire < 0) {
		err = fmt.Errorf("%w: header %.120q", ErrEntry, line)
	}
	return h, rest, err
}

// parseOps turns the body of an entry back into steps with only the writes in
// them, appended to ops. The arguments are slices of data.
func parseOps(ops []loggedOp, data []byte, databases int) (_ []loggedOp, err error) {
	var arena [][]byte // arguments of many commands, in few allocations
	db, watch, slot, evict := 0, int64(-1), -1, false
	var tx *loggedOp
	var as *As
	var before *Command // of the step in front, if its name is one word: many are alike
	var word []byte     // as it was written there
	for len(data) > 0 {
		var args [][]byte
		if data[0] == '#' {
			line, rest, ok := bytes.Cut(data, []byte("\r\n"))
			if !ok {
				return nil, fmt.Errorf("%w: unfinished line %.40q", ErrEntry, data)
			}
			data, args = rest, bytes.Fields(line)
		} else {
			if cap(arena)-len(arena) < 8 {
				arena = make([][]byte, 0, 512)
			}
			room := arena[len(arena):]
			found, rest, ok := nextCommand(data, room)
			if !ok {
				return nil, fmt.Errorf("%w: at %.40q", ErrEntry, data)
			}
			if len(found) <= cap(room) { // else it has a slice of its own
				arena = arena[:len(arena)+len(found)]
			}
			data, args = rest, found[:len(found):len(found)]
			if !evict && as == nil && tx == nil && before != nil && bytes.Equal(args[0], word) {
				ops = append(ops, loggedOp{op: Op{Cmd: before, Args: args, DB: db}})
				continue
			}
		}
		switch name := string(args[0]); {
		case name == "#watch" && len(args) == 2:
			if watch, err = strconv.ParseInt(string(args[1]), 10, 64); err != nil {
				return nil, fmt.Errorf("%w: %q", ErrEntry, args)
			}
		case name == "#slot" && len(args) == 2:
			if slot, err = strconv.Atoi(string(args[1])); err != nil || slot < 0 || slot >= hashslot.Count {
				return nil, fmt.Errorf("%w: %q", ErrEntry, args)
			}
		case name == asLine:
			if as, err = parseAs(as, args); err != nil {
				return nil, err
			}
		case name == evictLine && len(args) == 1 && tx == nil:
			evict = true
		case evict && name == "DEL" && len(args) > 1:
			ops = append(ops, loggedOp{op: Op{Cmd: evictCommand, Args: args, DB: db}})
			evict = false
		case evict:
			return nil, fmt.Errorf("%w: %.40q behind %s", ErrEntry, args, evictLine)
		case name == "SELECT" && len(args) == 2:
			if db, err = strconv.Atoi(string(args[1])); err != nil || db < 0 || db >= databases {
				return nil, fmt.Errorf("%w: database %q", ErrEntry, args[1])
			}
		case name == "MULTI" && tx == nil:
			ops = append(ops, loggedOp{watch: watch, slot: slot, tx: []Op{}})
			tx, watch, slot = &ops[len(ops)-1], -1, -1
		case name == "EXEC" && tx != nil:
			tx = nil
		default:
			cmd := findWrite(args)
			if cmd == nil {
				return nil, fmt.Errorf("%w: unknown command %.40q", ErrEntry, args[0])
			}
			op := Op{Cmd: cmd, Args: args, DB: db, As: as}
			if as != nil {
				if as.Rules, err = unescapeAs(as.Rules); err != nil {
					return nil, err
				}
				as = nil
			}
			if tx != nil {
				tx.tx = append(tx.tx, op)
			} else {
				ops = append(ops, loggedOp{op: op})
				if before = nil; len(args[0]) == len(cmd.Name) && bytes.EqualFold(args[0], []byte(cmd.Name)) {
					before, word = cmd, args[0]
				}
			}
		}
	}
	if tx != nil {
		return nil, fmt.Errorf("%w: MULTI without EXEC", ErrEntry)
	}
	return ops, nil
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
