package store

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// snapshotted makes a replica's files with entries 1 to 100 and a snapshot at each
// of the given indexes.
func snapshotted(t *testing.T, dir string, at ...uint64) {
	t.Helper()
	f, err := OpenFiles(dir, true, hclog.NewNullLogger())
	must(t, err)
	defer func() { must(t, f.Close()) }()
	if last, _ := f.Log.LastIndex(); last == 0 {
		for i := uint64(1); i <= 100; i++ {
			must(t, f.Log.StoreLog(&raft.Log{Index: i, Term: 1, Data: []byte("x")}))
		}
	}
	for _, i := range at {
		sink, err := f.Snapshots.Create(1, i, 1, raft.Configuration{}, 1, nil)
		must(t, err)
		_, err = fmt.Fprint(sink, "state at ", i)
		must(t, err)
		must(t, sink.Close())
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// complete returns an error unless files are found in order, and newest snapshot and
// log together hold entries 1 to 100.
func complete(dir string) error {
	f, err := OpenFiles(dir, true, hclog.NewNullLogger())
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.check(hclog.NewNullLogger()); err != nil {
		return err
	}
	snaps, err := f.Snapshots.List()
	if err != nil {
		return err
	}
	from := uint64(1)
	if len(snaps) > 0 {
		meta, content, err := f.Snapshots.Open(snaps[0].ID)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		if err := content.Close(); err != nil {
			return err
		}
		if want := fmt.Sprint("state at ", meta.Index); string(text) != want {
			return fmt.Errorf("snapshot %d holds %q", meta.Index, text)
		}
		from = meta.Index + 1
	}
	for i := from; i <= 100; i++ {
		var e raft.Log
		if err := f.Log.GetLog(i, &e); err != nil {
			return fmt.Errorf("entry %d behind the snapshot: %w", i, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, snapshotDir, "*"+unfinished))
	if len(left) > 0 {
		return fmt.Errorf("%q are left", left)
	}
	return err
}

// TestSnapshotCrash goes through what a crash at each step of the library's
// snapshotting leaves: a directory beside its name, the description without and with
// the checksum, the content, the name, the deletion of older ones, the log's
// compaction.
func TestSnapshotCrash(t *testing.T) {
	base := t.TempDir()
	snapshotted(t, base, 20, 40)
	after := t.TempDir()
	must(t, os.CopyFS(after, os.DirFS(base)))
	snapshotted(t, after, 60)
	newest := onlyMatch(t, after, "1-60-*")
	oldest := onlyMatch(t, base, "1-20-*")
	content, err := os.ReadFile(filepath.Join(newest, "state.bin"))
	must(t, err)
	final, err := os.ReadFile(filepath.Join(newest, "meta.json"))
	must(t, err)
	name := filepath.Base(newest)
	first := bytes.Replace(final, final[bytes.Index(final, []byte(`"CRC"`)):], []byte(`"CRC":null}`+"\n"), 1)
	tmp := func(dir, meta, state string) {
		at := filepath.Join(dir, snapshotDir, name+unfinished)
		must(t, os.Mkdir(at, 0o755))
		must(t, os.WriteFile(filepath.Join(at, "meta.json"), []byte(meta), 0o644))
		must(t, os.WriteFile(filepath.Join(at, "state.bin"), []byte(state), 0o644))
	}
	type state struct {
		what  string
		from  string
		leave func(dir string)
	}
	states := []state{
		{"before", base, func(string) {}},
		{"the directory", base, func(dir string) { must(t, os.Mkdir(filepath.Join(dir, snapshotDir, name+unfinished), 0o755)) }},
		{"in place", after, func(string) {}},
		{"in place, an older one half deleted: no description", after, func(dir string) {
			must(t, os.CopyFS(filepath.Join(dir, snapshotDir, filepath.Base(oldest)), os.DirFS(oldest)))
			must(t, os.Remove(filepath.Join(dir, snapshotDir, filepath.Base(oldest), "meta.json")))
		}},
		{"in place, an older one half deleted: no content", after, func(dir string) {
			must(t, os.CopyFS(filepath.Join(dir, snapshotDir, filepath.Base(oldest)), os.DirFS(oldest)))
			must(t, os.Remove(filepath.Join(dir, snapshotDir, filepath.Base(oldest), "state.bin")))
		}},
		{"in place and the log compacted", after, func(dir string) {
			f, err := OpenFiles(dir, true, hclog.NewNullLogger())
			must(t, err)
			must(t, f.Log.DeleteRange(1, 50))
			must(t, f.Close())
		}},
	}
	for _, n := range []int{0, 1, len(first) / 2, len(first)} {
		states = append(states, state{fmt.Sprintf("%d bytes of the first description", n), base, func(dir string) { tmp(dir, string(first[:n]), "") }})
	}
	for n := range len(content) + 1 {
		states = append(states, state{fmt.Sprintf("%d bytes of the content", n), base, func(dir string) { tmp(dir, string(first), string(content[:n])) }})
	}
	for _, n := range []int{0, 1, len(final) / 2, len(final)} {
		states = append(states, state{fmt.Sprintf("%d bytes of the description", n), base, func(dir string) { tmp(dir, string(final[:n]), string(content)) }})
	}
	for _, s := range states {
		dir := t.TempDir()
		must(t, os.CopyFS(dir, os.DirFS(s.from)))
		s.leave(dir)
		if err := complete(dir); err != nil {
			t.Errorf("%s: %v", s.what, err)
		}
		snapshotted(t, dir, 80) // it goes on
		if err := complete(dir); err != nil {
			t.Errorf("%s, and another snapshot: %v", s.what, err)
		}
	}

	// What is no crash's must not pass: the checks above can fail.
	for what, spoil := range map[string]func(dir string) error{
		"the newest snapshot has other content": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, snapshotDir, name, "state.bin"), []byte("state at 61"), 0o644)
		},
		"the newest snapshot has no content": func(dir string) error {
			return os.Remove(filepath.Join(dir, snapshotDir, name, "state.bin"))
		},
		"all snapshots are gone": func(dir string) error { return os.RemoveAll(filepath.Join(dir, snapshotDir)) },
		"the newest snapshot is gone": func(dir string) error {
			return os.RemoveAll(filepath.Join(dir, snapshotDir, name))
		},
	} {
		dir := t.TempDir()
		must(t, os.CopyFS(dir, os.DirFS(after)))
		f, err := OpenFiles(dir, true, hclog.NewNullLogger())
		must(t, err)
		must(t, f.Log.DeleteRange(1, 50))
		must(t, f.Close())
		must(t, spoil(dir))
		if err := complete(dir); err == nil {
			t.Errorf("%s: not noticed", what)
		}
	}
}

