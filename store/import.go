package store

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/fsm"
)

// RDB files from outside and for outside (docs/decisions/0017-rdb-files.md).

// Import puts an RDB file's keys and functions in the place of the group's, or
// with merge beside them, and returns when they are on stable storage. After an
// error of the file nothing has changed. Writes under way hear ErrUncertain;
// watches and what clients have cached are void.
//
// Only a group of one takes a file. The library puts it in force at the leader
// before it asks the others: a leader that was being deposed would differ from
// them for ever.
func (g *Group) Import(file io.Reader, merge bool) (n fsm.Loaded, err error) {
	if g.Serving() == 0 {
		return n, ErrNotLeader
	}
	if c := g.raft.GetConfiguration(); c.Error() != nil || len(c.Configuration().Servers) != 1 {
		return n, ErrNotAlone
	}
	g.mu.Lock()
	if err := g.unusable; err != nil {
		g.mu.Unlock()
		return n, err
	}
	next, err := g.machine.Successor(g.opt.Machine, merge)
	g.mu.Unlock()
	if err != nil {
		return n, err
	}
	if n, err = next.Load(file, g.now(), merge, g.opt.Machine); err != nil {
		return n, err
	}
	return n, withSnapshot(next, func(size int64, r io.Reader) error {
		return g.raft.Restore(&raft.SnapshotMeta{Version: raft.SnapshotVersionMax, Size: size}, r, 0)
	})
}

// ErrNotAlone is returned where only a group of one replica can do something.
var ErrNotAlone = errors.New("the group has several replicas")

// errRebuilt is why there is no state to be written just now.
var errRebuilt = errors.New("the group is being rebuilt")

// Export opens a snapshot of what this replica has applied for an RDB file for others, and
// calls begin at its moment with what Changes would return; file.Now is the group's to set. done
// must be called when it was written or isn't wanted any more.
func (g *Group) Export(file fsm.File, begin func(of *fsm.Stats, changes int64)) (part fsm.SnapshotPart, done func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.unusable != nil {
		return part, nil, errRebuilt
	}
	part, done = g.fileLocked(file)
	part.Group, part.Term = g.ID(), g.Serving()
	begin(g.changesLocked())
	return part, done, nil
}

// fileLocked opens a snapshot for a file. The caller holds g.mu.
func (g *Group) fileLocked(file fsm.File) (part fsm.SnapshotPart, done func()) {
	file.Now = g.now()
	s := g.machine.BeginFile(file)
	return fsm.SnapshotPart{Snapshot: s, Lock: g.mu.RLocker()}, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		s.Release()
	}
}

// Seed makes what fill puts into a machine the first state of a replica that has none,
// before it is opened, and returns it for GroupOptions.Begun, so that it isn't read a
// second time; limits are thresholds of compact encodings. It returns nil,
// and does nothing, if there is state already. A crash leaves either nothing or all
// of it.
func (f *Files) Seed(fill func(*fsm.Machine, fsm.Options) error, members []raft.Server, o fsm.Options, l *Loading, limits map[string]int) (*fsm.Machine, error) {
	has, err := raft.HasExistingState(f.Log, f.Stable, f.Snapshots)
	if err != nil || has {
		return nil, err
	}
	o.Loaded, o.Ahead = &l.LoadProgress, ahead
	m := fsm.New(o)
	for name, n := range limits {
		if limit := m.LimitNamed(name); limit != nil {
			*limit = n
		}
	}
	if err := fill(m, o); err != nil {
		return nil, err
	}
	_, t := raft.NewInmemTransport("")
	sink, err := f.Snapshots.Create(raft.SnapshotVersionMax, 1, 1, raft.Configuration{Servers: members}, 1, t)
	if err != nil {
		return nil, err
	}
	s := m.BeginSnapshot().Plain()
	defer s.Release()
	if _, err := s.WriteTo(sink, nobody{}); err != nil {
		return nil, errors.Join(err, sink.Cancel())
	}
	if err := sink.Close(); err != nil {
		return nil, err
	}
	if s, ok := f.Snapshots.(*snapshotFiles); ok {
		s.starting.Store(true) // and nobody will read what it opens
	}
	return m, nil
}

// withSnapshot hands on a machine's state as a snapshot and its size, which the
// library wants to know before it reads.
func withSnapshot(m *fsm.Machine, use func(size int64, r io.Reader) error) error {
	s := m.BeginUsedSnapshot()
	size, err := s.WriteTo(io.Discard, nobody{})
	s.Release()
	if err != nil {
		return fmt.Errorf("measure the snapshot: %w", err)
	}
	s = m.BeginUsedSnapshot()
	r, w := io.Pipe()
	written := make(chan struct{})
	// Ends with the snapshot, or when the reader is closed below.
	go func() {
		_, err := s.WriteTo(w, nobody{})
		w.CloseWithError(err)
		close(written)
	}()
	err = use(size, r)
	r.CloseWithError(io.ErrClosedPipe)
	<-written
	s.Release()
	return err
}

// nobody is the lock for a caller that has kept everybody out already.
type nobody struct{}

func (nobody) Lock()   {}
func (nobody) Unlock() {}
