package keyspace

import (
	"slices"
	"strconv"

	"github.com/quorate/quorate/fsm/listpack"
)

// Set is a set of strings. It is an Intset, met in ascending order, as long as
// every member is the canonical decimal form of an int64 and there are at most
// Limits.SetMaxIntsetEntries of them; then it becomes a dictionary, met in the
// order of Dense, and stays one (Redis 7.0's setTypeAdd).
//
// The zero value is an empty set. Members handed in are copied. Members handed
// out must not be written to and are valid until the next change; those of an
// intset lie in the caller's scratch.
type Set struct {
	ints  Intset            // used when dict is nil; nil when empty
	dict  *Dense[setMember] // nil for the intset encoding
	bytes int               // lengths of dict's members
}

type setMember struct{ Name }

// setMemberCost is an estimate of what a member of a dictionary takes beside
// its bytes: string header, index cell, rounding of the allocation.
const setMemberCost = 16 + 8 + 8

// NewSetTable returns an empty set that is a dictionary from the beginning,
// with room for n members. A loader that must keep the encoding starts with it.
func NewSetTable(n int) *Set {
	s := &Set{dict: new(Dense[setMember])}
	s.dict.Reserve(n)
	return s
}

// NewSetFromIntset returns a set around b, which it checks and then owns.
func NewSetFromIntset(b []byte) (*Set, error) {
	if err := ValidIntset(b); err != nil {
		return nil, err
	}
	return &Set{ints: b}, nil
}

// Intset returns the set's intset, for a snapshot; false when the set is a
// dictionary.
func (s *Set) Intset() (Intset, bool) {
	switch {
	case s.dict != nil:
		return nil, false
	case s.ints == nil:
		return NewIntset(), true
	}
	return s.ints, true
}

// Encoding returns what OBJECT ENCODING says.
func (s *Set) Encoding() string {
	if s.dict == nil {
		return "intset"
	}
	return "hashtable"
}

// Len returns the number of members.
func (s *Set) Len() int {
	switch {
	case s.dict != nil:
		return s.dict.Len()
	case s.ints == nil:
		return 0
	}
	return s.ints.Len()
}

// Contains tells whether member is in the set.
func (s *Set) Contains(member []byte) bool {
	if s.dict != nil {
		return s.dict.Find(member) >= 0
	}
	v, ok := listpack.ParseInt(member)
	return ok && s.ints != nil && s.ints.Contains(v)
}

// Add puts member into the set and reports whether it is new.
func (s *Set) Add(member []byte, lim *Limits) bool {
	if s.dict == nil {
		if v, ok := listpack.ParseInt(member); ok {
			return s.addInt(v, lim)
		}
		s.convert()
	}
	return s.AddToTable(member)
}

// AddToTable is Add for a set that is a dictionary.
func (s *Set) AddToTable(member []byte) bool {
	if s.dict.Find(member) >= 0 {
		return false
	}
	s.dict.Add(setMember{NewName(member)})
	s.bytes += len(member)
	return true
}

func (s *Set) addInt(v int64, lim *Limits) (added bool) {
	if s.ints == nil {
		s.ints = NewIntset()
	}
	if s.ints, added = s.ints.Add(v); added {
		s.Fit(lim)
	}
	return added
}

// Fit makes the set a dictionary when it is an intset of more members than
// lim allows. Add does it by itself; a loader of foreign data calls it.
func (s *Set) Fit(lim *Limits) {
	if s.dict == nil && s.Len() > min(lim.SetMaxIntsetEntries, 1<<30) {
		s.convert()
	}
}

// convert makes a dictionary of an intset.
func (s *Set) convert() {
	ints := s.ints
	s.ints, s.dict = nil, new(Dense[setMember])
	if ints == nil {
		return
	}
	n := ints.Len()
	s.dict.Reserve(n + 1)
	var scratch listpack.Scratch
	for i := range n {
		member := strconv.AppendInt(scratch[:0], ints.At(i), 10)
		s.dict.Add(setMember{NewName(member)})
		s.bytes += len(member)
	}
}

// Remove takes member out of the set and reports whether it was there.
func (s *Set) Remove(member []byte) bool {
	if s.dict != nil {
		i := s.dict.Find(member)
		if i < 0 {
			return false
		}
		s.dict.Delete(i)
		s.bytes -= len(member)
		return true
	}
	v, ok := listpack.ParseInt(member)
	if !ok || s.ints == nil {
		return false
	}
	s.ints, ok = s.ints.Remove(v)
	return ok
}

// At returns the member at position i, 0 <= i < Len, for a random choice. O(1).
func (s *Set) At(i int, scratch *listpack.Scratch) []byte {
	if s.dict != nil {
		return keyBytes(s.dict.At(i).Key())
	}
	return strconv.AppendInt(scratch[:0], s.ints.At(i), 10)
}

// Each calls fn with every member, in order, until it returns false. fn must
// not change the set.
func (s *Set) Each(fn func(member []byte) bool) {
	var scratch listpack.Scratch
	for i := range s.Len() {
		if !fn(s.At(i, &scratch)) {
			return
		}
	}
}

// Scan calls fn with the members at about count positions from cursor on and
// returns the cursor to go on with, zero at the end (Redis 7.0 docs for SSCAN).
// A member that is there from the first call to the last is met, perhaps
// twice. An intset is met in one call, whatever the cursor.
func (s *Set) Scan(cursor uint64, count int, fn func(member []byte)) uint64 {
	if s.dict == nil {
		s.Each(func(m []byte) bool { fn(m); return true })
		return 0
	}
	from, to := scanRange(cursor, count, s.dict.Len())
	for i := from - 1; i >= to; i-- {
		fn(keyBytes(s.dict.At(i).Key()))
	}
	return uint64(to)
}

// scanRange returns the positions [to, from) that one step of a scan visits,
// downwards. A cursor is the number of positions left; zero starts with all n
// of them. Elements only ever move downwards, so none slips past the cursor.
func scanRange(cursor uint64, count, n int) (from, to int) {
	from = n
	if cursor > 0 && cursor < uint64(n) {
		from = int(cursor)
	}
	return from, from - min(max(count, 1), from)
}

// MemUsage estimates the bytes of memory the set takes. It depends on the
// members and the encoding only, not on how they came to be.
func (s *Set) MemUsage() int {
	const self = 48
	if s.dict == nil {
		return self + len(s.ints)
	}
	return self + s.bytes + s.dict.Len()*setMemberCost
}

// Clone returns a deep copy.
func (s *Set) Clone() *Set {
	c := &Set{ints: slices.Clone(s.ints), bytes: s.bytes}
	if s.dict != nil {
		c.dict = s.dict.clone()
	}
	return c
}
