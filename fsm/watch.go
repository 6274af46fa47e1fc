package fsm

import (
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/slots/hashslot"
)

// Watches are the keys that sessions of this node watch. They are not part of
// the replicated state: the node that leads decides by them whether an EXEC
// may run, when it builds the entry that carries it, and the entry says on
// which applied index the decision rests (see docs/decisions/0003-watch.md).
//
// Guarded by the lock of the group, like the machine they belong to.
type Watches struct {
	keys map[watchedKey]map[*Watch]struct{}
}

type watchedKey struct {
	db  int
	key string
}

// Watch is one session's set of watched keys. The zero value watches nothing.
type Watch struct {
	dirty bool
	keys  map[watchedKey]bool // whether the key was there but expired when WATCH came
}

// Dirty reports whether a watched key was touched since it was watched.
func (w *Watch) Dirty() bool { return w != nil && w.dirty }

// Break marks the watch as touched: the node can't vouch for it any more.
func (w *Watch) Break() { w.dirty = true }

// Watch adds a key to w.
func (m *Machine) Watch(w *Watch, db int, key []byte, now int64) {
	k := watchedKey{db, string(key)}
	if _, twice := w.keys[k]; twice {
		return
	}
	if w.keys == nil {
		w.keys = map[watchedKey]bool{}
	}
	e := m.ks.DB(db).Find(hashslot.Of(key), key)
	w.keys[k] = e != nil && e.ExpireAt() != 0 && e.ExpireAt() <= now
	if m.watches.keys == nil {
		m.watches.keys = map[watchedKey]map[*Watch]struct{}{}
	}
	if m.watches.keys[k] == nil {
		m.watches.keys[k] = map[*Watch]struct{}{}
	}
	m.watches.keys[k][w] = struct{}{}
}

// Unwatch forgets all keys of w.
func (m *Machine) Unwatch(w *Watch) {
	for k := range w.keys {
		delete(m.watches.keys[k], w)
		if len(m.watches.keys[k]) == 0 {
			delete(m.watches.keys, k)
		}
	}
	*w = Watch{}
}

// BreakWatches marks every watch as touched.
func (m *Machine) BreakWatches() {
	for _, ws := range m.watches.keys {
		for w := range ws {
			w.dirty = true
		}
	}
}

// WatchHolds reports whether no watched key was touched, nor has expired since
// it was watched.
func (m *Machine) WatchHolds(w *Watch, now int64) bool {
	if w == nil {
		return true
	}
	if w.dirty {
		return false
	}
	for k, expired := range w.keys {
		e := m.ks.DB(k.db).Find(hashslot.Of([]byte(k.key)), []byte(k.key))
		if e != nil && e.ExpireAt() != 0 && e.ExpireAt() <= now && !expired {
			return false
		}
	}
	return true
}

// touch marks the watches of a key that was changed in ks. A key that had
// expired when it was watched and has been deleted since is none: its watch
// found no key and there is no key. From then on it counts as missing.
func (s *Watches) touch(ks *keyspace.Keyspace, db int, key []byte) {
	if len(s.keys) == 0 {
		return
	}
	k := watchedKey{db, string(key)}
	for w := range s.keys[k] {
		if w.keys[k] && ks.DB(db).Find(hashslot.Of(key), key) == nil {
			w.keys[k] = false
		} else {
			w.dirty = true
		}
	}
}

// touchDB marks the watches of the keys of database db, whose content is about
// to be replaced by another's (FLUSHDB: an empty one), unless the key was and
// is missing, expired being as good as missing. That it is expired, a watch has to
// remember.
//
// Source: the tests of WATCH with FLUSHDB and SWAPDB in Redis 7.0.
func (s *Watches) touchDB(db int, old, replaced *keyspace.DB, now int64) {
	for k, ws := range s.keys {
		if k.db != db {
			continue
		}
		slot, key := hashslot.Of([]byte(k.key)), []byte(k.key)
		before, after := old.Find(slot, key), replaced.Find(slot, key)
		if before == nil && after == nil {
			continue
		}
		stale := after != nil && after.ExpireAt() != 0 && after.ExpireAt() <= now
		for w := range ws {
			switch expired := w.keys[k]; {
			case expired && after == nil:
				w.keys[k] = false
			case expired && stale:
			case !expired && before == nil && stale:
				w.keys[k] = true
			default:
				w.dirty = true
			}
		}
	}
}
