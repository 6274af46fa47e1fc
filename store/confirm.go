package store

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// A read is answered only after a round that proves that this replica still
// led the group at some moment after the read arrived:
//
//  1. the replica leads in term T and has applied everything that was committed
//     before T (Replica.settle);
//  2. a question "what is your current term?" goes to the other voters, after
//     the read arrived;
//  3. a majority of the voters, self included, answers T, and the replica is
//     still leader in T.
//
// A node stores a higher term before it votes in it, so when the majority
// answered, no later leader could have been elected, let alone have
// acknowledged a write; and writes of term T are acknowledged only after they
// were applied here. No clock is trusted and no disk touched. Reads that wait
// share a round; the next round starts after they arrived.
//
// raft.VerifyLeader is not enough: it counts acknowledgements of heartbeats
// sent before the read arrived (docs/decisions/0002-reads.md).

// confirmations collects reads for the next round.
type confirmations struct {
	mu      sync.Mutex
	waiting *round
	wake    chan struct{}
	lone    atomic.Bool  // the last round had nobody to ask
	count   atomic.Int64 // reads that were in a round
}

// round is one question round and what came of it.
type round struct {
	done chan struct{}
	err  error // read after done is closed
	n    int   // reads waiting for it
}

func (c *confirmations) init() { c.wake = make(chan struct{}, 1) }

// Confirm returns nil if the replica's state, as it is after the call, is as
// new as every write acknowledged before the call. ErrNotLeader and
// ErrNoQuorum say that it could not be shown.
func (r *Replica) Confirm() error {
	if r.serving.Load() == 0 {
		return ErrNotLeader
	}
	if r.reads.lone.Load() && r.alone() {
		return nil
	}
	r.reads.mu.Lock()
	select {
	case <-r.stop: // the last round may be over
		r.reads.mu.Unlock()
		return ErrNotLeader
	default:
	}
	w := r.reads.waiting
	if w == nil {
		w = &round{done: make(chan struct{})}
		r.reads.waiting = w
		select {
		case r.reads.wake <- struct{}{}:
		default:
		}
	}
	w.n++
	r.reads.mu.Unlock()
	<-w.done
	return w.err
}

// confirmLoop runs rounds, one at a time.
func (r *Replica) confirmLoop() {
	defer r.wg.Done()
	for {
		select {
		case <-r.reads.wake:
		case <-r.stop:
		}
		// Let the sessions that are ready to run come first: their reads share
		// the round instead of waiting for the next.
		runtime.Gosched()
		r.reads.mu.Lock()
		w := r.reads.waiting
		r.reads.waiting = nil
		r.reads.mu.Unlock()
		if w != nil {
			r.reads.count.Add(int64(w.n))
			w.err = r.ask()
			close(w.done)
		}
		select {
		case <-r.stop:
			// Those that came during the last round must not wait for ever;
			// later ones find that nothing is served.
			r.serving.Store(0)
			r.reads.mu.Lock()
			if w := r.reads.waiting; w != nil {
				r.reads.waiting = nil
				w.err = ErrNotLeader
				close(w.done)
			}
			r.reads.mu.Unlock()
			return
		default:
		}
	}
}

// hedge is how long the first peer asked has before the others are asked too.
const hedge = 3 * time.Millisecond

// ask runs one round.
func (r *Replica) ask() error {
	term := r.serving.Load()
	if term == 0 {
		return ErrNotLeader
	}
	voters, need := r.voters()
	r.reads.lone.Store(need == 0)
	if need == 0 {
		return r.stillLeads(term)
	}
	limit := 2 * r.opt.Timeout
	answers := make(chan bool, len(voters))
	question := func(s raft.Server) {
		r.trans.AskStatus(s.ID, s.Address, limit, func(st Status, err error) {
			answers <- err == nil && st.Term == term
		})
	}
	// Ask no more peers than a majority needs, and the others only when those
	// are slow: with three replicas a round costs one message instead of two.
	asked := 0
	for ; asked < need; asked++ {
		question(voters[asked])
	}
	timer := time.NewTimer(hedge)
	defer timer.Stop()
	// Every question is answered or fails within limit.
	for got, yes := 0, 0; got < asked || asked < len(voters); {
		select {
		case ok := <-answers:
			got++
			if ok {
				if yes++; yes == need {
					return r.stillLeads(term)
				}
			} else if asked < len(voters) {
				question(voters[asked])
				asked++
			}
		case <-timer.C:
			for ; asked < len(voters); asked++ {
				question(voters[asked])
			}
		case <-r.stop:
			return ErrNotLeader
		}
	}
	if err := r.stillLeads(term); err != nil {
		return err
	}
	return ErrNoQuorum
}

func (r *Replica) stillLeads(term uint64) error {
	if r.raft.State() == raft.Leader && r.raft.CurrentTerm() == term && r.serving.Load() == term {
		return nil
	}
	return ErrNotLeader
}

// alone reports whether this replica is the only voter, so that nobody else can
// lead and there is nobody to ask.
func (r *Replica) alone() bool {
	_, need := r.voters()
	return need == 0 && r.stillLeads(r.serving.Load()) == nil
}

// voters returns the other voters and how many of them must agree. While a
// configuration is not committed, the majority is that of the larger of the
// two: any majority of one has a member in any majority of the other.
func (r *Replica) voters() (others []raft.Server, need int) {
	latest := r.members()
	n := count(latest)
	if c := count(r.commits.get().Servers); c > n {
		n = c
	}
	for _, s := range latest {
		if s.Suffrage == raft.Voter && s.ID != r.id {
			others = append(others, s)
		}
	}
	return others, n / 2
}

func count(servers []raft.Server) (voters int) {
	for _, s := range servers {
		if s.Suffrage == raft.Voter {
			voters++
		}
	}
	return voters
}
