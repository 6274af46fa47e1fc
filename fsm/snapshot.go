package fsm

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
	"github.com/quorate/quorate/slots/hashslot"
)

// Snapshot is the state of a machine at one moment, on its way to an RDB file
// while the machine goes on.
//
// Nothing is copied when it begins. WriteTo walks the hash slots; of a slot that
// is about to change before the walk has reached it the entries are copied first, by the
// goroutine that applies, and each value before it is changed in place. The copies are
// kept until the walk gets there. So the file holds
// the slots in order whatever was written meanwhile, and replicas at the same
// index write the same bytes. A database that is flushed or swapped meanwhile
// is walked where it is: the snapshot has its own list of them.
//
// One slot is serialised in one go under the read lock, but for large values: these are frozen
// (keyspace.Frozen) when the walk gets to them, or when they are changed before, and written in
// pieces. In the worst case, when
// every value is changed before the walk gets to it, the state is in memory twice.
//
// Everything here is guarded by the group's lock. WriteTo changes the fields
// while it holds the lock for reading, which is enough: it is the only one who
// changes them then, and nobody else looks.
type Snapshot struct {
	head []byte

	functions []string // code of the libraries

	dbs      []*keyspace.DB
	walker   rdb.Encoder
	next     int                  // slots below it are written or in the walker's hands
	pending  map[uint16]*slotCopy // slots the applier has saved
	large    []largeKey           // of the slot in the walker's hands, what it has not written
	selected int                  // database at the end of what the walker has written; -1: none
	usage    func(*keyspace.Entry) rdb.Usage
	remove   func()

	// For a file for others.
	file   File
	origin Origin
	used   int64    // bytes of memory
	sizes  []dbSize // of what is in the file
	slots  *SlotSet // whose keys are; nil: of all
	epoch  uint64   // of the decision about them
}

// BeginSnapshot opens a snapshot of the state as it is now. It needs the
// machine alone and takes a moment that doesn't depend on the amount of data.
// Release must follow. Several snapshots can be open.
func (m *Machine) BeginSnapshot() *Snapshot {
	s := m.openSnapshot()
	s.head = m.snapshotHead()
	return s
}

// BeginUsedSnapshot is BeginSnapshot for a snapshot that tells how keys were used,
// too. Replicas don't agree on that: it may not become the snapshot of one of several.
func (m *Machine) BeginUsedSnapshot() *Snapshot {
	s := m.BeginSnapshot()
	s.usage = m.usageAt(m.now, true)
	return s
}

func (m *Machine) openSnapshot() *Snapshot {
	s := &Snapshot{functions: m.libraries.codes(), pending: map[uint16]*slotCopy{}, selected: -1}
	for i := range m.ks.Databases() {
		s.dbs = append(s.dbs, m.ks.DB(i))
	}
	s.remove = m.ks.BeforeWrite(s.save)
	return s
}

// Plain has WriteTo compress nothing: the file is larger and sooner written.
func (s *Snapshot) Plain() *Snapshot {
	s.walker.Uncompressed = true
	return s
}

// Release closes the snapshot, whether WriteTo has succeeded, failed or was
// never called; WriteTo must not be running. It needs the machine alone, like
// BeginSnapshot.
func (s *Snapshot) Release() {
	s.remove()
	s.drop()
	s.dbs = nil
}

// drop forgets what is still to be written.
func (s *Snapshot) drop() {
	freezing.Lock()
	for _, c := range s.pending {
		c.thaw()
	}
	for i := range s.large {
		s.large[i].pieces.Release()
	}
	freezing.Unlock()
	s.large, s.pending, s.next = nil, nil, hashslot.Count
}

// batch is how many bytes are collected under one hold of the lock, and
// batchSlots how many slots are looked at.
const (
	batch      = 16 << 10
	batchSlots = 256
)

// slotCopy is a slot as it was: a view of each database. What hasn't changed yet they share
// with the keyspace, so that the lock is needed to look at it.
type slotCopy struct {
	views []*keyspace.SlotView
	bytes int
}

// thaw gives up the large values of a slot that won't be written. The caller holds freezing.
func (c *slotCopy) thaw() {
	for _, v := range c.views {
		v.Each(func(e *keyspace.Entry) {
			if f := e.Frozen(); f != nil {
				f.Thaw()
			}
		})
	}
}

// freezing keeps the walks of several snapshots from freezing and thawing values at the
// same time, while they all have the group's lock for reading only.
var freezing sync.Mutex

// largeKey is a key with a large value, and what follows it in its slot.
type largeKey struct {
	pieces *rdb.Pieces
	copied int // bytes that Progress knows of
	behind rdb.Encoder
}

