package rdb

import (
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/listpack"
)

// Forms that Redis 7.0 reads and no longer writes, or that later versions
// brought.

// repack reads a ziplist and returns a listpack of the same elements.
func (d *Decoder) repack() ([]byte, error) {
	b, err := d.blob()
	if err != nil {
		return nil, err
	}
	lp := listpack.New()
	err = eachZiplist(b, func(element []byte) error {
		if !lp.Fits(listpack.EntrySize(element)) {
			return malformed("ziplist too large for a listpack")
		}
		lp = lp.Append(element)
		return nil
	})
	return lp.Clip(), err
}

// listZiplists reads a quicklist of the older kind.
func (d *Decoder) listZiplists() (keyspace.Value, error) {
	l := &keyspace.List{}
	err := d.each(func() error { return d.appendZiplist(l) })
	return listOrEmpty(l, err)
}

// listZiplist reads a list that is one ziplist.
func (d *Decoder) listZiplist() (keyspace.Value, error) {
	l := &keyspace.List{}
	err := d.appendZiplist(l)
	return listOrEmpty(l, err)
}

func (d *Decoder) appendZiplist(l *keyspace.List) error {
	lp, err := d.repack()
	if err != nil {
		return err
	}
	return sound(l.AppendNode(lp, false))
}

// setListpack reads a small set of Redis 7.2, which here is held as one of 7.0.
func (d *Decoder) setListpack() (keyspace.Value, error) {
	b, err := d.blob()
	if err != nil {
		return keyspace.Value{}, err
	}
	if err := listpack.Valid(b); err != nil {
		return keyspace.Value{}, sound(err)
	}
	s, limits := &keyspace.Set{}, d.limits()
	var scratch listpack.Scratch
	lp := listpack.LP(b)
	for p := lp.First(); p >= 0; p = lp.Next(p) {
		if member := lp.Get(p, &scratch); !s.Add(member, limits) {
			return keyspace.Value{}, malformed("member %.80q twice", member)
		}
	}
	if s.Len() == 0 {
		return keyspace.Value{}, ErrEmptyKey
	}
	return keyspace.NewSetValue(s), nil
}
