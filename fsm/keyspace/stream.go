package keyspace

import (
	"strconv"

	"github.com/quorate/quorate/fsm/listpack"
)

// Stream is a log of entries, each an ID and a list of fields and values, and
// the consumer groups that read it. Entries lie in nodes, which are listpacks
// in Redis's own form:
//
//	node:  count, deleted, number of fields, fields, 0, then the entries
//	entry: flags, ms, seq, [number of fields], [field] value ..., elements before this one
//
// ms and seq are relative to the ID under which the node is found. An entry
// with the fields of its node says so in its flags and has only values. What is
// deleted is marked; a node goes with its last entry. The last element of an
// entry makes walking backwards possible; the 0 ends it.
//
// Source: t_stream.c of Redis 7.0 describes the format and what the counters
// mean. The zero value is an empty stream. Not safe for concurrent use with a
// writer.
type Stream struct {
	nodes  idIndex[streamNode]
	length int // entries
	bytes  int // of all nodes

	last       StreamID // of any entry ever, or set by XSETID
	first      StreamID // of the entries that are there; 0-0: there are none
	maxDeleted StreamID // largest ID that XDEL has deleted
	added      uint64   // entries ever

	groups []*StreamGroup // by name
}

// streamNode is a run of entries: Redis's listpack of them.
type streamNode struct {
	lp     listpack.LP
	shared bool // belongs to somebody else, too, and must not change
}

// own makes the node ready for a change.
func (n *streamNode) own() {
	if n.shared {
		n.lp, n.shared = n.lp.Clone(), false
	}
}

// Flags of an entry.
const (
	streamDeleted    = 1
	streamSameFields = 2
)

// StreamMaxBytes bounds what one entry may hold.
const StreamMaxBytes = 1 << 30

// Len returns the number of entries.
func (s *Stream) Len() int { return s.length }

// LastID returns the largest ID ever given to an entry, or what SetLastID set.
func (s *Stream) LastID() StreamID { return s.last }

// FirstID returns the ID of the first entry, or 0-0.
func (s *Stream) FirstID() StreamID { return s.first }

// MaxDeletedID returns the largest ID of an entry that Delete removed.
func (s *Stream) MaxDeletedID() StreamID { return s.maxDeleted }

// Added returns the number of entries ever added.
func (s *Stream) Added() int64 { return int64(s.added) }

// SetLastID sets what LastID returns. Entries added later come behind it.
func (s *Stream) SetLastID(id StreamID) { s.last = id }

// SetAdded sets what Added returns.
func (s *Stream) SetAdded(n int64) { s.added = uint64(n) }

// SetMaxDeletedID sets what MaxDeletedID returns.
func (s *Stream) SetMaxDeletedID(id StreamID) { s.maxDeleted = id }

// NextID returns the ID that the stream gives an entry at the time now (Unix
// ms): it never goes back. It is false if there is none left.
func (s *Stream) NextID(now int64) (StreamID, bool) {
	if now > 0 && uint64(now) > s.last.MS {
		return StreamID{MS: uint64(now)}, true
	}
	return s.last.Next()
}

// Fits reports whether an entry of these fields and values may be stored.
func (s *Stream) Fits(pairs [][]byte) bool {
	return streamEntrySize(pairs) <= StreamMaxBytes
}

// streamEntrySize returns an upper bound of the bytes that fields and values
// take in a node of their own.
func streamEntrySize(pairs [][]byte) int {
	n := 128
	for _, p := range pairs {
		n += len(p) + 2*10
	}
	return n
}

// Add appends an entry: fields and values by turns. Its ID must be larger than
// LastID and the entry must fit.
func (s *Stream) Add(id StreamID, pairs [][]byte, lim *Limits) {
	flags := 0
	e := s.nodes.at(s.nodes.last())
	if e == nil || s.full(e.v.lp, pairs, lim) {
		if e != nil {
			e.v.lp = e.v.lp.Clip()
		}
		if twin := s.nodes.find(id); twin != nil { // tombstones under an ID that XSETID gave back
			s.bytes -= len(twin.lp)
			s.length -= int(newStreamHeader(twin.lp).count)
		}
		s.nodes.put(id, streamNode{lp: newStreamNode(pairs)})
		e = s.nodes.at(s.nodes.seek(id))
		flags = streamSameFields
		s.bytes += len(e.v.lp)
	} else if sameFields(e.v.lp, pairs) {
		flags = streamSameFields
	}
	before := len(e.v.lp)
	e.v.own()
	lp := bumpInt(e.v.lp, e.v.lp.First(), 1)
	lp = appendInt(lp, int64(flags))
	lp = appendInt(lp, int64(id.MS-e.id.MS))
	lp = appendInt(lp, int64(id.Seq-e.id.Seq))
	elements := 3 + len(pairs)/2
	if flags == 0 {
		lp = appendInt(lp, int64(len(pairs)/2))
		elements += 1 + len(pairs)/2
	}
	for i := 0; i < len(pairs); i += 2 {
		if flags == 0 {
			lp = lp.Append(pairs[i])
		}
		lp = lp.Append(pairs[i+1])
	}
	e.v.lp = appendInt(lp, int64(elements))
	s.bytes += len(e.v.lp) - before
	s.length++
	s.added++
	s.last = id
	if s.length == 1 {
		s.first = id
	}
}

