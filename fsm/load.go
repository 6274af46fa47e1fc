package fsm

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/quorate/quorate/fsm/rdb"
	"github.com/quorate/quorate/slots/hashslot"
)

// Successor returns a machine that can take m's place with other data: it has
// m's index, time, slots, thresholds and script cache, and with data m's keys and
// functions, too, and what is known about the accesses to them. It needs m alone.
func (m *Machine) Successor(o Options, data bool) (*Machine, error) {
	var own bytes.Buffer
	if data {
		s := m.BeginUsedSnapshot()
		defer s.Release()
		if _, err := s.WriteTo(&own, alone{}); err != nil {
			return nil, err
		}
		return Restore(&own, o)
	}
	out := rdb.NewWriter(&own)
	_, err := out.Write(m.stateHead())
	if err == nil {
		err = out.Finish()
	}
	if err != nil {
		return nil, err
	}
	return Restore(&own, o)
}

// alone is the lock for a caller that has kept everybody out already.
type alone struct{}

func (alone) Lock()   {}
func (alone) Unlock() {}

// Loaded counts the keys of a file that was loaded, those that were left out
// because they had expired, and the bytes of the file.
type Loaded struct{ Keys, Expired, Bytes int64 }

// Load adds the keys and functions of an RDB file, whoever has written it, to a
// machine that nobody uses yet, and makes now (Unix ms) its time; of the options only those about loading count. What else a file of our own says is ignored: it is
// about another machine. So are keys in slots that the group doesn't serve and,
// as in Redis, those that have expired by now. With merge the file's
// keys and functions take the place of those that are there; else there must be none
// of the same name. After an error the machine is good for nothing.
func (m *Machine) Load(r io.Reader, now int64, merge bool, o Options) (n Loaded, err error) {
	m.now = max(m.now, now)
	m.setClock()
	l := o.Loaded
	d := rdb.NewDecoder(r)
	d.Limits, d.Tail, d.Borrow = &m.ks.Limits, o.Tail, true
	records, done := o.records(d)
	defer done()
	for {
		rec, err := records.Next()
		switch {
		case errors.Is(err, io.EOF):
			m.expectNothing()
			n.Bytes = d.Offset()
			return n, nil
		case errors.Is(err, rdb.ErrEmptyKey):
			continue // an old bug of Redis; it ignores such keys as well
		case err != nil:
			return n, fmt.Errorf("load: %w", err)
		}
		switch rec.Kind {
		case rdb.SizeHint:
			if !merge {
				m.expect(&rec)
			}
		case rdb.AuxField:
			l.aux(rec.Name, rec.Text)
		case rdb.FunctionLibrary:
			if _, err := m.libraries.load(m.interp, string(rec.Text), merge, nil); err != nil {
				return n, fmt.Errorf("%w: a function library: %w", ErrSnapshot, err)
			}
		case rdb.KeyValue:
			slot := hashslot.Of(rec.Key)
			if !m.serves(int(slot)) {
				continue
			}
			if rec.ExpireAt != 0 && rec.ExpireAt <= now {
				n.Expired++
				continue
			}
			if merge && rec.DB < m.ks.Databases() {
				m.ks.Delete(rec.DB, slot, rec.Key)
			}
			if err := m.restoreKey(&rec); err != nil {
				return n, err
			}
			n.Keys++
			l.key()
		}
	}
}
