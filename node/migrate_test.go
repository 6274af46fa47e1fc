package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/wal"
)

// migrated are the entries of each group of the node that the tests move about.
type migrated map[uint32][]*raft.Log

// newMigrated makes the data of a stopped node whose log is shared.
func newMigrated(t *testing.T, dir string) migrated {
	t.Helper()
	id := &identity{Version: 1, Node: newID(), Mode: "plain", Log: logShared, Groups: map[uint32]bool{0: true, 1: true, 7: true}, path: identityPath(dir)}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(id.save())
	w, err := wal.Open(sharedLogDir(dir), wal.Options{SegmentBytes: 64 << 10})
	check(err)
	all := migrated{0: nil, 1: nil, 7: nil}
	for g := range all {
		f, err := store.OpenFiles(groupDir(dir, g), true, hclog.NewNullLogger())
		check(err)
		check(f.Stable.SetUint64([]byte("CurrentTerm"), uint64(g)+3))
		check(f.Close())
	}
	for i := uint64(1); i <= 2500; i++ { // more than one write's worth, and trimmed
		e := &raft.Log{Index: i, Term: 1 + i/1000, Type: raft.LogType(i % 3), Data: bytes.Repeat([]byte{byte(i)}, int(i)%900), Extensions: []byte("x")[:i%2]}
		check(w.Group(1).StoreLog(e))
		all[1] = append(all[1], e)
	}
	check(w.Group(1).DeleteRange(1, 300))
	all[1] = all[1][300:]
	e := &raft.Log{Index: 9000, Term: 4, Data: []byte("behind a snapshot")}
	check(w.Group(7).StoreLog(e))
	all[7] = []*raft.Log{e}
	check(w.Close())
	return all
}

// held returns an error unless the node's log is of a kind and complete.
func (all migrated) held(dir, kind string) (err error) {
	id, err := readIdentity(dir)
	if err != nil {
		return err
	}
	if id.Log != kind {
		return fmt.Errorf("the log is in %s, want %s", id.Log, kind)
	}
	var w *wal.WAL
	if kind == logShared {
		if _, err := os.Stat(sharedLogDir(dir)); err != nil {
			return err
		}
		if w, err = wal.Open(sharedLogDir(dir), wal.Options{}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.Close()) }()
	}
	for g, want := range all {
		f, err := store.OpenFiles(groupDir(dir, g), true, hclog.NewNullLogger())
		if err != nil {
			return err
		}
		defer f.Close()
		if term, err := f.Stable.GetUint64([]byte("CurrentTerm")); err != nil || term != uint64(g)+3 {
			return fmt.Errorf("group %d is in term %d, %v", g, term, err)
		}
		l := f.Log
		if w != nil {
			l = w.Group(g)
		}
		first, last, err := bounds(l)
		if err != nil {
			return err
		}
		if len(want) == 0 {
			if first != 0 {
				return fmt.Errorf("group %d begins at %d, want nothing", g, first)
			}
			continue
		}
		if first != want[0].Index || last != want[len(want)-1].Index {
			return fmt.Errorf("group %d has %d to %d, want %d to %d", g, first, last, want[0].Index, want[len(want)-1].Index)
		}
		for _, e := range want {
			var got raft.Log
			if err := l.GetLog(e.Index, &got); err != nil {
				return err
			}
			if got.Term != e.Term || got.Type != e.Type || !bytes.Equal(got.Data, e.Data) || !bytes.Equal(got.Extensions, e.Extensions) {
				return fmt.Errorf("group %d, entry %d differs", g, e.Index)
			}
		}
	}
	return nil
}

// TestMigrateLog moves a log there and back, stopping at every step once: the old log
// is whole until the new one counts, and a second run finishes.
func TestMigrateLog(t *testing.T) {
	dir := t.TempDir()
	all := newMigrated(t, dir)
	if err := all.held(dir, logShared); err != nil {
		t.Fatal(err)
	}
	crash := errors.New("crash")
	kind := logShared
	for _, to := range []string{logBolt, logShared, logBolt, logShared} {
		steps := 0
		for at := 1; ; at++ {
			n := 0
			m := &migration{dir: dir, to: to, progress: io.Discard, step: func(string) error {
				if n++; n == at {
					return crash
				}
				return nil
			}}
			err := m.run()
			if err != nil && !errors.Is(err, crash) {
				t.Fatalf("to %s, stopped at step %d: %v", to, at, err)
			}
			if err := errors.Join(all.held(dir, kind)); err != nil {
				if err := all.held(dir, to); err != nil {
					t.Fatalf("to %s, stopped at step %d: %v", to, at, err)
				}
				kind = to
			}
			if err == nil {
				break
			}
			steps++
		}
		if kind != to {
			t.Fatalf("the log is in %s, want %s", kind, to)
		}
		if steps < 6 {
			t.Errorf("to %s: stopped at %d steps only", to, steps)
		}
		// Nothing is left of the other kind.
		if _, err := os.Stat(sharedLogDir(dir)); (err == nil) != (to == logShared) {
			t.Errorf("to %s: the directory of the shared log: %v", to, err)
		}
		if _, err := os.Stat(sharedLogDir(dir) + ".new"); err == nil {
			t.Errorf("to %s: a half-written log is left", to)
		}
		if to == logShared {
			f, err := store.OpenFiles(groupDir(dir, 1), true, hclog.NewNullLogger())
			if err != nil {
				t.Fatal(err)
			}
			if last, _ := f.Log.LastIndex(); last != 0 {
				t.Errorf("the old log still has entries up to %d", last)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestMigrateLogRefuses what it must not touch.
func TestMigrateLogRefuses(t *testing.T) {
	dir := t.TempDir()
	refused := func(want, to string) {
		t.Helper()
		err := MigrateLog(context.Background(), dir, to, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("to %s: %v, want %q", to, err, want)
		}
	}
	refused("no node's data", logBolt)
	if names, _ := os.ReadDir(dir); len(names) > 0 {
		t.Errorf("%v was made in a directory that is none of a node", names)
	}
	all := newMigrated(t, dir)
	refused("no log store", "leveldb")
	lock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	refused("in use by another process", logBolt)
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := MigrateLog(ctx, dir, logBolt, io.Discard); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// A log that is damaged is not moved in part.
	segments, _ := filepath.Glob(filepath.Join(sharedLogDir(dir), "*.log"))
	text, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	spoilt := bytes.Clone(text)
	spoilt[700] ^= 1
	if err := os.WriteFile(segments[0], spoilt, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("damaged", logBolt)
	if err := os.WriteFile(segments[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := all.held(dir, logShared); err != nil {
		t.Error(err)
	}
	if err := os.Rename(sharedLogDir(dir), filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	refused("the log is gone", logBolt)
	if err := os.Rename(filepath.Join(dir, "elsewhere"), sharedLogDir(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(groupDir(dir, 7), "raft.db"), filepath.Join(dir, "away")); err != nil {
		t.Fatal(err)
	}
	refused("log of group 7 is gone", logBolt)
}
