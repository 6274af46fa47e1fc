package store

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/fsm"
)

// Loading tells how far a group has got with what it loads: an RDB file or a
// snapshot, then its log. Safe for concurrent use.
type Loading struct {
	fsm.LoadProgress
	// Stop, if set, ends the loading of a file when it closes.
	Stop <-chan struct{}

	source      atomic.Int32
	total, done atomic.Int64 // bytes of what is loaded
	log         atomic.Int64 // those of them that come out of the log
}

// Source is what a group loads.
type Source int32

// What there is to load, in the order in which it comes.
const (
	FromNothing Source = iota
	FromRDB
	FromSnapshot
	FromLog
)

// String returns the word for the server's log.
func (s Source) String() string {
	return [...]string{"nothing", "RDB file", "snapshot", "log"}[s]
}

// Progress returns what is being loaded and how many of its bytes have been.
func (l *Loading) Progress() (from Source, done, total int64) {
	return Source(l.source.Load()), l.done.Load(), l.total.Load()
}

// RDB returns a reader of an RDB file that is loaded now, which counts and can be stopped.
func (l *Loading) RDB(r io.Reader, size int64) io.Reader { return l.file(FromRDB, r, size) }

// errStopped ends the loading of a file because the node leaves.
var errStopped = errors.New("the node is stopping")

// file returns a reader of a file that is loaded now, which counts and can be stopped.
func (l *Loading) file(from Source, r io.Reader, size int64) io.Reader {
	l.Keys.Store(0)
	l.source.Store(int32(from))
	l.done.Store(0)
	l.total.Store(size + l.log.Load())
	return &loadedFile{r, l}
}

type loadedFile struct {
	r io.Reader
	l *Loading
}

// Read implements io.Reader.
func (f *loadedFile) Read(p []byte) (int, error) {
	select {
	case <-f.l.Stop:
		return 0, errStopped
	default:
	}
	n, err := f.r.Read(p)
	f.l.done.Add(int64(n))
	return n, err
}

// Loading returns how far the group is with what it loads.
func (g *Group) Loading() *Loading { return g.opt.Loading }

// Absent reports whether the group has no state at the moment because it gets
// another one.
func (g *Group) Absent() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return errors.Is(g.unusable, ErrLoading)
}

// Complete reports whether the replica has all that it has ever had: what was in its log at
// the start is applied, and its state isn't being replaced. One that doesn't vote yet is
// still on its way.
func (g *Group) Complete() bool {
	if _, through := g.Replaying(); !through || g.Absent() {
		return false
	}
	for _, s := range g.Members() {
		if s.ID == g.id {
			return s.Suffrage == raft.Voter
		}
	}
	return false
}

// Changes returns how many changes the replica has counted but for those that were in its
// log at the start, and whose count it is: another replica of the group has another.
func (g *Group) Changes() (of *fsm.Stats, n int64) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.changesLocked()
}

func (g *Group) changesLocked() (of *fsm.Stats, n int64) {
	if !g.pastLog {
		return g.stats, 0
	}
	return g.stats, g.stats.Changes.Load() - g.logChanges
}

// sizedLog is a log that knows how large its entries are.
type sizedLog interface {
	Bytes(first, last uint64) int64
}

// noteFiles notes, before the replica starts, what it will load.
func (g *Group) noteFiles() error {
	f := g.opt.Replica.Files
	snaps, err := f.Snapshots.List()
	if err != nil {
		return fmt.Errorf("list snapshots: %w", err)
	}
	first := uint64(1)
	if len(snaps) > 0 {
		g.restoresFirst.Store(true)
		first = snaps[0].Index + 1
	}
	if g.replayTo, err = f.Log.LastIndex(); err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	if s, ok := f.Log.(sizedLog); ok && g.replayTo >= first {
		g.opt.Loading.log.Store(s.Bytes(first, g.replayTo))
	}
	return nil
}

// Replaying reports whether committed entries of what was in the log at the start
// are being applied, and whether there are none left. Neither is the case
// while nobody has said yet how far the log is committed.
func (g *Group) Replaying() (underWay, through bool) {
	if g.replayed.Load() {
		return false, true
	}
	f := g.Raft()
	// What was not committed may have been replaced by less.
	end := min(g.replayTo, f.LastIndex)
	if f.AppliedIndex < end {
		underWay = f.CommitIndex > f.AppliedIndex
	} else if underWay = g.pendingEntries(); !underWay {
		g.replayed.Store(true)
		return false, true
	}
	if l := g.opt.Loading; underWay {
		g.View(func(m *fsm.Machine) { l.Keys.Store(int64(m.Keyspace().Len())) })
		if Source(l.source.Swap(int32(FromLog))) == FromNothing {
			l.total.Store(l.log.Load())
		}
		log := l.log.Load()
		l.done.Store(l.total.Load() - log + min(g.logBytes.Load(), log))
	}
	return underWay, false
}

// pendingEntries reports whether the state machine has something to do that the
// library counts as applied.
func (g *Group) pendingEntries() bool {
	n, err := strconv.Atoi(g.raft.Stats()["fsm_pending"])
	return err == nil && n > 0
}

// Restore implements raft.FSM. At the start there is nothing yet. A replica that
// runs drops what it has first, so that there are never two states in memory: the
// library has the snapshot on the disk, complete and compared with its checksum
// (snapshotFiles). If it can't be restored all the same, the process ends, and
// begins with that file when it is started again.
func (f groupFSM) Restore(rc io.ReadCloser) error {
	g := f.g
	if g.begun != nil {
		// The snapshot was written from the state that is there (Files.Seed).
		g.begun = nil
		g.restoresFirst.Store(false)
		return rc.Close()
	}
	first := g.restoresFirst.Swap(false)
	if !first {
		g.opt.Loading.log.Store(0)
		g.mu.Lock()
		g.machine.BreakWatches()
		g.emptyLocked()
		g.mu.Unlock()
	}
	m, err := fsm.Restore(g.opt.Loading.file(FromSnapshot, rc, g.newestSize()), g.opt.Machine)
	if err = errors.Join(err, rc.Close()); err != nil {
		err = fmt.Errorf("restore snapshot of group %d: %w", g.opt.Replica.Group, err)
		if first {
			g.restoreErr = err
		} else if !errors.Is(err, errStopped) {
			g.fatal(err)
		}
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fill(m)
	g.lost()
	return nil
}

// fill makes a machine that was just restored the group's. The caller holds g.mu.
func (g *Group) fill(m *fsm.Machine) {
	m.TakeOver(g.machine)
	g.machine, g.unusable = m, nil
}

// emptyLocked drops the state, which nobody may look for until there is another one.
func (g *Group) emptyLocked() {
	none := fsm.New(g.opt.Machine)
	none.TakeOver(g.machine)
	g.machine.Drop()
	g.machine, g.unusable = none, ErrLoading
	// Else the collector would let the new state grow beside the old one, which
	// it doesn't know yet to be garbage.
	runtime.GC()
}

// newestSize returns the size of the newest snapshot.
func (g *Group) newestSize() int64 {
	snaps, err := g.opt.Replica.Files.Snapshots.List()
	if err != nil || len(snaps) == 0 {
		return 0
	}
	return snaps[0].Size
}
