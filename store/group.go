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

	"github.com/quorate/quorate/fsm"
)

// GroupOptions configure a data group's replica on this node.
type GroupOptions struct {
	Replica ReplicaOptions // FSM, OnLeader and OnFollower are set by OpenGroup
	Machine fsm.Options
	// Begun is the state that Files.Seed has written as the first snapshot; nil: there
	// is none, or it is read from the files.
	Begun *fsm.Machine
	// Loading is told how far the group has got with loading; nil: nobody looks.
	Loading *Loading

	MaxEntryBytes int           // an entry is closed at this size; default 1 MiB
	Gather        time.Duration // longest wait for the clients of the last entry; default 5 ms, negative: none
	SnapshotBytes int64         // size of the log that triggers a snapshot, if the last one wasn't larger; default 64 MiB
	QueueBytes    int64         // commands that may wait for the log; default 64 MiB

	// Wall returns the wall clock in Unix ms; the default is the system's.
	Wall func() int64

	// OnLeader is called before a new leader serves, to let it bring the
	// group's state up to date (slots, limits) through Propose.
	OnLeader   func(ctx context.Context, g *Group) error
	OnFollower func(g *Group)

	// OnPanic is called, in its own goroutine and once, when a command has
	// panicked while an entry was applied. The group answers nothing any more:
	// it must be closed and opened again with the step in Machine.Skip.
	OnPanic func(g *Group, e *fsm.PanicError)

	// Paused, if set, reports whether clients' writes are held back (CLIENT PAUSE):
	// nothing is expired or evicted then. Expired keys aren't shown, though.
	Paused func() bool

	// NotSaved, if set, reports whether writes are refused because the last RDB file
	// couldn't be written. It is asked for each entry.
	NotSaved func() bool
	// MinReplicas, if set, returns how many other replicas must have answered
	// within which time for writes to be taken; 0: it doesn't matter.
	MinReplicas func() (n int, lag time.Duration)

	Observer Observer // may be nil
	Feed     Feed     // may be nil
}

// Observer is told what a group does, for metrics. Calls must be quick.
type Observer interface {
	Entry(units, bytes int, commit time.Duration) // an entry was committed and applied
	Snapshot(took time.Duration, bytes int64, err error)
}

// Group is a data group's replica: it makes entries of units, runs reads, and
// holds the machine. All methods are safe for concurrent use.
type Group struct {
	*Replica
	opt GroupOptions
	log hclog.Logger

	mu      sync.RWMutex // guards machine and pending
	machine *fsm.Machine
	pending *batch       // the entry in flight, until it was applied or given up
	waiters *fsm.Waiters // the machine's, also after another took its place
	stats   *fsm.Stats   // likewise
	// unusable is why the machine must not be used, nil if it may: a command has
	// panicked (ErrNotLeader), or another state is being loaded (ErrLoading).
	unusable error

	queue    queue
	requests sync.Pool // of *request; of this group alone, as channels belong to one simulation
	origin   uint64
	seq      uint64 // of the proposer goroutine

	readTime  atomic.Int64  // largest time at which a read was answered, Unix ms
	expiring  atomic.Bool   // active expiry is on (DEBUG SET-ACTIVE-EXPIRE)
	sweep     chan struct{} // of one: somebody waits for a key that has expired
	logBytes  atomic.Int64  // applied since the last snapshot
	logCount  atomic.Int64
	snapshots snapshots
	evict     evictions
	sightings sightings

	// Of the start: see loading.go.
	begun         *fsm.Machine // until its snapshot would be restored
	restoresFirst atomic.Bool  // a snapshot will be restored before the replica runs
	restoreErr    error        // why that failed
	replayTo      uint64       // last entry of the log at the start
	pastLog       bool         // one behind it has come; guarded by mu
	logChanges    int64        // changes that it held; likewise
	replayed      atomic.Bool  // and it was applied

	wg       sync.WaitGroup
	stopped  chan struct{}
	closing  sync.Once
	closeErr error // of the first Close
}

