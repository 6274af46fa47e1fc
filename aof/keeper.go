package aof

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Keeper keeps a directory up to date while the server runs, as redis-server does: a base,
// and increments to which the effects of all writes are appended. It follows what
// is applied and never holds it up: effects wait in memory until they are written, and
// when too many do, or something happens that commands can't tell, the chain is
// broken: what is on disk stays as it is until a new base is complete.
//
// While the base of a rewrite is written, effects behind its moment go to a new
// increment. If the chain holds, the manifest has that one behind the others, which
// are complete then, until it has the new base: what it names is always a whole.
//
// The data may be that of several groups, which share no key: each has its own moment in a
// base. Of those whose moment has come effects go to the new increment, of the others to the
// old one, so that both are whole when the last moment has come. What a group
// says about all there is would be about the others, too, and breaks the chain.
//
// All methods are safe for concurrent use.
type Keeper struct {
	opt     Options
	follows atomic.Bool // effects are wanted
	on      atomic.Bool // between Start and Stop

	life sync.Mutex // held by Start and Stop
	run  *run       // nil: off

	mu     sync.Mutex      // taken under a group's lock: nothing slow happens with it
	chain  map[uint32]bool // groups whose effects are taken; nil: none yet
	db     int             // selected at the end of what was taken; -1: none
	buf    []byte          // effects that aren't written yet
	cut    int             // where those of the next increment begin in buf; -1: there is no next one
	begun  map[uint32]bool // while a base begins: groups whose moment has come; else nil
	next   []byte          // their effects since then
	nextDB int             // db of next
	void   bool            // the chain has broken between two moments of a base
	wake   chan struct{}
	asked  bool // a rewrite is wanted
	gap    bool // the chain has broken since the last take
	figs   Figures
	began  time.Time // of the rewrite under way
}

// Options configure a keeper. The functions are called again and again.
type Options struct {
	// Base writes all data as an RDB file. It calls begin for each group at the moment whose
	// state that is, what happens later comes through Append, and all with the last of them.
	Base func(w io.Writer, begin func(group uint32), all func()) error
	// Ready tells whether there is data for a base; nil: there is.
	Ready func() bool
	// Sync tells whether increments are synced, which happens once a second.
	Sync func() bool
	// Growth tells by how much the files may grow, in percent, and up to which size they
	// may whatever that is, before they are written anew. 0 percent: never.
	Growth func() (percent, size int64)
	// Warn is told of what goes wrong.
	Warn func(msg string, args ...any)
	// Pending bounds the bytes of effects that wait; 0: 64 MiB.
	Pending int
	// Retry is how long a rewrite waits behind one that failed; 0: 5 s.
	Retry time.Duration
}

// Figures tell how a keeper stands.
type Figures struct {
	Rewriting bool
	Current   time.Duration // of the rewrite under way; -1: none
	Last      time.Duration // of the last one; -1: none
	RewriteOK bool          // the last one
	WriteOK   bool          // the last write of an increment
	Rewrites  int64
	Failures  int64 // of rewrites, since the last that succeeded
	Size      int64 // of all files
	BaseSize  int64 // that was, behind the last rewrite
	Waiting   int64 // bytes in memory
}

// NewKeeper returns a keeper that is off.
func NewKeeper(o Options) *Keeper {
	if o.Pending == 0 {
		o.Pending = 64 << 20
	}
	if o.Retry == 0 {
		o.Retry = 5 * time.Second
	}
	return &Keeper{opt: o, wake: make(chan struct{}, 1), cut: -1,
		figs: Figures{Last: -1, RewriteOK: true, WriteOK: true}}
}

// Start has the directory kept from now on. It begins with a new base: what was written
// while nobody kept it isn't there.
func (k *Keeper) Start(d Dir) error {
	k.life.Lock()
	defer k.life.Unlock()
	if k.run != nil {
		return nil
	}
	if err := d.create(); err != nil {
		return err
	}
	m, err := d.Manifest()
	if err != nil {
		return err
	}
	if m == nil {
		m = &Manifest{}
	}
	r := &run{k: k, dir: d, manifest: m, stop: make(chan struct{}), done: make(chan struct{}), based: make(chan error, 1)}
	k.run = r
	k.on.Store(true)
	k.askRewrite()
	// Owned by Keeper. Stops when r.stop closes; Stop waits.
	go r.loop()
	return nil
}

// Stop writes what waits and leaves the directory as it is then.
func (k *Keeper) Stop() {
	k.life.Lock()
	defer k.life.Unlock()
	if k.run != nil {
		close(k.run.stop)
		<-k.run.done
		k.run = nil
		k.on.Store(false)
	}
}

