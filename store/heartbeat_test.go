package store

import (
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// TestHeartbeats: a heartbeat that goes past the main loop is one of the leader
// that the follower knows, and all that it changes is the time of last contact.
func TestHeartbeats(t *testing.T) {
	c := raft.DefaultConfig()
	c.LocalID, c.Logger = "a", hclog.NewNullLogger()
	c.HeartbeatTimeout, c.ElectionTimeout = time.Hour, time.Hour // it stays a follower
	mem := raft.NewInmemStore()
	_, trans := raft.NewInmemTransport("a")
	servers := raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "a"}, {ID: "b", Address: "b"}}}
	if err := raft.BootstrapCluster(c, mem, mem, raft.NewInmemSnapshotStore(), trans, servers); err != nil {
		t.Fatal(err)
	}
	r, err := raft.NewRaft(c, &raft.MockFSM{}, mem, mem, raft.NewInmemSnapshotStore(), trans)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Shutdown().Error(); err != nil {
			t.Error(err)
		}
	}()
	heard := Heartbeats(r)
	if _, ok := heard(r.CurrentTerm(), "b"); ok {
		t.Error("a leader that isn't known was taken")
	}
	// The first one of a term goes through the main loop.
	_, from := raft.NewInmemTransport("b")
	from.Connect("a", trans)
	trans.Connect("b", from)
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("b"), Addr: []byte("b")}
	if err := from.AppendEntries("a", "a", &raft.AppendEntriesRequest{RPCHeader: header, Term: 5}, &raft.AppendEntriesResponse{}); err != nil {
		t.Fatal(err)
	}
	before := r.LastContact()
	for _, wrong := range []struct {
		term   uint64
		leader raft.ServerID
	}{{4, "b"}, {6, "b"}, {5, "c"}, {5, ""}} {
		if _, ok := heard(wrong.term, wrong.leader); ok {
			t.Errorf("term %d of %q was taken", wrong.term, wrong.leader)
		}
	}
	if !r.LastContact().Equal(before) {
		t.Error("a heartbeat that wasn't taken counts as contact")
	}
	if last, ok := heard(5, "b"); !ok || last != r.LastIndex() || !r.LastContact().After(before) {
		t.Errorf("the leader's heartbeat: %d, %v, last contact %v later", last, ok, r.LastContact().Sub(before))
	}
	if r.CurrentTerm() != 5 || r.State() != raft.Follower {
		t.Errorf("term %d, %v", r.CurrentTerm(), r.State())
	}
}
