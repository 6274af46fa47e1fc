package fsm

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/tidwall/redcon"
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
