package keyspace

import (
	"errors"
	"fmt"

	"github.com/quorate/quorate/fsm/listpack"
)

// ErrStream is returned, with details, for parts of a stream that don't belong
// together.
var ErrStream = errors.New("corrupt stream")

// StreamState is what an RDB file tells about a stream beside its nodes and groups.
type StreamState struct {
	Length                  uint64
	Last, First, MaxDeleted StreamID
	Added                   uint64
}

// What is loaded must come in order, as Redis writes it: to sort it would let
// input choose how long that takes.

// AddNode puts a node that was read from outside into a stream that is being
// loaded. The stream takes lp over.
func (s *Stream) AddNode(id StreamID, lp []byte) error {
	if err := listpack.Valid(lp); err != nil {
		return err
	}
	count, err := checkStreamNode(lp)
	if err != nil {
		return err
	}
	if e := s.nodes.at(s.nodes.last()); e != nil && !e.id.Less(id) {
		return fmt.Errorf("%w: node %v behind %v", ErrStream, id, e.id)
	}
	s.nodes.put(id, streamNode{lp: lp})
	s.length += count
	s.bytes += len(lp)
	return nil
}

// SetState sets the counters of a stream whose nodes are loaded. known tells whether
// the file has said First, MaxDeleted and Added, which only exist since Redis 7.0;
// otherwise they are made up as Redis does.
func (s *Stream) SetState(state StreamState, known bool) error {
	if state.Length != uint64(s.length) {
		return fmt.Errorf("%w: %d entries, there are %d", ErrStream, state.Length, s.length)
	}
	s.last = state.Last
	if known {
		s.first, s.maxDeleted, s.added = state.First, state.MaxDeleted, state.Added
		return nil
	}
	s.added = state.Length
	s.first = s.edge(false, false)
	return nil
}

// AddPending makes an entry pending in a group that is being loaded, for a
// consumer that is to be told by Own.
func (g *StreamGroup) AddPending(id StreamID, time, count int64) error {
	if e := g.pel.at(g.pel.last()); e != nil && !e.id.Less(id) {
		return fmt.Errorf("%w: pending entry %v behind %v", ErrStream, id, e.id)
	}
	g.pel.put(id, StreamPending{Time: time, Count: count})
	return nil
}

// AddGroup is CreateGroup for a stream that is being loaded.
func (s *Stream) AddGroup(name []byte) (*StreamGroup, error) {
	if n := len(s.groups); n > 0 && s.groups[n-1].name >= string(name) {
		return nil, fmt.Errorf("%w: group %.80q behind %.80q", ErrStream, name, s.groups[n-1].name)
	}
	return s.CreateGroup(name, StreamID{}, UnknownRead), nil
}

// AddConsumer is CreateConsumer for a stream that is being loaded.
func (g *StreamGroup) AddConsumer(name []byte) (*StreamConsumer, error) {
	if n := len(g.consumers); n > 0 && g.consumers[n-1].name >= string(name) {
		return nil, fmt.Errorf("%w: consumer %.80q behind %.80q", ErrStream, name, g.consumers[n-1].name)
	}
	return g.CreateConsumer(name, 0), nil
}

// Own tells whose a pending entry is.
func (g *StreamGroup) Own(id StreamID, c *StreamConsumer) error {
	if e := c.pel.at(c.pel.last()); e != nil && !e.id.Less(id) {
		return fmt.Errorf("%w: pending entry %v behind %v", ErrStream, id, e.id)
	}
	p := g.pel.find(id)
	if p == nil {
		return fmt.Errorf("%w: consumer %.80q has entry %v, which is not pending", ErrStream, c.name, id)
	}
	if p.consumer != nil {
		return fmt.Errorf("%w: two consumers have entry %v", ErrStream, id)
	}
	p.consumer = c
	c.pel.put(id, struct{}{})
	return nil
}

// Check fails unless each pending entry is a consumer's.
func (g *StreamGroup) Check() error {
	owned := 0
	for _, c := range g.consumers {
		owned += c.pel.len()
	}
	if owned != g.pel.len() {
		return fmt.Errorf("%w: %d entries are pending, of which consumers have %d", ErrStream, g.pel.len(), owned)
	}
	return nil
}

// checkStreamNode returns the number of entries of a sound listpack if it is a
// sound node. The IDs of entries can have any order: XSETID can take the last ID
// back behind deleted entries.
func checkStreamNode(b []byte) (int, error) {
	lp := listpack.LP(b)
	r := nodeReader{lp: lp, p: lp.First(), ok: true}
	count, deleted, fields := r.int(), r.int(), r.int()
	left := int64(lp.Len())
	if count < 0 || deleted < 0 || count > left || deleted > left || fields < 0 || fields > left {
		return 0, fmt.Errorf("%w: a node of %d elements counts %d entries, %d deleted, %d fields", ErrStream, left, count, deleted, fields)
	}
	r.skip(fields)
	if r.int() != 0 || !r.ok {
		return 0, fmt.Errorf("%w: a node's fields don't end with 0", ErrStream)
	}
	var live, dead int64
	for r.p >= 0 {
		flags := r.int()
		r.int()
		r.int()
		elements := fields + 3
		if flags&streamSameFields == 0 {
			n := r.int()
			if n < 0 || n > left {
				return 0, fmt.Errorf("%w: an entry of %d fields", ErrStream, n)
			}
			r.skip(2 * n)
			elements = 2*n + 4
		} else {
			r.skip(fields)
		}
		if r.int() != elements || !r.ok {
			return 0, fmt.Errorf("%w: an entry doesn't have the %d elements it should have", ErrStream, elements)
		}
		if flags&streamDeleted != 0 {
			dead++
		} else {
			live++
		}
	}
	if live != count || dead != deleted {
		return 0, fmt.Errorf("%w: a node says %d entries and %d deleted, there are %d and %d", ErrStream, count, deleted, live, dead)
	}
	return int(live), nil
}

// nodeReader reads the elements of a listpack one after the other. ok is false
// after one that was missing or of the wrong kind.
type nodeReader struct {
	lp listpack.LP
	p  int
	ok bool
}

func (r *nodeReader) int() int64 {
	if r.p < 0 {
		r.ok = false
		return 0
	}
	_, n, isInt := r.lp.Element(r.p)
	r.ok = r.ok && isInt
	r.p = r.lp.Next(r.p)
	return n
}

func (r *nodeReader) skip(n int64) {
	for ; n > 0; n-- {
		if r.p < 0 {
			r.ok = false
			return
		}
		r.p = r.lp.Next(r.p)
	}
}