// OpenGroup starts a replica of a data group.
func OpenGroup(o GroupOptions) (*Group, error) {
	if o.MaxEntryBytes == 0 {
		o.MaxEntryBytes = 1 << 20
	}
	if o.Gather == 0 {
		o.Gather = 5 * time.Millisecond
	}
	if o.SnapshotBytes == 0 {
		o.SnapshotBytes = 64 << 20
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = 64 << 20
	}
	if o.Wall == nil {
		o.Wall = func() int64 { return time.Now().UnixMilli() }
	}
	if o.Machine.Running == nil {
		o.Machine.Running = &fsm.Running{}
	}
	if o.Loading == nil {
		o.Loading = &Loading{}
	}
	o.Machine.Loaded, o.Machine.Ahead = &o.Loading.LoadProgress, ahead
	begun := o.Begun
	machine := begun
	if machine == nil {
		machine = fsm.New(o.Machine)
	}
	o.Begun = nil
	g := &Group{opt: o, log: o.Replica.Logger, machine: machine, waiters: machine.Waiters(), stats: machine.Stats, origin: newOrigin(), stopped: make(chan struct{}),
		sweep: make(chan struct{}, 1), begun: begun}
	if err := g.noteFiles(); err != nil {
		return nil, err
	}
	g.requests.New = func() any { return &request{done: make(chan error, 1)} }
	g.expiring.Store(true)
	g.queue.init(o.QueueBytes, g.urgent)
	g.snapshots.init()
	g.evict.init(newOrigin())
	o.Replica.FSM = groupFSM{g}
	o.Replica.OnLeader = g.onLeader
	o.Replica.OnFollower = g.onFollower
	// NewRaft restores the newest snapshot through g before it returns.
	r, err := OpenReplica(o.Replica)
	if g.restoreErr != nil {
		return nil, fmt.Errorf("newest snapshot can't be read: %w", g.restoreErr) // the library hides why
	}
	if err != nil {
		return nil, err
	}
	g.Replica = r
	g.came()
	// Owned by Group. They stop when g.stopped closes; Close waits.
	g.wg.Add(4)
	go g.proposeLoop()
	go g.evictLoop()
	go g.expireLoop()
	go g.snapshotLoop()
	if o.MinReplicas != nil {
		g.wg.Add(1)
		go g.replicaLoop()
	}
	return g, nil
}

// Close stops the replica. Units in flight are answered with ErrUncertain,
// waiting ones with ErrClosed.
func (g *Group) Close() error {
	g.closing.Do(func() {
		g.queue.close()
		g.endScripts()
		close(g.stopped)
		g.closeErr = g.Replica.Close()
		g.wg.Wait()
		g.waiters.Drop(fsm.Deposed)
		g.came()
	})
	return g.closeErr
}

// ID returns the number of the group. It is known before the replica is: entries may be
// applied while it is being opened.
func (g *Group) ID() uint32 { return g.opt.Replica.Group }

func (g *Group) onLeader(ctx context.Context, term uint64) error {
	g.mu.Lock()
	g.machine.BreakWatches() // touched or not: this node did not see
	g.mu.Unlock()
	if g.opt.OnLeader != nil {
		return g.opt.OnLeader(ctx, g)
	}
	return nil
}

func (g *Group) onFollower() {
	g.endScripts() // one may hold the lock
	g.mu.Lock()
	g.machine.BreakWatches()
	g.waiters.Drop(fsm.Deposed)
	g.mu.Unlock()
	if g.opt.OnFollower != nil {
		g.opt.OnFollower(g)
	}
}

// Do runs a unit: through the log if it writes, after a confirmation round if
// it only reads. It blocks until the unit is answered. After an error nothing
// was written to u.Reply.
func (g *Group) Do(u *fsm.Unit) error {
	if g.doAside(u) {
		return nil
	}
	if u.Writes() {
		if g.Serving() == 0 {
			return ErrNotLeader
		}
		if u.Tries() {
			if answered, err := g.try(u); answered || err != nil {
				return err
			}
		}
		if u.Waiter != nil {
			if parked, err := g.park(u); parked || err != nil {
				return err
			}
		}
		return g.propose(u)
	}
	u.Sweep = !g.paused()
	if u.Waiter != nil && len(u.Ops) == 1 {
		if done, err := g.lookAndWait(u); done || err != nil {
			return err
		}
	}
	for {
		if err := g.Confirm(); err != nil {
			return err
		}
		now := g.now()
		g.mu.RLock()
		if err := g.unusable; err != nil {
			g.mu.RUnlock()
			return err
		}
		if u.Waiter != nil && g.Serving() == 0 {
			g.mu.RUnlock()
			return ErrNotLeader // onFollower, which tells the waiters, may be through
		}
		if g.waiters.Due() {
			// What is about to be handed to a waiter must not be seen: the next
			// entry has it first.
			g.mu.RUnlock()
			return g.propose(u)
		}
		ok := g.machine.Read(u, now, rand.Uint64())
		g.mu.RUnlock()
		if ok {
			return nil
		}
		if u.Writes() { // a read that has something to store: fsm/logged.go
			if g.Serving() == 0 {
				return ErrNotLeader
			}
			return g.propose(u)
		}
		// A key is past its expiry by the clock and not yet by committed time:
		// commit the time first, or a later leader could show the key again. That
		// entry deletes expired keys, the longest expired first; that this one is
		// among them isn't waited for.
		if err := g.propose(&fsm.Unit{Reply: u.Reply}); err != nil {
			return err
		}
		u.Sweep = false
	}
}

// DoStale runs a unit that only reads on whatever state this replica has.
func (g *Group) DoStale(u *fsm.Unit) error {
	if g.doAside(u) {
		return nil
	}
	if u.Writes() {
		return ErrNotLeader
	}
	u.Stale = true
	defer func() { u.Stale = false }()
	u.Waiter = nil // nobody would serve it here
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.unusable != nil {
		return g.unusable
	}
	for !g.machine.Read(u, g.machine.Now(), 1) {
	}
	return nil
}