// full reports whether the last node must not take another entry.
func (s *Stream) full(lp listpack.LP, pairs [][]byte, lim *Limits) bool {
	size := 0
	for _, p := range pairs {
		size += len(p)
	}
	most := lim.StreamNodeMaxBytes
	if most <= 0 || most > StreamMaxBytes {
		most = StreamMaxBytes
	}
	if len(lp)+size >= most || !lp.Fits(streamEntrySize(pairs)) {
		return true
	}
	if lim.StreamNodeMaxEntries == 0 {
		return false
	}
	n := newStreamHeader(lp)
	return n.count+n.deleted >= int64(lim.StreamNodeMaxEntries)
}

// newStreamNode returns a node with the fields of its first entry and without
// entries.
func newStreamNode(pairs [][]byte) listpack.LP {
	lp := appendInt(appendInt(listpack.New(), 0), 0)
	lp = appendInt(lp, int64(len(pairs)/2))
	for i := 0; i < len(pairs); i += 2 {
		lp = lp.Append(pairs[i])
	}
	return appendInt(lp, 0)
}

// sameFields reports whether the fields of pairs are those of the node.
func sameFields(lp listpack.LP, pairs [][]byte) bool {
	h := newStreamHeader(lp)
	if h.fields != int64(len(pairs)/2) {
		return false
	}
	p := h.names
	for i := 0; i < len(pairs); i += 2 {
		if !lp.Equal(p, pairs[i]) {
			return false
		}
		p = lp.Next(p)
	}
	return true
}

// streamHeader is what stands at the beginning of a node.
type streamHeader struct {
	count, deleted, fields int64
	names                  int // offset of the first field's name, or of the 0 behind them
}

func newStreamHeader(lp listpack.LP) (h streamHeader) {
	p := lp.First()
	h.count = intAt(lp, p)
	p = lp.Next(p)
	h.deleted = intAt(lp, p)
	p = lp.Next(p)
	h.fields = intAt(lp, p)
	h.names = lp.Next(p)
	return h
}

// entries returns the offset of the first entry, or -1.
func (h *streamHeader) entries(lp listpack.LP) int {
	p := h.names
	for range h.fields {
		p = lp.Next(p)
	}
	return lp.Next(p)
}

// intAt returns the integer at p.
func intAt(lp listpack.LP, p int) int64 {
	_, n, _ := lp.Element(p)
	return n
}

func appendInt(lp listpack.LP, n int64) listpack.LP {
	var room [20]byte
	return lp.Append(strconv.AppendInt(room[:0], n, 10))
}

// bumpInt adds delta to the integer at p.
func bumpInt(lp listpack.LP, p int, delta int64) listpack.LP {
	var room [20]byte
	return lp.Replace(p, strconv.AppendInt(room[:0], intAt(lp, p)+delta, 10))
}

// Encoding returns what OBJECT ENCODING replies.
func (s *Stream) Encoding() string { return "stream" }

// Nodes returns the number of nodes.
func (s *Stream) Nodes() int { return s.nodes.len() }

// EachNode calls fn with the nodes in order: the ID that the entries are
// relative to and the listpack, which must not be changed.
func (s *Stream) EachNode(fn func(id StreamID, lp []byte)) {
	for p := s.nodes.first(); s.nodes.at(p) != nil; p = s.nodes.after(p) {
		e := s.nodes.at(p)
		fn(e.id, e.v.lp)
	}
}

// MemUsage estimates the bytes of memory the stream takes with its groups. It
// depends on the contents only, not on how they came to be. O(consumers).
func (s *Stream) MemUsage() int {
	const self, node, group, consumer, pending, owned = 160, 48, 112, 88, 48, 16
	n := self + s.bytes + s.nodes.len()*node
	for _, g := range s.groups {
		n += group + len(g.name) + g.pel.len()*(pending+owned)
		for _, c := range g.consumers {
			n += consumer + len(c.name)
		}
	}
	return n
}

// Clone returns a deep copy.
func (s *Stream) Clone() *Stream {
	return s.copy(func(n streamNode) streamNode { return streamNode{lp: n.lp.Clone()} })
}

// copy returns a copy with the nodes that of makes of this one's.
func (s *Stream) copy(of func(streamNode) streamNode) *Stream {
	c := *s
	c.nodes = s.nodes.clone(of)
	c.groups = make([]*StreamGroup, len(s.groups))
	for i, g := range s.groups {
		c.groups[i] = g.clone()
	}
	return &c
}
