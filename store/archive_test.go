package store

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/fsm"
)

// TestArchive: what is known to be committed of what a replica has on disk.
func TestArchive(t *testing.T) {
	members := func(voters ...string) []byte {
		var c raft.Configuration
		for _, v := range voters {
			c.Servers = append(c.Servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(v), Address: "x"})
		}
		c.Servers = append(c.Servers, raft.Server{Suffrage: raft.Nonvoter, ID: "learner", Address: "x"})
		return raft.EncodeConfiguration(c)
	}
	command := func(applied uint64) raft.Log {
		return raft.Log{Type: raft.LogCommand, Data: fsm.AppendHeader(nil, fsm.Header{Applied: applied})}
	}
	config := func(voters ...string) raft.Log {
		return raft.Log{Type: raft.LogConfiguration, Data: members(voters...)}
	}
	noop := raft.Log{Type: raft.LogNoop}
	for _, c := range []struct {
		name      string
		snapshot  uint64 // its index, with the first entry's members; 0: none
		log       []raft.Log
		first     uint64 // index of log[0]
		drop      bool   // the log is of another term than the snapshot
		committed uint64
		last      uint64
		fail      string
	}{
		{"nothing", 0, nil, 1, false, 0, 0, ""},
		{"three voters", 0, []raft.Log{config("a", "b", "c"), noop, command(0), command(3), command(4)}, 1, false, 4, 5, ""},
		{"nobody has said anything", 0, []raft.Log{config("a", "b", "c"), noop, command(0)}, 1, false, 0, 3, ""},
		{"a later entry says less", 0, []raft.Log{config("a", "b"), noop, command(0), command(3), command(2)}, 1, false, 3, 5, ""},
		{"no entry speaks of itself", 0, []raft.Log{config("a", "b"), noop, command(9)}, 1, false, 2, 3, ""},
		{"the only voter", 0, []raft.Log{config("a"), noop, command(0)}, 1, false, 3, 3, ""},
		{"another is the only voter", 0, []raft.Log{config("b"), noop, command(0)}, 1, false, 0, 3, ""},
		{"others were there before", 0, []raft.Log{config("a", "b"), noop, config("a"), command(0)}, 1, false, 4, 4, ""},
		{"others came", 0, []raft.Log{config("a"), noop, config("a", "b"), command(0)}, 1, false, 0, 4, ""},
		{"snapshot alone", 7, nil, 1, false, 7, 7, ""},
		{"snapshot and log", 7, []raft.Log{command(5), command(6), command(7), command(8), command(8)}, 6, false, 8, 10, ""},
		{"snapshot and a log that ends before", 7, []raft.Log{command(0), command(0)}, 3, false, 7, 7, ""},
		{"a log that disagrees", 7, []raft.Log{command(5), command(6), command(7), command(8)}, 6, true, 7, 7, ""},
		{"a gap", 7, []raft.Log{command(9)}, 10, false, 0, 0, "the log begins at entry 10 but the newest snapshot ends at 7"},
		{"no beginning", 0, []raft.Log{command(9)}, 10, false, 0, 0, "there is no snapshot of what came before"},
	} {
		dir := t.TempDir()
		f, err := OpenFiles(dir, false, hclog.NewNullLogger())
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.log {
			c.log[i].Index, c.log[i].Term = c.first+uint64(i), 2
			if err := f.Log.StoreLog(&c.log[i]); err != nil {
				t.Fatal(err)
			}
		}
		if c.snapshot > 0 {
			for at, term := range map[uint64]uint64{c.snapshot - 2: 1, c.snapshot: 2} { // the older one doesn't count
				if c.drop {
					term += 10
				}
				_, trans := raft.NewInmemTransport("")
				sink, err := f.Snapshots.Create(raft.SnapshotVersionMax, at, term, raft.DecodeConfiguration(members("a", "b", "c")), 1, trans)
				if err == nil {
					err = withSnapshot(fsm.New(fsm.Options{Databases: int(at)}), func(_ int64, r io.Reader) error {
						_, err := io.Copy(sink, r)
						return err
					})
				}
				if err == nil {
					err = sink.Close()
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		a, err := OpenArchive(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, last, err := a.Behind()
		var committed uint64
		if err == nil {
			committed, err = a.Committed("a")
		}
		if c.fail == "" && err != nil || c.fail != "" && !strings.Contains(fmt.Sprint(err), c.fail) {
			t.Errorf("%s: %v, want %q", c.name, err, c.fail)
		}
		if committed != c.committed || last != c.last {
			t.Errorf("%s: committed %d of %d, want %d of %d", c.name, committed, last, c.committed, c.last)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}
