package transport

import (
	"cmp"
	"slices"
	"sync"
)

// registry holds the open sessions. Safe for concurrent use.
type registry struct {
	mu   sync.Mutex
	byID map[int64]*Session
}

// add enters a session unless there are max already.
func (r *registry) add(s *Session, max int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if int64(len(r.byID)) >= max {
		return false
	}
	if r.byID == nil {
		r.byID = map[int64]*Session{}
	}
	r.byID[s.id] = s
	return true
}

func (r *registry) remove(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID, s.id)
}

func (r *registry) find(id int64) *Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byID[id]
}

func (r *registry) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byID)
}

// all returns the sessions in the order of their arrival.
func (r *registry) all() []*Session {
	r.mu.Lock()
	list := make([]*Session, 0, len(r.byID))
	for _, s := range r.byID {
		list = append(list, s)
	}
	r.mu.Unlock()
	slices.SortFunc(list, func(a, b *Session) int { return cmp.Compare(a.id, b.id) })
	return list
}
