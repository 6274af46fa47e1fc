package fsm

import (
	"io"
	"strconv"
	"sync/atomic"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
)

// File says what an RDB file for others is like: for a user or a server that isn't
// a replica of the group. It has nothing of Raft in it.
type File struct {
	NoKeys, NoFunctions bool

	Now          int64 // Unix ms
	Uncompressed bool  // rdbcompression no
	NoChecksum   bool  // rdbchecksum no
	AOFBase      bool  // it begins append-only files

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
// BeginSnapshot says holds for it.
func (m *Machine) BeginFile(f File) *Snapshot {
	s := m.openSnapshot()
	s.file, s.used, s.usage = f, m.Used(), m.usageAt(f.Now, false)
	for _, db := range s.dbs {
		s.sizes = append(s.sizes, dbSize{db.Len(), db.Expires()})
		if f.Progress != nil {
			f.Progress.Total.Add(int64(db.Len()))
		}
	}
	s.walker.LikeRedis, s.walker.Uncompressed = true, f.Uncompressed
	return s
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

// WriteFile writes what BeginFile has opened in several groups, which share no key, as
// one RDB file, the first part's File holding for all. origin is an Origin's Text, ""
// for none. It runs beside the machines, like WriteTo; if it fails, what is left to do is Release.
func WriteFile(w io.Writer, parts []SnapshotPart, origin string) error {
	var file File
	if len(parts) > 0 {
		file = parts[0].file
	}
	out := rdb.NewWriter(w)
	out.NoChecksum = file.NoChecksum
	_, err := out.Write(fileHead(file, parts, origin))
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
func fileHead(file File, parts []SnapshotPart, origin string) []byte {
	var used int64
	for _, p := range parts {
		used += p.used
	}
	e := rdb.Encoder{LikeRedis: true, Uncompressed: file.Uncompressed}
	e.Header()
	e.Aux("redis-ver", "7.0.15")
	e.Aux("redis-bits", strconv.Itoa(strconv.IntSize))
	e.Aux("ctime", strconv.FormatInt(file.Now/1000, 10))
	e.Aux("used-mem", strconv.FormatInt(used, 10))
	e.Aux("aof-base", map[bool]string{false: "0", true: "1"}[file.AOFBase])
	if origin != "" {
		e.Aux(AuxOrigin, origin)
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
