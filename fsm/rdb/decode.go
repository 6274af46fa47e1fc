package rdb

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/quorate/quorate/fsm/keyspace"
)

// Decoder reads a file record by record. It must be read up to io.EOF: only
// then is the checksum verified. Not safe for concurrent use.
type Decoder struct {
	// Limits choose how collections are held, as Redis does when it loads. Nil
	// means that an Encoder has written the file: collections are held exactly
	// as they were, and the checksum can't have been switched off.
	Limits *keyspace.Limits
	// Own, if set, is how the names of auxiliary fields begin that only an Encoder's
	// files have: when one has come, Limits are nil.
	Own string
	// Borrow says that the value of a record may be valid only until the next call of Next, too:
	// Record.Borrowed.
	Borrow bool
	// Tail says that what is behind the file's end is somebody else's: it is neither
	// expected nor refused.
	Tail bool

	src      source
	version  int
	db       int
	keyRoom  []byte // memory of the last record's key
	room     []byte // memory of the last text
	borrowed bool   // the last value lies there
	done     error
}

// RecordKind tells what a Record is.
type RecordKind uint8

// The kinds of records.
const (
	AuxField        RecordKind = iota + 1 // Name and Text
	SizeHint                              // DB, Keys and Expires; not to be trusted
	KeyValue                              // DB, Key, ExpireAt and Value
	FunctionLibrary                       // Text is the code
)

// Record is one piece of a file. Name, Text and Key are valid until the next
// call of Next, the Value is the caller's, unless it is borrowed.
type Record struct {
	Kind          RecordKind
	Name, Text    []byte
	DB            int
	Keys, Expires uint64
	Key           []byte
	ExpireAt      int64 // Unix ms; 0: none
	Idle, Freq    int64 // seconds without a use, and the counter of uses, up to 255; -1: not said
	Value         keyspace.Value
	Borrowed      bool // the value lies in memory of the decoder: see Decoder.Borrow
}

// NewDecoder returns a decoder that takes all of r. It buffers.
func NewDecoder(r io.Reader) *Decoder { return &Decoder{src: newSource(r)} }

// Offset returns the number of bytes that the records read so far took, with all
// that stands in front of them.
func (d *Decoder) Offset() int64 { return d.src.offset() }

// Next returns the next record, or io.EOF behind the end of a file that is
// complete and has the right checksum and nothing behind it (but see Tail). Any other error is
// an *Error, and final unless it is ErrEmptyKey.
func (d *Decoder) Next() (Record, error) {
	if d.done != nil {
		return Record{}, d.done
	}
	if d.version == 0 {
		if err := d.header(); err != nil {
			return Record{}, d.fail(err)
		}
	}
	rec, err := d.next()
	if err != nil {
		return rec, d.fail(err)
	}
	return rec, nil
}

func (d *Decoder) fail(err error) error {
	if !errors.Is(err, io.EOF) {
		err = &Error{Offset: d.src.offset(), Err: err}
	}
	if !errors.Is(err, ErrEmptyKey) {
		d.done = err
	}
	return err
}

func (d *Decoder) header() error {
	b, err := d.src.append(make([]byte, 0, 9), 9)
	if err != nil {
		return err
	}
	if string(b[:5]) != "REDIS" {
		return malformed("the file begins with %q", b)
	}
	version, err := strconv.ParseUint(string(b[5:]), 10, 16)
	if err != nil || version == 0 {
		return malformed("version %q", b[5:])
	}
	if version > maxVersion {
		return fmt.Errorf("%w: version %d", ErrUnsupported, version)
	}
	d.version = int(version)
	return nil
}

