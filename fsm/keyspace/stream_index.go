package keyspace

import (
	"slices"
	"sort"
)

// idIndex is a map from stream IDs that is kept in order: sorted chunks in a
// sorted slice. Finding is O(log n). Adding behind the last element and
// deleting the first, which is nearly all that streams do, are O(1) amortised;
// elsewhere it moves a chunk, and now and then the slice of the chunks.
//
// The zero value is empty and ready. Pointers to values are valid until the
// next change.
type idIndex[V any] struct {
	chunks [][]idItem[V]
	n      int
}

// idItem is an element. The value comes first: behind the ID, a value without
// size would cost a word.
type idItem[V any] struct {
	v  V
	id StreamID
}

// idChunk is the most elements of a chunk.
const idChunk = 64

// idPos is a place in an index: that of an element, or the end. A change of
// the index invalidates it.
type idPos struct{ chunk, i int }

// len returns the number of elements.
func (x *idIndex[V]) len() int { return x.n }

// seek returns the place of the first element that is not before id.
func (x *idIndex[V]) seek(id StreamID) idPos {
	c := sort.Search(len(x.chunks), func(c int) bool {
		return !x.chunks[c][len(x.chunks[c])-1].id.Less(id)
	})
	if c == len(x.chunks) {
		return idPos{c, 0}
	}
	chunk := x.chunks[c]
	return idPos{c, sort.Search(len(chunk), func(i int) bool { return !chunk[i].id.Less(id) })}
}

// at returns the element at a place, or nil at the end.
func (x *idIndex[V]) at(p idPos) *idItem[V] {
	if p.chunk < 0 || p.chunk >= len(x.chunks) {
		return nil
	}
	return &x.chunks[p.chunk][p.i]
}

// first and last return the places of the outermost elements: the end if there
// are none.
func (x *idIndex[V]) first() idPos { return idPos{} }

func (x *idIndex[V]) last() idPos { return x.before(idPos{len(x.chunks), 0}) }

// after returns the place behind that of an element.
func (x *idIndex[V]) after(p idPos) idPos {
	if p.i+1 < len(x.chunks[p.chunk]) {
		return idPos{p.chunk, p.i + 1}
	}
	return idPos{p.chunk + 1, 0}
}

// before returns the place in front of p: the end, with no element, in front of
// the first.
func (x *idIndex[V]) before(p idPos) idPos {
	if p.i > 0 {
		return idPos{p.chunk, p.i - 1}
	}
	if p.chunk == 0 {
		return idPos{-1, 0}
	}
	return idPos{p.chunk - 1, len(x.chunks[p.chunk-1]) - 1}
}

// find returns the value of id, or nil.
func (x *idIndex[V]) find(id StreamID) *V {
	if e := x.at(x.seek(id)); e != nil && e.id == id {
		return &e.v
	}
	return nil
}

// put gives id a value, in the place of one that it has.
func (x *idIndex[V]) put(id StreamID, v V) {
	p := x.seek(id)
	if e := x.at(p); e != nil && e.id == id {
		e.v = v
		return
	}
	x.n++
	item := idItem[V]{v, id}
	if p.chunk == len(x.chunks) {
		if p.chunk == 0 || len(x.chunks[p.chunk-1]) == idChunk {
			x.chunks = append(x.chunks, []idItem[V]{item})
			return
		}
		p = idPos{p.chunk - 1, len(x.chunks[p.chunk-1])}
	}
	chunk := x.chunks[p.chunk]
	if len(chunk) == idChunk {
		half := slices.Clone(chunk[idChunk/2:])
		clear(chunk[idChunk/2:])
		x.chunks[p.chunk] = chunk[: idChunk/2 : idChunk/2]
		x.chunks = slices.Insert(x.chunks, p.chunk+1, half)
		if p.i > idChunk/2 {
			p = idPos{p.chunk + 1, p.i - idChunk/2}
		}
	}
	x.chunks[p.chunk] = slices.Insert(x.chunks[p.chunk], p.i, item)
}

// delete removes id and reports whether it was there.
func (x *idIndex[V]) delete(id StreamID) bool {
	p := x.seek(id)
	if e := x.at(p); e == nil || e.id != id {
		return false
	}
	x.n--
	chunk := slices.Delete(x.chunks[p.chunk], p.i, p.i+1)
	x.chunks[p.chunk] = chunk
	switch {
	case len(chunk) == 0:
		x.drop(p.chunk)
	case len(chunk) <= idChunk/4:
		if next := p.chunk + 1; next < len(x.chunks) && len(x.chunks[next]) <= idChunk/4 {
			x.chunks[p.chunk] = append(chunk, x.chunks[next]...)
			x.drop(next)
		} else if cap(chunk) > 2*idChunk/4 {
			x.chunks[p.chunk] = slices.Clone(chunk)
		}
	}
	return true
}

// drop removes a chunk.
func (x *idIndex[V]) drop(c int) {
	switch {
	case len(x.chunks) == 1:
		x.chunks = nil
	case c == 0:
		x.chunks[0] = nil
		x.chunks = x.chunks[1:]
	default:
		x.chunks = slices.Delete(x.chunks, c, c+1)
	}
}

// clone returns a copy with the values that of makes of this one's.
func (x *idIndex[V]) clone(of func(V) V) idIndex[V] {
	c := idIndex[V]{chunks: make([][]idItem[V], len(x.chunks)), n: x.n}
	for i, chunk := range x.chunks {
		c.chunks[i] = slices.Clone(chunk)
		for j := range chunk {
			c.chunks[i][j].v = of(chunk[j].v)
		}
	}
	return c
}
