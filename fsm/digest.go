package fsm

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/slots/hashslot"
)

// digest is what DEBUG DIGEST adds up: equal for equal data, however it is held
// and in whatever order it was written. The way it is computed is that of Redis
// 7.0's DEBUG DIGEST, so that the two can be compared.
type digest [sha1.Size]byte

// xor adds something whose order doesn't matter.
func (d *digest) xor(b []byte) {
	sum := sha1.Sum(b)
	for i := range d {
		d[i] ^= sum[i]
	}
}

// mix adds something whose order matters.
func (d *digest) mix(b []byte) {
	d.xor(b)
	*d = sha1.Sum(d[:])
}

func (d *digest) mixNumber(n uint32) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	d.mix(b[:])
}

// Digest returns what DEBUG DIGEST replies: 20 zero bytes for no data at all,
// otherwise a function of all keys, values and whether they have an expiry. It
// reads everything.
func (m *Machine) Digest() [20]byte {
	var total digest
	for n := range m.ks.Databases() {
		db := m.ks.DB(n)
		if db.Len() == 0 {
			continue
		}
		total.mixNumber(uint32(n))
		for slot := range hashslot.Count {
			keys := db.Slot(uint16(slot))
			for i := range keys.Len() {
				e := keys.At(i)
				var d digest
				d.mix([]byte(e.Key()))
				d.entry(e)
				total.xor(d[:])
			}
		}
	}
	return total
}

// DigestValue returns what DEBUG DIGEST-VALUE replies for one key: 20 zero
// bytes if it is missing. An expired key that was not deleted yet is there, as
// it is for Digest.
func (m *Machine) DigestValue(db int, key []byte) [20]byte {
	var d digest
	if e := m.ks.DB(db).Find(hashslot.Of(key), key); e != nil {
		d.entry(e)
	}
	return d
}

// redisTypes are the numbers of Redis's object types.
var redisTypes = map[keyspace.Kind]uint32{
	keyspace.KindString: 0, keyspace.KindList: 1, keyspace.KindSet: 2, keyspace.KindZSet: 3, keyspace.KindHash: 4,
	keyspace.KindStream: 6,
}

func (d *digest) entry(e *keyspace.Entry) {
	d.mixNumber(redisTypes[e.Kind()])
	switch e.Kind() {
	case keyspace.KindString:
		var buf [20]byte
		d.mix(e.Str(buf[:]))
	case keyspace.KindList:
		e.List().Each(func(_ int, value []byte) bool {
			d.mix(value)
			return true
		})
	case keyspace.KindSet:
		e.Set().Each(func(member []byte) bool {
			d.xor(member)
			return true
		})
	case keyspace.KindZSet:
		var buf [32]byte
		e.ZSet().Range(0, e.ZSet().Len(), false, func(member []byte, score float64) bool {
			d.pair(member, keyspace.AppendFloat(buf[:0], score))
			return true
		})
	case keyspace.KindHash:
		e.Hash().Each(func(field, value []byte) bool {
			d.pair(field, value)
			return true
		})
	case keyspace.KindStream:
		e.Stream().Walk(keyspace.StreamID{}, keyspace.MaxStreamID, false, func(entry *keyspace.StreamEntry) bool {
			d.mix(fmt.Appendf(nil, "%d.%d", entry.ID.MS, entry.ID.Seq))
			entry.Each(func(field, value []byte) {
				d.mix(field)
				d.mix(value)
			})
			return true
		})
	}
	if e.ExpireAt() != 0 {
		d.xor([]byte("!!expire!!"))
	}
}

// pair adds two things that belong together, such as a field and its value.
func (d *digest) pair(first, second []byte) {
	var one digest
	one.mix(first)
	one.mix(second)
	d.xor(one[:])
}
