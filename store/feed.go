package store

import "github.com/quorate/quorate/fsm"

// Feed takes what the entries of this node's groups do, as commands, for
// replicas of Redis's kind (docs/decisions/0013-effects.md). Calls come under the
// group's lock: they must be quick and must not block.
type Feed interface {
	// Wanted reports whether anybody listens to a group, and which database is selected at
	// the end of what was taken so far, -1 for none.
	Wanted(g *Group) (db int, wanted bool)
	// Effects takes effects of an entry, which are valid until it returns.
	Effects(g *Group, e fsm.Effects)
	// Lost says that the state has become another one without effects, or that there is such a
	// replica now, or none any more.
	Lost(g *Group)
}

// record has the machine record the effects of the entry that comes, if they are
// wanted. The caller holds g.mu.
func (g *Group) record() {
	if g.opt.Feed != nil {
		db, wanted := g.opt.Feed.Wanted(g)
		g.machine.Record(wanted, db)
	}
}

// publish hands the effects of the entry to those who want them. The caller holds
// g.mu.
func (g *Group) publish() {
	if g.opt.Feed == nil {
		return
	}
	e := g.machine.TakeEffects()
	if len(e.Commands) > 0 {
		g.opt.Feed.Effects(g, e)
	}
	if e.Moved {
		g.opt.Feed.Lost(g)
	}
}

// came tells the feed that the replica is there, or gone.
func (g *Group) came() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lost()
}

// lost tells the feed that the machine was replaced. The caller holds g.mu.
func (g *Group) lost() {
	if g.opt.Feed != nil {
		g.opt.Feed.Lost(g)
	}
}

// Follow opens a snapshot for a file with all that was acknowledged so far, and calls begin
// at its moment: what is applied later is an effect for those who follow. done
// must be called when the snapshot was written or isn't wanted any more.
func (g *Group) Follow(file fsm.File, begin func()) (part fsm.SnapshotPart, done func(), err error) {
	if err := g.Confirm(); err != nil {
		return part, nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Serving() == 0 {
		return part, nil, ErrNotLeader
	}
	if g.unusable != nil {
		return part, nil, g.unusable
	}
	part, done = g.fileLocked(file)
	begin()
	return part, done, nil
}
