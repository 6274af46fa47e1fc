package keyspace

import (
	"slices"
	"strings"
)

// StreamGroup is a consumer group of a stream: how far it has read, and the
// entries that were delivered and not acknowledged.
type StreamGroup struct {
	LastID StreamID // of the last entry delivered
	// Read is the number of the stream's entries up to LastID, ever added, or
	// UnknownRead.
	Read int64

	name      string
	pel       idIndex[StreamPending]
	consumers []*StreamConsumer // by name
}

// UnknownRead is StreamGroup.Read where it can't be told.
const UnknownRead = -1

// StreamConsumer is a consumer of a group.
type StreamConsumer struct {
	Seen int64 // when it last took part, Unix ms

	name string
	pel  idIndex[struct{}] // IDs of its entries in the group's
}

// StreamPending tells about an entry that was delivered and not acknowledged.
type StreamPending struct {
	Time  int64 // of the last delivery, Unix ms
	Count int64 // of deliveries

	consumer *StreamConsumer // never nil
}

// Consumer returns the consumer that the entry was delivered to.
func (p *StreamPending) Consumer() *StreamConsumer { return p.consumer }

// Groups returns the groups in the order of their names.
func (s *Stream) Groups() []*StreamGroup { return s.groups }

// Group returns the group of that name, or nil.
func (s *Stream) Group(name []byte) *StreamGroup {
	if i, ok := s.findGroup(string(name)); ok {
		return s.groups[i]
	}
	return nil
}

func (s *Stream) findGroup(name string) (int, bool) {
	return slices.BinarySearchFunc(s.groups, name, func(g *StreamGroup, name string) int { return strings.Compare(g.name, name) })
}

// CreateGroup makes a group, or returns nil if there is one of that name.
func (s *Stream) CreateGroup(name []byte, last StreamID, read int64) *StreamGroup {
	i, exists := s.findGroup(string(name))
	if exists {
		return nil
	}
	g := &StreamGroup{name: string(name), LastID: last, Read: read}
	s.groups = slices.Insert(s.groups, i, g)
	return g
}

// DeleteGroup removes a group with all that belongs to it, and reports whether
// it was there.
func (s *Stream) DeleteGroup(name []byte) bool {
	i, exists := s.findGroup(string(name))
	if exists {
		s.groups = slices.Delete(s.groups, i, i+1)
	}
	return exists
}

// holed reports whether an entry from id on may have been deleted out of the middle
// of the stream, so that counting entries is no way to tell positions.
func (s *Stream) holed(id StreamID) bool {
	if s.length == 0 || s.maxDeleted.IsZero() || s.maxDeleted.Less(s.first) {
		return false
	}
	return !s.maxDeleted.Less(id)
}

// Distance returns how many entries were ever added up to id, or UnknownRead
// where that can't be told: for an ID between the first entry and the last, or
// if entries were deleted behind the first.
//
// Source: "entries-read" and "lag" in the Redis 7.0 docs for XINFO GROUPS.
func (s *Stream) Distance(id StreamID) int64 {
	switch {
	case s.added == 0:
		return 0
	case s.length == 0 && !s.last.Less(id), id == s.last:
		return int64(s.added)
	case s.last.Less(id):
		return UnknownRead
	}
	if s.maxDeleted.IsZero() || s.maxDeleted.Less(s.first) {
		if id.Less(s.first) {
			return int64(s.added) - int64(s.length)
		}
		if id == s.first {
			return int64(s.added) - int64(s.length) + 1
		}
	}
	return UnknownRead
}

// Lag returns how many entries the group has still to read, and false if that
// can't be told.
func (s *Stream) Lag(g *StreamGroup) (int64, bool) {
	if s.added == 0 {
		return 0, true
	}
	if g.Read != UnknownRead && !s.holed(g.LastID) {
		return int64(s.added) - g.Read, true
	}
	if read := s.Distance(g.LastID); read != UnknownRead {
		return int64(s.added) - read, true
	}
	return 0, false
}

// Advance notes that the group was given the entry id, and reports whether that
// is behind all that it was given before.
func (s *Stream) Advance(g *StreamGroup, id StreamID) bool {
	if !g.LastID.Less(id) {
		return false
	}
	if g.Read != UnknownRead && !s.holed(id) {
		g.Read++
	} else if s.added != 0 {
		g.Read = s.Distance(id)
	}
	g.LastID = id
	return true
}

// Name returns the group's name.
func (g *StreamGroup) Name() string { return g.name }

// Consumers returns the consumers in the order of their names.
func (g *StreamGroup) Consumers() []*StreamConsumer { return g.consumers }

