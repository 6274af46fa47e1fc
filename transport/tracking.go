package transport

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/resp"
)

// CLIENT TRACKING: the node remembers which keys its clients have read and tells
// them, once, when one of them changes; or, in BCAST mode, tells everybody about
// all keys with a prefix.
//
// A key is entered where its read runs, under the lock of the group, and told
// when an entry that changes it is applied, before the writer gets its reply. The
// message comes behind the reply to the read: no change can be missed
// (docs/decisions/0011-push.md).
//
// Source: Redis 7.0 docs, "Client-side caching in Redis".

// tracking is what a session asked for with CLIENT TRACKING. Fixed once made,
// but for what is marked.
type tracking struct {
	session                      *Session
	bcast, optIn, optOut, noLoop bool
	redirect                     int64       // session that is told instead; 0: none
	prefixes                     []string    // of BCAST, sorted; guarded by the tracker's lock
	broken                       atomic.Bool // the other session is gone
	caching                      bool        // CLIENT CACHING came; the session's own
}

// tracker is the tracking table of a node. Safe for concurrent use.
type tracker struct {
	clients atomic.Int64 // lets everything be skipped while there are none
	limit   atomic.Int64 // tracking-table-max-keys; 0: none

	mu       sync.Mutex
	tracked  map[int64]*tracking
	keys     map[string]map[int64]struct{} // who has read a key
	items    int                           // sum of those
	prefixes map[string]*prefix
	lengths  map[int]int // prefixes by length
	pending  []*prefix   // prefixes with changed keys
	lookup   func(id int64) *Session
}

// prefix is a prefix that is tracked in BCAST mode.
type prefix struct {
	clients map[int64]struct{}
	changed map[string]int64 // keys changed by the running entry, and by whom; 0: several or nobody here
}

// start enters a session that tracks, or adds prefixes to what it tracks.
func (t *tracker) start(c *tracking, prefixes []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tracked == nil {
		t.tracked, t.keys = map[int64]*tracking{}, map[string]map[int64]struct{}{}
		t.prefixes, t.lengths = map[string]*prefix{}, map[int]int{}
	}
	if old := t.tracked[c.session.id]; old == nil {
		t.clients.Add(1)
	} else {
		c.prefixes = old.prefixes
	}
	t.tracked[c.session.id] = c
	if c.bcast && len(prefixes) == 0 {
		prefixes = []string{""}
	}
	for _, text := range prefixes {
		p := t.prefixes[text]
		if p == nil {
			p = &prefix{clients: map[int64]struct{}{}}
			t.prefixes[text] = p
			t.lengths[len(text)]++
		}
		if _, twice := p.clients[c.session.id]; !twice {
			p.clients[c.session.id] = struct{}{}
			c.prefixes = append(c.prefixes, text)
		}
	}
	slices.Sort(c.prefixes)
}

// stop forgets a session. Keys that it has read are forgotten when they change.
func (t *tracker) stop(c *tracking) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := c.session.id
	if t.tracked[id] == nil {
		return
	}
	delete(t.tracked, id)
	t.clients.Add(-1)
	for _, text := range c.prefixes {
		p := t.prefixes[text]
		delete(p.clients, id)
		if len(p.clients) > 0 {
			continue
		}
		delete(t.prefixes, text)
		if t.lengths[len(text)]--; t.lengths[len(text)] == 0 {
			delete(t.lengths, len(text))
		}
	}
	if len(t.tracked) == 0 {
		t.keys, t.items = map[string]map[int64]struct{}{}, 0
	}
}

// remember notes that a session reads a key.
func (t *tracker) remember(c *tracking, key []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tracked[c.session.id] == nil {
		return // its connection has ended
	}
	who := t.keys[string(key)]
	if who == nil {
		who = map[int64]struct{}{}
		t.keys[string(key)] = who
	}
	if _, twice := who[c.session.id]; !twice {
		who[c.session.id] = struct{}{}
		t.items++
	}
	for limit := t.limit.Load(); limit > 0 && int64(len(t.keys)) > limit; {
		for victim := range t.keys { // any will do
			t.tellLocked(victim, -1)
			break
		}
	}
}

// enforce brings the table below its limit after that was lowered.
func (t *tracker) enforce() {
	t.mu.Lock()
	defer t.mu.Unlock()
	limit := t.limit.Load()
	for victim := range t.keys {
		if limit <= 0 || int64(len(t.keys)) <= limit {
			return
		}
		t.tellLocked(victim, -1)
	}
}

