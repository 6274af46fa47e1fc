package keyspace

import (
	"math"
	"slices"
	"unsafe"

	"github.com/quorate/quorate/slab"
)

// Keyspace is all the data of one group: its databases and the index of
// expiries. Reads may run beside each other; a change needs the keyspace alone.
type Keyspace struct {
	Limits Limits
	Fresh  uint32 // what is known about the accesses to a key that is new

	dbs       []*DB
	due       expires
	hooks     []*beforeWrite
	opened    []opened
	freed     []freed       // in the order in which it was
	flushed   []*slab.Arena // of databases that are gone
	justFreed int           // since Settle
	moves     uint64        // counts what may move entries in memory
}

// beforeWrite is a hook. It is compared by address.
type beforeWrite struct {
	call func(db *DB, slot uint16, w Written)
}

// Written says what is about to change in a slot. Keys that are added are told of with
// nothing in it.
type Written struct {
	Value *Entry // its value is changed in place or moved to another key
	Entry *Entry // it is changed itself, or gives up its place
	Last  *Entry // comes to lie in Entry's place, if not nil
}

// New returns an empty keyspace with the given number of databases.
func New(databases int, limits Limits) *Keyspace {
	ks := &Keyspace{Limits: limits}
	ks.due.ks = ks
	for range databases {
		ks.dbs = append(ks.dbs, &DB{mem: slab.NewArena()})
	}
	return ks
}

// Databases returns the number of databases.
func (ks *Keyspace) Databases() int { return len(ks.dbs) }

// DB returns database i.
func (ks *Keyspace) DB(i int) *DB { return ks.dbs[i] }

// BeforeWrite installs a function that is called before any key of a slot of a database
// changes, and returns a function that removes it, between commands. A snapshot uses it to save what it has not saved yet.
//
// Flush and Swap don't call it: they change which databases the keyspace has,
// not what is in one. Who wants to know the databases as they were keeps what
// DB returned.
func (ks *Keyspace) BeforeWrite(hook func(db *DB, slot uint16, w Written)) (remove func()) {
	h := &beforeWrite{hook}
	ks.hooks = append(ks.hooks, h)
	return func() {
		ks.hooks = slices.DeleteFunc(ks.hooks, func(other *beforeWrite) bool { return other == h })
		if len(ks.flushed) > 0 && len(ks.hooks)+len(ks.opened) == 0 {
			ks.releaseFlushed() // no command may come for long, and it may be all there was
		}
	}
}

// touch tells the hooks.
func (ks *Keyspace) touch(db int, slot uint16, w Written) {
	for _, h := range ks.hooks {
		h.call(ks.dbs[db], slot, w)
	}
}

// Set gives key a value, which the keyspace takes over; nobody must go on using it. A key that exists
// keeps its expiry if keepTTL is set and loses it otherwise. Settle must follow.
func (ks *Keyspace) Set(db int, slot uint16, key []byte, v Value, keepTTL bool) {
	e := ks.dbs[db].Find(slot, key)
	if e == nil {
		ks.Add(db, slot, key, v)
		return
	}
	ks.Modify(db, slot, e)
	e.SetValue(v)
	if !keepTTL {
		ks.Unexpire(db, e)
	}
}

// Expect prepares a database for a number of keys in that many slots, which are about
// to be loaded. Nothing is relied on: room is only made as keys come. With no keys
// nothing is expected any more.
func (ks *Keyspace) Expect(db, keys, slots int) {
	// Half of the slots get more than the mean, few get more than this.
	mean := float64(keys) / float64(max(slots, 1))
	ks.dbs[db].expect = int(mean + math.Sqrt(mean))
}

// Add is Set for a key that doesn't exist, and returns its entry.
func (ks *Keyspace) Add(db int, slot uint16, key []byte, v Value) *Entry {
	d, e := ks.add(db, slot, key)
	e.SetValue(v)
	e.access |= openBit
	ks.opened = append(ks.opened, opened{d, slot, ks.moves, e, e.Key(), nil})
	return e
}

// AddString is Add of what NewString(b) returns. It needs no Settle, but may have one.
func (ks *Keyspace) AddString(db int, slot uint16, key, b []byte) {
	d, e := ks.add(db, slot, key)
	ks.setString(d, e, b)
	d.used += int64(e.MemUsage())
}

// AddCopy is Add of a copy of a string, in memory of the keyspace's own. It needs no Settle, but
// may have one.
func (ks *Keyspace) AddCopy(db int, slot uint16, key []byte, v *Value) {
	d, e := ks.add(db, slot, key)
	var p unsafe.Pointer
	if v.isBytes() {
		p = d.mem.Alloc(int(v.len))
	}
	if p != nil {
		e.become(*v)
		e.moveTo(p, v.bytes())
	} else {
		e.become(v.Clone())
	}
	d.used += int64(e.MemUsage())
}

// add adds a key with the empty string.
func (ks *Keyspace) add(db int, slot uint16, key []byte) (*DB, *Entry) {
	ks.touch(db, slot, Written{})
	d := ks.dbs[db]
	d.init()
	if d.expect > 0 {
		d.slots[slot].prepare(d.expect)
	}
	i := d.slots[slot].Add(Entry{Name: d.newName(key), Value: Value{access: ks.Fresh & accessMask}})
	d.count(slot, 1)
	ks.moves++
	return d, d.slots[slot].At(i)
}