// Consumer returns the consumer of that name, or nil.
func (g *StreamGroup) Consumer(name []byte) *StreamConsumer {
	if i, ok := g.findConsumer(string(name)); ok {
		return g.consumers[i]
	}
	return nil
}

func (g *StreamGroup) findConsumer(name string) (int, bool) {
	return slices.BinarySearchFunc(g.consumers, name, func(c *StreamConsumer, name string) int { return strings.Compare(c.name, name) })
}

// CreateConsumer makes a consumer that was seen now, or returns nil if there is
// one of that name.
func (g *StreamGroup) CreateConsumer(name []byte, now int64) *StreamConsumer {
	i, exists := g.findConsumer(string(name))
	if exists {
		return nil
	}
	c := &StreamConsumer{name: string(name), Seen: now}
	g.consumers = slices.Insert(g.consumers, i, c)
	return c
}

// DeleteConsumer removes a consumer and its pending entries, which nobody gets
// then. It returns their number.
func (g *StreamGroup) DeleteConsumer(c *StreamConsumer) int {
	for p := c.pel.first(); c.pel.at(p) != nil; p = c.pel.after(p) {
		g.pel.delete(c.pel.at(p).id)
	}
	if i, ok := g.findConsumer(c.name); ok {
		g.consumers = slices.Delete(g.consumers, i, i+1)
	}
	return c.pel.len()
}

// Name returns the consumer's name.
func (c *StreamConsumer) Name() string { return c.name }

// Pending returns the number of the consumer's pending entries.
func (c *StreamConsumer) Pending() int { return c.pel.len() }

// Pending returns the number of pending entries.
func (g *StreamGroup) Pending() int { return g.pel.len() }

// PendingRange returns the IDs of the first and last pending entry, of which
// there must be one.
func (g *StreamGroup) PendingRange() (first, last StreamID) {
	return g.pel.at(g.pel.first()).id, g.pel.at(g.pel.last()).id
}

// Find returns what is known about a pending entry, or nil. It is valid until
// the next change of the group.
func (g *StreamGroup) Find(id StreamID) *StreamPending { return g.pel.find(id) }

// Assign makes an entry pending for a consumer, which takes it from another
// that has it, and returns what is known about it: nothing yet if it is new.
func (g *StreamGroup) Assign(id StreamID, c *StreamConsumer) *StreamPending {
	p := g.pel.find(id)
	if p == nil {
		g.pel.put(id, StreamPending{consumer: c})
		p = g.pel.find(id)
	} else if p.consumer == c {
		return p
	} else {
		p.consumer.pel.delete(id)
		p.consumer = c
	}
	c.pel.put(id, struct{}{})
	return p
}

// Ack removes a pending entry and reports whether it was there.
func (g *StreamGroup) Ack(id StreamID) bool {
	p := g.pel.find(id)
	if p == nil {
		return false
	}
	p.consumer.pel.delete(id)
	g.pel.delete(id)
	return true
}

// Next returns the first pending entry that is not before id.
func (g *StreamGroup) Next(id StreamID) (StreamID, *StreamPending, bool) {
	e := g.pel.at(g.pel.seek(id))
	if e == nil {
		return StreamID{}, nil, false
	}
	return e.id, &e.v, true
}

// Each calls fn with the pending entries from start to end, both included, of
// one consumer or with nil of all, in order, until it returns false. fn may
// change what is known about an entry, but not whose it is.
func (g *StreamGroup) Each(start, end StreamID, c *StreamConsumer, fn func(id StreamID, p *StreamPending) bool) {
	if c != nil {
		for p := c.pel.seek(start); c.pel.at(p) != nil; p = c.pel.after(p) {
			id := c.pel.at(p).id
			if end.Less(id) || !fn(id, g.pel.find(id)) {
				return
			}
		}
		return
	}
	for p := g.pel.seek(start); g.pel.at(p) != nil; p = g.pel.after(p) {
		e := g.pel.at(p)
		if end.Less(e.id) || !fn(e.id, &e.v) {
			return
		}
	}
}

func (g *StreamGroup) clone() *StreamGroup {
	c := *g
	c.pel = g.pel.clone(func(p StreamPending) StreamPending { return p })
	c.consumers = make([]*StreamConsumer, len(g.consumers))
	for i, old := range g.consumers {
		consumer := *old
		consumer.pel = old.pel.clone(func(v struct{}) struct{} { return v })
		c.consumers[i] = &consumer
		for p := consumer.pel.first(); consumer.pel.at(p) != nil; p = consumer.pel.after(p) {
			c.pel.find(consumer.pel.at(p).id).consumer = &consumer
		}
	}
	return &c
}