// On reports whether the directory is kept.
func (k *Keeper) On() bool { return k.on.Load() }

// ErrRewriting is returned by Rewrite while a rewrite is under way.
var ErrRewriting = errors.New("a rewrite is in progress")

// Rewrite begins a rewrite: a new base and an empty increment.
func (k *Keeper) Rewrite() error {
	if k.Figures().Rewriting {
		return ErrRewriting
	}
	k.askRewrite()
	return nil
}

func (k *Keeper) askRewrite() {
	k.mu.Lock()
	k.asked = true
	k.mu.Unlock()
	k.signal()
}

func (k *Keeper) signal() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Figures returns how the keeper stands.
func (k *Keeper) Figures() Figures {
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.figs
	f.Waiting = int64(len(k.buf) + len(k.next))
	f.Current = -1
	if !k.began.IsZero() {
		f.Current = time.Since(k.began)
	}
	f.Rewriting = k.asked || f.Current >= 0
	return f
}

// Wanted reports whether a group's effects are, and the database that is selected at the end of
// those that were taken, -1 for none.
func (k *Keeper) Wanted(group uint32) (db int, wanted bool) {
	if !k.follows.Load() {
		return -1, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.begun[group]:
		return k.nextDB, true
	case k.chain == nil:
		return -1, false // its moment is still to come
	}
	return k.db, true
}

// Append takes effects of a group, and the database selected at their end. whole says that one
// of them is about all there is in the group. It doesn't block.
func (k *Keeper) Append(group uint32, effects []byte, db int, whole bool) {
	if !k.follows.Load() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	waiting := len(k.buf) + len(k.next)
	switch {
	case !k.follows.Load(), k.chain == nil && !k.begun[group]:
	case whole && (len(k.chain) > 1 || k.begun != nil), // it would delete what others have
		!k.chain[group] && !k.begun[group], // no base has it
		waiting > 0 && waiting+len(effects) > k.opt.Pending:
		k.breakLocked()
	case k.begun[group]:
		k.next, k.nextDB = append(k.next, effects...), db
	default:
		k.buf, k.db = append(k.buf, effects...), db
		k.signal()
	}
}

// Break says that the data has changed in a way that no effects tell.
func (k *Keeper) Break() {
	if !k.follows.Load() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.breakLocked()
}

// breakLocked ends the chain. Where it is broken the follower begins again.
func (k *Keeper) breakLocked() {
	k.follows.Store(false)
	k.void = k.begun != nil
	k.buf, k.cut, k.gap, k.asked = nil, -1, true, true
	k.chain, k.begun, k.next = nil, nil, nil
	k.signal()
}

// begin is the moment of a group in a base: its effects from here on go to the next increment.
func (k *Keeper) begin(group uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.void {
		return
	}
	if k.begun == nil {
		k.begun, k.next, k.nextDB = map[uint32]bool{}, nil, -1 // it begins with a SELECT
	}
	k.begun[group] = true
	k.follows.Store(true)
}

// all says that the moments of all groups have come.
func (k *Keeper) all() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.begun == nil {
		return // void, or there are none
	}
	if k.chain == nil {
		k.buf = nil
	}
	k.cut = len(k.buf)
	k.buf, k.db, k.chain = append(k.buf, k.next...), k.nextDB, k.begun
	k.begun, k.next = nil, nil
	k.signal()
}

// abandon ends a base of which not all moments have come. The chain goes on, if there is one.
func (k *Keeper) abandon() {
	k.mu.Lock()
	defer k.mu.Unlock()
	news := false // in a group that the chain doesn't have
	for group := range k.begun {
		news = news || !k.chain[group]
	}
	if k.begun != nil && k.chain != nil && !news {
		k.buf, k.db = append(k.buf, k.next...), k.nextDB
		k.signal()
	} else if k.begun != nil {
		k.breakLocked()
	}
	k.begun, k.next, k.void = nil, nil, false
}

// take returns what waits, where in it the next increment begins, or -1, and whether the
// chain has broken before it.
func (k *Keeper) take() (buf []byte, cut int, gap bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	buf, cut, gap = k.buf, k.cut, k.gap
	k.buf, k.cut, k.gap = nil, -1, false
	return buf, cut, gap
}

// reuse gives the room of what was written back, unless it is large.
func (k *Keeper) reuse(buf []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.buf == nil && cap(buf) <= 1<<20 {
		k.buf = buf[:0]
	}
}

func (k *Keeper) count(f func(*Figures)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(&k.figs)
}
