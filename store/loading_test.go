package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
	"github.com/quorate/quorate/resp"
)

// rdbOf returns an RDB file with so many keys.
func rdbOf(t *testing.T, keys int) []byte {
	t.Helper()
	var e rdb.Encoder
	e.Header()
	e.SelectDB(0)
	e.ResizeDB(keys, 0)
	for i := range keys {
		v := keyspace.NewString([]byte(fmt.Sprint("value ", i)))
		e.Key(fmt.Sprint("key:", i), 0, &v)
	}
	var out bytes.Buffer
	w := rdb.NewWriter(&out)
	if _, err := w.Write(e.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What is decoded ahead is what is decoded, the error at its end included.
func TestAhead(t *testing.T) {
	whole := rdbOf(t, 3*aheadRecords+17)
	for _, size := range []int{len(whole), len(whole) - 1, len(whole) / 2, 12, 3, 0} {
		plain := rdb.NewDecoder(bytes.NewReader(whole[:size]))
		records, done := ahead(rdb.NewDecoder(bytes.NewReader(whole[:size])))
		for n := 0; ; n++ {
			want, wantErr := plain.Next()
			got, err := records.Next()
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("%d bytes, record %d: %v, want %v", size, n, err, wantErr)
			}
			if err != nil {
				if _, again := records.Next(); again != err {
					t.Errorf("behind the end: %v", again)
				}
				break
			}
			if got.Kind != want.Kind || string(got.Key) != string(want.Key) || string(got.Value.Str(nil)) != string(want.Value.Str(nil)) {
				t.Fatalf("record %d: %+v, want %+v", n, got, want)
			}
		}
		done()
	}
	// Who has enough before the end leaves no goroutine behind: done waits for it.
	records, done := ahead(rdb.NewDecoder(bytes.NewReader(whole)))
	if _, err := records.Next(); err != nil {
		t.Fatal(err)
	}
	done()
}

// aSnapshot writes a snapshot of some keys into a store and returns its ID.
func aSnapshot(t *testing.T, s raft.SnapshotStore, index uint64, keys int) string {
	t.Helper()
	m := fsm.New(fsm.Options{Databases: 1})
	if _, err := m.Load(bytes.NewReader(rdbOf(t, keys)), 1, false, fsm.Options{}); err != nil {
		t.Fatal(err)
	}
	_, trans := raft.NewInmemTransport("")
	sink, err := s.Create(1, index, 1, raft.Configuration{}, 1, trans)
	if err != nil {
		t.Fatal(err)
	}
	snap := m.BeginSnapshot()
	defer snap.Release()
	if _, err := snap.WriteTo(sink, nobody{}); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	return sink.ID()
}

func TestSnapshotFiles(t *testing.T) {
	dir := t.TempDir()
	s, err := openSnapshots(dir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	aSnapshot(t, s, 5, 10)
	id := aSnapshot(t, s, 7, 100)
	half := filepath.Join(dir, "snapshots", "1-9-1.tmp")
	if err := os.Mkdir(half, 0o700); err != nil {
		t.Fatal(err)
	}

	// A start: what is half is gone, and only the newest is there.
	if s, err = openSnapshots(dir, hclog.NewNullLogger()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(half); !os.IsNotExist(err) {
		t.Errorf("the incomplete snapshot: %v", err)
	}
	list, err := s.List()
	if err != nil || len(list) != 1 || list[0].ID != id {
		t.Fatalf("%v %v, want %s alone", list, err, id)
	}
	read := func() error {
		meta, r, err := s.Open(id)
		if err != nil {
			return err
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err == nil && (int64(len(b)) != meta.Size || meta.Index != 7) {
			t.Errorf("%d bytes, description %+v", len(b), meta)
		}
		return err
	}
	for range 2 {
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}

	// Damage is found at the end of the first reading, before any later one.
	path := filepath.Join(dir, "snapshots", id, "state.bin")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = openSnapshots(dir, hclog.NewNullLogger()); err != nil {
		t.Fatal(err)
	}
	_, r, err := s.Open(id)
	if err != nil {
		t.Fatalf("the first opening: %v", err)
	}
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, ErrSnapshotChecksum) {
		t.Errorf("the first reading: %v", err)
	}
	r.Close()
	if _, _, err := s.Open(id); !errors.Is(err, ErrSnapshotChecksum) {
		t.Errorf("a later opening: %v", err)
	}
}

// A group doesn't start with a snapshot that was damaged, nor with the one before it.
func TestDamagedSnapshotStopsStart(t *testing.T) {
	dir := t.TempDir()
	files, err := OpenFiles(dir, false, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	aSnapshot(t, files.Snapshots, 5, 10)
	id := aSnapshot(t, files.Snapshots, 7, 100)
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "snapshots", id, "state.bin")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	open := func() error {
		files, err := OpenFiles(dir, false, hclog.NewNullLogger())
		if err != nil {
			t.Fatal(err)
		}
		_, mem := raft.NewInmemTransport("a")
		g, err := OpenGroup(GroupOptions{Machine: fsm.Options{Databases: 1},
			Replica: ReplicaOptions{Group: 1, NodeID: "a", Files: files, Transport: lonely{mem}, Logger: hclog.NewNullLogger()}})
		if err != nil {
			return errors.Join(err, files.Close())
		}
		g.View(func(m *fsm.Machine) {
			if n := m.Keyspace().Len(); n != 100 {
				t.Errorf("%d keys", n)
			}
		})
		if from, done, total := g.Loading().Progress(); from != FromSnapshot || done != total || total != int64(len(whole)) || g.Loading().Keys.Load() != 100 {
			t.Errorf("loaded from %v, %d of %d bytes, %d keys", from, done, total, g.Loading().Keys.Load())
		}
		return g.Close()
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"a bit":   func(b []byte) []byte { b[len(b)/3] ^= 8; return b },
		"the end": func(b []byte) []byte { return b[:len(b)-1] },
		"all":     func([]byte) []byte { return nil },
	} {
		if err := os.WriteFile(path, damage(bytes.Clone(whole)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := open(); err == nil || !strings.Contains(err.Error(), "newest snapshot can't be read") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// lonely is a transport to nobody.
type lonely struct{ *raft.InmemTransport }

func (lonely) SetHeartbeats(func(uint64, raft.ServerID) (uint64, bool)) {}

func (lonely) AskStatus(_ raft.ServerID, _ raft.ServerAddress, _ time.Duration, answer func(Status, error)) {
	answer(Status{}, ErrNoQuorum)
}

// A replica that gets a snapshot while it runs has no state until it has that one, and
// says so. If it can't be restored, the process ends.
func TestRestoreDropsFirst(t *testing.T) {
	files, err := OpenFiles(t.TempDir(), false, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	aSnapshot(t, files.Snapshots, 5, 10)
	_, mem := raft.NewInmemTransport("a")
	g, err := OpenGroup(GroupOptions{Machine: fsm.Options{Databases: 1},
		Replica: ReplicaOptions{Group: 1, NodeID: "a", Files: files, Transport: lonely{mem}, Logger: hclog.NewNullLogger()}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	keys := func() (n int) {
		g.View(func(m *fsm.Machine) { n = m.Keyspace().Len() })
		return n
	}
	if n := keys(); n != 10 {
		t.Fatalf("%d keys at the start", n)
	}
	get := func() (string, error) {
		w := &resp.Writer{Proto: 2}
		err := g.DoStale(&fsm.Unit{Ops: []fsm.Op{{Cmd: commandNamed("GET"), Args: [][]byte{[]byte("GET"), []byte("key:1")}}}, Reply: w})
		return string(w.Buf), err
	}
	if got, err := get(); got != "$7\r\nvalue 1\r\n" || err != nil {
		t.Fatalf("GET: %q %v", got, err)
	}

	next := rdbOf(t, 500)
	r, w := io.Pipe()
	restored := make(chan error, 1)
	// Ends with the pipe.
	go func() { restored <- groupFSM{g}.Restore(r) }()
	if _, err := w.Write(next[:20]); err != nil {
		t.Fatal(err)
	}
	if !g.Absent() || keys() != 0 {
		t.Errorf("while a snapshot comes: absent %v, %d keys", g.Absent(), keys())
	}
	if got, err := get(); !errors.Is(err, ErrLoading) || got != "" {
		t.Errorf("GET: %q %v", got, err)
	}
	if _, _, err := g.Export(fsm.File{}, func(*fsm.Stats, int64) {}); err == nil {
		t.Error("there was a state to export")
	}
	if _, err := w.Write(next[20:]); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := <-restored; err != nil || keys() != 500 || g.Absent() {
		t.Errorf("%v, %d keys, absent %v", err, keys(), g.Absent())
	}
	if got, err := get(); got != "$7\r\nvalue 1\r\n" || err != nil {
		t.Errorf("GET: %q %v", got, err)
	}

	defer func() {
		if recover() == nil {
			t.Error("the process goes on without a state")
		}
	}()
	_ = groupFSM{g}.Restore(io.NopCloser(bytes.NewReader(next[:len(next)/2])))
}

func commandNamed(name string) *fsm.Command {
	for _, c := range fsm.Commands() {
		if c.Name == name {
			return c
		}
	}
	panic(name)
}
