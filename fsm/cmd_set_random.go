package fsm

import (
	"math"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/listpack"
)

// srandmember implements SRANDMEMBER key [count].
//
// Source: Redis 7.0 docs for SRANDMEMBER. Reply: without a count one member or
// null; with a positive one so many different members, at most all; with a
// negative one so many draws of any member.
func srandmember(c *ReadCall) {
	if len(c.Args) > 3 {
		c.Error(errSyntax)
		return
	}
	withCount, count, ok := len(c.Args) == 3, int64(0), true
	if withCount {
		if count, ok = c.intArgIn(2, -math.MaxInt64, math.MaxInt64); !ok {
			return
		}
	}
	s, ok := c.readSet(c.Args[1])
	if !ok {
		return
	}
	n := s.Len()
	var scratch listpack.Scratch
	switch {
	case !withCount && n == 0:
		c.Null()
	case !withCount:
		c.Bulk(s.At(c.rand.IntN(n), &scratch))
	case n == 0 || count == 0:
		c.Array(0)
	case count < 0:
		c.repeat(-count, 1, func() { c.Bulk(s.At(c.rand.IntN(n), &scratch)) })
	default:
		k := int(min(count, int64(n)))
		c.Array(k)
		c.rand.sample(n, k, func(i int) { c.Bulk(s.At(i, &scratch)) })
	}
}

// spop implements SPOP key [count]. Reply: without a count one member or null;
// with one a set of so many members, at most all. An entry's seed makes the
// choice, so that every replica removes the same.
//
// Source: Redis 7.0 docs for SPOP.
func spop(c *WriteCall) {
	if len(c.Args) > 3 {
		c.Error(errSyntax)
		return
	}
	withCount, count := len(c.Args) == 3, int64(1)
	if withCount {
		var ok bool
		if count, ok = keyspace.ParseInt(c.Args[2]); !ok || count < 0 {
			c.Error(errMustPositive)
			return
		}
	}
	key := c.Args[1]
	e, ok := c.modifyKind(key, keyspace.KindSet)
	switch {
	case !ok:
		return
	case e == nil && !withCount:
		c.Null()
		return
	case e == nil || count == 0:
		c.Set(0)
		return
	}
	s := e.Set()
	out := popped{c: c, key: key}
	if withCount && count >= int64(s.Len()) {
		c.propagate([]byte("DEL"), key)
		out.c = nil
	}
	k := int(min(count, int64(s.Len())))
	if withCount {
		c.Set(k)
	}
	switch {
	case popsEach(s, k):
		c.popEach(s, k, &out)
	default:
		s = c.popMost(s, k, &out)
		e.SetValue(keyspace.NewSetValue(s))
	}
	out.flush()
	c.shrunk('s', "spop", key, s.Len())
	c.also(k - 1)
}

// popped turns the members that SPOP has removed into SREMs of up to popBatch
// members each.
type popped struct {
	c       *WriteCall // nil: nothing is noted
	key     []byte
	members [][]byte
}

const popBatch = 1024

func (p *popped) add(member []byte) {
	if p.c == nil || !p.c.feeding() {
		return
	}
	p.members = append(p.members, append([]byte(nil), member...))
	if len(p.members) == popBatch {
		p.flush()
	}
}

func (p *popped) flush() {
	if len(p.members) > 0 {
		p.c.propagate(append([][]byte{[]byte("SREM"), p.key}, p.members...)...)
		p.members = p.members[:0]
	}
}

const (
	// keepFactor: when at least so many times as many members go as stay, the
	// ones that stay become a new set. The limit is that of Redis, because the
	// new set has the encoding that suits its members.
	keepFactor = 5

	// popsFromIntset: to remove one integer costs a copy of the intset, so more
	// of them are removed together.
	popsFromIntset = 64
)

// popsEach reports whether k members are removed one by one.
func popsEach(s *keyspace.Set, k int) bool {
	if _, ints := s.Intset(); ints && k > popsFromIntset {
		return false
	}
	return (s.Len()-k)*keepFactor > k || k == 1
}

// popEach removes and replies k members, one by one.
func (c *WriteCall) popEach(s *keyspace.Set, k int, out *popped) {
	var scratch listpack.Scratch
	for range k {
		member := s.At(c.rand.IntN(s.Len()), &scratch)
		c.Bulk(member)
		out.add(member)
		s.Remove(member)
	}
}

// popMost replies k members and returns a set of the others.
func (c *WriteCall) popMost(s *keyspace.Set, k int, out *popped) *keyspace.Set {
	stays := make([]bool, s.Len())
	c.rand.sample(len(stays), len(stays)-k, func(i int) { stays[i] = true })
	kept, i := &keyspace.Set{}, 0
	s.Each(func(member []byte) bool {
		if stays[i] {
			kept.Add(member, c.Limits())
		} else {
			c.Bulk(member)
			out.add(member)
		}
		i++
		return true
	})
	return kept
}
