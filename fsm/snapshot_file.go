package fsm

import (
	"io"
	"strconv"
	"sync/atomic"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
	"github.com/quorate/quorate/slots/hashslot"
)

// File says what an RDB file for others is like: for a user or a server that isn't
// a replica of the group. It has nothing of Raft in it.
type File struct {
	NoKeys, NoFunctions bool

	Now          int64 // Unix ms
	Uncompressed bool  // rdbcompression no
	NoChecksum   bool  // rdbchecksum no
	AOFBase      bool  // it begins append-only files

	// Node is the ID of the node whose file it is, for AuxNode; "": it doesn't say.
	Node string

	Progress *Progress // told how the writing goes; may be nil
}

// Progress tells how the writing of a file goes. Safe for concurrent use.
type Progress struct {
	Keys, Total  atomic.Int64 // serialised, and of the databases as the snapshot began
	Copied, Peak atomic.Int64 // bytes that the applier has saved for the walk and that it has not written yet
}

// Reset sets everything to zero.
func (p *Progress) Reset() {
	for _, n := range []*atomic.Int64{&p.Keys, &p.Total, &p.Copied, &p.Peak} {
		n.Store(0)
	}
}

// copied notes that so many bytes more are saved for the walk, or that it has taken them.
func (p *Progress) copied(bytes int) {
	if p == nil {
		return
	}
	now := p.Copied.Add(int64(bytes))
	for peak := p.Peak.Load(); now > peak && !p.Peak.CompareAndSwap(peak, now); peak = p.Peak.Load() {
	}
}

// dbSize is how large a database is.
type dbSize struct{ keys, expires int }

// BeginFile opens a snapshot of the state as it is now for a file of that kind. What
// BeginSnapshot says holds for it. Keys in slots that the group doesn't serve are left out.
func (m *Machine) BeginFile(f File) *Snapshot {
	s := m.openSnapshot()
	s.file, s.used, s.usage, s.origin = f, m.Used(), m.usageAt(f.Now, false), Origin{Index: m.index, Time: m.now}
	for _, db := range s.dbs {
		s.sizes = append(s.sizes, dbSize{db.Len(), db.Expires()})
		if f.Progress != nil {
			f.Progress.Total.Add(int64(db.Len()))
		}
	}
	if m.owned != nil {
		all, owned := SlotSet{}, *m.owned
		all.Add(0, hashslot.Count-1)
		s.slots, s.epoch = &all, m.epoch
		for slot := range uint16(hashslot.Count) {
			if !owned.Has(slot) {
				s.leaveOut(slot)
			}
		}
	}
	s.walker.LikeRedis, s.walker.Uncompressed = true, f.Uncompressed
	return s
}

// has reports whether the snapshot is to have the keys of a slot.
func (s *Snapshot) has(slot uint16) bool { return s.slots == nil || s.slots.Has(slot) }

// Slots returns the slots whose keys are in the file, nil for all.
func (s *Snapshot) Slots() *SlotSet { return s.slots }

// leaveOut takes a slot out of what is to be written.
func (s *Snapshot) leaveOut(slot uint16) {
	for n := range s.dbs {
		count, at := s.entries(n, slot)
		size := &s.sizes[n]
		size.keys -= count
		for i := range count {
			if at(i).ExpireAt() != 0 {
				size.expires--
			}
		}
		if p := s.file.Progress; p != nil {
			p.Total.Add(-int64(count))
		}
	}
	s.slots.Remove(slot)
	if c := s.pending[slot]; c != nil {
		freezing.Lock()
		c.thaw()
		freezing.Unlock()
	}
	s.taken(slot)
}

// apart sees to it that no slot is in two parts: where one was on its way between groups,
// both may have served it at their moments. The newer decision counts.
func apart(parts []SnapshotPart) {
	for slot := range uint16(hashslot.Count) {
		var one *SnapshotPart
		for i := range parts {
			p := &parts[i]
			if p.slots == nil || !p.slots.Has(slot) {
				continue
			}
			lost := p
			if one == nil {
				one = p
				continue
			} else if p.epoch > one.epoch {
				one, lost = p, one
			}
			lost.Lock.Lock()
			lost.leaveOut(slot)
			lost.Lock.Unlock()
		}
	}
}

