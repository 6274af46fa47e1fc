package fsm

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/listpack"
)

// sortStore implements SORT key [BY pattern] [LIMIT offset count] [GET pattern
// [GET pattern ...]] [ASC | DESC] [ALPHA] [STORE destination].
//
// Source: Redis 7.0 docs for SORT. Reply: the elements, or what GET finds for
// them, in order; with STORE the length of the list that was stored.
//
// Nothing depends on the locale: ALPHA compares bytes. As in Redis a sorted set
// that was sorted stays in its large form.
func sortStore(c *WriteCall) {
	q, ok := c.sortQuery(false)
	if !ok {
		return
	}
	e := c.modify(c.Args[1])
	if e == nil {
		c.misses++
	} else {
		c.hits++
	}
	if e != nil && e.Kind() == keyspace.KindZSet {
		e.ZSet().Unpack()
	}
	if q.store == nil {
		if !c.Discard { // where nobody listens there is nothing left to do
			c.replySorted(&q, e)
		}
		return
	}
	s, ok := c.sorted(&q, e)
	if !ok {
		return
	}
	l, limits := new(keyspace.List), c.Limits()
	n, room := 0, limits.ProtoMaxBulkLen
	s.each(func(element []byte) bool {
		if len(q.gets) == 0 {
			l.PushRight(element, limits)
			n++
			return true
		}
		for i := range q.gets {
			value, _ := c.lookUp(&q.gets[i], element, s)
			l.PushRight(value, limits)
			n++
			room -= len(value) + emptyBulk
		}
		return room >= 0
	})
	switch {
	case room < 0:
		c.Error(errReplyLimit) // see ReadCall.repeat
		return
	case n > 0:
		c.put(q.store, keyspace.NewListValue(l))
		c.changed('l', "sortstore", q.store)
		c.also(n - 1)
	case c.remove(q.store):
		c.changed('g', "del", q.store)
	}
	c.Int(int64(n))
}

// sortReplied is SORT without STORE.
func sortReplied(c *ReadCall) {
	q, ok := c.sortQuery(false)
	if !ok {
		return
	}
	e := c.find(c.Args[1])
	if e != nil && e.Kind() == keyspace.KindZSet {
		_, packed := e.ZSet().Packed()
		c.stores = c.stores || packed
	}
	c.replySorted(&q, e)
}

// sortRO implements SORT_RO, which is SORT without STORE.
func sortRO(c *ReadCall) {
	if q, ok := c.sortQuery(true); ok {
		c.replySorted(&q, c.find(c.Args[1]))
	}
}

// replySorted replies the elements of a value, or what GET finds for them.
func (c *ReadCall) replySorted(q *sortQuery, e *keyspace.Entry) {
	s, ok := c.sorted(q, e)
	if !ok {
		return
	}
	mark, limit := c.Mark(), c.Limits().ProtoMaxBulkLen
	c.Array(max(len(q.gets), 1) * len(s.elements))
	s.each(func(element []byte) bool {
		if len(q.gets) == 0 {
			c.Bulk(element)
			return true
		}
		for i := range q.gets {
			if value, ok := c.lookUp(&q.gets[i], element, s); ok {
				c.Bulk(value)
			} else {
				c.Null()
			}
		}
		if len(c.Buf)-mark > limit {
			c.Buf = slices.Clone(c.Buf[:mark]) // lets go of the rest
			c.Error(errReplyLimit)             // see ReadCall.repeat
			return false
		}
		return true
	})
}

// sorting is the elements of a value and what to sort them by.
type sorting struct {
	elements []sortElement // in order
	bytes    []byte        // of the elements, one behind the other
	ends     []int         // where the bytes of each end, by index
	texts    [][]byte      // with BY and ALPHA: what each is sorted by, nil if there is nothing
	keyRoom  []byte
	scratch  listpack.Scratch
}

// sortElement is small, because sorting moves it about.
type sortElement struct {
	index int     // in the value
	score float64 // what it is sorted by, without ALPHA
}

// element returns the bytes of the element with an index in the value.
func (s *sorting) element(index int) []byte {
	if index == 0 {
		return s.bytes[:s.ends[0]]
	}
	return s.bytes[s.ends[index-1]:s.ends[index]]
}

// each calls fn for the elements until it returns false.
func (s *sorting) each(fn func(element []byte) bool) {
	for _, e := range s.elements {
		if !fn(s.element(e.index)) {
			return
		}
	}
}

func (s *sorting) add(element []byte) bool {
	s.elements = append(s.elements, sortElement{index: len(s.elements)})
	s.bytes = append(s.bytes, element...)
	s.ends = append(s.ends, len(s.bytes))
	return true
}

