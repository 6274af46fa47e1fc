package store

import (
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/fsm"
)

// TestSnapshotDue: the next snapshot waits for as much log as the last one was large, also
// when that was before the start.
func TestSnapshotDue(t *testing.T) {
	for _, keys := range []int{0, 10, 5000} {
		files, err := OpenFiles(t.TempDir(), false, hclog.NewNullLogger())
		must(t, err)
		if keys > 0 {
			aSnapshot(t, files.Snapshots, 5, keys)
		}
		_, mem := raft.NewInmemTransport("a")
		g, err := OpenGroup(GroupOptions{Machine: fsm.Options{Databases: 1}, SnapshotBytes: 1000,
			Replica: ReplicaOptions{Group: 1, NodeID: "a", Files: files, Transport: lonely{mem}, Logger: hclog.NewNullLogger()}})
		must(t, err)
		defer g.Close()
		limit := max(g.newestSize(), 1000)
		if (keys == 5000) != (limit > 1000) {
			t.Fatalf("a snapshot of %d keys has %d bytes", keys, g.newestSize())
		}
		for log, due := range map[int64]bool{0: false, limit - 1: false, limit: true} {
			if g.logBytes.Store(log); g.snapshotDue() != due {
				t.Errorf("%d keys, a snapshot of %d bytes, %d of log: due %v", keys, g.newestSize(), log, !due)
			}
		}
		g.logBytes.Store(0)
	}
}
