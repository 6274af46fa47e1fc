package store

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/fsm"
)

// Persistence is what INFO says about a group's snapshots.
type Persistence struct {
	Saving    bool
	LastSave  time.Time     // of the last success; zero: none since the start
	LastTook  time.Duration // of the last attempt
	LastErr   error         // of the last attempt
	LastBytes int64
	LogBytes  int64 // applied since the last snapshot
	Changes   int64 // made since the last snapshot
}

// snapshots is the state of a group's snapshot taking.
type snapshots struct {
	mu      sync.Mutex
	p       Persistence
	want    chan struct{}
	changes int64 // Stats.Changes at the last snapshot
}

func (s *snapshots) init() { s.want = make(chan struct{}, 1) }

// Persistence returns the state of the group's snapshots.
func (g *Group) Persistence() Persistence {
	g.snapshots.mu.Lock()
	defer g.snapshots.mu.Unlock()
	p := g.snapshots.p
	p.LogBytes = g.logBytes.Load()
	g.View(func(m *fsm.Machine) { p.Changes = m.Stats.Changes.Load() - g.snapshots.changes })
	return p
}

// ErrSaving is returned when a snapshot is being taken already.
var ErrSaving = errors.New("a snapshot is in progress")

// SaveInBackground starts a snapshot, or returns ErrSaving.
func (g *Group) SaveInBackground() error {
	if g.Persistence().Saving {
		return ErrSaving
	}
	select {
	case g.snapshots.want <- struct{}{}:
	default:
	}
	return nil
}

// snapshotLoop takes snapshots when the log has grown enough or one was asked for.
func (g *Group) snapshotLoop() {
	defer g.wg.Done()
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-g.stopped:
			return
		case <-g.snapshots.want:
		case <-t.C:
			if !g.snapshotDue() {
				continue
			}
		}
		if err := g.Save(); err != nil && !errors.Is(err, ErrSaving) {
			g.log.Error("snapshot failed", "error", err)
		}
	}
}

// snapshotDue reports whether the log has grown by so much since the last snapshot, and by as much
// as that is large: what is written again and again is never more than what clients write.
func (g *Group) snapshotDue() bool {
	log := g.logBytes.Load()
	return log >= g.opt.SnapshotBytes && log >= g.newestSize()
}

// Save takes a snapshot and compacts the log; it returns when the snapshot is on
// stable storage.
func (g *Group) Save() error {
	g.snapshots.mu.Lock()
	if g.snapshots.p.Saving {
		g.snapshots.mu.Unlock()
		return ErrSaving
	}
	g.snapshots.p.Saving = true
	g.snapshots.mu.Unlock()

	start, bytes, count := time.Now(), g.logBytes.Load(), g.logCount.Load()
	var changes int64
	g.View(func(m *fsm.Machine) { changes = m.Stats.Changes.Load() })
	g.keepTrailing(bytes, count)
	err := g.raft.Snapshot().Error()
	if errors.Is(err, raft.ErrNothingNewToSnapshot) {
		err = nil
	}
	g.snapshots.mu.Lock()
	p := &g.snapshots.p
	p.Saving, p.LastErr, p.LastTook = false, err, time.Since(start)
	if err == nil {
		p.LastSave = time.Now()
		g.snapshots.changes = changes
		g.logBytes.Add(-bytes)
		g.logCount.Add(-count)
	}
	size := p.LastBytes
	g.snapshots.mu.Unlock()
	if g.opt.Observer != nil {
		g.opt.Observer.Snapshot(time.Since(start), size, err)
	}
	return err
}

// trailingBytes is about how much of the log stays behind a snapshot, so that
// a replica that was away for a moment catches up without one.
const trailingBytes = 16 << 20

// keepTrailing tells the library, which counts entries, how many entries that is.
func (g *Group) keepTrailing(bytes, count int64) {
	entries := int64(1024)
	if count > 0 {
		entries = min(max(trailingBytes/max(bytes/count, 1), 16), 10240)
	}
	c := g.raft.ReloadableConfig()
	c.TrailingLogs = uint64(entries)
	if err := g.raft.ReloadConfig(c); err != nil {
		g.log.Warn("trailing log size not set", "error", err)
	}
}

// groupSnapshot adapts a machine's snapshot to hashicorp/raft.
type groupSnapshot struct {
	g *Group
	s *fsm.Snapshot
}

// Persist implements raft.FSMSnapshot; it runs while entries are applied.
func (s *groupSnapshot) Persist(sink raft.SnapshotSink) error {
	size, err := s.s.WriteTo(Pace(sink, s.g), s.g.mu.RLocker())
	if err == nil {
		err = sink.Close()
	} else {
		err = errors.Join(err, sink.Cancel())
	}
	s.g.snapshots.mu.Lock()
	s.g.snapshots.p.LastBytes = size
	s.g.snapshots.mu.Unlock()
	return err
}

// Release implements raft.FSMSnapshot.
func (s *groupSnapshot) Release() {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	s.s.Release()
}

// Reload writes the state as RDB and reads it back in its place: DEBUG RELOAD.
// Nothing is applied meanwhile. The state is dropped before it is read back; if that
// fails, the process ends.
func (g *Group) Reload() (err error) {
	if g.opt.Replica.Files.Temp == nil {
		return errors.New("there is no directory for a file")
	}
	f, err := g.opt.Replica.Files.Temp()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.unusable != nil {
		return g.unusable
	}
	s := g.machine.BeginSnapshot().Plain()
	_, err = s.WriteTo(f, nobody{})
	s.Release()
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	g.emptyLocked()
	m, err := fsm.Restore(f, g.opt.Machine)
	if err != nil {
		g.fatal(fmt.Errorf("reload group %d: %w", g.opt.Replica.Group, err))
		return err
	}
	g.fill(m)
	return nil
}

// ResetStats sets the counters of this process to zero.
func (g *Group) ResetStats() {
	g.evict.reset()
	g.View(func(m *fsm.Machine) {
		m.Stats.Hits.Store(0)
		m.Stats.Misses.Store(0)
		m.Stats.Expired.Store(0)
		m.Stats.Evicted.Store(0)
		m.Stats.LazyFreed.Store(0)
	})
}
