package keyspace

// denseView is what a Dense was like at a moment: its elements in their order. The
// dictionary goes on changing, and keeps for its views what it is about to change, a
// chunk of elements at a time. So a view costs next to nothing when it is made, and in the
// end as much as was changed meanwhile.
//
// What an element refers to, its key and what lies behind that, is never written to.
type denseView[E named] struct {
	of     *Dense[E]
	n      int
	size   int   // elements of a chunk
	chunks [][]E // those that were kept; nil: as in the dictionary
	kept   int   // elements in chunks
	next   *denseView[E]
}

// viewChunk is how many elements of a large dictionary are kept at once.
const viewChunk = 128

// view returns a view, and end must follow. Of a dictionary without a large index it is a copy.
func (d *Dense[E]) view() *denseView[E] {
	v := &denseView[E]{of: d, n: len(d.items), size: viewChunk, chunks: make([][]E, (len(d.items)+viewChunk-1)/viewChunk)}
	if d.large == nil {
		for c := range v.chunks {
			v.keep(c)
		}
		return v
	}
	v.next, d.large.views = d.large.views, v
	return v
}

// end ends the view: nothing is kept for it any more.
func (v *denseView[E]) end() {
	if v.of.large == nil { // it was small, or has been emptied
		return
	}
	for p := &v.of.large.views; *p != nil; p = &(*p).next {
		if *p == v {
			*p = v.next
			return
		}
	}
}

// at returns the element that was at position i, 0 <= i < n.
func (v *denseView[E]) at(i int) *E {
	if chunk := v.chunks[i/v.size]; chunk != nil {
		return &chunk[i%v.size]
	}
	return &v.of.items[i]
}

// keep keeps a chunk of elements as they are.
func (v *denseView[E]) keep(c int) {
	if v.chunks[c] == nil {
		from := c * v.size
		v.chunks[c] = append([]E(nil), v.of.items[from:min(from+v.size, v.n)]...)
		v.kept += len(v.chunks[c])
	}
}

// viewed reports whether there are views.
func (d *Dense[E]) viewed() bool { return d.large != nil && d.large.views != nil }

// keep is called before the element at position i is given away or changed. An element
// that is added needs no call: where it comes to lie there was nothing, or what was there
// has been kept when it went.
func (d *Dense[E]) keep(i int) {
	if d.large == nil {
		return
	}
	for v := d.large.views; v != nil; v = v.next {
		if i < v.n {
			v.keep(i / v.size)
		}
	}
}