// sorted returns the elements of a value, which may be missing, sorted and cut
// as asked, or writes the error.
func (c *ReadCall) sorted(q *sortQuery, e *keyspace.Entry) (*sorting, bool) {
	s := &sorting{}
	if e == nil {
		return s, true
	}
	length := 0
	switch e.Kind() {
	case keyspace.KindList:
		length = e.List().Len()
	case keyspace.KindSet:
		length = e.Set().Len()
		if q.unsorted && (q.store != nil || c.scripted) {
			// What is stored must not depend on the order in a set, nor, as in
			// Redis, what a script sees.
			q.unsorted, q.alpha, q.by = false, true, nil
		}
	case keyspace.KindZSet:
		length = e.ZSet().Len()
	default:
		c.Error(errWrongType)
		return s, false
	}
	first, end := q.span(length)
	switch e.Kind() {
	case keyspace.KindList:
		s.load(q, length, &first, &end, func(from, to int) {
			e.List().Range(from, to-1, s.add)
		})
	case keyspace.KindSet:
		e.Set().Each(s.add)
	case keyspace.KindZSet:
		s.load(q, length, &first, &end, func(from, to int) {
			e.ZSet().Range(from, to, false, func(member []byte, _ float64) bool { return s.add(member) })
		})
	}
	if !q.unsorted {
		if !c.weigh(q, s) {
			return s, false
		}
		s.sort(q, first, end)
	}
	s.elements = s.elements[first:end]
	return s, true
}

// span returns the elements that LIMIT selects, as positions first to end-1.
func (q *sortQuery) span(length int) (first, end int) {
	first = int(min(max(q.offset, 0), int64(length)))
	if q.count < 0 || q.count > int64(length-first) {
		return first, length
	}
	return first, first + int(q.count)
}

// load adds the elements of a value that has an order of its own: all of them,
// or when that order is asked for, only those from first to end, which then
// become the whole.
func (s *sorting) load(q *sortQuery, length int, first, end *int, add func(from, to int)) {
	if !q.unsorted {
		add(0, length)
		return
	}
	from, to := *first, *end
	*first, *end = 0, to-from
	if from == to {
		return
	}
	if q.desc {
		from, to = length-to, length-from
	}
	add(from, to)
	if q.desc {
		slices.Reverse(s.elements)
	}
}

// weigh finds out what each element is sorted by, or writes the error.
func (c *ReadCall) weigh(q *sortQuery, s *sorting) bool {
	valid := true
	if q.by != nil && q.alpha {
		s.texts = make([][]byte, len(s.elements))
	}
	for i := range s.elements {
		text, found := s.element(i), true
		if q.by != nil {
			text, found = c.lookUp(q.by, text, s)
		}
		switch {
		case !found:
		case !q.alpha:
			var ok bool
			s.elements[i].score, ok = keyspace.ParseWeight(text)
			valid = valid && ok
		case q.by != nil:
			if len(text) <= 20 {
				text = append(make([]byte, 0, len(text)), text...) // may be in the scratch room
			}
			s.texts[i] = text
		}
	}
	if !valid {
		c.Error(errSortDouble)
	}
	return valid
}

// lookUp returns what a pattern finds for an element. The bytes must not be
// changed; if they are 20 or less they are valid until the next call.
func (c *ReadCall) lookUp(p *sortPattern, element []byte, s *sorting) ([]byte, bool) {
	if p.self {
		return element, true
	}
	if p.star < 0 {
		return nil, false
	}
	s.keyRoom = p.appendKey(s.keyRoom[:0], element)
	e := c.find(s.keyRoom)
	switch field := p.field(); {
	case e == nil:
	case field != nil && e.Kind() == keyspace.KindHash:
		return e.Hash().Get(field, &s.scratch)
	case field == nil && e.Kind() == keyspace.KindString:
		return e.Str(s.keyRoom[:0]), true
	}
	return nil, false
}

// sort brings the elements into order, at least those from first to end-1.
// Elements that compare as equal stay in the order of the value, unless BY and
// LIMIT come together: see partialSort.
func (s *sorting) sort(q *sortQuery, first, end int) {
	sign := 1
	if q.desc {
		sign = -1
	}
	compare := func(a, b *sortElement) int {
		switch {
		case a.score < b.score:
			return -sign
		case a.score > b.score:
			return sign
		case !q.alpha:
			return sign * bytes.Compare(s.element(a.index), s.element(b.index))
		case q.by == nil:
			return sign * collate(s.element(a.index), s.element(b.index), q)
		}
		x, y := s.texts[a.index], s.texts[b.index]
		if x == nil || y == nil {
			return sign * cmp.Compare(present(x), present(y))
		}
		return sign * collate(x, y, q)
	}
	if q.by != nil && (first != 0 || end != len(s.elements)) {
		partialSort(s.elements, first, end-1, compare)
		return
	}
	slices.SortFunc(s.elements, func(a, b sortElement) int {
		if n := compare(&a, &b); n != 0 {
			return n
		}
		return a.index - b.index
	})
}

func present(text []byte) int {
	if text == nil {
		return 0
	}
	return 1
}

// collate compares texts: bytes when the result is stored, otherwise what is in
// front of a zero byte, which is what strcoll makes of them in the locale "C".
func collate(a, b []byte, q *sortQuery) int {
	if q.store == nil {
		a, b = visible(a), visible(b)
	}
	return bytes.Compare(a, b)
}

func visible(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}
