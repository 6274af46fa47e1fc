package fsm

import (
	"container/list"
	"sync"
	"sync/atomic"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
)

// Wait is what a blocking command waits for when it has found nothing.
type Wait struct {
	Kind    keyspace.Kind // a value of this kind
	Keys    [][]byte      // at any of these keys
	Timeout int64         // ms; 0: for ever

	// Args is the command to run again when there is something; nil: the
	// arguments it came with.
	Args [][]byte
	// Only returns the arguments (from Args, which it doesn't change) with which
	// the command looks at one of its keys only; nil: Args as they are.
	Only func(args [][]byte, key []byte) [][]byte
	// Has reports whether a value of the kind at one of the keys has something for
	// the command; nil: every value has.
	Has func(key string, e *keyspace.Entry) bool
	// Gone is the error reply if a key is deleted or gets another type; "": the
	// command goes on waiting.
	Gone string
}

// Waiters are the sessions of this node whose blocking commands wait. Like the
// watches they are not part of the replicated state: the node that leads keeps
// them, and what it logs is the pop itself (see docs/decisions/0010-blocking.md).
//
// The methods are safe for concurrent use: reads register waiters beside each
// other, and sessions give up whenever they like. The lock is a leaf, and
// nothing in the replicated state depends on what it guards.
type Waiters struct {
	n   atomic.Int32 // registered waiters: the only cost where nobody waits
	due atomic.Bool  // something may have come for a waiter and is not delivered yet

	mu      sync.Mutex
	keys    map[watchedKey]*list.List // of *Waiter, first come first
	ready   []watchedKey              // keys that changed, in that order
	marked  map[watchedKey]bool       // the same as a set
	serving int                       // waiters whose command is on its way again
	moved   bool                      // the group serves other slots than before
	stale   bool                      // a key that somebody waits for has expired and is still there
}

// Waiter is a session's blocking command. The zero value may be put into a
// Unit, whose last step it then belongs to; it waits if that step found nothing.
type Waiter struct {
	// Wake is called when the wait is over, from any goroutine, once, under a
	// lock: it must not block.
	Wake func()

	// Before is the command's Op.Before, for when it is run again.
	Before func()

	// Found, if set, is called under the group's lock when the command, run again,
	// has its reply: what is applied later must not be told the session first.
	Found func()

	// Client is the session's number, as in Unit. It also decides between waiters
	// that come at the same time, within a few milliseconds: the lower comes
	// first. Sessions whose clients have sent something wake up in no particular order.
	Client int64

	set   *Waiters // nil: never waited
	cmd   *Command
	db    int
	slot  int
	wait  Wait
	args  [][]byte
	keys  []watchedKey
	at    int64 // when it came, Unix ms
	elems []*list.Element
	reply resp.Writer

	// Guarded by set.mu.
	state waitState
	asked End // how it shall end if what is being served turns out to be nothing
	end   End
	err   error
	on    watchedKey // being served with this key's value
	// missed are other keys that had something while it was being served.
	missed []watchedKey
	index  uint64

	found bool // of the goroutine that applies: the command has replied
}

type waitState uint8

const (
	stateNone waitState = iota
	stateWaiting
	stateServing
	stateEnded
)

// End is how a wait ended.
type End uint8

const (
	Waiting   End = iota
	Served        // there is a reply
	Failed        // there is an error of the group
	TimedOut      // its time was up, or CLIENT UNBLOCK said so
	Unblocked     // CLIENT UNBLOCK with ERROR
	Left          // the client is gone
	Deposed       // the node doesn't lead any more
)

// Blocked reports whether the command has found nothing and waits, or has waited.
func (w *Waiter) Blocked() bool { return w.set != nil }

// Timeout returns how long the command wants to wait, in ms; 0: for ever.
func (w *Waiter) Timeout() int64 { return w.wait.Timeout }

// Slot returns the hash slot of the first key.
func (w *Waiter) Slot() int { return w.slot }

// Result returns how the wait ended, and the reply or the error.
func (w *Waiter) Result() (End, []byte, error) {
	w.set.mu.Lock()
	defer w.set.mu.Unlock()
	return w.end, w.reply.Buf, w.err
}

// Ended reports whether the wait has ended.
func (w *Waiter) Ended() bool {
	w.set.mu.Lock()
	defer w.set.mu.Unlock()
	return w.state == stateEnded
}

// Index returns the log index of the entry that served the command, or 0. The
// wait must have ended.
func (w *Waiter) Index() uint64 { return w.index }

// End ends the wait, unless it has ended or the command is being served: then
// what it finds is its reply, and e the end if it finds nothing after all.
func (w *Waiter) End(e End) bool {
	s := w.set
	s.mu.Lock()
	defer s.mu.Unlock()
	switch w.state {
	case stateWaiting:
		s.finish(w, e, nil)
		return true
	case stateServing:
		if w.asked == Waiting {
			w.asked = e
		}
	}
	return false
}

