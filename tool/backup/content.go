package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math"

	"github.com/quorate/quorate/fsm/keyspace"
)

// digest is equal for values that are equal to a client: for whatever way they are
// held, and whatever order the elements of sets and hashes have come in.
type digest [sha256.Size]byte

func digestOf(v *keyspace.Value) (d digest) {
	s := summer{h: sha256.New()}
	s.number(uint64(v.Kind()))
	switch v.Kind() {
	case keyspace.KindString:
		var room [20]byte
		s.bytes(v.Str(room[:0]))
	case keyspace.KindList:
		v.List().Each(func(_ int, e []byte) bool { s.bytes(e); return true })
	case keyspace.KindSet:
		v.Set().Each(func(m []byte) bool { s.loose(m); return true })
	case keyspace.KindZSet:
		z := v.ZSet()
		z.Range(0, z.Len(), false, func(m []byte, score float64) bool {
			s.bytes(m)
			s.number(math.Float64bits(score + 0)) // -0 is 0
			return true
		})
	case keyspace.KindHash:
		v.Hash().Each(func(field, e []byte) bool { s.loose(field, e); return true })
	case keyspace.KindStream:
		s.stream(v.Stream())
	}
	s.bytes(s.any[:])
	s.h.Sum(d[:0])
	return d
}

// summer sums up a value.
type summer struct {
	h   hash.Hash
	any digest // of what has no order
	one hash.Hash
	buf []byte
}

func (s *summer) number(n uint64) {
	s.buf = binary.BigEndian.AppendUint64(s.buf[:0], n)
	s.h.Write(s.buf)
}

func (s *summer) bytes(b []byte) {
	s.number(uint64(len(b)))
	s.h.Write(b)
}

// loose adds things that belong together and stand nowhere in particular.
func (s *summer) loose(parts ...[]byte) {
	if s.one == nil {
		s.one = sha256.New()
	}
	s.one.Reset()
	for _, p := range parts {
		s.buf = binary.BigEndian.AppendUint64(s.buf[:0], uint64(len(p)))
		s.one.Write(s.buf)
		s.one.Write(p)
	}
	s.buf = s.one.Sum(s.buf[:0])
	for i, b := range s.buf {
		s.any[i] ^= b
	}
}

func (s *summer) id(id keyspace.StreamID) {
	s.number(id.MS)
	s.number(id.Seq)
}

// stream adds entries, counters and groups, but for the times at which consumers
// were seen: no command can set them.
func (s *summer) stream(t *keyspace.Stream) {
	t.Walk(keyspace.StreamID{}, keyspace.MaxStreamID, false, func(e *keyspace.StreamEntry) bool {
		s.id(e.ID)
		e.Each(func(field, value []byte) {
			s.bytes(field)
			s.bytes(value)
		})
		return true
	})
	s.id(t.LastID())
	s.id(t.MaxDeletedID())
	s.number(uint64(t.Added()))
	for _, g := range t.Groups() {
		s.bytes([]byte(g.Name()))
		s.id(g.LastID)
		s.number(uint64(g.Read))
		for _, c := range g.Consumers() {
			s.bytes([]byte(c.Name()))
		}
		g.Each(keyspace.StreamID{}, keyspace.MaxStreamID, nil, func(id keyspace.StreamID, p *keyspace.StreamPending) bool {
			s.id(id)
			s.bytes([]byte(p.Consumer().Name()))
			s.number(uint64(p.Time))
			s.number(uint64(p.Count))
			return true
		})
	}
}