// Propose runs internal steps (fsm.Own, fsm.Limit) through the log. It works
// from the moment this replica has won an election, before it serves.
func (g *Group) Propose(u *fsm.Unit) error { return g.propose(u) }

// View calls f with the machine, which f must only read. The state is as of
// some moment now; Confirm first where it must be the newest.
func (g *Group) View(f func(*fsm.Machine)) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	f(g.machine)
}

// Watch adds keys to a session's watch. The keys' state is confirmed first, so
// that the session watches what its next reads will show.
func (g *Group) Watch(w *fsm.Watch, db int, keys [][]byte) error {
	if err := g.Confirm(); err != nil {
		return err
	}
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range keys {
		g.machine.Watch(w, db, k, now)
	}
	return nil
}

// Unwatch forgets a session's watch.
func (g *Group) Unwatch(w *fsm.Watch) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.machine.Unwatch(w)
}

// SetActiveExpire turns the deletion of expired keys that nobody asks for on
// or off on this node: DEBUG SET-ACTIVE-EXPIRE.
func (g *Group) SetActiveExpire(on bool) { g.expiring.Store(on) }

// now is the wall clock, never before a time that a read has seen.
func (g *Group) now() int64 {
	now := g.opt.Wall()
	for {
		seen := g.readTime.Load()
		if seen >= now {
			return seen
		}
		if g.readTime.CompareAndSwap(seen, now) {
			return now
		}
	}
}

// expireLoop lets the leader commit time when keys come due and nobody writes:
// every entry deletes some of the expired keys. Also when somebody waits for a
// key that has expired, whether it looks for others or not.
func (g *Group) expireLoop() {
	defer g.wg.Done()
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-g.stopped:
			return
		case <-g.sweep:
			if g.Serving() != 0 && !g.paused() {
				g.propose(&fsm.Unit{}) // likewise
			}
			continue
		case <-t.C:
		}
		for g.Serving() != 0 && g.expiring.Load() && !g.paused() && g.overdue() {
			// An error is leadership lost or an overload: the next tick tries again.
			if g.propose(&fsm.Unit{}) != nil {
				break
			}
		}
	}
}

// sweepWaited has keys deleted that have expired and that somebody waits for.
func (g *Group) sweepWaited() {
	if g.waiters.TakeStale() {
		select {
		case g.sweep <- struct{}{}:
		default:
		}
	}
}

// paused reports whether nothing may be deleted that no client deletes.
func (g *Group) paused() bool { return g.opt.Paused != nil && g.opt.Paused() }

func (g *Group) overdue() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	at, ok := g.machine.Keyspace().NextExpiry()
	return ok && at <= g.now()
}

// groupFSM adapts a group to hashicorp/raft. Its methods run on the library's
// one goroutine for the state machine.
type groupFSM struct{ g *Group }

// Apply implements raft.FSM.
func (f groupFSM) Apply(l *raft.Log) any {
	g := f.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.unusable != nil || l.Index <= g.machine.Index() {
		return nil // or in the snapshot already
	}
	var units []*fsm.Unit
	b := g.pending
	if b != nil && b.isEntry(l.Data) {
		units = b.units
	}
	if !g.pastLog && l.Index > g.replayTo {
		g.pastLog, g.logChanges = true, g.stats.Changes.Load()
	}
	g.record()
	if err := g.machine.Apply(l.Index, l.Data, units); err != nil {
		g.stopApplying(err)
		return err
	}
	g.publish()
	if units != nil {
		b.applied = true
		if g.Serving() == 0 {
			g.waiters.Drop(fsm.Deposed) // onFollower may be through
		}
	}
	if g.waiters.Due() {
		g.queue.signal()
	}
	g.sweepWaited()
	g.logBytes.Add(int64(len(l.Data)) + 64)
	g.logCount.Add(1)
	return nil
}

// stopApplying ends what can't go on: the process, or, after a panic of a
// command, this group until it is opened again.
func (g *Group) stopApplying(err error) {
	var p *fsm.PanicError
	if !errors.As(err, &p) || g.opt.OnPanic == nil {
		g.fatal(fmt.Errorf("group %d: %w", g.opt.Replica.Group, err))
		return
	}
	g.unusable = ErrNotLeader
	g.lost()
	g.waiters.Drop(fsm.Deposed)
	// Ends when OnPanic does; its owner is whoever opened the group.
	go g.opt.OnPanic(g, p)
}

// Snapshot implements raft.FSM.
func (f groupFSM) Snapshot() (raft.FSMSnapshot, error) {
	f.g.mu.Lock()
	defer f.g.mu.Unlock()
	if f.g.unusable != nil {
		return nil, errRebuilt
	}
	return &groupSnapshot{f.g, f.g.machine.BeginSnapshot().Plain()}, nil
}

// fatal ends the process: this replica can't go on without diverging.
func (g *Group) fatal(err error) {
	if g.opt.Replica.Disk != nil {
		g.opt.Replica.Disk.fatal(err)
		return
	}
	panic(err)
}