// Withdraw takes back a wait that should not have begun: nobody is woken. False:
// it has ended, or the command is being served; then it goes on as any other.
func (w *Waiter) Withdraw() bool {
	s := w.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.state != stateWaiting {
		return false
	}
	w.Wake = nil
	s.finish(w, Deposed, nil)
	return true
}

// Due reports whether something may have come for a waiter that was not
// delivered yet. Nobody else may see it until then.
func (s *Waiters) Due() bool { return s.due.Load() }

// TakeStale reports, once, that a key has expired that somebody waits for. Redis
// deletes it as soon as it is looked at for the waiter.
func (s *Waiters) TakeStale() bool {
	if s.n.Load() == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stale := s.stale
	s.stale = false
	return stale
}

// Left reports whether there are keys that Claim has not looked at.
func (s *Waiters) Left() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ready) > 0
}

// Len returns the number of waiters.
func (s *Waiters) Len() int { return int(s.n.Load()) }

// Expects reports whether somebody waits for a key of a database.
func (s *Waiters) Expects(db int, key []byte) bool {
	if s.n.Load() == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[watchedKey{db, string(key)}] != nil
}

// Drop ends all waits: the node doesn't lead any more.
func (s *Waiters) Drop(e End) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.all() {
		if w.state == stateWaiting {
			s.finish(w, e, nil)
		} else {
			w.asked = e
		}
	}
	s.ready, s.marked = nil, nil
	s.update()
}

// all returns every waiter once, in no order.
func (s *Waiters) all() []*Waiter {
	var all []*Waiter
	for k, queue := range s.keys {
		for e := queue.Front(); e != nil; e = e.Next() {
			if w := e.Value.(*Waiter); w.keys[0] == k {
				all = append(all, w)
			}
		}
	}
	return all
}

// add registers a waiter behind the others. Everything it keeps is a copy.
func (s *Waiters) add(w *Waiter, c *ReadCall, cmd *Command, wait *Wait) {
	w.cmd, w.db, w.wait, w.set, w.at = cmd, c.DB, *wait, s, c.now
	w.slot = int(hashslot.Of(wait.Keys[0]))
	w.reply = resp.Writer{Proto: c.Proto}
	args := wait.Args
	if args == nil {
		args = c.Args
	}
	w.args = make([][]byte, len(args))
	for i, a := range args {
		w.args[i] = append([]byte(nil), a...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[watchedKey]*list.List{}
	}
	seen := map[string]bool{}
	for _, key := range wait.Keys {
		if seen[string(key)] {
			continue
		}
		k := watchedKey{c.DB, string(key)}
		seen[k.key] = true
		queue := s.keys[k]
		if queue == nil {
			queue = list.New()
			s.keys[k] = queue
		}
		w.keys = append(w.keys, k)
		w.elems = append(w.elems, w.enter(queue))
	}
	w.wait.Keys, w.wait.Args = nil, nil
	w.state = stateWaiting
	s.n.Add(1)
}

// together is how many ms apart waiters count as having come at the same time.
const together = 3

// enter puts the waiter behind all that came before it.
func (w *Waiter) enter(queue *list.List) *list.Element {
	for e := queue.Back(); e != nil; e = e.Prev() {
		if before := e.Value.(*Waiter); before.at < w.at-together || before.Client <= w.Client {
			return queue.InsertAfter(w, e)
		}
	}
	return queue.PushFront(w)
}

// finish takes a waiter off the queues and wakes its session.
func (s *Waiters) finish(w *Waiter, e End, err error) {
	for i, k := range w.keys {
		queue := s.keys[k]
		queue.Remove(w.elems[i])
		if queue.Len() == 0 {
			delete(s.keys, k)
		}
	}
	w.state, w.end, w.err = stateEnded, e, err
	s.n.Add(-1)
	if w.Wake != nil {
		w.Wake()
	}
}

// touch marks a key that was changed, if somebody waits for it.
func (s *Waiters) touch(db int, key []byte) {
	if s.n.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mark(watchedKey{db, string(key)})
}

func (s *Waiters) mark(k watchedKey) {
	if s.keys[k] == nil || s.marked[k] {
		return
	}
	if s.marked == nil {
		s.marked = map[watchedKey]bool{}
	}
	s.marked[k] = true
	s.ready = append(s.ready, k)
}

// touchDB marks all keys of a database whose content is replaced by db. As in Redis
// those come first that end a wait because what was there is gone.
func (s *Waiters) touchDB(n int, db *keyspace.DB) {
	if s.n.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, gone := range []bool{true, false} {
		for _, w := range s.all() {
			for _, k := range w.keys {
				if key := []byte(k.key); k.db == n && w.wait.lost(db.Find(hashslot.Of(key), key)) == gone {
					s.mark(k)
				}
			}
		}
	}
}

// ownerChanged notes that the group serves other slots from now on.
func (s *Waiters) ownerChanged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = true
}

func (s *Waiters) update() { s.due.Store(len(s.ready) > 0 || s.serving > 0) }
