package peer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	replica "github.com/quorate/quorate/store"
	"github.com/quorate/quorate/transport/peer/simnet"
)

// sum is a state machine: the number of entries and a checksum over them, and
// padding so that its snapshot takes many chunks.
type sum struct {
	mu    sync.Mutex
	count uint64
	crc   uint64
}

const padding = 3*chunkSize + 1234

var table = crc64.MakeTable(crc64.ECMA)

func (s *sum) Apply(l *raft.Log) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	s.crc = crc64.Update(s.crc, table, l.Data)
	return s.count
}

func (s *sum) state() [2]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return [2]uint64{s.count, s.crc}
}

type sumSnapshot [2]uint64

func (s *sum) Snapshot() (raft.FSMSnapshot, error) { return sumSnapshot(s.state()), nil }

func (s sumSnapshot) Persist(sink raft.SnapshotSink) error {
	b := binary.BigEndian.AppendUint64(nil, s[0])
	b = binary.BigEndian.AppendUint64(b, s[1])
	if _, err := sink.Write(append(b, bytes.Repeat([]byte{5}, padding)...)); err != nil {
		return err
	}
	return sink.Close()
}

func (s sumSnapshot) Release() {}

func (s *sum) Restore(r io.ReadCloser) error {
	b, err := io.ReadAll(r)
	if err != nil || len(b) != 16+padding || !bytes.Equal(b[16:], bytes.Repeat([]byte{5}, padding)) {
		return fmt.Errorf("snapshot of %d bytes: %w", len(b), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count, s.crc = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	return nil
}

// member is one node with one group.
type member struct {
	name  string
	mux   *Mux
	trans *GroupTransport
	raft  *raft.Raft
	fsm   *sum
}

const testGroup = 300

func startMember(t testing.TB, name string, mux *Mux, bootstrap []raft.Server) *member {
	t.Helper()
	m := &member{name: name, mux: mux, trans: mux.Group(testGroup), fsm: new(sum)}
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(nodeID(name))
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = 300*time.Millisecond, 300*time.Millisecond, 150*time.Millisecond
	c.CommitTimeout = 20 * time.Millisecond
	c.TrailingLogs = 10
	c.Logger = hclog.NewNullLogger()
	store, snaps := raft.NewInmemStore(), raft.NewInmemSnapshotStore()
	if bootstrap != nil {
		if err := raft.BootstrapCluster(c, store, store, snaps, m.trans, raft.Configuration{Servers: bootstrap}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if m.raft, err = raft.NewRaft(c, m.fsm, store, store, snaps, m.trans); err != nil {
		t.Fatal(err)
	}
	m.trans.SetHeartbeats(replica.Heartbeats(m.raft))
	return m
}

func (m *member) stop(t testing.TB) {
	f := m.raft.Shutdown()
	m.trans.Close()
	if err := f.Error(); err != nil {
		t.Error(err)
	}
	m.mux.Close()
}

// startCluster starts members on muxes opened by open and returns them by name.
func startCluster(t testing.TB, names []string, open func(name string) *Mux) map[string]*member {
	muxes := map[string]*Mux{}
	var servers []raft.Server
	for _, name := range names {
		muxes[name] = open(name)
		servers = append(servers, raft.Server{ID: raft.ServerID(nodeID(name)), Address: raft.ServerAddress(muxes[name].Addr())})
	}
	members := map[string]*member{}
	for _, name := range names {
		members[name] = startMember(t, name, muxes[name], servers)
	}
	return members
}

// await waits for a condition, 30 s at most.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("still waiting: %s", what)
		}
	}
}

// leader waits for a leader.
func leader(t testing.TB, members map[string]*member) *member {
	t.Helper()
	var found *member
	await(t, "leader", func() bool {
		for _, m := range members {
			if m.raft.State() == raft.Leader && m.raft.VerifyLeader().Error() == nil {
				found = m
			}
		}
		return found != nil
	})
	return found
}

// apply applies entries, all in flight together, and waits for them.
func apply(t testing.TB, m *member, count, size int) {
	t.Helper()
	futures := make([]raft.ApplyFuture, count)
	for i := range futures {
		data := make([]byte, size)
		binary.BigEndian.PutUint32(data, uint32(i))
		futures[i] = m.raft.Apply(data, 10*time.Second)
	}
	for _, f := range futures {
		if err := f.Error(); err != nil {
			t.Fatal(err)
		}
	}
}

func awaitEqual(t testing.TB, members map[string]*member) {
	t.Helper()
	want := leader(t, members).fsm.state()
	for _, m := range members {
		await(t, m.name+" has all entries", func() bool { return m.fsm.state() == want })
	}
}

func TestRaftClusterSimulated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		names := []string{"a", "b", "c"}
		for _, x := range names {
			for _, y := range names {
				n.SetDelay(x, y, 500*time.Microsecond, time.Millisecond)
			}
		}
		members := startCluster(t, names, func(name string) *Mux { return open(t, n, name) })
		defer func() {
			for _, m := range members {
				m.stop(t)
			}
		}()
		l := leader(t, members)
		apply(t, l, 10_000, 100)
		apply(t, l, 5, 3<<20) // bulk, several messages for one AppendEntries
		awaitEqual(t, members)

		term := l.raft.CurrentTerm()
		for _, x := range names {
			for _, y := range names {
				n.Reset(x, y)
			}
		}
		apply(t, leader(t, members), 100, 100)
		awaitEqual(t, members)
		if got := leader(t, members).raft.CurrentTerm(); got != term {
			t.Errorf("term went from %d to %d because of a connection reset", term, got)
		}

		// A follower that lost everything gets a snapshot.
		var victim string
		for name := range members {
			if name != l.name {
				victim = name
			}
		}
		members[victim].stop(t)
		delete(members, victim)
		apply(t, l, 100, 100)
		if err := l.raft.Snapshot().Error(); err != nil {
			t.Fatal(err)
		}
		members[victim] = startMember(t, victim, open(t, n, victim), nil)
		awaitEqual(t, members)
		if got := members[victim].raft.Stats()["last_snapshot_index"]; got == "0" {
			t.Error("no snapshot was installed")
		}

		// Leadership moves on request: TimeoutNow and a vote with LeadershipTransfer.
		if err := l.raft.LeadershipTransfer().Error(); err != nil {
			t.Fatal(err)
		}
		if next := leader(t, members); next == l {
			t.Error("leadership stayed")
		}
		old := leader(t, members)
		n.Isolate(old.name)
		await(t, "another leader", func() bool {
			for _, m := range members {
				if m != old && m.raft.State() == raft.Leader {
					return true
				}
			}
			return false
		})
		n.Rejoin(old.name)
		await(t, "one leader", func() bool { return old.raft.State() == raft.Follower })
		apply(t, leader(t, members), 10, 100)
		awaitEqual(t, members)
	})
}

func TestRaftClusterTCP(t *testing.T) {
	members := startCluster(t, []string{"a", "b", "c"}, openTCP(t))
	defer func() {
		for _, m := range members {
			m.stop(t)
		}
	}()
	apply(t, leader(t, members), 10_000, 100)
	awaitEqual(t, members)
	for _, m := range members {
		m.mux.mu.Lock()
		for c := range m.mux.conns {
			c.Close()
		}
		m.mux.mu.Unlock()
	}
	apply(t, leader(t, members), 100, 100)
	awaitEqual(t, members)
}

func openTCP(t testing.TB) func(name string) *Mux {
	return func(name string) *Mux {
		m, err := Open(Options{Addr: "127.0.0.1:0", NodeID: nodeID(name), ClusterID: func() string { return "cluster-1" }})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

// BenchmarkRaftApply: one entry at a time through three nodes in one process.
func BenchmarkRaftApply(b *testing.B) {
	members := startCluster(b, []string{"a", "b", "c"}, openTCP(b))
	l := leader(b, members)
	data := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		if err := l.raft.Apply(data, 0).Error(); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	for _, m := range members {
		m.stop(b)
	}
}
