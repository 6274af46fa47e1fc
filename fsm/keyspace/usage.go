package keyspace

import (
	"math/bits"
	"unsafe"

	"github.com/quorate/quorate/slab"
)

// The memory that keys and values take is estimated, not measured: the number
// is a function of the state alone, so replicas agree on it whatever their
// allocators do and however they came to the state. It is kept up to date as
// keys change. A value that is about to change is taken out of the sum (open)
// and counted again when the command that changes it has ended (Settle).

const (
	// entryCost is what an entry of the keyspace takes beside its key and
	// value: itself and its place in the index, with the spare room of both.
	entryCost = 48 + 6 + 8
	// expiryCost is what an expiry takes in the heap of expiries.
	expiryCost = 16 + 4
)

// NewKeyCost is about what a small new key takes beside its bytes.
const NewKeyCost = entryCost + 32

// allocated returns about what the allocator sets aside for n bytes.
func allocated(n int) int {
	switch {
	case n <= 0:
		return 0
	case n <= slab.Max:
		return slab.Round(n)
	}
	// Size classes of the heap lie about an eighth of their size apart, too.
	step := 1 << (bits.Len(uint(n-1)) - 4)
	return (n + step - 1) &^ (step - 1)
}

// MemUsage estimates the bytes of memory that the key and its value take. It
// depends on them and the encoding only, not on how they came to be. O(1).
func (e *Entry) MemUsage() int {
	n := entryCost + allocated(int(e.Name.n))
	switch e.Kind() {
	case KindList:
		return n + e.List().MemUsage()
	case KindSet:
		return n + e.Set().MemUsage()
	case KindZSet:
		return n + int(e.ZSet().MemUsage())
	case KindHash:
		return n + e.Hash().MemUsage()
	case KindStream:
		return n + e.Stream().MemUsage()
	}
	if _, ok := e.Int(); ok {
		return n
	}
	return n + allocated(e.StrLen())
}

// opened is an entry that is not counted at the moment.
type opened struct {
	db    *DB
	slot  uint16
	moves uint64 // Keyspace.moves when entry was right
	entry *Entry
	key   string
	piece unsafe.Pointer // of the value that it had, or nil
}

// Modify announces that the entry of a key is about to be changed in place, or its value
// to be moved to another key.
// Settle must follow when it is done.
func (ks *Keyspace) Modify(db int, slot uint16, e *Entry) {
	ks.touch(db, slot, Written{Value: e})
	ks.open(ks.dbs[db], slot, e)
}

// Overwrite makes a copy of b the value of an entry, whatever its value was. It
// needs no Settle.
func (ks *Keyspace) Overwrite(db int, slot uint16, e *Entry, b []byte) {
	ks.touch(db, slot, Written{Value: e})
	if e.access&openBit != 0 {
		e.become(NewString(b))
		return
	}
	d := ks.dbs[db]
	before := e.MemUsage()
	ks.setString(d, e, b)
	d.used += int64(e.MemUsage() - before)
}

// open takes an entry out of the sum until Settle.
func (ks *Keyspace) open(d *DB, slot uint16, e *Entry) {
	if e.access&openBit == 0 {
		d.used -= int64(e.MemUsage())
		e.access |= openBit
		ks.opened = append(ks.opened, opened{d, slot, ks.moves, e, e.Key(), e.piece()})
	}
}

// Settle counts what was set or modified since the last call. Everything that
// changes the keyspace calls it at its end, before anybody asks for Used.
func (ks *Keyspace) Settle() {
	if len(ks.opened) > 0 {
		ks.settle()
	}
	if len(ks.freed)+len(ks.flushed) > 0 {
		ks.release()
	}
}

func (ks *Keyspace) settle() {
	for i := range ks.opened {
		o := &ks.opened[i]
		e := o.entry
		if o.moves != ks.moves {
			e = o.db.Find(o.slot, keyBytes(o.key)) // it may lie elsewhere, or be gone
		}
		if e == nil || e.access&openBit == 0 {
			if o.piece != nil {
				ks.free(o.db, o.piece)
			}
			continue
		}
		e.access &^= openBit
		ks.bring(o.db, e, o.piece)
		o.db.used += int64(e.MemUsage())
	}
	if cap(ks.opened) > keepOpened {
		ks.opened = nil
		return
	}
	clear(ks.opened)
	ks.opened = ks.opened[:0]
}

// keepOpened is the number of entries above which room for them isn't kept.
const keepOpened = 1024

// forget takes an entry that is about to be deleted out of the sum.
func (d *DB) forget(e *Entry) {
	if e.access&openBit == 0 {
		d.used -= int64(e.MemUsage())
	}
}

// Used estimates the bytes of memory that all keys and values take.
func (ks *Keyspace) Used() (bytes int64) {
	for _, d := range ks.dbs {
		bytes += d.used + int64(d.expires)*expiryCost
	}
	return bytes
}

// Recount computes what Used returns by looking at every key: for tests.
func (ks *Keyspace) Recount() (bytes int64) {
	for _, d := range ks.dbs {
		if d.keys == 0 {
			continue
		}
		for slot := range d.slots {
			for i := range d.slots[slot].items {
				e := &d.slots[slot].items[i]
				bytes += int64(e.MemUsage())
				if e.Spare != 0 {
					bytes += expiryCost
				}
			}
		}
	}
	return bytes
}

// Cost estimates the bytes that deleting the entry would free.
func (e *Entry) Cost() int64 {
	if e.Spare != 0 {
		return int64(e.MemUsage()) + expiryCost
	}
	return int64(e.MemUsage())
}

// Volatile returns the number of keys with an expiry, in all databases.
func (ks *Keyspace) Volatile() int { return len(ks.due.heap) }

// VolatileAt returns one of the keys with an expiry, 0 <= i < Volatile, in no
// particular order, and its database.
func (ks *Keyspace) VolatileAt(i int) (db int, e *Entry) {
	d := &ks.due.heap[i]
	return int(d.db), ks.due.entry(d)
}

// Len returns the number of keys of all databases.
func (ks *Keyspace) Len() (n int) {
	for _, d := range ks.dbs {
		n += d.keys
	}
	return n
}
