package rdb

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/quorate/quorate/fsm/keyspace"
)

// Encoder builds pieces of an RDB file in memory. Equal calls give equal bytes.
// The zero value is ready. Not safe for concurrent use.
type Encoder struct {
	buf []byte
	lzf lzfTable // for strings that need more than smallTable cells

	// LikeRedis makes the bytes those of Redis also where that loses how a
	// value is held. Payloads of DUMP and files for others want it, snapshots don't.
	LikeRedis bool
	// Uncompressed leaves strings as they are, as rdbcompression no wants.
	Uncompressed bool
}

// Bytes returns what was built since the last Reset, valid until the next call.
func (e *Encoder) Bytes() []byte { return e.buf }

// Len returns the number of bytes built since the last Reset.
func (e *Encoder) Len() int { return len(e.buf) }

// Reset starts anew and keeps the memory.
func (e *Encoder) Reset() { e.buf = e.buf[:0] }

// Append adds what another Encoder has built.
func (e *Encoder) Append(b []byte) { e.buf = append(e.buf, b...) }

// Header begins a file.
func (e *Encoder) Header() { e.buf = fmt.Appendf(e.buf, "REDIS%04d", Version) }

// Aux writes an auxiliary field. Redis ignores names it doesn't know.
func (e *Encoder) Aux(name, value string) {
	e.buf = append(e.buf, opAux)
	e.text([]byte(name))
	e.text([]byte(value))
}

// SelectDB says to which database the following keys belong.
func (e *Encoder) SelectDB(db int) {
	e.buf = append(e.buf, opSelectDB)
	e.length(uint64(db))
}

// ResizeDB tells a loader how many keys the selected database will have, and
// how many of them have an expiry.
func (e *Encoder) ResizeDB(keys, expires int) {
	e.buf = append(e.buf, opResizeDB)
	e.length(uint64(keys))
	e.length(uint64(expires))
}

// Usage is what is known about the accesses to a key: under an LRU policy for how
// many seconds there was none, under an LFU policy the counter of how many there
// were. A number below zero is not known.
type Usage struct{ Idle, Frequency int64 }

// Unknown is the usage of a key of which nothing is known.
var Unknown = Usage{-1, -1}

// usage writes what is known about the accesses to the key that follows.
func (e *Encoder) usage(u Usage) {
	if u.Idle >= 0 {
		e.buf = append(e.buf, opIdle)
		e.length(uint64(u.Idle))
	}
	if u.Frequency >= 0 {
		e.buf = append(e.buf, opFreq, byte(u.Frequency))
	}
}

// expire writes the expiry of the key that follows, Unix ms.
func (e *Encoder) expire(at int64) {
	e.buf = append(e.buf, opExpireMs)
	e.buf = binary.LittleEndian.AppendUint64(e.buf, uint64(at))
}

func (e *Encoder) length(n uint64) {
	switch {
	case n < 1<<6:
		e.buf = append(e.buf, len6|byte(n))
	case n < 1<<14:
		e.buf = append(e.buf, len14|byte(n>>8), byte(n))
	case n < 1<<32:
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, len32), uint32(n))
	default:
		e.buf = binary.BigEndian.AppendUint64(append(e.buf, len64), n)
	}
}

// compressFrom is the size from which a string is worth compressing.
const compressFrom = 21

// intText is the longest text that is tried as an integer: 32 bits, a sign.
const intText = 11

// text writes a string in its shortest form: as an integer of up to 32 bits,
// compressed, or as it is.
func (e *Encoder) text(b []byte) {
	if len(b) <= intText {
		if n, ok := canonicalInt(b); ok {
			e.number(n)
			return
		}
	}
	e.blob(b)
}

// blob writes a string that is not tried as an integer.
func (e *Encoder) blob(b []byte) {
	if len(b) >= compressFrom && !e.Uncompressed && e.compressed(b) {
		return
	}
	e.length(uint64(len(b)))
	e.buf = append(e.buf, b...)
}

// number writes an integer as a string.
func (e *Encoder) number(n int64) {
	switch {
	case n >= math.MinInt8 && n <= math.MaxInt8:
		e.buf = append(e.buf, encInt8, byte(n))
	case n >= math.MinInt16 && n <= math.MaxInt16:
		e.buf = binary.LittleEndian.AppendUint16(append(e.buf, encInt16), uint16(n))
	case n >= math.MinInt32 && n <= math.MaxInt32:
		e.buf = binary.LittleEndian.AppendUint32(append(e.buf, encInt32), uint32(n))
	default:
		var room [20]byte
		b := strconv.AppendInt(room[:0], n, 10)
		e.length(uint64(len(b)))
		e.buf = append(e.buf, b...)
	}
}

// smallTable is the length of the longest table on the stack, 1 KiB: for strings
// of up to 255 bytes.
const smallTable = 1 << 8

// compressed writes b compressed if that saves at least four bytes.
func (e *Encoder) compressed(b []byte) bool {
	// Short strings, which are most, find a table on the stack: DUMP has a new
	// encoder for each value.
	var small [smallTable]uint32
	table := lzfTable(small[:])
	cells := lzfCells(len(b))
	if cells > smallTable {
		if len(e.lzf) < cells {
			e.lzf = make(lzfTable, cells)
		}
		table = e.lzf
	}
	// The length stands in front of the data and is known behind it: leave
	// room for the longest header, then close the gap.
	const room = 1 + 5 + 5
	start := len(e.buf)
	var gap [room]byte
	out, ok := table[:cells].compress(append(e.buf, gap[:]...), b, len(b)-4)
	if !ok {
		e.buf = out[:start]
		return false
	}
	data := out[start+room:]
	e.buf = append(out[:start], encLZF) // before data, so it stays in the room
	e.length(uint64(len(data)))
	e.length(uint64(len(b)))
	e.buf = append(e.buf, data...)
	return true
}

// canonicalInt returns the integer of up to 32 bits whose decimal text b is.
func canonicalInt(b []byte) (int64, bool) {
	n, ok := keyspace.ParseInt(b)
	return n, ok && n >= math.MinInt32 && n <= math.MaxInt32
}
