package keyspace

import (
	"bytes"
	"slices"
	"unsafe"
)

// Frozen is the content of a large value as it was at a moment, for somebody who goes
// through it in pieces while the value changes. Of a collection next to nothing is copied
// when it is made; what changes afterwards is, by the one who changes it.
//
// What it hands out must not be written to. It is used, like a value, while nobody
// changes the keyspace, by one goroutine. Readers may be about when it is made and
// thawed, but nobody else who does either.
type Frozen struct {
	kind   Kind
	bytes  []byte
	list   *List
	set    *denseView[setMember]
	hash   *denseView[hashEntry]
	zset   *denseView[zsetElement]
	root   *treeNode // of zset
	stream *Stream
	at     idPos // the next node of stream
	size   int
}

// largeBytes is the size from which a value is large: below it copying and serialising
// take no longer than a moment that nobody notices. A string costs more than its
// size, as it is compressed in one go.
const largeBytes, largeString = 256 << 10, 64 << 10

// Large reports whether a value is worth a Frozen.
func (v *Value) Large() bool {
	switch v.kind {
	case KindString:
		return v.enc != encInt && v.StrLen() >= largeString
	case KindList:
		return v.List().bytes >= largeBytes
	case KindSet:
		s := v.Set()
		return s.dict != nil && (s.dict.large != nil || s.bytes >= largeBytes)
	case KindHash:
		h := v.Hash().big()
		return h != nil && (h.large != nil || h.bytes >= largeBytes)
	case KindZSet:
		z := v.ZSet().big()
		return z != nil && (z.dict.large != nil || z.memberBytes >= largeBytes)
	case KindStream:
		return v.Stream().bytes >= largeBytes
	}
	return false
}

// Freeze returns the content of a large value as it is. Thaw must follow.
func (v *Value) Freeze() *Frozen {
	f := &Frozen{kind: v.kind}
	switch v.kind {
	case KindString:
		f.bytes = bytes.Clone(v.bytes())
		f.size = len(f.bytes)
	case KindList:
		f.list = v.List().share()
		f.size = f.list.Nodes() * int(unsafe.Sizeof(listNode{}))
	case KindSet:
		f.set = v.Set().dict.view()
		f.size = viewSize(f.set)
	case KindHash:
		f.hash = v.Hash().big().view()
		f.size = viewSize(f.hash)
	case KindZSet:
		z := v.ZSet().big()
		f.zset, f.root = z.dict.view(), z.root
		z.epoch++
		f.size = viewSize(f.zset)
	case KindStream:
		f.stream = v.Stream().share()
		f.size = f.stream.MemUsage() - f.stream.bytes
	}
	return f
}

// Thaw says that f isn't needed any more.
func (f *Frozen) Thaw() {
	switch {
	case f.set != nil:
		f.set.end()
	case f.hash != nil:
		f.hash.end()
	case f.zset != nil:
		f.zset.end()
	}
}

// Kind returns the type of the value.
func (f *Frozen) Kind() Kind { return f.kind }

// Size estimates the bytes that f takes beside the value. What is kept of a dictionary later is
// counted as it comes; copies of other nodes belong to the value.
func (f *Frozen) Size() int {
	switch {
	case f.set != nil:
		return viewSize(f.set)
	case f.hash != nil:
		return viewSize(f.hash)
	case f.zset != nil:
		return viewSize(f.zset)
	}
	return f.size
}

func viewSize[E named](v *denseView[E]) int {
	var e E
	return len(v.chunks)*24 + v.kept*int(unsafe.Sizeof(e))
}

// Len returns how many elements there are; of a list or stream, nodes; of a string, one.
func (f *Frozen) Len() int {
	switch f.kind {
	case KindList:
		return f.list.Nodes()
	case KindSet:
		return f.set.n
	case KindHash:
		return f.hash.n
	case KindZSet:
		return f.zset.n
	case KindStream:
		return f.stream.Nodes()
	}
	return 1
}

// Str returns the bytes of a string.
func (f *Frozen) Str() []byte { return f.bytes }

// Node returns a node of a list, 0 <= i < Len: a listpack, or, if plain, one element.
func (f *Frozen) Node(i int) (data []byte, plain bool) { return f.list.Node(i) }

// Member returns a member of a set, 0 <= i < Len, in the order in which they lie in memory.
func (f *Frozen) Member(i int) []byte { return keyBytes(f.set.at(i).Key()) }

// Field returns a field of a hash and its value, likewise.
func (f *Frozen) Field(i int) (field, value []byte) {
	e := f.hash.at(i)
	return keyBytes(e.Key()), e.value()
}

// Scored returns a member of a sorted set and its score, likewise.
func (f *Frozen) Scored(i int) (member []byte, score float64) {
	e := f.zset.at(i)
	return keyBytes(e.Key()), e.score
}

// Descend calls fn with the members of a sorted set of the ranks below to, down to from.
func (f *Frozen) Descend(from, to int, fn func(member []byte, score float64)) {
	f.root.descend(from, to, func(pos uint32) bool {
		fn(f.Scored(int(pos)))
		return true
	})
}

// NextNode returns the next node of a stream, of which there are Len: the ID that its
// entries are relative to, and the listpack.
func (f *Frozen) NextNode() (id StreamID, lp []byte) {
	e := f.stream.nodes.at(f.at)
	f.at = f.stream.nodes.after(f.at)
	return e.id, e.v.lp
}

// Stream returns a stream, of which only what is said about nodes may be left out.
func (f *Frozen) Stream() *Stream { return f.stream }

// share returns a list of the same nodes, which both copy before they change them.
func (l *List) share() *List {
	nodes := l.nodes.all()
	for i := range nodes {
		nodes[i].shared = true
	}
	return &List{nodes: nodeDeque{buf: slices.Clone(nodes)}, count: l.count, bytes: l.bytes}
}

// share is that of a list. Groups are copied.
func (s *Stream) share() *Stream {
	for _, chunk := range s.nodes.chunks {
		for i := range chunk {
			chunk[i].v.shared = true
		}
	}
	return s.copy(func(n streamNode) streamNode { return n })
}