// Replace does what Delete and Add would do to a key that exists, the order of
// the slot's keys included. Its entry e is what Find returned, and Modify has
// announced it.
func (ks *Keyspace) Replace(db int, slot uint16, e *Entry, v Value) {
	d := ks.dbs[db]
	if dict := &d.slots[slot]; e != dict.At(dict.Len()-1) {
		key := []byte(e.Key())
		ks.Delete(db, slot, key)
		ks.Add(db, slot, key, v)
		return
	}
	// The last key would come back to where it was.
	ks.persist(d, e)
	e.SetValue(v)
	e.access = ks.Fresh&accessMask | openBit
}

// Unexpire removes the expiry, if there is one, of an entry that Modify has announced.
func (ks *Keyspace) Unexpire(db int, e *Entry) { ks.persist(ks.dbs[db], e) }

// Delete removes key and reports whether it was there.
func (ks *Keyspace) Delete(db int, slot uint16, key []byte) bool {
	d := ks.dbs[db]
	if d.slots == nil {
		return false
	}
	dict := &d.slots[slot]
	i := dict.Find(key)
	if i < 0 {
		return false
	}
	ks.touch(db, slot, Written{Entry: dict.At(i), Last: dict.At(dict.Len() - 1)})
	e := dict.At(i)
	d.forget(e)
	if e.access&openBit == 0 { // else Settle does
		ks.free(d, e.piece())
	}
	ks.free(d, unsafe.Pointer(e.Name.p))
	ks.moves++
	ks.persist(d, dict.At(i))
	if from := dict.Delete(i); from != i {
		if moved := dict.At(i); moved.Spare != 0 {
			ks.due.heap[moved.Spare-1].pos = uint32(i)
		}
	}
	d.count(slot, -1)
	return true
}

// SetExpire sets the expiry of a key that exists, in Unix milliseconds.
func (ks *Keyspace) SetExpire(db int, slot uint16, key []byte, at int64) {
	d := ks.dbs[db]
	i := d.slots[slot].Find(key)
	e := d.slots[slot].At(i)
	ks.touch(db, slot, Written{Entry: e})
	if e.Spare != 0 {
		e.at = at
		ks.due.change(int(e.Spare-1), at)
		return
	}
	d.expires++
	e.at = at
	ks.due.push(due{at: at, db: uint16(db), slot: slot, pos: uint32(i)})
}

// Persist removes the expiry of a key and reports whether it had one.
func (ks *Keyspace) Persist(db int, slot uint16, key []byte) bool {
	d := ks.dbs[db]
	e := d.Find(slot, key)
	if e == nil || e.Spare == 0 {
		return false
	}
	ks.touch(db, slot, Written{Entry: e})
	ks.persist(d, e)
	return true
}

func (ks *Keyspace) persist(d *DB, e *Entry) {
	if e.Spare != 0 {
		ks.due.remove(int(e.Spare - 1))
		e.at = 0
		d.expires--
	}
}

// NextExpired returns the key that comes due first, if its expiry is not after
// now: database, slot and key. The key is a copy.
func (ks *Keyspace) NextExpired(now int64) (db int, slot uint16, key []byte, ok bool) {
	if len(ks.due.heap) == 0 || ks.due.heap[0].at > now {
		return 0, 0, nil, false
	}
	top := &ks.due.heap[0]
	return int(top.db), top.slot, []byte(ks.due.entry(top).Key()), true
}

// Expired returns how many keys have expired by now and are still there.
func (ks *Keyspace) Expired(now int64) int { return ks.due.until(0, now) }

// NextExpiry returns the earliest expiry of all keys in Unix milliseconds.
func (ks *Keyspace) NextExpiry() (at int64, ok bool) {
	if len(ks.due.heap) == 0 {
		return 0, false
	}
	return ks.due.heap[0].at, true
}

// ExpirySum returns the sum of the expiries of one database's keys, for INFO's
// avg_ttl. It walks all keys that have one.
func (ks *Keyspace) ExpirySum(db int) (sum float64) {
	for i := range ks.due.heap {
		if int(ks.due.heap[i].db) == db {
			sum += float64(ks.due.heap[i].at)
		}
	}
	return sum
}

// Flush empties a database. The old content is returned: it no longer belongs
// to the keyspace, but can be read until Settle, and while somebody has a hook.
func (ks *Keyspace) Flush(db int) *DB {
	old := ks.dbs[db]
	ks.dbs[db] = &DB{mem: slab.NewArena()}
	ks.flushed = append(ks.flushed, old.mem)
	if old.expires > 0 {
		kept := slices.DeleteFunc(ks.due.heap, func(d due) bool { return int(d.db) == db })
		ks.due.heap = nil
		for _, d := range kept {
			ks.due.push(d)
		}
	}
	return old
}

// Swap exchanges two databases.
func (ks *Keyspace) Swap(a, b int) {
	if a == b {
		return
	}
	ks.dbs[a], ks.dbs[b] = ks.dbs[b], ks.dbs[a]
	items := ks.due.heap
	ks.due.heap = nil
	for i := range items {
		switch int(items[i].db) {
		case a:
			items[i].db = uint16(b)
		case b:
			items[i].db = uint16(a)
		}
	}
	for _, d := range items {
		ks.due.push(d)
	}
}

// KeysInSlot returns the number of keys of database 0 in a slot.
func (ks *Keyspace) KeysInSlot(slot uint16) int { return ks.dbs[0].Slot(slot).Len() }
