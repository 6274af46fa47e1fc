package store

import (
	"cmp"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// slowFSM is a state machine that waits at each entry to be let on.
type slowFSM struct {
	began chan struct{} // receives at each entry
	let   chan struct{} // closed: entries don't wait any more
}

func (f slowFSM) Apply(*raft.Log) any {
	f.began <- struct{}{}
	<-f.let
	return nil
}

func (slowFSM) Snapshot() (raft.FSMSnapshot, error) { return nil, ErrClosed }
func (slowFSM) Restore(io.ReadCloser) error         { return ErrClosed }

// openReplicas opens replicas of one group and returns them, the one that serves first.
func openReplicas(t *testing.T, n int, machine raft.FSM) []*Replica {
	t.Helper()
	var members []raft.Server
	var links []*raft.InmemTransport
	for i := range n {
		addr, mem := raft.NewInmemTransport("")
		for _, other := range links {
			other.Connect(addr, mem)
			mem.Connect(other.LocalAddr(), other)
		}
		links = append(links, mem)
		members = append(members, raft.Server{ID: raft.ServerID(rune('a' + i)), Address: addr})
	}
	all := make([]*Replica, n)
	for i := range all {
		files, err := OpenFiles(t.TempDir(), false, hclog.NewNullLogger())
		if err != nil {
			t.Fatal(err)
		}
		all[i], err = OpenReplica(ReplicaOptions{Group: 1, NodeID: string(members[i].ID), FSM: machine, Files: files,
			Transport: lonely{links[i]}, Logger: hclog.NewNullLogger(), Timeout: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = all[i].Close() })
		if err := all[i].Bootstrap(members); err != nil {
			t.Fatal(err)
		}
	}
	waitUntil(t, "a replica serves", func() bool {
		slices.SortFunc(all, func(a, b *Replica) int { return cmp.Compare(b.Serving(), a.Serving()) })
		return all[0].Serving() != 0
	})
	return all
}

func openAlone(t *testing.T, machine raft.FSM) *Replica {
	t.Helper()
	return openReplicas(t, 1, machine)[0]
}

func waitUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting: %s", what)
		}
	}
}

// TestCloseAnswers: an entry that is committed and waits for the state machine when the
// replica is closed is answered. The library, asked to shut down then, forgets it half
// of the time.
func TestCloseAnswers(t *testing.T) {
	for range 12 {
		f := slowFSM{make(chan struct{}, 2), make(chan struct{})}
		r := openAlone(t, f)
		before := r.Status().LastIndex
		answers := make(chan error, 2)
		for range 2 {
			// Ends with the answer.
			go func() {
				_, err := r.Apply([]byte("x"))
				answers <- err
			}()
		}
		<-f.began
		waitUntil(t, "both entries are committed", func() bool { return r.Raft().CommitIndex == before+2 })
		closed := make(chan error, 1)
		// Ends with Close.
		go func() { closed <- r.Close() }()
		<-r.stop
		// The shutdown that must not come yet would come now.
		for range 20 {
			if r.raft.State() == raft.Shutdown {
				break
			}
			time.Sleep(time.Millisecond)
		}
		close(f.let)
		late := time.After(10 * time.Second)
		for range 2 {
			select {
			case err := <-answers:
				if err != nil {
					t.Fatalf("a committed entry was answered with %v", err)
				}
			case <-late:
				t.Fatal("an entry was never answered")
			}
		}
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
		if _, err := r.Apply([]byte("x")); err != ErrClosed {
			t.Fatalf("an entry for a closed replica: %v", err)
		}
	}
}

// TestCloseWithoutMajority: what can't be committed any more doesn't hold Close up.
func TestCloseWithoutMajority(t *testing.T) {
	f := slowFSM{make(chan struct{}, 2), make(chan struct{})}
	close(f.let)
	all := openReplicas(t, 2, f)
	if err := all[1].Close(); err != nil {
		t.Fatal(err)
	}
	before := all[0].Status().LastIndex
	answer := make(chan error, 1)
	// Ends with the answer.
	go func() {
		_, err := all[0].Apply([]byte("x"))
		answer <- err
	}()
	waitUntil(t, "the entry is in the log, or leadership is lost", func() bool {
		return all[0].Status().LastIndex > before || !all[0].Leading()
	})
	closed := make(chan error, 1)
	// Ends with Close.
	go func() { closed <- all[0].Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it doesn't close")
	}
	if err := <-answer; err != ErrUncertain && err != ErrNotLeader {
		t.Errorf("an entry without a majority was answered with %v", err)
	}
}

// TestConfirmAfterClose: a read that saw the replica serve just before it was closed
// isn't left waiting for a round that nobody will ask.
func TestConfirmAfterClose(t *testing.T) {
	f := slowFSM{make(chan struct{}, 2), make(chan struct{})}
	r := openAlone(t, f)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r.serving.Store(1) // as the read has seen it
	r.reads.lone.Store(false)
	answer := make(chan error, 1)
	// Ends with the answer.
	go func() { answer <- r.Confirm() }()
	select {
	case err := <-answer:
		if err != ErrNotLeader {
			t.Errorf("it was told %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits for ever")
	}
}
