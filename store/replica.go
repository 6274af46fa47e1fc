package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// Transport is what a replica needs of the network between nodes: Raft's
// messages for its group, and the question that confirms reads.
type Transport interface {
	raft.Transport
	raft.WithPreVote
	raft.WithClose
	// SetHeartbeats installs what takes heartbeats that may bypass Raft's main
	// loop: see Heartbeats.
	SetHeartbeats(func(term uint64, leader raft.ServerID) (last uint64, ok bool))
	// AskStatus asks the replica of this group on another node how it stands.
	// answer is called once, from any goroutine, and doesn't block.
	AskStatus(id raft.ServerID, addr raft.ServerAddress, limit time.Duration, answer func(Status, error))
}

// Status is how a replica stands, as other nodes may ask.
type Status struct {
	Term      uint64 // current term
	LastIndex uint64 // of its log
	Applied   uint64 // last entry it has applied, which it holds on stable storage
}

// ReplicaOptions configure a replica.
type ReplicaOptions struct {
	Group     uint32
	NodeID    string
	FSM       raft.FSM
	Files     *Files
	Disk      *Disk // nil: not watched (simulations)
	Transport Transport
	Logger    hclog.Logger

	// Timeout is the heartbeat and election timeout; the default is 300 ms.
	// Shorter detects a dead leader sooner and mistakes a pause for a death.
	Timeout time.Duration
	// CacheBytes bounds the entries kept in memory; the default is 4 MiB.
	CacheBytes int

	// SnapshotEntries makes the library take a snapshot every so many entries;
	// 0 leaves it to the caller.
	SnapshotEntries uint64

	// OnLeader is called in its own goroutine when the replica has become
	// leader and has applied everything earlier leaders committed. The
	// context ends with the leadership. The group serves only after it returns;
	// an error gives the leadership up.
	OnLeader func(ctx context.Context, term uint64) error
	// OnFollower is called when leadership has ended.
	OnFollower func()
}

// Replica is one member of a Raft group on this node, whatever its state
// machine: files, elections, proposals, confirmation of reads, membership.
type Replica struct {
	group  uint32
	id     raft.ServerID
	raft   *raft.Raft
	files  *Files
	trans  Transport
	log    hclog.Logger
	opt    ReplicaOptions
	notify chan bool

	// serving is the term in which this replica leads and may serve, or 0.
	serving atomic.Uint64
	commits committed
	logs    *overlapLog
	gap     atomic.Bool // an entry was kept from the state machine

	reads  confirmations
	stop   chan struct{}
	wg     sync.WaitGroup
	asking asking
}

// OpenReplica starts a replica on its files. A new group's first members are
// given to Bootstrap.
func OpenReplica(o ReplicaOptions) (*Replica, error) {
	if o.Timeout == 0 {
		o.Timeout = 300 * time.Millisecond
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 4 << 20
	}
	if err := o.Files.check(o.Logger); err != nil {
		return nil, err
	}
	logs, stable := o.Files.Log, o.Files.Stable
	if o.Disk != nil {
		logs, stable = watchedLog{logs, o.Disk}, watchedStable{stable, o.Disk}
	}
	r := &Replica{group: o.Group, id: raft.ServerID(o.NodeID), files: o.Files, trans: o.Transport,
		log: o.Logger, opt: o, notify: make(chan bool, 16), stop: make(chan struct{})}
	r.reads.init()

	c := raft.DefaultConfig()
	c.LocalID = r.id
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = o.Timeout, o.Timeout, o.Timeout
	c.CommitTimeout = min(50*time.Millisecond, o.Timeout/4)
	c.NotifyCh = r.notify
	quiet := newRaftLog(o.Logger.Named("raft"), r.commits.address)
	c.Logger = quiet
	c.NoLegacyTelemetry = true
	// Snapshots are taken by the size of the log (Group.snapshotLoop), not by
	// the library's count of entries.
	c.SnapshotInterval, c.SnapshotThreshold = 24*time.Hour, 1<<62
	c.TrailingLogs = 1024
	if o.SnapshotEntries > 0 {
		c.SnapshotInterval, c.SnapshotThreshold = 30*time.Second, o.SnapshotEntries
	}
	// A removed replica waits as a follower until the map tells its node to
	// delete it; it must not disappear under its node's feet.
	c.ShutdownOnRemove = false

	r.logs = &overlapLog{logCache: newLogCache(logs, o.CacheBytes), leads: func() bool { return r.Serving() != 0 && r.Leading() }}
	var err error
	r.raft, err = raft.NewRaft(c, gatedFSM{o.FSM, r}, r.logs, &voteStore{StableStore: stable}, o.Files.Snapshots, overlapTransport{o.Transport, r.logs})
	if err != nil {
		return nil, fmt.Errorf("start raft of group %d: %w", o.Group, err)
	}
	r.raft.RegisterObserver(raft.NewObserver(nil, false, quiet.observe))
	o.Transport.SetHeartbeats(Heartbeats(r.raft))
	// Both owned by Replica. They stop when r.stop closes; Close waits.
	r.wg.Add(2)
	go r.watchLeadership()
	go r.confirmLoop()
	return r, nil
}

