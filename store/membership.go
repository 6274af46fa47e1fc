package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// members returns the latest configuration, committed or not.
func (r *Replica) members() []raft.Server { return r.raft.GetConfiguration().Configuration().Servers }

// Members returns the replicas of the group, newest configuration.
func (r *Replica) Members() []raft.Server { return r.members() }

// changeTimeout bounds one change of membership: the wait for its commit.
const changeTimeout = 10 * time.Second

// AddLearner adds a replica that receives the log and doesn't vote yet.
func (r *Replica) AddLearner(id, addr string) error {
	return r.change(func() raft.IndexFuture {
		return r.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress(addr), 0, changeTimeout)
	})
}

// Promote makes a learner a voter, once it has caught up.
func (r *Replica) Promote(ctx context.Context, id, addr string) error {
	if err := r.caughtUp(ctx, id, addr); err != nil {
		return err
	}
	return r.change(func() raft.IndexFuture {
		return r.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(addr), 0, changeTimeout)
	})
}

// Remove takes a replica out of the group. Its ID must never come back.
func (r *Replica) Remove(id string) error {
	return r.change(func() raft.IndexFuture { return r.raft.RemoveServer(raft.ServerID(id), 0, changeTimeout) })
}

// change asks for a change of membership and waits for its commit.
func (r *Replica) change(ask func() raft.IndexFuture) error {
	if !r.asking.begin() {
		return ErrClosed
	}
	defer r.asking.end()
	if err := ask().Error(); err != nil {
		return r.applyError(err)
	}
	return nil
}

// caughtUpEntries is how far behind a replica may be to count as caught up.
const caughtUpEntries = 16

// caughtUp returns nil if the replica on another node is in this term and has
// (nearly) all of the log.
func (r *Replica) caughtUp(ctx context.Context, id, addr string) error {
	type answer struct {
		Status
		err error
	}
	answers := make(chan answer, 1)
	r.trans.AskStatus(raft.ServerID(id), raft.ServerAddress(addr), 2*r.opt.Timeout,
		func(st Status, err error) { answers <- answer{st, err} })
	var st answer
	select {
	case st = <-answers:
	case <-ctx.Done():
		st.err = ctx.Err()
	}
	if st.err != nil {
		return fmt.Errorf("%w: ask node %s for its log: %w", ErrNobodyThere, id, st.err)
	}
	if last := r.raft.LastIndex(); st.Term != r.raft.CurrentTerm() || st.LastIndex+caughtUpEntries < last {
		return fmt.Errorf("node %s has entry %d of %d (term %d, ours is %d)", id, st.LastIndex, last, st.Term, r.raft.CurrentTerm())
	}
	return nil
}

// Transfer hands leadership to another replica, if that one has caught up.
// Commands that come meanwhile are refused with ErrNotLeader.
func (r *Replica) Transfer(ctx context.Context, id, addr string) error {
	if err := r.caughtUp(ctx, id, addr); err != nil {
		return err
	}
	done := make(chan error, 1)
	f := r.raft.LeadershipTransferToServer(raft.ServerID(id), raft.ServerAddress(addr))
	// Ends with the library's answer. The library can lose it when leadership
	// ends meanwhile (hashicorp/raft issue 696), hence the wait below.
	go func() { done <- f.Error() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-r.stop:
		return ErrClosed
	}
}

// HandOver gives leadership to any caught-up voter: the last act before a node
// leaves. It is nil if this replica doesn't lead or has no other voters. The
// error is ErrNobodyThere if none of them answered.
func (r *Replica) HandOver(ctx context.Context) error {
	if !r.Leading() {
		return nil
	}
	others, _ := r.voters()
	var errs []error
	var absent error
	for _, s := range others {
		err := r.Transfer(ctx, string(s.ID), string(s.Address))
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrNobodyThere) {
			errs = append(errs, err)
		} else {
			absent = err
		}
	}
	if len(errs) == 0 {
		return absent
	}
	return errors.Join(errs...)
}