func (d *Decoder) next() (Record, error) {
	expireAt, idle, freq := int64(0), int64(-1), int64(-1)
	for {
		op, err := d.src.byte()
		if err != nil {
			return Record{}, err
		}
		if name := unsupported[op]; name != "" {
			return Record{}, fmt.Errorf("%w: %s", ErrUnsupported, name)
		}
		if expireAt != 0 && op >= smallestOpcode && op != opFreq && op != opIdle {
			return Record{}, malformed("opcode 0x%02x between an expiry and its key", op)
		}
		switch op {
		case opEOF:
			return Record{}, d.end()
		case opAux:
			return d.aux()
		case opFunction:
			code, err := d.bytes(&d.room)
			return Record{Kind: FunctionLibrary, Text: code}, err
		case opFunctionPre:
			code, err := d.oldFunction()
			return Record{Kind: FunctionLibrary, Text: code}, err
		case opModuleAux:
			return Record{}, d.moduleAux()
		case opSelectDB:
			var n uint64
			if n, err = d.src.count(); err == nil && n > math.MaxInt32 {
				err = malformed("database %d", n)
			}
			d.db = int(n)
		case opResizeDB:
			return d.sizes()
		case opExpire:
			var at uint32
			at, err = d.src.uint32()
			expireAt = 1000 * int64(int32(at))
		case opExpireMs:
			var at uint64
			at, err = d.src.uint64()
			expireAt = int64(at)
		case opFreq:
			var n byte
			n, err = d.src.byte()
			freq = int64(n)
		case opIdle:
			var n uint64
			n, err = d.src.count()
			idle = int64(min(n, math.MaxInt64))
		default:
			rec, err := d.key(op, expireAt)
			rec.Idle, rec.Freq = idle, freq
			return rec, err
		}
		if err != nil {
			return Record{}, err
		}
		if (op == opExpire || op == opExpireMs) && expireAt == 0 {
			expireAt = 1 // as long ago; zero means none
		}
	}
}

func (d *Decoder) aux() (rec Record, err error) {
	rec.Kind = AuxField
	name, err := d.bytes(&d.keyRoom)
	if err != nil {
		return rec, err
	}
	rec.Name = name
	if d.Own != "" && len(name) >= len(d.Own) && string(name[:len(d.Own)]) == d.Own {
		d.Limits = nil
	}
	rec.Text, err = d.bytes(&d.room)
	return rec, err
}

func (d *Decoder) sizes() (rec Record, err error) {
	rec.Kind, rec.DB = SizeHint, d.db
	if rec.Keys, err = d.src.count(); err == nil {
		rec.Expires, err = d.src.count()
	}
	return rec, err
}

func (d *Decoder) key(valueType byte, expireAt int64) (rec Record, err error) {
	rec.Kind, rec.DB, rec.ExpireAt = KeyValue, d.db, expireAt
	if rec.Key, err = d.bytes(&d.keyRoom); err != nil {
		return rec, err
	}
	d.borrowed = false
	if rec.Value, err = d.value(valueType); err != nil {
		err = fmt.Errorf("key %.80q: %w", rec.Key, err)
	}
	rec.Borrowed = d.borrowed
	return rec, err
}

// end verifies the checksum, which versions before 5 don't have and which is
// zero if Redis was told to leave it out, and that nothing follows.
func (d *Decoder) end() error {
	want := d.src.sum()
	if d.version >= 5 {
		got, err := d.src.uint64()
		if err != nil {
			return err
		}
		if got != want && (got != 0 || d.Limits == nil) {
			return fmt.Errorf("%w: %016x in the file, its bytes give %016x", ErrChecksum, got, want)
		}
	}
	if d.Tail {
		return io.EOF
	}
	err := d.src.fill()
	if err == nil {
		return malformed("bytes behind the end")
	}
	return err
}

// text reads a string that is valid until room is used again. Room that a
// large string has taken is not kept.
func (d *Decoder) text(room *[]byte) (text, error) {
	t, err := d.src.text(*room)
	if err == nil && cap(t.b) > cap(*room) && cap(t.b) <= sourceBuffer {
		*room = t.b
	}
	return t, err
}

// bytes is text as bytes.
func (d *Decoder) bytes(room *[]byte) ([]byte, error) {
	t, err := d.text(room)
	if err == nil && t.isInt {
		*room = strconv.AppendInt((*room)[:0], t.n, 10)
		return *room, nil
	}
	return t.b, err
}

// blob reads a string as bytes of its own.
func (d *Decoder) blob() ([]byte, error) {
	t, err := d.src.text(nil)
	if err != nil {
		return nil, err
	}
	if t.isInt {
		return strconv.AppendInt(nil, t.n, 10), nil
	}
	return t.b, nil
}
