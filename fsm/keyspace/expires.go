package keyspace

// expires is a binary min-heap of the keys that have an expiry, ordered by
// (expiry, database, key). The order is total, so the sequence in which keys
// come due is the same on every replica whatever the heap looks like inside.
// Each entry knows its place in the heap.
type expires struct {
	ks   *Keyspace
	heap []due
}

// due locates an entry: the position in a slot's dictionary changes when the
// dictionary fills a hole, and Keyspace keeps it right.
type due struct {
	at   int64
	db   uint16
	slot uint16
	pos  uint32
}

func (x *expires) entry(d *due) *Entry { return x.ks.dbs[d.db].slots[d.slot].At(int(d.pos)) }

func (x *expires) less(a, b *due) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	if a.db != b.db {
		return a.db < b.db
	}
	return x.entry(a).Key() < x.entry(b).Key()
}

// until returns how many items below heap index i, itself included, are due at now.
func (x *expires) until(i int, now int64) int {
	if i >= len(x.heap) || x.heap[i].at > now {
		return 0 // and so are all below it
	}
	return 1 + x.until(2*i+1, now) + x.until(2*i+2, now)
}

func (x *expires) push(d due) {
	x.heap = append(x.heap, d)
	x.up(len(x.heap) - 1)
}

// remove takes out the item at heap index i.
func (x *expires) remove(i int) {
	x.entry(&x.heap[i]).Spare = 0
	last := len(x.heap) - 1
	if i != last {
		x.heap[i] = x.heap[last]
	}
	x.heap = x.heap[:last]
	if i != last {
		x.down(i)
		x.up(i)
	}
}

// change gives the item at heap index i another expiry.
func (x *expires) change(i int, at int64) {
	later := at > x.heap[i].at
	x.heap[i].at = at
	if later {
		x.down(i)
	} else {
		x.up(i)
	}
}

func (x *expires) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !x.less(&x.heap[i], &x.heap[parent]) {
			break
		}
		x.heap[i], x.heap[parent] = x.heap[parent], x.heap[i]
		x.settle(i)
		i = parent
	}
	x.settle(i)
}

func (x *expires) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(x.heap) {
			break
		}
		if r := child + 1; r < len(x.heap) && x.less(&x.heap[r], &x.heap[child]) {
			child = r
		}
		if !x.less(&x.heap[child], &x.heap[i]) {
			break
		}
		x.heap[i], x.heap[child] = x.heap[child], x.heap[i]
		x.settle(i)
		i = child
	}
	x.settle(i)
}

// settle tells the entry at heap index i where it is.
func (x *expires) settle(i int) { x.entry(&x.heap[i]).Spare = uint32(i + 1) }
