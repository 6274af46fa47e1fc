package fsm

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/quorate/quorate/fsm/rdb"
	"github.com/quorate/quorate/slots/hashslot"
)

// ErrSnapshot is returned, with details, for a file that is sound as RDB but no
// state for a machine with the given options.
var ErrSnapshot = errors.New("snapshot can't be restored")

// Restore reads a snapshot into a new machine. It returns either the complete
// state, its checksum verified, or an error.
//
// A file that a stock Redis has written is welcome too: the machine then has
// index 0 and time 0, the limits are the defaults, and collections are held as
// those tell. In cluster mode such a file says nothing about who owns slots, so
// the machine owns none.
func Restore(r io.Reader, o Options) (*Machine, error) {
	m := New(o)
	d := rdb.NewDecoder(r)
	d.Limits, d.Own, d.Borrow = &m.ks.Limits, ownFields, true
	records, done := o.records(d)
	defer done()
	own := map[string]string{}
	for {
		rec, err := records.Next()
		switch {
		case errors.Is(err, io.EOF):
			if err := m.restoreState(own, o.Cluster); err != nil {
				return nil, err
			}
			m.expectNothing()
			return m, nil
		case errors.Is(err, rdb.ErrEmptyKey) && len(own) == 0:
			continue // an old bug of Redis; it ignores such keys as well
		case err != nil:
			return nil, fmt.Errorf("restore: %w", err)
		}
		switch rec.Kind {
		case rdb.AuxField:
			o.Loaded.aux(rec.Name, rec.Text)
			if name := string(rec.Name); strings.HasPrefix(name, ownFields) {
				if _, twice := own[name]; twice {
					return nil, fmt.Errorf("%w: field %s twice", ErrSnapshot, name)
				}
				own[name] = string(rec.Text)
				if name == auxTime { // the keys, which follow, were accessed then as far as is known
					m.now, _ = strconv.ParseInt(own[name], 10, 64) // checked at the end
					m.setClock()
				}
			}
		case rdb.SizeHint:
			if own[auxOwned] != "" && !m.parseOwned(own[auxOwned]) {
				return nil, fmt.Errorf("%w: field %s is %.80q", ErrSnapshot, auxOwned, own[auxOwned])
			}
			m.expect(&rec)
		case rdb.FunctionLibrary:
			if _, err := m.libraries.load(m.interp, string(rec.Text), false, nil); err != nil {
				return nil, fmt.Errorf("%w: a function library: %w", ErrSnapshot, err)
			}
		case rdb.KeyValue:
			if err := m.restoreKey(&rec); err != nil {
				return nil, err
			}
			o.Loaded.key()
		}
	}
}

// ownFields is how the names of our own auxiliary fields begin. What we have written
// comes back as it was, whatever the thresholds.
const ownFields = "quorate-"

// Records are the records of a file, one after the other, as of rdb.Decoder.
type Records interface {
	Next() (rdb.Record, error)
}

// records returns the decoder's records, perhaps decoded ahead. done must be called.
func (o *Options) records(d *rdb.Decoder) (r Records, done func()) {
	if o.Ahead == nil {
		return d, func() {}
	}
	return o.Ahead(d)
}

// expect makes ready for as many keys as a file says a database has.
func (m *Machine) expect(rec *rdb.Record) {
	const most = 1 << 40 // nothing is that large
	if rec.DB >= m.ks.Databases() || rec.Keys > most {
		return
	}
	slots := hashslot.Count
	if m.owned != nil {
		slots = 0
		m.owned.Ranges(func(first, last uint16) { slots += int(last-first) + 1 })
	}
	m.ks.Expect(rec.DB, int(rec.Keys), slots)
}

// expectNothing ends the loading.
func (m *Machine) expectNothing() {
	for i := range m.ks.Databases() {
		m.ks.Expect(i, 0, 0)
	}
}

