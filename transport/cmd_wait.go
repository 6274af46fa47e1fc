package transport

import (
	"bytes"
	"sync"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
)

// written is where a session's last write stands.
type written struct {
	group Group
	index uint64 // of its log entry
}

func waitCommand() *Command {
	return &Command{Run: waitReplicas, Spec: command.Spec{Name: "WAIT", Arity: 3, Flags: command.NoScript,
		ACL: command.Connection, Group: "generic", Since: "3.0.0", Complexity: "O(1)", Syntax: "numreplicas timeout",
		Tips:    []string{"request_policy:all_shards", "response_policy:agg_min"},
		Summary: "Waits until so many replicas are known to have the connection's last write on stable storage."}}
}

// waitReplicas implements WAIT numreplicas timeout.
//
// Source: Redis 7.0 docs for WAIT. A write is on a majority already when it is
// answered; WAIT says how many replicas beside the leader are known to have
// it, and waits for more of them.
func waitReplicas(s *Session, args [][]byte) {
	want, ok := parseLength(args[1])
	if !ok {
		s.Error(errNotInteger)
		return
	}
	timeout, ok := parseLength(args[2])
	switch {
	case !ok:
		s.Error("ERR timeout is not an integer or out of range")
		return
	case timeout < 0:
		s.Error("ERR timeout is negative")
		return
	}
	at := s.wrote
	if at.group == nil {
		led := s.srv.opts.Router.Led()
		if len(led) == 0 {
			s.Error("ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.")
			return
		}
		at.group = led[0]
	}
	have := at.group.Acked(at.index)
	if int64(have) < want && !s.executing {
		w := &replicaWait{want: want, have: have, at: at, wake: s.interrupt, stop: make(chan struct{}), stopped: make(chan struct{})}
		go w.poll() // Owned by this call, which ends it and waits below.
		alive := s.block(w, timeout)
		w.End(fsm.Left)
		<-w.stopped
		if !alive {
			return
		}
		if w.end == fsm.Unblocked {
			s.Error(errUnblocked)
			return
		}
		have = w.have
	}
	s.Int(int64(have))
}

// replicaWait is a WAIT that waits. It is a blockage.
type replicaWait struct {
	want int64
	at   written
	wake func()

	mu            sync.Mutex
	have          int     // guarded by mu until stopped
	end           fsm.End // guarded by mu until stopped
	stop, stopped chan struct{}
}

// pollEvery is how often the replicas are asked; they learn within about 50 ms
// that an entry is committed, and say then that they have it.
const pollEvery = 10 * time.Millisecond

// poll asks the replicas until there are enough or nobody waits any more.
func (w *replicaWait) poll() {
	defer close(w.stopped)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-w.stop:
			return
		}
		have := w.at.group.Acked(w.at.index)
		w.mu.Lock()
		w.have = max(w.have, have)
		enough := int64(w.have) >= w.want
		w.mu.Unlock()
		if enough && w.End(fsm.Served) {
			return
		}
	}
}

// End implements blockage.
func (w *replicaWait) End(e fsm.End) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.end != fsm.Waiting {
		return false
	}
	w.end = e
	close(w.stop)
	w.wake()
	return true
}

// Ended implements blockage.
func (w *replicaWait) Ended() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end != fsm.Waiting
}

func equalFold(arg []byte, word string) bool { return bytes.EqualFold(arg, []byte(word)) }
