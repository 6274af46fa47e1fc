package keyspace

import "slices"

// CopySlot returns copies of a slot's entries, in their order, which share nothing that
// can change with them, and the bytes they take.
func (db *DB) CopySlot(slot uint16) (entries []Entry, bytes int) {
	items := db.Slot(slot).items
	if len(items) == 0 {
		return nil, 0
	}
	c := newCopier(items)
	entries = make([]Entry, len(items))
	for i := range items {
		entries[i] = items[i]
		entries[i].SetValue(c.copy(&items[i].Value))
		bytes += entries[i].MemUsage()
	}
	return entries, bytes
}

// copier copies values that are dropped together: what is small among them into
// blocks that they share. An allocation for each would take the writer, who waits for the
// copy, most of its time, and leave as many holes among the data that stays.
type copier struct {
	text   []byte
	hashes []Hash
	zsets  []ZSet
	sets   []Set
}

// newCopier returns a copier for the values of these entries, once each.
func newCopier(items []Entry) *copier {
	var c copier
	text, hashes, zsets, sets := 0, 0, 0, 0
	for i := range items {
		v := &items[i].Value
		switch b := v.block(); {
		case b == nil:
			continue
		case v.kind == KindHash:
			hashes++
			text += len(b)
		case v.kind == KindZSet:
			zsets++
			text += len(b)
		case v.kind == KindSet:
			sets++
			text += len(b)
		default:
			text += len(b)
		}
	}
	c.text = slices.Grow([]byte(nil), text)
	c.hashes, c.zsets, c.sets = make([]Hash, hashes), make([]ZSet, zsets), make([]Set, sets)
	return &c
}

// block returns all of a value that lies in one piece, nil for another one.
func (v *Value) block() []byte {
	switch {
	case v.kind == KindString && v.enc != encInt:
		return v.bytes()
	case v.kind == KindHash:
		return v.Hash().lp()
	case v.kind == KindZSet:
		return v.ZSet().lp()
	case v.kind == KindSet && v.Set().dict == nil:
		return v.Set().ints
	}
	return nil
}

// copy is Clone.
func (c *copier) copy(v *Value) Value {
	b := v.block()
	if b == nil {
		return v.Clone()
	}
	start := len(c.text)
	c.text = append(c.text, b...)
	b = c.text[start:len(c.text):len(c.text)]
	switch v.kind {
	case KindHash:
		h := take(&c.hashes)
		h.setLP(b)
		return NewHashValue(h)
	case KindZSet:
		z := take(&c.zsets)
		z.setLP(b)
		return NewZSetValue(z)
	case KindSet:
		s := take(&c.sets)
		s.ints = b
		return NewSetValue(s)
	}
	s := ownString(b)
	s.enc = v.enc
	return s
}

// take returns the first element, which s then lacks.
func take[E any](s *[]E) *E {
	e := &(*s)[0]
	*s = (*s)[1:]
	return e
}