// usageAt returns a function that tells how a key was used until now (Unix ms): what
// the policy in force needs to know, and nothing if it needs nothing, as Redis does.
// With always it tells the idle time then.
func (m *Machine) usageAt(now int64, always bool) func(*keyspace.Entry) rdb.Usage {
	limit := m.memory.Load()
	at := seenAt(now, limit)
	switch {
	case at.counts:
		return func(e *keyspace.Entry) rdb.Usage {
			return rdb.Usage{Idle: -1, Frequency: int64(limit.frequency(e.Access(), at.clock))}
		}
	case always || limit.Policy == AllKeysLRU || limit.Policy == VolatileLRU:
		return func(e *keyspace.Entry) rdb.Usage {
			n := idle(e.Access(), at.clock)
			if n > maxClock/2 { // a read with a clock that was ahead
				n = 0
			}
			return rdb.Usage{Idle: n, Frequency: -1}
		}
	}
	return nil
}

// WriteFile writes what BeginFile has opened in several groups as one RDB file: each slot
// once, and a library that several have once. It runs beside the machines, like WriteTo;
// if it fails, what is left to do is Release.
func WriteFile(w io.Writer, file File, parts []SnapshotPart) error {
	apart(parts)
	out := rdb.NewWriter(w)
	out.NoChecksum = file.NoChecksum
	_, err := out.Write(fileHead(file, parts))
	selected := selectedByHead(parts)
	for _, p := range parts {
		if err == nil && !file.NoKeys {
			p.selected = selected
			err = p.writeSlots(out, p.Lock)
			selected = p.selected
		}
	}
	if err == nil {
		err = out.Finish()
	}
	return err
}

// fileHead returns what stands in front of the keys.
func fileHead(file File, parts []SnapshotPart) []byte {
	var used int64
	for _, p := range parts {
		used += p.used
		file.Now = max(file.Now, p.file.Now)
	}
	e := rdb.Encoder{LikeRedis: true, Uncompressed: file.Uncompressed}
	e.Header()
	e.Aux("redis-ver", "7.0.15")
	e.Aux("redis-bits", strconv.Itoa(strconv.IntSize))
	e.Aux("ctime", strconv.FormatInt(file.Now/1000, 10))
	e.Aux("used-mem", strconv.FormatInt(used, 10))
	e.Aux("aof-base", map[bool]string{false: "0", true: "1"}[file.AOFBase])
	if file.Node != "" {
		e.Aux(AuxNode, file.Node)
	}
	for _, p := range parts {
		if p.Group != 0 {
			o := p.Origin()
			e.Aux(AuxOrigin, o.Text())
		}
	}
	written := map[string]bool{}
	for _, p := range parts {
		for _, code := range p.functions {
			if !written[code] && !file.NoFunctions {
				written[code] = true
				e.Function(code)
			}
		}
	}
	if !file.NoKeys {
		for n, size := range sumSizes(parts) {
			if size.keys > 0 {
				e.SelectDB(n)
				e.ResizeDB(size.keys, size.expires)
			}
		}
	}
	return e.Bytes()
}

// selectedByHead returns the database that fileHead leaves selected.
func selectedByHead(parts []SnapshotPart) int {
	selected := -1
	for n, size := range sumSizes(parts) {
		if size.keys > 0 {
			selected = n
		}
	}
	return selected
}

func sumSizes(parts []SnapshotPart) (sum []dbSize) {
	for _, p := range parts {
		for n, size := range p.sizes {
			if n == len(sum) {
				sum = append(sum, dbSize{})
			}
			sum[n].keys += size.keys
			sum[n].expires += size.expires
		}
	}
	return sum
}
