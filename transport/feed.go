package transport

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/resp"
)

// Source gives a session that sends SYNC the state. Safe for concurrent use.
type Source interface {
	// Follow returns the state of all groups that this node leads as an RDB
	// file with so much in it, and its size. It calls begin for each at the moment whose state that
	// is: what a group does later comes through Server.Effects.
	Follow(c fsm.File, begin func(g Group)) (rdb io.ReadCloser, size int64, err error)
	// Backup returns the state of the group that serves a slot as an RDB file, and
	// its size, or the error reply of a node that doesn't lead that group.
	Backup(slot int) (rdb io.ReadCloser, size int64, redirect string, err error)
}

// feeds are the sessions that follow the stream of what this node's groups do,
// as replicas of Redis's kind. Safe for concurrent use.
type feeds struct {
	n atomic.Int32 // lets everything be skipped while there are none

	mu     sync.Mutex
	offset int64 // bytes of the stream since the start of the server
	db     int   // selected at its end; -1: none
	list   []*feed
	buf    []byte
	synced int64     // SYNCs that were answered with a file
	pinged time.Time // when the last PING went out, or a feed began
}

// feed is one of them. What others look at is guarded by feeds.mu.
type feed struct {
	s      *Session
	groups map[Group]bool // whose effects it gets
	queued int64          // bytes of them before it went online
	online bool
	port   int
	acked  int64
	heard  time.Time // when acked came
}

// join has a session get what a group does from now on.
func (f *feeds) join(s *Session, g Group) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.feed.groups == nil {
		s.feed.groups = map[Group]bool{}
		f.list = append(f.list, s.feed)
		f.n.Add(1)
		s.following.Store(true)
	}
	s.feed.groups[g] = true
	f.db = -1 // the new one doesn't know what is selected
}

// begin has the session online: it gets everything from now on. It returns the
// offset at which what it gets begins.
func (f *feeds) begin(s *Session) (offset int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.synced++
	f.pinged = time.Now()
	s.feed.online, s.feed.heard = true, f.pinged
	s.feed.acked = f.offset - s.feed.queued
	return s.feed.acked
}

func (f *feeds) leave(s *Session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, c := range f.list {
		if c == s.feed {
			f.list = append(f.list[:i:i], f.list[i+1:]...)
			f.n.Add(-1)
			s.following.Store(false)
			return
		}
	}
}

// sendLocked hands part of the stream to the feeds of a group; nil: to all.
func (f *feeds) sendLocked(g Group, b []byte) {
	f.offset += int64(len(b))
	msg := &message{write: func(w *resp.Writer) { w.Raw(b) }}
	for _, c := range f.list {
		if g == nil || c.groups[g] {
			if !c.online {
				c.queued += int64(len(b))
			}
			c.s.tell(msg)
		}
	}
}

// EffectsWanted reports whether a session follows what groups do, and the
// database that is selected at the end of the stream, -1 for none.
func (s *Server) EffectsWanted() (db int, wanted bool) {
	if s.feeds.n.Load() == 0 {
		return -1, false
	}
	s.feeds.mu.Lock()
	defer s.feeds.mu.Unlock()
	return s.feeds.db, true
}

// Effects sends what an entry of a group did to those who follow it.
func (s *Server) Effects(g Group, e fsm.Effects) {
	f := &s.feeds
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.list {
		// To a replica it would be about the other groups, too: also about those that are
		// still to come into its file.
		if e.Whole && c.groups[g] && (len(c.groups) > 1 || !c.online && s.opts.Router.Cluster()) {
			c.s.kill()
		}
	}
	f.sendLocked(g, e.Commands)
	f.db = e.DB
}

// feedMessage sends a PUBLISH to all who follow. In cluster mode it goes from
// node to node, and Redis sends replicas nothing.
func (s *Server) feedMessage(db int, args [][]byte) {
	f := &s.feeds
	if f.n.Load() == 0 || s.opts.Router.Cluster() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buf, f.db = fsm.AppendEffect(f.buf[:0], f.db, db, args...)
	f.sendLocked(nil, f.buf)
}

// EffectsLost closes the feeds of a group whose state has changed in another way
// than by commands. nil: of all groups.
func (s *Server) EffectsLost(g Group) {
	f := &s.feeds
	if f.n.Load() == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.list {
		if g == nil || c.groups[g] {
			c.s.kill()
		}
	}
}

// check closes the feeds if the groups that this node leads are others than
// those they follow.
func (s *Server) checkFeeds() {
	f := &s.feeds
	if f.n.Load() == 0 {
		return
	}
	led := s.opts.Router.Led()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.list {
		same := len(led) == len(c.groups)
		for _, g := range led {
			same = same && c.groups[g]
		}
		if c.online && !same {
			s.log.Info("closing replica: this node leads other groups than before", "client", c.s.addr)
			c.s.kill()
		}
	}
}

var pingEffect = []byte("*1\r\n$4\r\nPING\r\n")

// ping shows those who follow that the node lives, if it is time to.
func (f *feeds) ping(now time.Time, period time.Duration) {
	if f.n.Load() == 0 || period <= 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.pinged) >= period {
		f.pinged = now
		f.sendLocked(nil, pingEffect)
	}
}

// Replica is a session that follows what this node does, as INFO shows it.
type Replica struct {
	IP     string
	Port   int
	Online bool
	Offset int64 // that it has acknowledged
	Lag    int64 // seconds since then
}

// Replication is what INFO says about the sessions that follow.
type Replication struct {
	Offset   int64 // of the end of the stream
	Synced   int64 // how often a session began to follow
	Replicas []Replica
}

// Replication tells about the sessions that follow.
func (s *Server) Replication() Replication {
	f := &s.feeds
	f.mu.Lock()
	defer f.mu.Unlock()
	r := Replication{Offset: f.offset, Synced: f.synced}
	now := time.Now()
	for _, c := range f.list {
		r.Replicas = append(r.Replicas, Replica{IP: hostOf(c.s.addr), Port: c.port, Online: c.online, Offset: c.acked, Lag: int64(now.Sub(c.heard) / time.Second)})
	}
	return r
}
