package main

import (
	"sync/atomic"

	"github.com/quorate/quorate/admin"
	"github.com/quorate/quorate/aof"
	"github.com/quorate/quorate/config"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/slots"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/transport"
)

// listener connects a node to the clients' server, which is built after it:
// until then nobody listens.
type listener struct {
	srv atomic.Pointer[transport.Server]
	aof *aof.Keeper
}

// attach has a node's options tell the listener what clients may want to hear.
func (l *listener) attach(o *node.Options, users *admin.ClusterUsers) {
	o.OnUsers = func(u slots.Users) { users.Sync(l.srv.Load(), u) }
	o.Tracker = l
	o.Listening = func() bool {
		s := l.srv.Load()
		return s != nil && s.Listening()
	}
	o.WantsEvent = func(class byte) bool {
		s := l.srv.Load()
		return s != nil && s.Wants(class)
	}
	o.OnEvent = func(class byte, event string, db int, key []byte) { l.srv.Load().Event(class, event, db, key) }
	group := o.Group
	o.Group = func(g *store.GroupOptions) {
		group(g)
		g.Machine.Publish = func(shard bool, channel, payload []byte) {
			if s := l.srv.Load(); s != nil {
				s.PublishHere(shard, channel, payload)
			}
		}
		g.Paused = func() bool {
			s := l.srv.Load()
			return s != nil && s.Paused()
		}
		g.Feed = l
	}
	o.OnMove = func() {
		if s := l.srv.Load(); s != nil {
			s.CheckSlots()
		}
	}
	o.OnMessage = func(channel, payload []byte) {
		if s := l.srv.Load(); s != nil {
			s.Publish(channel, payload)
		}
	}
}

// Wanted implements store.Feed. Where replicas and append-only files have another
// database selected, none is.
func (l *listener) Wanted(g *store.Group) (db int, wanted bool) {
	db, wanted = l.aof.Wanted(g.ID())
	if s := l.srv.Load(); s != nil {
		theirs, too := s.EffectsWanted()
		switch {
		case too && !wanted:
			return theirs, true
		case too && theirs != db:
			db = -1
		}
	}
	return db, wanted
}

// Effects implements store.Feed.
func (l *listener) Effects(g *store.Group, e fsm.Effects) {
	l.aof.Append(g.ID(), e.Commands, e.DB, e.Whole)
	if s := l.srv.Load(); s != nil {
		s.Effects(g, e)
	}
}

// Lost implements store.Feed.
func (l *listener) Lost(g *store.Group) {
	l.aof.Break()
	if s := l.srv.Load(); s != nil {
		s.EffectsLost(g)
	}
}

// Changed implements fsm.Tracker.
func (l *listener) Changed(client int64, key []byte) {
	if s := l.srv.Load(); s != nil {
		s.Tracker().Changed(client, key)
	}
}

// Replaced implements fsm.Tracker.
func (l *listener) Replaced() {
	if s := l.srv.Load(); s != nil {
		s.Tracker().Replaced()
	}
}

// Applied implements fsm.Tracker.
func (l *listener) Applied() {
	if s := l.srv.Load(); s != nil {
		s.Tracker().Applied()
	}
}

// listen has the server hear of the node from now on, and follow the
// configuration of what it pushes to clients.
func (l *listener) listen(s *transport.Server, cfg *config.Config) {
	events := func(c *config.Settings) { s.SetEvents(c.NotifyKeyspaceEvents) }
	keys := func(c *config.Settings) { s.SetTrackingLimit(c.TrackingTableMaxKeys) }
	events(cfg.Current())
	keys(cfg.Current())
	cfg.OnChange("notify-keyspace-events", events)
	cfg.OnChange("tracking-table-max-keys", keys)
	l.srv.Store(s)
}
