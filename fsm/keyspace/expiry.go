package keyspace

// ExpiryItem says when a key expires and where its entry lies.
type ExpiryItem struct {
	At   int64  // ms since the Unix epoch
	Pos  uint32 // position in the slot's dictionary
	Slot uint16
	DB   uint8
}

// ExpiryIndex orders the keys that expire by time: a binary min-heap. Keys
// that expire in the same millisecond come in an order given by the owner, a
// total one that does not depend on positions (by database and key), so that
// what comes first follows from the keys and times alone and never from the
// way the heap was filled.
//
// An item is addressed by its index in the heap. The owner keeps that index in
// the key's entry: moved tells it every change.
//
// Push, Remove and Update are O(log n), Min and SetPos O(1). Not safe for
// concurrent use with a writer.
type ExpiryIndex struct {
	items []ExpiryItem
	less  func(a, b ExpiryItem) bool
	moved func(item ExpiryItem, index int)
}

// NewExpiryIndex returns an empty index. less orders items of equal At. moved
// is called when an item has come to an index other than it had, and once for
// a new one; it is not called for an item that is removed. Neither function
// may call back into the index. Both may look an item's entry up by its
// position: positions must be right whenever the index is changed.
func NewExpiryIndex(less func(a, b ExpiryItem) bool, moved func(item ExpiryItem, index int)) *ExpiryIndex {
	return &ExpiryIndex{less: less, moved: moved}
}

// Len returns the number of items.
func (x *ExpiryIndex) Len() int { return len(x.items) }

// Min returns the item that comes first. The second result is false when the
// index is empty.
func (x *ExpiryIndex) Min() (ExpiryItem, bool) {
	if len(x.items) == 0 {
		return ExpiryItem{}, false
	}
	return x.items[0], true
}

// At returns the item at index i, 0 <= i < Len.
func (x *ExpiryIndex) At(i int) ExpiryItem { return x.items[i] }

// Push adds an item; moved tells its index.
func (x *ExpiryIndex) Push(item ExpiryItem) {
	x.items = append(x.items, item)
	if i := len(x.items) - 1; x.up(i, item) == i {
		x.moved(item, i)
	}
}

// Remove takes the item at index i out. A key that is deleted is removed here
// first, while its entry and position are still valid.
func (x *ExpiryIndex) Remove(i int) {
	last := len(x.items) - 1
	item := x.items[last]
	x.items = x.items[:last]
	if i != last {
		x.items[i] = item
		if x.settle(i) == i {
			x.moved(item, i)
		}
	}
	if c := cap(x.items); c > 64 && last < c/4 {
		x.items = append(make([]ExpiryItem, 0, c/2), x.items...)
	}
}

// Update changes the time of the item at index i.
func (x *ExpiryIndex) Update(i int, at int64) {
	x.items[i].At = at
	x.settle(i)
}

// SetPos notes that the entry of the item at index i now lies at pos of its
// slot's dictionary.
func (x *ExpiryIndex) SetPos(i int, pos uint32) { x.items[i].Pos = pos }

// settle moves the item at index i to where it belongs and returns that index.
func (x *ExpiryIndex) settle(i int) int {
	item := x.items[i]
	if to := x.up(i, item); to != i {
		return to
	}
	return x.down(i, item)
}

// up moves item, which is at index i, towards the root.
func (x *ExpiryIndex) up(i int, item ExpiryItem) int {
	from := i
	for i > 0 {
		parent := (i - 1) / 2
		if !x.before(item, x.items[parent]) {
			break
		}
		x.put(i, x.items[parent])
		i = parent
	}
	if i != from {
		x.put(i, item)
	}
	return i
}

// down moves item, which is at index i, away from the root.
func (x *ExpiryIndex) down(i int, item ExpiryItem) int {
	from := i
	for {
		child := 2*i + 1
		if child >= len(x.items) {
			break
		}
		if child+1 < len(x.items) && x.before(x.items[child+1], x.items[child]) {
			child++
		}
		if !x.before(x.items[child], item) {
			break
		}
		x.put(i, x.items[child])
		i = child
	}
	if i != from {
		x.put(i, item)
	}
	return i
}

func (x *ExpiryIndex) put(i int, item ExpiryItem) {
	x.items[i] = item
	x.moved(item, i)
}

func (x *ExpiryIndex) before(a, b ExpiryItem) bool {
	return a.At < b.At || a.At == b.At && x.less(a, b)
}
