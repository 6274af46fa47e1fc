package keyspace

// Warmer brings entries that are about to be looked up into the CPU's caches:
// each of its steps touches one memory location of every key before the next
// step needs it, so that the accesses overlap. The zero value is ready.
type Warmer struct {
	n     int
	finds [warmBatch]warmFind
	sink  uintptr // keeps the compiler from leaving the accesses out
}

// warmBatch is how many lookups overlap; a CPU has about a dozen accesses to
// memory in flight.
const warmBatch = 16

type warmFind struct {
	d    *Dense[Entry]
	key  []byte
	hash uint32
	e    *Entry
}

// Add announces the lookup of a key. Its Find may come any time after Finish.
func (w *Warmer) Add(db *DB, slot uint16, key []byte) {
	if db.slots == nil {
		return
	}
	if w.n == warmBatch {
		w.Finish()
	}
	w.finds[w.n] = warmFind{d: &db.slots[slot], key: key}
	w.n++
}

// Finish touches what the announced lookups will need.
func (w *Warmer) Finish() {
	finds := w.finds[:w.n]
	for i := range finds {
		f := &finds[i]
		f.hash = hashOf(f.key)
		w.sink += uintptr(f.d.tags[0])
	}
	for i := range finds {
		f := &finds[i]
		f.e = f.d.guess(f.hash)
	}
	for i := range finds {
		if e := finds[i].e; e != nil {
			w.sink += uintptr(e.Name.n)
		}
	}
	for i := range finds {
		if e := finds[i].e; e != nil {
			if e.Name.n > 0 {
				w.sink += uintptr(*e.Name.p)
			}
			if e.Value.p != nil {
				w.sink += uintptr(*(*byte)(e.Value.p))
			}
		}
	}
	w.n = 0
}

// guess returns the first element whose hash looks right, or nil. It looks at
// no key.
func (d *Dense[E]) guess(hash uint32) *E {
	if d.large != nil {
		if c := d.large.table[hash&uint32(len(d.large.table)-1)]; c.pos != 0 {
			return &d.items[c.pos-1]
		}
		return nil
	}
	if len(d.index) == 0 {
		for i, tag := range d.tags[:len(d.items)] {
			if tag == tagOf(hash) {
				return &d.items[i]
			}
		}
		return nil
	}
	shift, mask := d.shape()
	if c := uint32(d.index[hash>>shift]); c != 0 {
		return &d.items[c&mask-1]
	}
	return nil
}
