package security

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// What a command was part of when it was refused, as ACL LOG prints it.
const (
	TopLevel = "toplevel"
	InMulti  = "multi"
	InScript = "lua"
)

// Entry is one entry of the log: what was refused, and how often.
type Entry struct {
	Count    int64
	Reason   Reason
	Context  string
	Object   string
	Username string
	Client   string // as in CLIENT LIST, of the last time
	At       time.Time
}

// sameEvent is how long after an event one that looks alike counts as its repetition,
// and recent how many entries are searched for it.
const (
	sameEvent = time.Minute
	recent    = 10
)

// maxObject is how much of a key or channel the log keeps; Redis keeps all of it.
const maxObject = 1 << 10

// Log keeps what was refused, the newest first. Safe for concurrent use.
type Log struct {
	limit   atomic.Int64
	mu      sync.Mutex
	entries []Entry // guarded by mu
}

// Limit sets how many entries are kept: acllog-max-len.
func (l *Log) Limit(n int64) { l.limit.Store(n) }

// Add enters an event, whose Count is 1.
func (l *Log) Add(e Entry) {
	e.Count = 1
	if len(e.Object) > maxObject {
		e.Object = e.Object[:maxObject]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.entries[:min(len(l.entries), recent)] {
		old := &l.entries[i]
		if old.Reason == e.Reason && old.Context == e.Context && old.Object == e.Object && old.Username == e.Username &&
			e.At.Sub(old.At).Abs() <= sameEvent {
			e.Count += old.Count
			l.entries = slices.Delete(l.entries, i, i+1)
			break
		}
	}
	l.entries = slices.Insert(l.entries, 0, e)
	if limit := l.limit.Load(); int64(len(l.entries)) > limit {
		clear(l.entries[limit:])
		l.entries = l.entries[:limit]
	}
}

// Entries returns up to n entries, all for a negative n.
func (l *Log) Entries(n int64) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 0 || n > int64(len(l.entries)) {
		n = int64(len(l.entries))
	}
	return slices.Clone(l.entries[:n])
}

// Reset empties the log.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = nil
}
