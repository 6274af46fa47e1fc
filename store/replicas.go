package store

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/fsm"
)

// min-replicas-to-write: the leader asks the other replicas once a second
// whether they are there. Without the directive nobody is asked.

const askReplicasEvery = time.Second

// sightings is when the other replicas last answered.
type sightings struct {
	mu   sync.Mutex
	seen map[raft.ServerID]time.Time // guarded by mu
}

// LookForReplicas asks the other replicas, learners included, and waits until
// they have answered or had the time to.
func (g *Group) LookForReplicas() {
	var wg sync.WaitGroup
	for _, s := range g.members() {
		if s.ID == g.id {
			continue
		}
		wg.Add(1)
		g.trans.AskStatus(s.ID, s.Address, g.Replica.opt.Timeout, func(_ Status, err error) {
			defer wg.Done()
			if err == nil {
				g.sightings.note(s.ID)
			}
		})
	}
	wg.Wait()
}

func (s *sightings) note(id raft.ServerID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[raft.ServerID]time.Time{}
	}
	s.seen[id] = time.Now()
}

// replicaLoop keeps the sightings new.
func (g *Group) replicaLoop() {
	defer g.wg.Done()
	t := time.NewTicker(askReplicasEvery)
	defer t.Stop()
	for {
		select {
		case <-g.stopped:
			return
		case <-t.C:
		}
		if n, lag := g.opt.MinReplicas(); n > 0 && lag > 0 && g.Serving() != 0 {
			g.LookForReplicas()
		}
	}
}

// GoodReplicas returns how many other replicas of the group have answered within
// the lag that is allowed, and whether anybody wants to know: then they are asked.
func (g *Group) GoodReplicas() (n int, wanted bool) {
	if g.opt.MinReplicas == nil {
		return 0, false
	}
	want, lag := g.opt.MinReplicas()
	if want <= 0 || lag <= 0 {
		return 0, false
	}
	g.sightings.mu.Lock()
	defer g.sightings.mu.Unlock()
	for _, s := range g.members() {
		if at, ok := g.sightings.seen[s.ID]; ok && time.Since(at) < lag+askReplicasEvery {
			n++
		}
	}
	return n, true
}

// Bar returns why writes are refused, if they are.
func (g *Group) Bar() fsm.Bar {
	if g.opt.NotSaved != nil && g.opt.NotSaved() {
		return fsm.NotSaved
	}
	n, wanted := g.GoodReplicas()
	if !wanted {
		return fsm.NoBar
	}
	if want, _ := g.opt.MinReplicas(); n < want {
		return fsm.FewReplicas
	}
	return fsm.NoBar
}
