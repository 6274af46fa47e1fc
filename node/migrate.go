package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/wal"
)

// MigrateLog moves the log of a node that is stopped from one kind to the other:
// "shared" or "boltdb". dir is its data directory. The old log stays as it is until
// the new one is complete, synced and compared, and the identity says which one counts; so
// after a crash, or when ctx ends, the node starts with one or the other, and a
// second call finishes the work.
func MigrateLog(ctx context.Context, dir, to string, progress io.Writer) error {
	m := &migration{dir: dir, to: to, progress: progress, step: func(string) error { return ctx.Err() }}
	return m.run()
}

// migration is one run of MigrateLog.
type migration struct {
	dir, to  string
	progress io.Writer
	step     func(what string) error // called before each step; an error ends the run there

	id     *identity
	groups []uint32
}

// migrateBytes is about how much is copied in one write.
const migrateBytes = 1 << 20

func (m *migration) run() error {
	if m.to != logShared && m.to != logBolt {
		return fmt.Errorf("no log store %q: there are %s and %s", m.to, logShared, logBolt)
	}
	if _, err := os.Stat(identityPath(m.dir)); err != nil {
		return fmt.Errorf("no node's data: %w", err)
	}
	lock, err := lockDir(m.dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if m.id, err = readIdentity(m.dir); err != nil {
		return err
	}
	if m.id.Log == "" && len(m.id.Groups) > 0 {
		m.id.Log = logBolt // there was no other kind when it was written
	}
	m.groups = slices.Sorted(maps.Keys(m.id.Groups))
	if m.id.Log != m.to && m.id.Log != "" {
		if m.to == logShared {
			err = m.toShared()
		} else {
			err = m.toBolt()
		}
		if err != nil {
			return err
		}
	}
	if m.id.Log != m.to {
		if err := m.step("switch"); err != nil {
			return err
		}
		m.id.Log = m.to
		if err := m.id.save(); err != nil {
			return fmt.Errorf("write the node's identity: %w", err)
		}
	}
	if err := m.clean(); err != nil {
		return fmt.Errorf("the log is moved, but the old one isn't deleted: %w", err)
	}
	return nil
}

// toShared writes the shared log aside and then gives it its name.
func (m *migration) toShared() error {
	final := sharedLogDir(m.dir)
	aside := final + ".new"
	if err := m.step("begin"); err != nil {
		return err
	}
	// What an earlier run has left; none of it counts.
	if err := errors.Join(os.RemoveAll(aside), os.RemoveAll(final)); err != nil {
		return err
	}
	if err := m.writeShared(aside); err != nil {
		return err
	}
	if err := m.step("rename"); err != nil {
		return err
	}
	if err := os.Rename(aside, final); err != nil {
		return err
	}
	return syncDir(m.dir)
}

func (m *migration) writeShared(dir string) (err error) {
	w, err := wal.Open(dir, wal.Options{Sync: wal.Never})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for _, g := range m.groups {
		if err := m.withBolt(g, func(b raft.LogStore) error { return m.copy(g, b, w.Group(g)) }); err != nil {
			return err
		}
	}
	if err := m.step("sync"); err != nil {
		return err
	}
	if err := w.SetSync(wal.Always); err != nil {
		return err
	}
	for _, g := range m.groups {
		if err := m.withBolt(g, func(b raft.LogStore) error { return m.compare(g, b, w.Group(g)) }); err != nil {
			return err
		}
	}
	return nil
}

// toBolt fills the file that each group has anyway, for term and vote.
func (m *migration) toBolt() (err error) {
	if err := m.step("begin"); err != nil {
		return err
	}
	if len(m.groups) > 0 && !wal.Exists(sharedLogDir(m.dir)) { // opening it would make a new one
		return fmt.Errorf("the log is gone from %s", sharedLogDir(m.dir))
	}
	w, err := wal.Open(sharedLogDir(m.dir), wal.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for _, g := range m.groups {
		err := m.withBolt(g, func(b raft.LogStore) error {
			if err := empty(b); err != nil {
				return err
			}
			if err := m.copy(g, w.Group(g), b); err != nil {
				return err
			}
			return m.compare(g, w.Group(g), b)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// clean deletes what the other kind has left. It doesn't count any more.
func (m *migration) clean() error {
	if err := m.step("clean"); err != nil {
		return err
	}
	if m.id.Log == logBolt {
		return errors.Join(os.RemoveAll(sharedLogDir(m.dir)), os.RemoveAll(sharedLogDir(m.dir)+".new"), syncDir(m.dir))
	}
	for _, g := range m.groups {
		if err := m.withBolt(g, empty); err != nil {
			return err
		}
	}
	return nil
}

// withBolt opens the bolt file of a group, which must be there.
func (m *migration) withBolt(group uint32, do func(raft.LogStore) error) error {
	dir := groupDir(m.dir, group)
	if _, err := os.Stat(filepath.Join(dir, "raft.db")); err != nil {
		return fmt.Errorf("the log of group %d is gone: %w", group, err)
	}
	f, err := store.OpenFiles(dir, true, hclog.NewNullLogger())
	if err != nil {
		return err
	}
	return errors.Join(do(f.Log), f.Close())
}

// empty deletes all entries of a log.
func empty(l raft.LogStore) error {
	first, last, err := bounds(l)
	if err != nil || first == 0 {
		return err
	}
	return l.DeleteRange(first, last)
}

func bounds(l raft.LogStore) (first, last uint64, err error) {
	if first, err = l.FirstIndex(); err == nil {
		last, err = l.LastIndex()
	}
	return first, last, err
}

// copy appends all entries of a log to an empty one.
func (m *migration) copy(group uint32, from, to raft.LogStore) error {
	first, last, err := bounds(from)
	if err != nil || first == 0 {
		return err
	}
	fmt.Fprintf(m.progress, "group %d: entries %d to %d\n", group, first, last)
	var logs []*raft.Log
	size := 0
	for i := first; i <= last; i++ {
		e := new(raft.Log)
		if err := from.GetLog(i, e); err != nil {
			return fmt.Errorf("read entry %d of group %d: %w", i, group, err)
		}
		logs, size = append(logs, e), size+len(e.Data)
		if size < migrateBytes && len(logs) < 1000 && i < last {
			continue
		}
		if err := m.step("write"); err != nil {
			return err
		}
		if err := to.StoreLogs(logs); err != nil {
			return fmt.Errorf("write entries of group %d: %w", group, err)
		}
		logs, size = nil, 0
	}
	return nil
}

// compare returns an error unless two logs have the same entries.
func (m *migration) compare(group uint32, a, b raft.LogStore) error {
	first, last, err := bounds(a)
	if err != nil {
		return err
	}
	if f, l, err := bounds(b); err != nil || f != first || l != last {
		return errors.Join(fmt.Errorf("group %d has entries %d to %d in the new log, %d to %d in the old one", group, f, l, first, last), err)
	}
	for i := first; i <= last && i > 0; i++ {
		var x, y raft.Log
		if err := errors.Join(a.GetLog(i, &x), b.GetLog(i, &y)); err != nil {
			return fmt.Errorf("read entry %d of group %d: %w", i, group, err)
		}
		if x.Index != y.Index || x.Term != y.Term || x.Type != y.Type || !bytes.Equal(x.Data, y.Data) || !bytes.Equal(x.Extensions, y.Extensions) {
			return fmt.Errorf("entry %d of group %d differs in the new log", i, group)
		}
	}
	return nil
}