func (m *Machine) restoreKey(rec *rdb.Record) error {
	if rec.DB >= m.ks.Databases() {
		return fmt.Errorf("%w: Data file was created with a Redis server configured to handle more than %d databases", ErrSnapshot, m.ks.Databases())
	}
	slot := hashslot.Of(rec.Key)
	if m.ks.DB(rec.DB).Find(slot, rec.Key) != nil {
		return fmt.Errorf("%w: key %.80q twice in database %d", ErrSnapshot, rec.Key, rec.DB)
	}
	if rec.Borrowed {
		m.ks.AddCopy(rec.DB, slot, rec.Key, &rec.Value)
	} else {
		m.ks.Add(rec.DB, slot, rec.Key, rec.Value)
	}
	m.ks.Settle()
	m.seen.put(m.ks.DB(rec.DB).Find(slot, rec.Key), rec.Idle, rec.Freq)
	if rec.ExpireAt != 0 {
		m.ks.SetExpire(rec.DB, slot, rec.Key, rec.ExpireAt)
	}
	return nil
}

// restoreState sets everything but the keys. own is empty for a file of a stock
// Redis.
func (m *Machine) restoreState(own map[string]string, cluster bool) (err error) {
	if len(own) == 0 {
		return nil
	}
	if own[auxFormat] != snapshotFormat {
		return fmt.Errorf("%w: format %q", ErrSnapshot, own[auxFormat])
	}
	if err := m.scripts.parse(own[auxScripts]); err != nil {
		return err
	}
	delete(own, auxScripts)
	// A field too many is a part of the state that would be lost.
	if len(own) != len(auxOwn) {
		return fmt.Errorf("%w: %d fields of state, %d are known", ErrSnapshot, len(own), len(auxOwn))
	}
	for _, name := range auxOwn {
		if _, ok := own[name]; !ok {
			return fmt.Errorf("%w: no field %s", ErrSnapshot, name)
		}
	}
	bad := func(name string) error {
		return fmt.Errorf("%w: field %s is %.80q", ErrSnapshot, name, own[name])
	}
	if m.index, err = strconv.ParseUint(own[auxIndex], 10, 64); err != nil {
		return bad(auxIndex)
	}
	if m.now, err = strconv.ParseInt(own[auxTime], 10, 64); err != nil {
		return bad(auxTime)
	}
	if m.chain, err = strconv.ParseUint(own[auxChain], 16, 64); err != nil {
		return bad(auxChain)
	}
	if m.epoch, err = strconv.ParseUint(own[auxEpoch], 10, 64); err != nil {
		return bad(auxEpoch)
	}
	if cluster == (own[auxOwned] == ownsAll) {
		return fmt.Errorf("%w: it is of a server with another setting of cluster-enabled", ErrSnapshot)
	}
	if !m.parseOwned(own[auxOwned]) {
		return bad(auxOwned)
	}
	if !m.parseLimits(own[auxLimits]) {
		return bad(auxLimits)
	}
	return nil
}

func (m *Machine) parseOwned(text string) bool {
	if text == ownsAll {
		m.owned = nil
		return true
	}
	m.owned = &SlotSet{}
	for _, r := range strings.Fields(text) {
		from, to, _ := strings.Cut(r, "-")
		first, err1 := strconv.ParseUint(from, 10, 14)
		last, err2 := strconv.ParseUint(to, 10, 14)
		if err1 != nil || err2 != nil || first > last {
			return false
		}
		m.owned.Add(uint16(first), uint16(last))
	}
	return true
}

// parseLimits reads what formatLimits wrote. A threshold that is missing, in a
// snapshot from before it was introduced, keeps its default.
func (m *Machine) parseLimits(text string) bool {
	words := strings.Fields(text)
	if len(words)%2 != 0 {
		return false
	}
	for i := 0; i < len(words); i += 2 {
		limit := m.LimitNamed(words[i])
		n, err := strconv.Atoi(words[i+1])
		if limit == nil || err != nil {
			return false
		}
		*limit = n
	}
	return true
}

// LoadProgress is how much of a file Restore or Load has read, for whoever shows it
// meanwhile. Safe for concurrent use.
type LoadProgress struct {
	Keys       atomic.Int64
	UsedMemory atomic.Int64 // what the server that wrote the file had in use, if it says so
}

// key counts a key. l may be nil.
func (l *LoadProgress) key() {
	if l != nil {
		l.Keys.Add(1)
	}
}

// auxUsedMemory is the auxiliary field in which Redis says how much memory it had in use.
const auxUsedMemory = "used-mem"

// aux notes an auxiliary field. l may be nil.
func (l *LoadProgress) aux(name, text []byte) {
	if l != nil && string(name) == auxUsedMemory {
		n, _ := strconv.ParseInt(string(text), 10, 64) // 0 if it is none
		l.UsedMemory.Store(n)
	}
}