// WriteTo writes the snapshot as an RDB file and returns its size. It runs
// beside the machine, holding rlock, which must keep Apply out, for one batch
// at a time and never while it writes. It can be called once.
func (s *Snapshot) WriteTo(w io.Writer, rlock sync.Locker) (int64, error) {
	out := rdb.NewWriter(w)
	_, err := out.Write(s.head)
	if err == nil {
		err = s.writeSlots(out, rlock)
	}
	if err == nil {
		err = out.Finish()
	}
	if err != nil {
		// Nobody will read it: the applier need not save any more.
		rlock.Lock()
		s.drop()
		rlock.Unlock()
	}
	return out.Written(), err
}

// SnapshotPart is the snapshot of one of several groups, and the lock that
// keeps the group's Apply out.
type SnapshotPart struct {
	*Snapshot
	Lock sync.Locker

	Group uint32 // if the file is to say where it comes from
	Term  uint64 // that of the leader who writes the file; 0: somebody else does
}

// writeSlots writes the keys.
func (s *Snapshot) writeSlots(out *rdb.Writer, rlock sync.Locker) (err error) {
	for more := true; more && err == nil; {
		rlock.Lock()
		more = s.collect()
		rlock.Unlock()
		if len(s.large) > 0 && s.large[0].pieces.IsString() {
			s.writeLarge() // a copy: nobody needs to wait while it is compressed
			more = true
		}
		_, err = out.Write(s.walker.Bytes())
	}
	return err
}

// collect serialises the next slots for the walker, as the applier has saved them if it
// has, and reports whether there are more.
func (s *Snapshot) collect() (more bool) {
	s.walker.Reset()
	for n := 0; s.walker.Len() < batch; n++ {
		if len(s.large) > 0 {
			if s.large[0].pieces.IsString() {
				return true
			}
			s.writeLarge()
			continue
		}
		if n >= batchSlots || s.next == hashslot.Count {
			break
		}
		slot := uint16(s.next)
		s.next++
		if !s.has(slot) {
			continue
		}
		for n := range s.dbs {
			count, at := s.entries(n, slot)
			s.encode(n, count, at)
		}
		s.taken(slot)
	}
	return s.next < hashslot.Count || len(s.large) > 0
}

// writeLarge writes a piece of the first large value, and when that was the last, what
// follows it.
func (s *Snapshot) writeLarge() {
	l := &s.large[0]
	more := l.pieces.Write(&s.walker, batch)
	now := l.pieces.Copied()
	s.file.Progress.copied(now - l.copied)
	if l.copied = now; more {
		return
	}
	s.walker.Append(l.behind.Bytes())
	freezing.Lock()
	l.pieces.Release()
	freezing.Unlock()
	s.file.Progress.copied(-l.copied)
	s.large = s.large[1:]
}

// entries returns how many entries a slot of database n has in the snapshot, and where each is.
func (s *Snapshot) entries(n int, slot uint16) (count int, at func(int) *keyspace.Entry) {
	if c, saved := s.pending[slot]; saved {
		return c.views[n].Len(), c.views[n].At
	}
	dict := s.dbs[n].Slot(slot)
	return dict.Len(), dict.At
}

// taken drops what the applier has saved of a slot.
func (s *Snapshot) taken(slot uint16) {
	if c, saved := s.pending[slot]; saved {
		delete(s.pending, slot)
		s.file.Progress.copied(-c.bytes)
	}
}

// save saves what is about to change in a slot of a database. The applier calls it.
func (s *Snapshot) save(db *keyspace.DB, slot uint16, w keyspace.Written) {
	n := slices.Index(s.dbs, db)
	if int(slot) < s.next || n < 0 || !s.has(slot) {
		return
	}
	c, more := s.pending[slot], 0
	if c == nil {
		c = &slotCopy{views: make([]*keyspace.SlotView, len(s.dbs))}
		for i, other := range s.dbs {
			v, bytes := other.ViewSlot(slot)
			c.views[i] = v
			more += bytes
		}
		s.pending[slot] = c
	}
	v := c.views[n]
	if w.Value != nil {
		more += v.Part(w.Value)
	}
	if w.Entry != nil {
		more += v.Keep(w.Entry)
	}
	if w.Last != nil {
		more += v.Keep(w.Last)
		v.Moved()
	}
	c.bytes += more
	s.file.Progress.copied(more)
}

