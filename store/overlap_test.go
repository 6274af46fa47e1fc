package store

import (
	"errors"
	"testing"

	"github.com/hashicorp/raft"
)

// heldLog is a log store whose writes wait to be let through, or to fail.
type heldLog struct {
	*raft.InmemStore
	writes chan chan error // each write sends a channel and waits for its error
}

func (h *heldLog) StoreLogs(logs []*raft.Log) error {
	reply := make(chan error)
	h.writes <- reply
	if err := <-reply; err != nil {
		return err
	}
	return h.InmemStore.StoreLogs(logs)
}

func newHeldLog(leads *bool) (*heldLog, *overlapLog) {
	h := &heldLog{InmemStore: raft.NewInmemStore(), writes: make(chan chan error, 4)}
	return h, &overlapLog{logCache: newLogCache(h, 1<<20), leads: func() bool { return *leads }}
}

func entry(index uint64, t raft.LogType, data string) []*raft.Log {
	return []*raft.Log{{Index: index, Term: 1, Type: t, Data: []byte(data)}}
}

// TestOverlap goes through one overlapping write: what may be seen of the entry,
// and by whom, before and after its end.
func TestOverlap(t *testing.T) {
	leads := true
	h, o := newHeldLog(&leads)
	if err := o.StoreLogs(entry(7, raft.LogCommand, "x")); err != nil { // returns though the write waits
		t.Fatal(err)
	}
	write := <-h.writes
	if got := o.committed(9); got != 6 {
		t.Errorf("followers are told of commit index %d, want 6", got)
	}
	if got := o.committed(5); got != 5 {
		t.Errorf("followers are told of commit index %d, want 5", got)
	}
	var l raft.Log
	if err := o.GetLog(7, &l); err != nil || string(l.Data) != "x" {
		t.Errorf("the leader reads %q, %v of the entry in progress", l.Data, err)
	}
	stop := make(chan struct{})
	if !o.await(6, stop) {
		t.Error("an older entry waits")
	}
	// Both of these wait for the write; neither may get through before it ends.
	leads = false
	read, applied := make(chan error), make(chan bool)
	go func() { var l raft.Log; read <- o.GetLog(7, &l) }()
	go func() { applied <- o.await(7, stop) }()
	select {
	case <-read:
		t.Error("a replica that doesn't lead read an entry that isn't written")
	case <-applied:
		t.Error("an entry may be applied that isn't written")
	case write <- nil:
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
	if !<-applied {
		t.Error("a written entry must be applied")
	}
	if got := o.committed(9); got != 9 {
		t.Errorf("followers are told of commit index %d, want 9", got)
	}
	if last, err := o.LastIndex(); last != 7 || err != nil {
		t.Errorf("last index %d, %v", last, err)
	}
}

// TestOverlapOrder shows that a write waits for the one before it.
func TestOverlapOrder(t *testing.T) {
	leads := true
	h, o := newHeldLog(&leads)
	_ = o.StoreLogs(entry(1, raft.LogCommand, "a"))
	first := <-h.writes
	second := make(chan error)
	go func() { second <- o.StoreLogs(entry(2, raft.LogNoop, "")) }()
	select {
	case <-h.writes:
		t.Fatal("two writes at once")
	case first <- nil:
	}
	(<-h.writes) <- nil
	if err := <-second; err != nil {
		t.Error(err)
	}
}

// TestNoOverlap lists the entries that must be written before StoreLogs returns.
func TestNoOverlap(t *testing.T) {
	for name, c := range map[string]struct {
		leads bool
		logs  []*raft.Log
	}{
		"follower":      {false, entry(1, raft.LogCommand, "x")},
		"noop":          {true, entry(1, raft.LogNoop, "")},
		"barrier":       {true, entry(1, raft.LogBarrier, "")},
		"configuration": {true, entry(1, raft.LogConfiguration, "")},
		"large":         {true, entry(1, raft.LogCommand, string(make([]byte, overlapBytes+1)))},
		"mixed":         {true, append(entry(1, raft.LogCommand, "x"), entry(2, raft.LogConfiguration, "")...)},
	} {
		h, o := newHeldLog(&c.leads)
		stored := make(chan error, 1)
		go func() { stored <- o.StoreLogs(c.logs) }()
		write := <-h.writes
		select {
		case <-stored:
			t.Errorf("%s: StoreLogs returned before the write ended", name)
		case write <- errors.New("disk"):
			if <-stored == nil {
				t.Errorf("%s: the error is lost", name)
			}
		}
	}
}

// TestOverlapFailure shows that after a failed write nothing is applied, told or written.
func TestOverlapFailure(t *testing.T) {
	leads := true
	h, o := newHeldLog(&leads)
	_ = o.StoreLogs(entry(3, raft.LogCommand, "x"))
	(<-h.writes) <- errors.New("disk")
	if o.await(3, nil) {
		t.Error("an entry that failed to be written is applied")
	}
	if got := o.committed(3); got != 2 {
		t.Errorf("followers are told of commit index %d, want 2", got)
	}
	if err := o.StoreLogs(entry(4, raft.LogCommand, "y")); err == nil {
		t.Error("a write after a failed one succeeds")
	}
	if _, err := o.LastIndex(); err == nil {
		t.Error("the log has a last index after a failed write")
	}
}

// TestOverlapStop shows that a closing replica doesn't wait for the disk, and
// doesn't apply either.
func TestOverlapStop(t *testing.T) {
	leads := true
	h, o := newHeldLog(&leads)
	_ = o.StoreLogs(entry(3, raft.LogCommand, "x"))
	stop := make(chan struct{})
	close(stop)
	if o.await(3, stop) {
		t.Error("an entry in progress is applied at the stop")
	}
	(<-h.writes) <- nil
	if err := o.wait(); err != nil {
		t.Error(err)
	}
}
