package fsm

import (
	"cmp"
	"math"
	"slices"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/resp"
)

// Intersection, union and difference of sets. A missing key is an empty set. The
// order of a result is a function of the sets and their order alone, and the
// encoding of a stored one is that which Redis 7.0 arrives at, step by step:
// see difference.

// sinter implements SINTER key [key ...].
//
// Source: Redis 7.0 docs for SINTER. Reply: a set, which RESP2 has as an array.
func sinter(c *ReadCall) {
	sets, ok := c.readSets(c.Args[1:])
	if !ok {
		return
	}
	found, n := resp.Writer{Proto: c.Proto}, 0
	intersect(sets, func(member []byte) bool {
		found.Bulk(member)
		n++
		return true
	})
	c.Set(n)
	c.Raw(found.Buf)
}

// sunion implements SUNION key [key ...].
func sunion(c *ReadCall) {
	if sets, ok := c.readSets(c.Args[1:]); ok {
		c.replySet(union(sets, c.Limits()))
	}
}

// sdiff implements SDIFF key [key ...].
func sdiff(c *ReadCall) {
	if sets, ok := c.readSets(c.Args[1:]); ok {
		c.replySet(difference(sets, c.Limits()))
	}
}

// sintercard implements SINTERCARD numkeys key [key ...] [LIMIT limit]. It stops
// counting at the limit; 0 is none.
//
// Source: Redis 7.0 docs for SINTERCARD.
func sintercard(c *ReadCall) {
	numKeys, ok := keyspace.ParseInt(c.Args[1])
	switch {
	case !ok || numKeys < 1:
		c.Error(errNumKeys)
		return
	case numKeys > int64(len(c.Args)-2):
		c.Error(errNumKeysArgs)
		return
	}
	keys, limit := c.Args[2:2+numKeys], int64(0)
	for i := 2 + int(numKeys); i < len(c.Args); i += 2 {
		if !isWord(c.Args[i], "LIMIT") || i+1 == len(c.Args) {
			c.Error(errSyntax)
			return
		}
		if limit, ok = keyspace.ParseInt(c.Args[i+1]); !ok || limit < 0 {
			c.Error(errLimit)
			return
		}
	}
	if limit == 0 {
		limit = math.MaxInt64
	}
	sets, ok := c.readSets(keys)
	if !ok {
		return
	}
	n := int64(0)
	intersect(sets, func([]byte) bool {
		n++
		return n < limit
	})
	c.Int(n)
}

// sinterstore implements SINTERSTORE destination key [key ...]. Reply: the size
// of the result. An empty one deletes destination.
func sinterstore(c *WriteCall) {
	sets, ok := c.takeSets(c.Args[2:])
	if !ok {
		return
	}
	result := &keyspace.Set{}
	intersect(sets, func(member []byte) bool {
		result.Add(member, c.Limits())
		return true
	})
	c.storeSet("sinterstore", result)
}

// sunionstore implements SUNIONSTORE destination key [key ...]; see sinterstore.
func sunionstore(c *WriteCall) {
	if sets, ok := c.takeSets(c.Args[2:]); ok {
		c.storeSet("sunionstore", union(sets, c.Limits()))
	}
}

// sdiffstore implements SDIFFSTORE destination key [key ...]; see sinterstore.
func sdiffstore(c *WriteCall) {
	if sets, ok := c.takeSets(c.Args[2:]); ok {
		c.storeSet("sdiffstore", difference(sets, c.Limits()))
	}
}

// readSets returns the sets at keys, nil for a missing key, or false after it
// has written WRONGTYPE.
func (c *ReadCall) readSets(keys [][]byte) ([]*keyspace.Set, bool) {
	sets := make([]*keyspace.Set, len(keys))
	for i, key := range keys {
		e, ok := c.findKind(key, keyspace.KindSet)
		if !ok {
			return nil, false
		}
		if e != nil {
			sets[i] = e.Set()
		}
	}
	return sets, true
}

// takeSets is readSets in a write, where expired keys are deleted.
func (c *WriteCall) takeSets(keys [][]byte) ([]*keyspace.Set, bool) {
	sets := make([]*keyspace.Set, len(keys))
	for i, key := range keys {
		e, ok := c.take(key, keyspace.KindSet)
		if !ok {
			return nil, false
		}
		if e != nil {
			sets[i] = e.Set()
		}
	}
	return sets, true
}

// storeSet puts a result under the first key, without an expiry, and replies its
// size.
func (c *WriteCall) storeSet(event string, result *keyspace.Set) {
	key := c.Args[1]
	if result.Len() > 0 {
		c.put(key, keyspace.NewSetValue(result))
		c.changed('s', event, key)
	} else if c.remove(key) {
		c.changed('g', "del", key)
	}
	c.Int(int64(result.Len()))
}

// intersect calls visit with every member that all sets have, until it returns
// false, in the order of the smallest set, the first of several.
func intersect(sets []*keyspace.Set, visit func(member []byte) bool) {
	if slices.Contains(sets, nil) {
		return
	}
	bySize := slices.Clone(sets)
	slices.SortStableFunc(bySize, func(a, b *keyspace.Set) int { return cmp.Compare(a.Len(), b.Len()) })
	bySize[0].Each(func(member []byte) bool {
		for _, s := range bySize[1:] {
			if s != bySize[0] && !s.Contains(member) {
				return true
			}
		}
		return visit(member)
	})
}

// union returns a set of the members of all sets.
func union(sets []*keyspace.Set, lim *keyspace.Limits) *keyspace.Set {
	result := &keyspace.Set{}
	for _, s := range sets {
		addAll(result, s, lim)
	}
	return result
}

// addAll puts the members of s, which may be nil, into result.
func addAll(result, s *keyspace.Set, lim *keyspace.Limits) {
	if s == nil {
		return
	}
	s.Each(func(member []byte) bool {
		result.Add(member, lim)
		return true
	})
}

// difference returns a set of the members that only the first set has.
//
// It either looks up each member of the first set in the others, at a cost of
// about the size of the first for every set, or copies the first set and
// removes the members of the others, at the cost of the size of them all. The
// second way leaves a dictionary behind where the first may find that integers
// are left; the choice between them is that of Redis, which gives the first,
// faster step the benefit of a factor of two.
func difference(sets []*keyspace.Set, lim *keyspace.Limits) *keyspace.Set {
	result := &keyspace.Set{}
	first, others := sets[0], sets[1:]
	if first == nil || slices.Contains(others, first) {
		return result
	}
	lookups, removals := first.Len(), first.Len()
	for _, s := range others {
		if s != nil {
			lookups += first.Len()
			removals += s.Len()
		}
	}
	if lookups/2 <= removals {
		addMissing(result, first, others, lim)
		return result
	}
	addAll(result, first, lim)
	for _, s := range others {
		if s != nil {
			s.Each(func(member []byte) bool {
				result.Remove(member)
				return result.Len() > 0
			})
		}
	}
	return result
}

// addMissing puts the members of first that none of the others has into result.
// Large sets come first, because they are the most likely to have one.
func addMissing(result, first *keyspace.Set, others []*keyspace.Set, lim *keyspace.Limits) {
	others = slices.DeleteFunc(slices.Clone(others), func(s *keyspace.Set) bool { return s == nil })
	slices.SortStableFunc(others, func(a, b *keyspace.Set) int { return cmp.Compare(b.Len(), a.Len()) })
	first.Each(func(member []byte) bool {
		for _, s := range others {
			if s.Contains(member) {
				return true
			}
		}
		result.Add(member, lim)
		return true
	})
}