// onlyMatch returns the only snapshot that matches.
func onlyMatch(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, snapshotDir, pattern))
	must(t, err)
	if len(found) != 1 {
		t.Fatalf("%q match %s", found, pattern)
	}
	return found[0]
}

// TestSnapshotsLeaveNothing makes sure that a cancelled snapshot leaves no file.
func TestSnapshotsLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	f, err := OpenFiles(dir, true, hclog.NewNullLogger())
	must(t, err)
	defer f.Close()
	sink, err := f.Snapshots.Create(1, 1, 1, raft.Configuration{}, 1, nil)
	must(t, err)
	must(t, sink.Cancel())
	must(t, filepath.WalkDir(filepath.Join(dir, snapshotDir), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
			t.Errorf("%s is left", path)
		}
		return err
	}))
}

// TestSinkClosedTwice: the library closes a snapshot that Persist has closed.
func TestSinkClosedTwice(t *testing.T) {
	s, err := openSnapshots(t.TempDir(), hclog.NewNullLogger())
	must(t, err)
	_, trans := raft.NewInmemTransport("")
	sink, err := s.Create(raft.SnapshotVersionMax, 5, 1, raft.Configuration{}, 1, trans)
	must(t, err)
	_, err = sink.Write([]byte("state"))
	must(t, err)
	for range 2 {
		must(t, sink.Close())
	}
	if list, err := s.List(); err != nil || len(list) != 1 {
		t.Errorf("%d snapshots: %v", len(list), err)
	}
}
