package node

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/store"
)

// A node that starts loads: it reads its log, restores snapshots, and applies what
// the log has behind them. In plain mode it loads until it serves. In a
// cluster it loads until its replicas are open and while one of them loads, and not while
// it waits for others, to form the cluster or to say what is committed.

// loads is what a node is loading.
type loads struct {
	n atomic.Int32 // things under way

	mu     sync.Mutex
	since  time.Time                 // when the first of them began
	busy   map[uint32]bool           // groups under way; startUp stands for the node
	groups map[uint32]*store.Loading // of all groups since loading began
}

// startUp is the number of no group: it stands for the opening of the node's files.
const startUp = ^uint32(0)

// begin notes that something is under way.
func (l *loads) begin(what uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[what] {
		return
	}
	if len(l.busy) == 0 {
		l.since, l.busy, l.groups = time.Now(), map[uint32]bool{}, map[uint32]*store.Loading{}
	}
	l.busy[what] = true
	l.n.Store(int32(len(l.busy)))
}

// put adds what a group that is under way tells.
func (l *loads) put(group uint32, p *store.Loading) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.groups[group] = p
}

// end notes that something isn't under way any more.
func (l *loads) end(what uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, what)
	l.n.Store(int32(len(l.busy)))
}

// has reports whether a group is under way.
func (l *loads) has(group uint32) bool {
	if l.n.Load() == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy[group]
}

// Loading reports whether this node is loading.
func (n *Node) Loading() bool { return n.loads.n.Load() > 0 }

// LoadingFiles reports whether this node is loading a file, not its log.
func (n *Node) LoadingFiles() bool { return n.Loading() && n.Progress().From != store.FromLog }

// LoadingSlot reports whether this node has a replica of the slot's group that is
// loading, or gets another state from its leader.
func (n *Node) LoadingSlot(slot int) bool {
	if !n.opt.Cluster {
		return n.Loading()
	}
	id := n.Map().Slots[slot]
	if n.loads.has(id) || id == controlGroup && n.loads.has(startUp) { // no map yet
		return true
	}
	g := n.Groups()[id]
	return g != nil && g.Absent()
}

// Progress is how far a node has got with loading.
type Progress struct {
	Since       time.Time
	From        store.Source // what is read, of the group that is furthest behind
	Done, Total int64        // bytes, of files and of the log behind them
	Keys        int64
	UsedMemory  int64 // what the server that wrote the RDB file had in use
}

// Progress returns how far the node has got with loading.
func (n *Node) Progress() (p Progress) {
	l := &n.loads
	l.mu.Lock()
	defer l.mu.Unlock()
	p.Since, p.From = l.since, store.FromLog
	for _, g := range l.groups {
		from, done, total := g.Progress()
		p.From = min(p.From, from)
		p.Done += done
		p.Total += total
		p.Keys += g.Keys.Load()
		p.UsedMemory += g.UsedMemory.Load()
	}
	if len(l.groups) == 0 {
		p.From = store.FromNothing
	}
	return p
}

// tellProgress writes to the log how far the node is: nothing if it is through at
// once, and a line a second at the most.
func (n *Node) tellProgress() {
	defer n.wg.Done()
	t := time.NewTicker(time.Second)
	defer t.Stop()
	var last Progress
	told := time.Now()
	for {
		select {
		case <-n.stop:
			return
		case <-t.C:
		}
		if !n.Loading() {
			if last.Total > 0 {
				n.log.Info("loaded", "took", time.Since(last.Since).Round(time.Millisecond))
			}
			last = Progress{}
			if n.started() {
				return
			}
			continue
		}
		p := n.Progress()
		percent := 0.0
		if p.Total > 0 {
			percent = 100 * float64(p.Done) / float64(p.Total)
		}
		rate := float64(p.Done-last.Done) / 1e6 / time.Since(told).Seconds()
		if p.From != last.From {
			rate = float64(p.Done) / 1e6 / time.Since(p.Since).Seconds()
		}
		n.log.Info("loading", "from", p.From.String(), "percent", int(percent), "keys", p.Keys, "MB/s", int(rate))
		last, told = p, time.Now()
	}
}

// started reports whether there is nothing left that a start could have to load.
func (n *Node) started() bool {
	select {
	case <-n.opened:
	default:
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for id := range n.id.Groups {
		g := n.groups[id]
		if id == controlGroup {
			continue
		}
		if g == nil {
			return false
		}
		if _, through := g.Replaying(); !through && n.opt.Cluster {
			return false
		}
	}
	return true
}

// replayPatience is how long a replica that was opened counts as loading although no leader
// has said yet how far its log is committed: about the time of an election.
const replayPatience = 2 * time.Second

// awaitReplicas waits until the replicas that this node has are being opened, which the
// map, once it is known, has done; but not for others to tell it the map.
func (n *Node) awaitReplicas() {
	for opened := time.Now(); time.Since(opened) < replayPatience && !n.reopened(); {
		select {
		case <-n.stop:
			return
		case <-time.After(replayPoll):
		}
	}
}

// reopened reports whether all replicas that this node has are open, or being opened.
func (n *Node) reopened() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id := range n.id.Groups {
		if id != controlGroup && n.groups[id] == nil && !n.loads.has(id) {
			return false
		}
	}
	return true
}

// replayPoll is the pause between two looks at how far a log was applied.
const replayPoll = 10 * time.Millisecond

// awaitReplay watches the log of a replica that was just opened being applied.
func (n *Node) awaitReplay(group uint32, g *store.Group) {
	defer n.wg.Done()
	defer n.loads.end(group)
	for opened := time.Now(); ; {
		underWay, through := g.Replaying()
		switch {
		case through:
			return
		case underWay || time.Since(opened) < replayPatience:
			n.loads.begin(group)
			n.loads.put(group, g.Loading())
		default:
			n.loads.end(group)
		}
		select {
		case <-n.stop:
			return
		case <-time.After(replayPoll):
		}
	}
}
