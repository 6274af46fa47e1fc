package keyspace

import (
	"math"
	"strconv"

	"github.com/quorate/quorate/fsm/listpack"
)

// StreamEntry is an entry that a walk has met. It is valid until the walk goes
// on and the stream changes.
type StreamEntry struct {
	ID     StreamID
	Fields int // pairs of a field and a value

	lp     listpack.LP
	flags  int // offset of the entry's first element
	names  int // of the first field's name, of the node's if same is set
	values int // of the first value; with own names they alternate from names on
	same   bool
	dead   bool
}

// Each calls fn with the fields and values, which are valid until it returns.
func (e *StreamEntry) Each(fn func(field, value []byte)) {
	var s HashScratch
	name, value := e.names, e.values
	for range e.Fields {
		if !e.same {
			value = e.lp.Next(name)
		}
		fn(e.lp.Get(name, &s.field), e.lp.Get(value, &s.value))
		if e.same {
			name, value = e.lp.Next(name), e.lp.Next(value)
		} else {
			name = e.lp.Next(value)
		}
	}
}

// readStreamEntry reads the entry at p of a node, whose own ID is base, and returns
// the offset of its last element, which is the number of those before it.
func readStreamEntry(lp listpack.LP, h *streamHeader, base StreamID, p int) (e StreamEntry, end int) {
	flags := intAt(lp, p)
	e = StreamEntry{ID: base, lp: lp, flags: p, dead: flags&streamDeleted != 0, same: flags&streamSameFields != 0}
	p = lp.Next(p)
	e.ID.MS += uint64(intAt(lp, p))
	p = lp.Next(p)
	e.ID.Seq += uint64(intAt(lp, p))
	p = lp.Next(p)
	n := h.fields
	if e.same {
		e.names, e.values = h.names, p
	} else {
		n = intAt(lp, p)
		p = lp.Next(p)
		e.names = p
	}
	e.Fields = int(n)
	if !e.same {
		n *= 2
	}
	for range n {
		p = lp.Next(p)
	}
	return e, p
}

// Walk calls fn with the entries from start to end, both included, in order or
// from the end backwards, until it returns false. fn must not change the stream.
// Getting to the first entry takes O(log n).
func (s *Stream) Walk(start, end StreamID, backwards bool, fn func(e *StreamEntry) bool) {
	s.walk(start, end, backwards, false, fn)
}

// walk is Walk, with the deleted entries that are still there if dead is set.
func (s *Stream) walk(start, end StreamID, backwards, dead bool, fn func(e *StreamEntry) bool) {
	if backwards {
		for p := s.nodeOf(end, s.nodes.last()); s.nodes.at(p) != nil; p = s.nodes.before(p) {
			if !s.walkBack(p, start, end, dead, fn) {
				return
			}
		}
		return
	}
	met := new(StreamEntry) // one for the whole walk
	for p := s.nodeOf(start, s.nodes.first()); s.nodes.at(p) != nil; p = s.nodes.after(p) {
		n := s.nodes.at(p)
		h := newStreamHeader(n.v.lp)
		for at := h.entries(n.v.lp); at >= 0; {
			e, last := readStreamEntry(n.v.lp, &h, n.id, at)
			if !e.ID.Less(start) && (dead || !e.dead) {
				if *met = e; end.Less(e.ID) || !fn(met) {
					return
				}
			}
			at = n.v.lp.Next(last)
		}
	}
}

func (s *Stream) walkBack(p idPos, start, end StreamID, dead bool, fn func(e *StreamEntry) bool) bool {
	n := s.nodes.at(p)
	h, met := newStreamHeader(n.v.lp), new(StreamEntry)
	for at := n.v.lp.Last(); ; {
		elements := intAt(n.v.lp, at)
		if elements == 0 {
			return true
		}
		for range elements {
			at = n.v.lp.Prev(at)
		}
		e, _ := readStreamEntry(n.v.lp, &h, n.id, at)
		if !end.Less(e.ID) && (dead || !e.dead) {
			if *met = e; e.ID.Less(start) || !fn(met) {
				return false
			}
		}
		at = n.v.lp.Prev(at)
	}
}

// nodeOf returns the place of the node that id belongs to, or otherwise if
// there is none before it.
func (s *Stream) nodeOf(id StreamID, otherwise idPos) idPos {
	if id.IsZero() {
		return otherwise
	}
	p := s.nodes.seek(id)
	if e := s.nodes.at(p); e != nil && e.id == id {
		return p
	}
	if p = s.nodes.before(p); s.nodes.at(p) == nil {
		return otherwise
	}
	return p
}

// Has reports whether there is an entry id.
func (s *Stream) Has(id StreamID) (found bool) {
	s.Walk(id, id, false, func(*StreamEntry) bool {
		found = true
		return false
	})
	return found
}

// TopID returns the ID of the last entry, or 0-0.
func (s *Stream) TopID() StreamID { return s.edge(true, false) }

// OldestID returns the ID of the first entry that is still in memory, deleted or
// not; of no entry, the largest ID.
func (s *Stream) OldestID() StreamID { return s.edge(false, true) }

// edge returns the ID of the first entry or the last one; of no entry, the
// largest ID or 0-0.
func (s *Stream) edge(last, dead bool) StreamID {
	id := MaxStreamID
	if last {
		id = StreamID{}
	}
	s.walk(StreamID{}, MaxStreamID, last, dead, func(e *StreamEntry) bool {
		id = e.ID
		return false
	})
	return id
}

