package keyspace

import (
	"math/bits"

	"github.com/quorate/quorate/slab"
	"github.com/quorate/quorate/slots/hashslot"
)

// Entry is one key with its value and expiry. There are many: it has 48 bytes,
// so that no two cache lines are needed for most.
type Entry struct {
	Name // Spare is the place in the expiry heap plus one; 0: none
	Value
	at int64 // expiry, Unix ms; 0: none
}

// SetValue gives the key another value.
func (e *Entry) SetValue(v Value) { e.become(v) }

// ExpireAt returns the expiry as Unix time in milliseconds, or 0 for none.
func (e *Entry) ExpireAt() int64 { return e.at }

// DB is one numbered database: a dictionary per hash slot.
type DB struct {
	slots   []Dense[Entry] // nil while the database was never written
	mem     *slab.Arena    // of its keys and short strings
	keys    int
	expires int
	expect  int     // keys that a loader expects in a slot; 0: it doesn't know
	used    int64   // bytes, by Entry.MemUsage, of all entries but those that are open
	tree    []int32 // Fenwick tree over the slots' key counts, for random keys
}

// Len returns the number of keys, expired ones that are still there included.
func (db *DB) Len() int { return db.keys }

// Expires returns the number of keys with an expiry.
func (db *DB) Expires() int { return db.expires }

// Slot returns the dictionary of a slot. It must not be changed except through
// Keyspace.
func (db *DB) Slot(slot uint16) *Dense[Entry] {
	if db.slots == nil {
		return &Dense[Entry]{}
	}
	return &db.slots[slot]
}

// Find returns the entry of key, expired or not, or nil. The pointer is valid
// until the next change of the keyspace.
func (db *DB) Find(slot uint16, key []byte) *Entry {
	if db.slots == nil {
		return nil
	}
	if i := db.slots[slot].Find(key); i >= 0 {
		return db.slots[slot].At(i)
	}
	return nil
}

// ByRank returns the i-th key in slot order, 0 <= i < Len.
func (db *DB) ByRank(i int) *Entry {
	pos, rest := 0, int32(i)
	for step := 1 << (bits.Len(hashslot.Count) - 1); step > 0; step >>= 1 {
		if next := pos + step; next <= hashslot.Count && db.tree[next] <= rest {
			pos = next
			rest -= db.tree[next]
		}
	}
	return db.slots[pos].At(int(rest))
}

// Scan visits about count keys from cursor on and returns the next cursor, 0 at
// the end. Slots go up, positions within a slot go down: every key that is
// there from the beginning to the end of an iteration is visited, whatever is
// added or deleted meanwhile; some may be visited twice. A slot is always
// finished in as many calls as its size needs.
func (db *DB) Scan(cursor uint64, count int, visit func(*Entry)) uint64 {
	slot, pos := int(cursor>>32&0xffff), int64(uint32(cursor)) // pos 0: from the slot's end
	for ; slot < hashslot.Count && db.slots != nil; slot, pos = slot+1, 0 {
		d := &db.slots[slot]
		i := int64(d.Len())
		if pos > 0 {
			i = min(i, pos-1)
		}
		for i--; i >= 0; i-- {
			if count <= 0 {
				return uint64(slot)<<32 | uint64(i+2)
			}
			visit(d.At(int(i)))
			count--
		}
		if count <= 0 && slot+1 < hashslot.Count && db.keysAfter(slot) {
			return uint64(slot+1) << 32
		}
	}
	return 0
}

// keysAfter reports whether a slot above slot holds a key.
func (db *DB) keysAfter(slot int) bool {
	var upTo int32
	for i := slot + 1; i > 0; i -= i & -i {
		upTo += db.tree[i]
	}
	return int(upTo) < db.keys
}

func (db *DB) init() {
	if db.slots == nil {
		db.slots = make([]Dense[Entry], hashslot.Count)
		db.tree = make([]int32, hashslot.Count+1)
	}
}

// count notes that a slot has gained or lost keys.
func (db *DB) count(slot uint16, delta int) {
	db.keys += delta
	for i := int(slot) + 1; i <= hashslot.Count; i += i & -i {
		db.tree[i] += int32(delta)
	}
}
