package rdb

import (
	"bytes"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/slab"
)

// embstrMax is the length up to which a string that is loaded counts as
// "embstr" and not as "raw".
const embstrMax = 44

// stringValue writes a string.
//
// The format doesn't tell whether a short string is held as "raw", as APPEND
// leaves it, as "embstr" though it reads as a number, as INCRBYFLOAT leaves it,
// or as what a loader makes of the same text. A replica that was restored would
// then answer OBJECT ENCODING differently from the others. So the first is
// written with a length one byte longer than it needs to be and the second with
// one four bytes longer, which every reader of RDB understands and which Redis
// never does by itself.
func (e *Encoder) stringValue(v *keyspace.Value) byte {
	if n, ok := v.Int(); ok {
		e.number(n)
		return typeString
	}
	b := v.Str(nil)
	switch {
	case e.LikeRedis:
		e.text(b)
	case v.StringEncoding() == "raw" && len(b) <= embstrMax:
		e.buf = append(e.buf, len14, byte(len(b)))
		e.buf = append(e.buf, b...)
	case v.StringEncoding() == "embstr" && isInt(b):
		e.buf = append(e.buf, len32, 0, 0, 0, byte(len(b)))
		e.buf = append(e.buf, b...)
	default:
		e.blob(b)
	}
	return typeString
}

func (d *Decoder) stringValue() (keyspace.Value, error) {
	t, err := d.text(&d.room)
	if err != nil {
		return keyspace.Value{}, err
	}
	if t.isInt {
		return keyspace.NewInt(t.n), nil
	}
	b := t.b
	if d.borrowed = d.Borrow && len(b) <= slab.Max; !d.borrowed {
		b = bytes.Clone(b)
	}
	switch {
	case t.padded == len14 && len(b) <= embstrMax:
		return keyspace.NewOwnedString(b), nil
	case t.padded == len32 && len(b) <= embstrMax:
		return keyspace.NewOwnedText(b), nil
	}
	if n, ok := keyspace.ParseInt(b); ok {
		return keyspace.NewInt(n), nil
	}
	return keyspace.NewOwnedText(b), nil
}

func isInt(b []byte) bool {
	_, ok := keyspace.ParseInt(b)
	return ok
}
