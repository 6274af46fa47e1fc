package wal

// place is where an entry's record lies.
type place struct {
	seg  *segment
	off  int64 // in the segment
	size int   // of the record
}

// index is the places of one group's entries, first to last without a gap. An
// empty index has first 0.
type index struct {
	first  uint64
	places []place
}

func (x *index) last() uint64 {
	if len(x.places) == 0 {
		return 0
	}
	return x.first + uint64(len(x.places)) - 1
}

func (x *index) get(i uint64) (place, bool) {
	if len(x.places) == 0 || i < x.first || i > x.last() {
		return place{}, false
	}
	return x.places[i-x.first], true
}

// put adds entry i as the last one: those behind it are gone. An entry that
// doesn't follow begins the log anew, as after an installed snapshot.
func (x *index) put(i uint64, p place) {
	if len(x.places) > 0 && i >= x.first && i <= x.last()+1 {
		x.truncate(i)
	} else {
		x.clear()
	}
	if len(x.places) == 0 {
		x.first = i
	}
	x.places = append(x.places, p)
	p.seg.live += int64(p.size)
}

// move notes that entry i now lies elsewhere.
func (x *index) move(i uint64, p place) {
	if old, ok := x.get(i); ok {
		old.seg.live -= int64(old.size)
		p.seg.live += int64(p.size)
		x.places[i-x.first] = p
	}
}

// truncate forgets entries from i on.
func (x *index) truncate(i uint64) {
	if len(x.places) == 0 || i > x.last() {
		return
	}
	if i <= x.first {
		x.clear()
		return
	}
	keep := int(i - x.first)
	for _, p := range x.places[keep:] {
		p.seg.live -= int64(p.size)
	}
	x.places = x.places[:keep]
}

// trim forgets entries up to i.
func (x *index) trim(i uint64) {
	if len(x.places) == 0 || i < x.first {
		return
	}
	if i >= x.last() {
		x.clear()
		return
	}
	n := int(i - x.first + 1)
	for _, p := range x.places[:n] {
		p.seg.live -= int64(p.size)
	}
	// A fresh slice, so that what was trimmed gives its memory back.
	x.places = append([]place(nil), x.places[n:]...)
	x.first = i + 1
}

func (x *index) clear() {
	for _, p := range x.places {
		p.seg.live -= int64(p.size)
	}
	x.first, x.places = 0, nil
}
