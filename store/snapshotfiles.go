package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/fsm/crc64"
	"github.com/quorate/quorate/gradual"
	"github.com/quorate/quorate/store/fault"
)

// snapshotFiles is the library's snapshot store, one directory a snapshot, with
// what it leaves out for the case of a crash, and another way of reading one: the library's
// reads the file for its checksum and then again for what is in it. Here the checksum is
// compared at the end of the reading, which then fails. Only the first time that a snapshot is opened,
// when a replica starts, this will do: later what is in it takes the place of a state,
// and it is read for its checksum before.
//
// And only the newest snapshot is listed: an older one, which the library would
// fall back to, lacks entries that the log has no more.
type snapshotFiles struct {
	*raft.FileSnapshotStore
	dir      string
	starting atomic.Bool // the replica will open its snapshot for the first time
}

// The names that the library gives to its directory, to a snapshot that is
// being written, and to what is in it.
const (
	snapshotDir     = "snapshots"
	unfinished      = ".tmp"
	snapshotContent = "state.bin"
)

// openSnapshots opens the snapshots of a replica in dir. Those that a crash has
// left half written are deleted: the library would keep them for ever.
func openSnapshots(dir string, log hclog.Logger) (*snapshotFiles, error) {
	s, err := raft.NewFileSnapshotStoreWithLogger(dir, 2, log)
	if err != nil {
		return nil, err
	}
	f := &snapshotFiles{FileSnapshotStore: s, dir: filepath.Join(dir, snapshotDir)}
	names, err := os.ReadDir(f.dir)
	for _, n := range names {
		if strings.HasSuffix(n.Name(), unfinished) {
			log.Info("deleting a snapshot that was not finished", "name", n.Name())
			err = errors.Join(err, os.RemoveAll(filepath.Join(f.dir, n.Name())))
		}
	}
	newest, lerr := f.List()
	f.starting.Store(len(newest) > 0)
	return f, errors.Join(err, lerr)
}

// List implements raft.SnapshotStore.
func (s *snapshotFiles) List() ([]*raft.SnapshotMeta, error) {
	all, err := s.FileSnapshotStore.List()
	return all[:min(len(all), 1)], err
}

// ecma is the checksum that the library keeps of a snapshot. It is inverted at
// both ends.
var ecma = crc64.New(0xc96c5795d7870f42)

// snapshotMeta is the file that the library writes beside a snapshot.
type snapshotMeta struct {
	raft.SnapshotMeta
	CRC []byte
}

// Open implements raft.SnapshotStore.
func (s *snapshotFiles) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, id, "meta.json"))
	if err != nil {
		return nil, nil, err
	}
	var meta snapshotMeta
	if err := json.Unmarshal(text, &meta); err != nil {
		return nil, nil, fmt.Errorf("description of snapshot %s: %w", id, err)
	}
	f, err := os.Open(filepath.Join(s.dir, id, snapshotContent))
	if err != nil {
		return nil, nil, err
	}
	if !s.starting.Swap(false) {
		if _, err := io.Copy(io.Discard, readSnapshot(f, meta.CRC)); err != nil {
			return nil, nil, errors.Join(err, f.Close())
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, nil, errors.Join(err, f.Close())
		}
	}
	return &meta.SnapshotMeta, readSnapshot(f, meta.CRC), nil
}

// ErrSnapshotChecksum is returned at the end of a snapshot's file that isn't what
// was written.
var ErrSnapshotChecksum = errors.New("the snapshot's file has another checksum than was noted for it")

// snapshotReader reads a snapshot's file and compares its checksum at the end.
type snapshotReader struct {
	f    *os.File
	buf  []byte
	rest []byte // of buf, not yet taken
	crc  uint64
	want []byte
}

func readSnapshot(f *os.File, want []byte) *snapshotReader {
	return &snapshotReader{f: f, buf: make([]byte, 256<<10), crc: ^uint64(0), want: want}
}

// Read implements io.Reader.
func (r *snapshotReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		n, err := r.f.Read(r.buf)
		r.rest = r.buf[:n]
		r.crc = ecma.Update(r.crc, r.rest)
		if n == 0 {
			if err == io.EOF && !r.right() {
				err = ErrSnapshotChecksum
			}
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *snapshotReader) right() bool {
	sum := ^r.crc
	if len(r.want) != 8 {
		return false
	}
	for i, b := range r.want {
		if byte(sum>>(56-8*i)) != b {
			return false
		}
	}
	return true
}

// Close implements io.Closer.
func (r *snapshotReader) Close() error { return r.f.Close() }

// Create implements raft.SnapshotStore. The library syncs a snapshot's files and
// the directory that it is moved to, but not the one that holds the files.
func (f *snapshotFiles) Create(v raft.SnapshotVersion, index, term uint64, c raft.Configuration, entry uint64, t raft.Transport) (raft.SnapshotSink, error) {
	sink, err := f.FileSnapshotStore.Create(v, index, term, c, entry, t)
	if err != nil {
		return nil, err
	}
	at := filepath.Join(f.dir, sink.ID()+unfinished)
	content, err := os.Open(filepath.Join(at, snapshotContent))
	if err != nil {
		return nil, errors.Join(err, sink.Cancel())
	}
	if err := syncDir(at); err != nil {
		return nil, errors.Join(err, sink.Cancel(), content.Close())
	}
	return snapshotSink{sink, content, gradual.NewWriter(content)}, nil
}

type snapshotSink struct {
	raft.SnapshotSink
	content *os.File // what the sink writes to, a second time
	synced  *gradual.Writer
}

// Write implements io.Writer.
func (s snapshotSink) Write(b []byte) (int, error) {
	n, err := s.SnapshotSink.Write(b)
	if err == nil {
		err = s.synced.Wrote(n)
	}
	return n, err
}

// Cancel gives the snapshot up.
func (s snapshotSink) Cancel() error {
	_ = s.content.Close() // it is only synced; and the library closes twice
	return s.SnapshotSink.Cancel()
}

// Close puts the snapshot in place.
func (s snapshotSink) Close() error {
	fault.Point("snapshot: before it is in place")
	_ = s.content.Close() // likewise
	err := s.SnapshotSink.Close()
	fault.Point("snapshot: after it is in place")
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