// Bootstrap gives a new group its first members. On a replica that has state
// already it does nothing, so that it can be repeated after a crash.
func (r *Replica) Bootstrap(members []raft.Server) error {
	err := r.raft.BootstrapCluster(raft.Configuration{Servers: members}).Error()
	if errors.Is(err, raft.ErrCantBootstrap) {
		return nil
	}
	return err
}

// Close stops the replica. Units in flight are answered as they end, with
// ErrUncertain if they can't.
func (r *Replica) Close() error {
	if !r.asking.close() {
		return nil
	}
	close(r.stop)
	// The transport first: a silent peer must not hold the shutdown up
	// (hashicorp/raft issues 268 and 312).
	terr := r.trans.Close()
	// Then the entries in flight. Those that a majority has are applied; for the
	// others leadership, which nobody can confirm any more, ends within Timeout.
	r.asking.wait()
	err := r.raft.Shutdown().Error()
	r.wg.Wait()
	werr := r.logs.wait()
	return errors.Join(terr, err, werr, r.files.Close())
}

// Serving returns the term in which this replica leads the group and has
// applied everything earlier terms committed, or 0.
func (r *Replica) Serving() uint64 { return r.serving.Load() }

// ID returns the number of the group.
func (r *Replica) ID() uint32 { return r.group }

// Leading reports whether the replica is leader, serving yet or not.
func (r *Replica) Leading() bool { return r.raft.State() == raft.Leader }

// Leader returns the node that leads the group as far as this replica knows.
func (r *Replica) Leader() (id string, addr string) {
	a, i := r.raft.LeaderWithID()
	return string(i), string(a)
}

// Status returns how the replica stands.
func (r *Replica) Status() Status {
	return Status{Term: r.raft.CurrentTerm(), LastIndex: r.raft.LastIndex(), Applied: r.raft.AppliedIndex()}
}

// Raft returns figures for INFO and metrics.
func (r *Replica) Raft() Figures {
	return Figures{State: r.raft.State().String(), Term: r.raft.CurrentTerm(), LastIndex: r.raft.LastIndex(),
		CommitIndex: r.raft.CommitIndex(), AppliedIndex: r.raft.AppliedIndex()}
}

// Figures are a replica's figures at one moment.
type Figures struct {
	State                                      string // Leader, Follower, Candidate, Shutdown
	Term, LastIndex, CommitIndex, AppliedIndex uint64
}

// Apply proposes an entry and waits until it was applied here, or an error: one
// of this package's. After anything but ErrUncertain nothing was executed.
func (r *Replica) Apply(entry []byte) (any, error) {
	if !r.asking.begin() {
		return nil, ErrClosed
	}
	defer r.asking.end()
	f := r.raft.Apply(entry, 2*time.Second)
	if err := f.Error(); err != nil {
		return nil, r.applyError(err)
	}
	return f.Response(), nil
}

// asking counts who waits for the library's answer to an entry: a library that is shut
// down meanwhile may never give it.
type asking struct {
	mu     sync.Mutex
	closed bool
	n      sync.WaitGroup // not a lock: in a simulation time goes on while somebody waits
}

// begin reports whether something may still be asked; then end must follow.
func (a *asking) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.n.Add(1)
	}
	return !a.closed
}

func (a *asking) end() { a.n.Done() }