// Delete removes the entry id and reports whether it was there. Its place is
// kept until its node is empty.
func (s *Stream) Delete(id StreamID) bool {
	p, at := s.locate(id)
	n := s.nodes.at(p)
	if n == nil {
		return false
	}
	if intAt(n.v.lp, n.v.lp.First()) == 1 {
		s.bytes -= len(n.v.lp)
		s.nodes.delete(n.id)
	} else {
		n.v.own()
		before := len(n.v.lp)
		n.v.lp = killEntry(n.v.lp, at)
		n.v.lp = countDeleted(n.v.lp, 1)
		s.bytes += len(n.v.lp) - before
	}
	s.length--
	if s.maxDeleted.Less(id) {
		s.maxDeleted = id
	}
	s.settleFirst(id == s.first)
	return true
}

// locate returns the node and the offset of the first element of the entry id,
// or a place without a node.
func (s *Stream) locate(id StreamID) (idPos, int) {
	for p := s.nodeOf(id, s.nodes.first()); s.nodes.at(p) != nil; p = s.nodes.after(p) {
		n := s.nodes.at(p)
		h := newStreamHeader(n.v.lp)
		for at := h.entries(n.v.lp); at >= 0; {
			e, last := readStreamEntry(n.v.lp, &h, n.id, at)
			if !e.dead && !e.ID.Less(id) {
				if e.ID == id {
					return p, at
				}
				return idPos{-1, 0}, 0
			}
			at = n.v.lp.Next(last)
		}
	}
	return idPos{-1, 0}, 0
}

// killEntry marks the entry at p as deleted.
func killEntry(lp listpack.LP, p int) listpack.LP {
	var room [20]byte
	return lp.Replace(p, strconv.AppendInt(room[:0], intAt(lp, p)|streamDeleted, 10))
}

// countDeleted moves n entries from a node's count to its deleted ones.
func countDeleted(lp listpack.LP, n int64) listpack.LP {
	lp = bumpInt(lp, lp.First(), -n)
	return bumpInt(lp, lp.Next(lp.First()), n)
}

// settleFirst finds the first entry anew if it has changed.
func (s *Stream) settleFirst(changed bool) {
	if s.length == 0 {
		s.first = StreamID{}
	} else if changed {
		s.first = s.edge(false, false)
	}
}

// StreamTrim says what Trim removes: all but the last MaxLen entries, or with
// ByID those before MinID.
type StreamTrim struct {
	ByID   bool
	MaxLen int64
	MinID  StreamID
	Approx bool  // only whole nodes
	Limit  int64 // the most entries to remove; 0: no limit
}

// Trim removes entries from the front and returns how many.
func (s *Stream) Trim(t StreamTrim) (removed int64) {
	maxLen := int(min(t.MaxLen, math.MaxInt))
	for {
		n := s.nodes.at(s.nodes.first())
		if n == nil || !t.ByID && s.length <= maxLen {
			break
		}
		count := intAt(n.v.lp, n.v.lp.First())
		if t.Limit != 0 && removed+count > t.Limit {
			break
		}
		whole := s.length-int(count) >= maxLen
		if t.ByID {
			last, ok := lastOfNode(n.v.lp, n.id)
			whole = ok && last.Less(t.MinID)
		}
		if whole {
			s.bytes -= len(n.v.lp)
			s.nodes.delete(n.id)
			s.length -= int(count)
			removed += count
			continue
		}
		if !t.Approx {
			gone, first := s.trimNode(n, &t, maxLen)
			if removed += gone; !first.IsZero() {
				s.first = first
				return removed
			}
		}
		break
	}
	s.settleFirst(removed > 0)
	return removed
}

// lastOfNode returns the ID of a node's last entry, deleted or not.
func lastOfNode(lp listpack.LP, base StreamID) (StreamID, bool) {
	p := lp.Last()
	elements := intAt(lp, p)
	if elements == 0 {
		return base, false
	}
	for range elements {
		p = lp.Prev(p)
	}
	p = lp.Next(p)
	base.MS += uint64(intAt(lp, p))
	base.Seq += uint64(intAt(lp, lp.Next(p)))
	return base, true
}

// trimNode marks the entries of a node that are to go as deleted. It returns how many
// and the ID of the first one that stays, which makes looking for it needless, or 0-0.
func (s *Stream) trimNode(n *idItem[streamNode], t *StreamTrim, maxLen int) (removed int64, first StreamID) {
	n.v.own()
	before := len(n.v.lp)
	h := newStreamHeader(n.v.lp)
	for at := h.entries(n.v.lp); at >= 0; {
		e, last := readStreamEntry(n.v.lp, &h, n.id, at)
		if t.ByID && !e.ID.Less(t.MinID) || !t.ByID && s.length <= maxLen {
			if !e.dead && removed > 0 {
				first = e.ID
			}
			break
		}
		next := n.v.lp.Next(last)
		if !e.dead {
			size := len(n.v.lp)
			n.v.lp = killEntry(n.v.lp, at)
			if next >= 0 {
				next += len(n.v.lp) - size
			}
			s.length--
			removed++
		}
		at = next
	}
	n.v.lp = countDeleted(n.v.lp, removed)
	s.bytes += len(n.v.lp) - before
	return removed, first
}
