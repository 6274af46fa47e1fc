package sim

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/hashicorp/raft"
)

// snapshots keeps the newest snapshot of a replica in memory, over restarts.
// A snapshot exists when it was closed and not before.
type snapshots struct {
	mu   sync.Mutex
	meta *raft.SnapshotMeta
	data []byte
}

func (s *snapshots) Create(v raft.SnapshotVersion, index, term uint64, c raft.Configuration, ci uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	return &sink{s: s, meta: raft.SnapshotMeta{Version: v, ID: strconv.FormatUint(term, 10) + "-" + strconv.FormatUint(index, 10),
		Index: index, Term: term, Configuration: c, ConfigurationIndex: ci}}, nil
}

func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meta == nil {
		return nil, nil
	}
	m := *s.meta
	return []*raft.SnapshotMeta{&m}, nil
}

func (s *snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meta == nil || s.meta.ID != id {
		return nil, nil, errors.New("no such snapshot")
	}
	m := *s.meta
	return &m, io.NopCloser(bytes.NewReader(s.data)), nil
}

type sink struct {
	bytes.Buffer
	s    *snapshots
	meta raft.SnapshotMeta
}

func (k *sink) ID() string    { return k.meta.ID }
func (k *sink) Cancel() error { return nil }

func (k *sink) Close() error {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	k.meta.Size = int64(k.Len())
	k.s.meta, k.s.data = &k.meta, bytes.Clone(k.Bytes())
	return nil
}