// close has begin refuse from now on, and reports whether it did not before.
func (a *asking) close() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.closed
	a.closed = true
	return !was
}

// wait waits for all answers.
func (a *asking) wait() { a.n.Wait() }

// applyError sorts the library's errors. Only those below are known to come
// before the entry entered the log (hashicorp/raft issues 300 and 561).
func (r *Replica) applyError(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return ErrNotLeader
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return ErrOverloaded
	}
	return ErrUncertain
}

// watchLeadership follows the library's notices and settles each new term
// before it is served.
func (r *Replica) watchLeadership() {
	defer r.wg.Done()
	var current *leadership
	end := func() {
		r.serving.Store(0)
		if current != nil {
			current.cancel()
			<-current.settled
			current = nil
			if r.opt.OnFollower != nil {
				r.opt.OnFollower()
			}
		}
	}
	defer end()
	for {
		select {
		case <-r.stop:
			return
		case leads := <-r.notify:
			end()
			if leads {
				current = r.lead()
			}
		}
	}
}

// leadership is one stretch of leading the group.
type leadership struct {
	cancel  context.CancelFunc
	settled chan struct{} // closed when settle has returned
}

// lead starts to settle a new leadership.
func (r *Replica) lead() *leadership {
	ctx, cancel := context.WithCancel(context.Background())
	l := &leadership{cancel, make(chan struct{})}
	// Owned by watchLeadership. Stops with ctx or when settled, and is waited
	// for through l.settled.
	go func() {
		defer close(l.settled)
		r.settle(ctx)
	}()
	return l
}

// settle makes a new leader ready: a barrier, so that everything committed in
// earlier terms is applied here, then OnLeader, then the group serves.
func (r *Replica) settle(ctx context.Context) {
	term := r.raft.CurrentTerm()
	if err := r.barrier(ctx); err != nil {
		if ctx.Err() != nil {
			return
		}
		r.log.Warn("leadership not settled", "term", term, "error", err)
		return
	}
	if r.opt.OnLeader != nil {
		if err := r.opt.OnLeader(ctx, term); err != nil {
			if ctx.Err() == nil {
				r.log.Error("a new leader could not start to serve", "term", term, "error", err)
				r.raft.LeadershipTransfer()
			}
			return
		}
	}
	if ctx.Err() == nil && r.raft.State() == raft.Leader && r.raft.CurrentTerm() == term {
		r.serving.Store(term)
		r.log.Info("serving", "term", term)
	}
}

// barrier waits until everything committed so far is applied, or ctx ends. The library
// forgets to answer when it is shut down while its state machine has a backlog.
func (r *Replica) barrier(ctx context.Context) error {
	answer := make(chan error, 1)
	f := r.raft.Barrier(0)
	// Owned by nobody: it ends with the answer, and with the process if there is none.
	go func() { answer <- f.Error() }()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gatedFSM hands committed configurations to the replica, and keeps entries
// from the state machine until this replica's log has them too (overlapLog).
type gatedFSM struct {
	raft.FSM
	r *Replica
}

// Apply implements raft.FSM. After one entry that never was written none is
// applied any more: a state machine with a gap is worse than a closed one.
func (f gatedFSM) Apply(l *raft.Log) any {
	if f.r.gap.Load() || !f.r.logs.await(l.Index, f.r.stop) {
		f.r.gap.Store(true)
		return ErrClosed
	}
	return f.FSM.Apply(l)
}

// StoreConfiguration implements raft.ConfigurationStore.
func (f gatedFSM) StoreConfiguration(_ uint64, c raft.Configuration) { f.r.commits.set(c) }

// committed is the newest committed configuration seen by the state machine.
type committed struct {
	mu sync.Mutex
	c  raft.Configuration
}

func (c *committed) set(n raft.Configuration) {
	c.mu.Lock()
	c.c = n
	c.mu.Unlock()
}

func (c *committed) get() raft.Configuration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.c
}

// address returns where a member is, "" if it is none.
func (c *committed) address(id raft.ServerID) raft.ServerAddress {
	for _, s := range c.get().Servers {
		if s.ID == id {
			return s.Address
		}
	}
	return ""
}

// newOrigin draws the number that tells this process's entries from others'.
func newOrigin() uint64 { return rand.Uint64() }
