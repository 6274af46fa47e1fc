package store

import (
	"sync"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/resp"
)

// The leader keeps the group's data below maxmemory: whoever builds an entry
// sees the state it will run on, and puts in front of the commands what has to
// be evicted for them. See fsm/evict.go.

// evictRounds is how many entries in a row that do nothing but evict may go
// before the commands that wait. Redis lets commands pass after a while, too.
const evictRounds = 8

// evictions is the state of a group's eviction.
type evictions struct {
	evictor *fsm.Evictor // of the proposer goroutine
	rounds  int          // entries in a row that only evicted; of the proposer goroutine
	wake    chan struct{}

	mu    sync.Mutex
	since time.Time     // when more memory than allowed began to be used; zero: it isn't
	total time.Duration // for which that was so before
}

func (e *evictions) init(seed uint64) {
	e.evictor = fsm.NewEvictor(seed)
	e.wake = make(chan struct{}, 1)
}

// makeRoom returns the steps that must come first in the next entry, and
// whether they must be alone in it. The caller holds g.mu for reading.
func (g *Group) makeRoom(reqs []*request, now int64) (ops []fsm.Op, alone bool) {
	limit := g.opt.Machine.Memory.Load()
	if limit.Max == 0 || g.paused() {
		g.evict.rounds = 0
		return nil, false
	}
	e := g.evict.evictor.Evict(g.machine, limit, growth(reqs), now)
	if e.Keys == 0 {
		g.evict.rounds = 0
		return e.Ops, false
	}
	// What a transaction watches may be among the keys: it is decided when they are gone.
	var w *fsm.Watch
	watched := false
	if len(reqs) > 0 && reqs[0].from == 0 {
		w, watched = reqs[0].unit.Watched()
	}
	switch {
	case !watched && !e.Short:
		g.evict.rounds = 0
		return e.Ops, false
	case g.evict.rounds < evictRounds:
		g.evict.rounds++
		return e.Ops, true
	}
	g.evict.rounds = 0
	if watched {
		w.Break()
		return nil, false
	}
	return e.Ops, false
}

// growth estimates by how much the commands of an entry, but for the last one,
// let the data grow. Redis looks before each command whether there is room; here
// that happens once an entry.
func growth(reqs []*request) (bytes int64) {
	last := int64(0)
	for _, q := range reqs {
		for i := range q.unit.Ops {
			if n := q.unit.Ops[i].Growth(); n > 0 {
				bytes += n
				last = n
			}
		}
	}
	return bytes - last
}

// evictLoop lets the leader evict when more is used than allowed and nobody
// writes: after CONFIG SET maxmemory, and after an election.
func (g *Group) evictLoop() {
	defer g.wg.Done()
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-g.stopped:
			return
		case <-t.C:
		case <-g.evict.wake:
		}
		for g.overLimit() && g.Serving() != 0 && !g.paused() {
			// An error is leadership lost or an overload: the next tick tries again.
			if g.propose(&fsm.Unit{}) != nil {
				break
			}
		}
	}
}

// EvictSoon has the group look at once whether memory is short.
func (g *Group) EvictSoon() {
	select {
	case g.evict.wake <- struct{}{}:
	default:
	}
}

// overLimit reports whether something must and can be evicted. It also keeps
// the times that INFO shows.
func (g *Group) overLimit() bool {
	limit := g.opt.Machine.Memory.Load()
	over, can := false, false
	if limit.Max > 0 {
		g.mu.RLock()
		over = g.unusable == nil && g.machine.Used() > limit.Max
		can = over && g.machine.CanEvict(limit)
		g.mu.RUnlock()
	}
	g.evict.mu.Lock()
	defer g.evict.mu.Unlock()
	switch e := &g.evict; {
	case over && e.since.IsZero():
		e.since = time.Now()
	case !over && !e.since.IsZero():
		e.total += time.Since(e.since)
		e.since = time.Time{}
	}
	return can
}

// Exceeded returns for how long more memory has been used than allowed: in all,
// and since it last began. It is sampled ten times a second.
func (g *Group) Exceeded() (total, current time.Duration) {
	g.evict.mu.Lock()
	defer g.evict.mu.Unlock()
	if !g.evict.since.IsZero() {
		current = time.Since(g.evict.since)
	}
	return g.evict.total + current, current
}

func (e *evictions) reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.total = 0
	if !e.since.IsZero() {
		e.since = time.Now()
	}
}

// Short reports whether more memory is used than allowed and something can be
// evicted.
func (g *Group) Short() bool {
	limit := g.opt.Machine.Memory.Load()
	if limit.Max == 0 {
		return false
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.unusable == nil && g.machine.Used() > limit.Max && g.machine.CanEvict(limit)
}

// MakeRoom evicts once, as before a write, if this replica leads. Redis does it
// before reads, too.
func (g *Group) MakeRoom() {
	if g.Serving() != 0 && !g.paused() {
		// What can't be evicted now is at the next tick of evictLoop.
		_ = g.propose(&fsm.Unit{})
	}
}

// OutOfMemory reports whether commands that may need memory are refused: more
// is used than maxmemory allows and nothing can be evicted.
func (g *Group) OutOfMemory() bool {
	limit := g.opt.Machine.Memory.Load()
	if limit.Max == 0 {
		return false
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.unusable == nil && g.machine.OutOfMemory(limit)
}

// OnlyReads reports whether a command runs a script whose flags say that it
// doesn't write.
func (g *Group) OnlyReads(cmd *fsm.Command, args [][]byte) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.unusable == nil && g.machine.OnlyReads(cmd, args)
}

// refused answers a unit that certainly will be refused for want of memory, so
// that it takes no place in the log, and reports whether it has.
func (g *Group) refused(u *fsm.Unit) bool {
	if g.opt.Machine.Memory.Load().Max == 0 || len(u.Ops) == 0 {
		return false
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.unusable == nil && g.machine.OutOfMemory(g.opt.Machine.Memory.Load()) && g.machine.Refused(u)
}

// ownUnit returns the unit of steps that the group itself puts into an entry.
func ownUnit(ops []fsm.Op) *fsm.Unit {
	return &fsm.Unit{Ops: ops, Reply: &resp.Writer{Discard: true}}
}
