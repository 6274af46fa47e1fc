package store

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// TestRaftLog goes through a peer's death and return as the library reports it.
func TestRaftLog(t *testing.T) {
	var buf bytes.Buffer
	out := hclog.New(&hclog.LoggerOptions{Output: &buf, Level: hclog.Info, DisableTime: true})
	now := time.Unix(100, 0)
	l := newRaftLog(out, func(id raft.ServerID) raft.ServerAddress {
		return map[raft.ServerID]raft.ServerAddress{"b": "host:2", "c": "host:3"}[id]
	})
	l.now = func() time.Time { return now }
	b := raft.Server{ID: "b", Address: "host:2"}
	down := func() {
		l.Error("failed to heartbeat to", "peer", b.Address, "backoff time", time.Second, "error", errors.New("refused"))
		l.Error("failed to appendEntries to", "peer", b, "error", errors.New("refused"))
		l.Warn("failed to contact", "server-id", b.ID, "time", time.Second)
		l.Error("failed to make requestVote RPC", "target", b, "error", errors.New("refused"), "term", 3)
	}
	expect := func(what string, want ...string) {
		t.Helper()
		lines := strings.Split(strings.TrimSuffix(buf.String(), "\n"), "\n")
		if buf.Len() == 0 {
			lines = nil
		}
		buf.Reset()
		if len(lines) != len(want) {
			t.Fatalf("%s: %q", what, lines)
		}
		for i := range want {
			if !strings.HasPrefix(lines[i], want[i]) {
				t.Errorf("%s: %q, want %q", what, lines[i], want[i])
			}
		}
	}
	observe := func(data any) {
		if l.observe(&raft.Observation{Data: data}) {
			t.Error("an observation got through")
		}
	}

	down()
	expect("the first failures", "[WARN]  failed to heartbeat to: peer=host:2")
	down()
	down()
	expect("more of them")
	l.Error("failed to heartbeat to", "peer", raft.ServerAddress("host:3"), "error", errors.New("refused"))
	expect("another peer", "[WARN]  failed to heartbeat to: peer=host:3")
	l.Error("failed to commit logs", "error", errors.New("disk"))
	l.Error("failed to commit logs", "error", errors.New("disk"))
	expect("trouble of our own", "[ERROR] failed to commit logs", "[ERROR] failed to commit logs")
	now = now.Add(4 * time.Second)
	observe(raft.ResumedHeartbeatObservation{PeerID: "b"})
	observe(raft.ResumedHeartbeatObservation{PeerID: "b"})
	expect("the end", "[INFO]  a peer answers again: peer=host:2 after=4s")
	down()
	expect("a second time", "[WARN]  failed to heartbeat to: peer=host:2")

	observe(raft.LeaderObservation{})
	down()
	expect("no leader is no news")
	for range 3 {
		l.Info("entering candidate state", "term", 4)
		l.Warn("Election timeout reached, restarting election")
	}
	expect("an election that isn't won", "[INFO]  entering candidate state", "[WARN]  Election timeout reached")
	observe(raft.LeaderObservation{LeaderID: "c"})
	l.Info("entering candidate state", "term", 5)
	down()
	expect("afresh with a new leader", "[INFO]  entering candidate state", "[WARN]  failed to heartbeat to: peer=host:2")

	out.SetLevel(hclog.Debug)
	down()
	expect("the debug level has all", "[DEBUG] failed to heartbeat", "[DEBUG] failed to appendEntries", "[DEBUG] failed to contact", "[DEBUG] failed to make requestVote")
}