// Changed implements fsm.Tracker.
func (t *tracker) Changed(client int64, key []byte) {
	if t.clients.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keys[string(key)] != nil {
		t.tellLocked(string(key), client)
	}
	for n := range t.lengths {
		if n > len(key) {
			continue
		}
		p := t.prefixes[string(key[:n])]
		if p == nil {
			continue
		}
		if p.changed == nil {
			p.changed = map[string]int64{}
			t.pending = append(t.pending, p)
		}
		by := client
		if before, twice := p.changed[string(key)]; twice && before != client {
			by = 0
		}
		p.changed[string(key)] = by
	}
}

// tellLocked tells all who have read a key that it changed, and forgets that
// they have read it.
func (t *tracker) tellLocked(key string, by int64) {
	who := t.keys[key]
	m := keysMessage([]string{key})
	for id := range who {
		if c := t.tracked[id]; c != nil && !c.bcast && !(c.noLoop && id == by) {
			t.sendLocked(c, m)
		}
	}
	t.items -= len(who)
	delete(t.keys, key)
}

// Applied implements fsm.Tracker: BCAST mode tells once for all keys of an entry.
func (t *tracker) Applied() {
	if t.clients.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.pending {
		keys := slices.Sorted(maps.Keys(p.changed))
		all := keysMessage(keys)
		for _, id := range slices.Sorted(maps.Keys(p.clients)) {
			c := t.tracked[id]
			if !c.noLoop {
				t.sendLocked(c, all)
				continue
			}
			others := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return p.changed[k] == id })
			if len(others) > 0 {
				t.sendLocked(c, keysMessage(others))
			}
		}
		p.changed = nil
	}
	t.pending = t.pending[:0]
}

// Replaced implements fsm.Tracker: nobody may use any key of its cache.
func (t *tracker) Replaced() {
	if t.clients.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys, t.items = map[string]map[int64]struct{}{}, 0
	m := &invalidation{}
	for _, id := range slices.Sorted(maps.Keys(t.tracked)) {
		t.sendLocked(t.tracked[id], m)
	}
}

// figures returns the numbers of INFO.
func (t *tracker) figures() (keys, items, prefixes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.keys), t.items, len(t.prefixes)
}

// invalidation is a message about keys, nil for all, in its two forms.
type invalidation struct {
	keys             []string
	direct, redirect *message
}

func keysMessage(keys []string) *invalidation { return &invalidation{keys: keys} }

func (i *invalidation) writeKeys(w *resp.Writer) {
	if i.keys == nil {
		w.Null()
		return
	}
	w.Array(len(i.keys))
	for _, k := range i.keys {
		w.BulkString(k)
	}
}

// own is the message for the session that tracks: RESP2 has none.
func (i *invalidation) own() *message {
	if i.direct == nil {
		i.direct = &message{write: func(w *resp.Writer) {
			if w.Proto >= 3 {
				w.Push(2)
				w.BulkString("invalidate")
				i.writeKeys(w)
			}
		}}
	}
	return i.direct
}

// forOther is the message for another session: in RESP2 one of the channel
// that it subscribes to for this purpose.
func (i *invalidation) forOther() *message {
	if i.redirect == nil {
		i.redirect = &message{write: func(w *resp.Writer) {
			if w.Proto >= 3 {
				w.Push(2)
				w.BulkString("invalidate")
			} else {
				w.Push(3)
				w.BulkString("message")
				w.BulkString("__redis__:invalidate")
			}
			i.writeKeys(w)
		}}
	}
	return i.redirect
}

// sendLocked sends a message to whom a tracking session wants it sent.
func (t *tracker) sendLocked(c *tracking, m *invalidation) {
	if c.redirect == 0 {
		c.session.tell(m.own())
		return
	}
	other := t.lookup(c.redirect)
	switch {
	case other == nil:
		c.broken.Store(true)
		c.session.tell(&message{write: func(w *resp.Writer) {
			if w.Proto >= 3 {
				w.Push(2)
				w.BulkString("tracking-redir-broken")
				w.Int(c.redirect)
			}
		}})
	case other.subs.any():
		other.tell(m.forOther())
	default:
		other.tell(m.own())
	}
}

// Tracker returns what has to be told of changed keys.
func (s *Server) Tracker() fsm.Tracker { return &s.tracker }

// SetTrackingLimit bounds the keys that are remembered for clients that track
// them (tracking-table-max-keys); 0: no bound.
func (s *Server) SetTrackingLimit(keys int64) {
	s.tracker.limit.Store(keys)
	s.tracker.enforce()
}