// encode serialises one slot's entries of database n, in their order in
// memory: added in this order they come to lie in it again. The first large
// value and what follows is put aside.
func (s *Snapshot) encode(n, count int, at func(int) *keyspace.Entry) {
	if count == 0 {
		return
	}
	e := &s.walker
	if last := len(s.large) - 1; last >= 0 {
		e = &s.large[last].behind
	}
	if n != s.selected {
		e.SelectDB(n)
		s.selected = n
	}
	for i := range count {
		k, u := at(i), rdb.Unknown
		if s.usage != nil {
			u = s.usage(k)
		}
		if s.file.Progress != nil {
			s.file.Progress.Keys.Add(1)
		}
		f := k.Frozen()
		if f == nil && k.Large() {
			freezing.Lock()
			f = k.Freeze()
			freezing.Unlock()
		}
		if f == nil {
			e.UsedKey(k.Key(), k.ExpireAt(), u, &k.Value)
			continue
		}
		l := largeKey{pieces: e.BeginKey(k.Key(), k.ExpireAt(), u, f)}
		l.behind.LikeRedis, l.behind.Uncompressed = e.LikeRedis, e.Uncompressed
		s.large = append(s.large, l)
		e = &s.large[len(s.large)-1].behind
	}
}

// Names of the auxiliary fields that carry the machine's own state. Redis
// ignores them.
const (
	auxFormat = "quorate-format" // of these fields
	auxIndex  = "quorate-index"  // of the last applied entry
	auxTime   = "quorate-time"   // of the machine, Unix ms
	auxChain  = "quorate-chain"  // the rolling digest, hexadecimal
	auxOwned  = "quorate-owned"  // slot ranges, or "all" outside cluster mode
	auxEpoch  = "quorate-epoch"  // of the decision about them
	auxLimits = "quorate-limits" // directive and value, and so on

	// Only if there are any: the cached scripts, see scriptCache.format.
	auxScripts = "quorate-scripts"

	snapshotFormat = "1"
	ownsAll        = "all"
)

var auxOwn = []string{auxFormat, auxIndex, auxTime, auxChain, auxOwned, auxEpoch, auxLimits}

// snapshotHead returns what stands in front of the keys.
func (m *Machine) snapshotHead() []byte {
	var e rdb.Encoder
	m.appendState(&e)
	for _, code := range m.libraries.codes() {
		e.Function(code)
	}
	for i := range m.ks.Databases() {
		if db := m.ks.DB(i); db.Len() > 0 {
			e.SelectDB(i)
			e.ResizeDB(db.Len(), db.Expires())
		}
	}
	return e.Bytes()
}

// stateHead returns the beginning of a file with the state but for functions and keys.
func (m *Machine) stateHead() []byte {
	var e rdb.Encoder
	m.appendState(&e)
	return e.Bytes()
}

func (m *Machine) appendState(e *rdb.Encoder) {
	e.Header()
	e.Aux("redis-ver", "7.0.15")
	e.Aux("redis-bits", strconv.Itoa(strconv.IntSize))
	e.Aux("ctime", strconv.FormatInt(m.now/1000, 10))
	e.Aux(auxFormat, snapshotFormat)
	e.Aux(auxIndex, strconv.FormatUint(m.index, 10))
	e.Aux(auxTime, strconv.FormatInt(m.now, 10))
	e.Aux(auxChain, strconv.FormatUint(m.chain, 16))
	e.Aux(auxOwned, formatOwned(m.owned))
	e.Aux(auxEpoch, strconv.FormatUint(m.epoch, 10))
	e.Aux(auxLimits, m.formatLimits())
	if len(m.scripts.order) > 0 {
		e.Aux(auxScripts, m.scripts.format())
	}
}

func formatOwned(owned *SlotSet) string {
	if owned == nil {
		return ownsAll
	}
	var ranges []string
	owned.Ranges(func(first, last uint16) {
		ranges = append(ranges, strconv.Itoa(int(first))+"-"+strconv.Itoa(int(last)))
	})
	return strings.Join(ranges, " ")
}

// limitNames are the directives of keyspace.Limits, and PackedThreshold.
var limitNames = []string{
	"hash-max-listpack-entries", "hash-max-listpack-value", "list-max-listpack-size", "list-compress-depth",
	"set-max-intset-entries", "zset-max-listpack-entries", "zset-max-listpack-value",
	"stream-node-max-bytes", "stream-node-max-entries",
	"hll-sparse-max-bytes", PackedThreshold,
	"proto-max-bulk-len",
}

func (m *Machine) formatLimits() string {
	var words []string
	for _, name := range limitNames {
		words = append(words, name, strconv.Itoa(*m.LimitNamed(name)))
	}
	return strings.Join(words, " ")
}
