package wal

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/store/fault"
)

// Log is one group's log, a raft.LogStore.
type Log struct {
	w     *WAL
	group uint32
}

// Group returns the log of a group.
func (w *WAL) Group(id uint32) *Log { return &Log{w, id} }

// FirstIndex implements raft.LogStore.
func (l *Log) FirstIndex() (uint64, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.indexLocked(l.group).first, nil
}

// LastIndex implements raft.LogStore.
func (l *Log) LastIndex() (uint64, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.indexLocked(l.group).last(), nil
}

// GetLog implements raft.LogStore.
func (l *Log) GetLog(i uint64, out *raft.Log) error {
	l.w.mu.Lock()
	p, ok := l.w.indexLocked(l.group).get(i)
	l.w.mu.Unlock()
	if !ok {
		return raft.ErrLogNotFound
	}
	err := l.w.read(p, l.group, i, out)
	if err != nil {
		// The entry may have been moved or deleted between the two steps, and its
		// file be in use again.
		l.w.mu.Lock()
		again, ok := l.w.indexLocked(l.group).get(i)
		l.w.mu.Unlock()
		if !ok {
			return raft.ErrLogNotFound
		}
		if again != p {
			return l.w.read(again, l.group, i, out)
		}
	}
	return err
}

// Bytes returns the size of the records of entries first to last.
func (l *Log) Bytes(first, last uint64) (sum int64) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	x := l.w.indexLocked(l.group)
	for i := max(first, x.first); i <= last; i++ {
		p, ok := x.get(i)
		if !ok {
			break
		}
		sum += int64(p.size)
	}
	return sum
}

// StoreLog implements raft.LogStore.
func (l *Log) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

// StoreLogs implements raft.LogStore: it returns when the entries are durable.
func (l *Log) StoreLogs(logs []*raft.Log) error {
	return l.w.append(func(b *batch) {
		// A log that begins anew, as after an installed snapshot, says so: a gap
		// alone could also be entries whose copies come later.
		if x := l.w.indexLocked(l.group); len(logs) > 0 && len(x.places) > 0 && logs[0].Index > x.last()+1 {
			b.mark(l.group, kindDrop, 0)
		}
		for _, e := range logs {
			b.add(l.group, kindEntry, e)
		}
	})
}

func (b *batch) add(group uint32, k kind, e *raft.Log) {
	b.changes = append(b.changes, change{group, k, e.Index, int64(len(b.buf)), entrySize(e)})
	b.buf = appendEntry(withRoom(b.buf, entrySize(e)), group, k, e)
}

func (b *batch) mark(group uint32, k kind, index uint64) {
	b.changes = append(b.changes, change{group: group, kind: k, index: index})
	b.buf = appendMark(withRoom(b.buf, recordHead), group, k, index)
}

// DeleteRange implements raft.LogStore for what the library asks: a beginning
// or an end of the log.
func (l *Log) DeleteRange(from, to uint64) error {
	l.w.mu.Lock()
	x := l.w.indexLocked(l.group)
	first, last, err := x.first, x.last(), l.w.err
	l.w.mu.Unlock()
	if err != nil {
		return err
	}
	var k kind
	var at uint64
	switch {
	case first == 0 || to < first || from > last:
		return nil
	case from <= first:
		k, at = kindTrim, min(to, last)
	case to >= last:
		k, at = kindTruncate, from
	default:
		return fmt.Errorf("entries %d to %d are in the middle of the log %d to %d", from, to, first, last)
	}
	if err := l.w.append(func(b *batch) { b.mark(l.group, k, at) }); err != nil {
		return err
	}
	return l.w.release()
}

// Drop deletes everything of a group: its replica has left this node.
func (w *WAL) Drop(group uint32) error {
	if err := w.append(func(b *batch) { b.mark(group, kindDrop, 0) }); err != nil {
		return err
	}
	return w.release()
}

// copyShare is the part of a segment that is worth copying to be rid of it. When
// most of the log is waste behind such a segment, more is.
const copyShare = 8

// worthCopyingLocked reports whether the oldest segment should be emptied.
func (w *WAL) worthCopyingLocked() bool {
	oldest := w.segments[0]
	if len(w.segments) < 4 {
		return false
	}
	var size, live int64
	for _, s := range w.segments {
		size += s.size
		live += s.live
	}
	return oldest.live <= oldest.size/copyShare || size > 4*(live+w.opt.SegmentBytes)
}

// discard deletes a segment's file or keeps it as a spare: a new one would have to
// be filled with zeros first. It gets a salt of its own, so that nothing it holds
// can be taken for a batch any more, and not before its old name is gone from
// the disk: under that it would be a damaged segment.
func (w *WAL) discard(s *segment) error {
	w.mu.Lock()
	spare := ""
	if len(w.spares) < maxSpares && s.size == w.opt.SegmentBytes {
		spare = w.spareNameLocked()
	}
	w.mu.Unlock()
	fault.Point("log: before a segment is given up")
	var err error
	if spare == "" {
		err = w.opt.fs.remove(s.path)
	} else {
		err = w.opt.fs.rename(s.path, spare)
	}
	// The oldest first, on the disk too: a gap between segments is damage.
	if err == nil {
		err = w.opt.fs.syncDir(w.dir)
	}
	fault.Point("log: after a segment is given up")
	if err != nil || spare == "" {
		return err
	}
	fault.Point("log: before a spare gets its salt")
	if _, err := s.file.WriteAt(newHead(s.size), 0); err != nil {
		return err
	}
	if err := datasync(s.file); err != nil {
		return err
	}
	w.mu.Lock()
	w.spares = append(w.spares, spare)
	w.mu.Unlock()
	return nil
}

// release deletes the oldest segments that nobody needs. A few entries of idle
// groups that keep one are copied to the end first; no more than one segment's
// at a time, or a log that is all needed would be copied for ever.
func (w *WAL) release() error {
	w.releasing.Lock()
	defer w.releasing.Unlock()
	err := w.releaseOldest()
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.failLocked(err)
	}
	return nil
}

func (w *WAL) releaseOldest() error {
	for copied := false; ; {
		w.mu.Lock()
		if len(w.segments) < 2 || w.err != nil {
			err := w.err
			w.mu.Unlock()
			return err
		}
		oldest := w.segments[0]
		if oldest.live == 0 {
			synced := w.durable+1 == w.seq
			w.mu.Unlock()
			// What made it dispensable must not be forgotten: a copy of what it held,
			// above all. Marks lie in later batches, or in it: then they go with what
			// they deleted.
			if !synced {
				if err := w.syncNow(); err != nil {
					return err
				}
			}
			w.mu.Lock()
			w.segments = w.segments[1:]
			w.mu.Unlock()
			if err := errors.Join(w.discard(oldest), oldest.close()); err != nil {
				return fmt.Errorf("give up log segment: %w", err)
			}
			continue
		}
		if copied || !w.worthCopyingLocked() {
			w.mu.Unlock()
			return nil
		}
		copied = true
		items := w.itemsLocked(oldest)
		w.mu.Unlock()
		if err := w.copyToEnd(items); err != nil {
			return err
		}
	}
}

// item is an entry that is to be copied.
type item struct {
	group uint32
	at    uint64
	place place
	log   raft.Log
}

// itemsLocked returns the entries in a segment that are needed.
func (w *WAL) itemsLocked(s *segment) (items []item) {
	for id, x := range w.groups {
		for i, p := range x.places {
			if p.seg == s {
				items = append(items, item{group: id, at: x.first + uint64(i), place: p})
			}
		}
	}
	return items
}

func (w *WAL) copyToEnd(items []item) error {
	for i := range items {
		it := &items[i]
		if err := w.read(it.place, it.group, it.at, &it.log); err != nil {
			return err
		}
	}
	return w.append(func(b *batch) {
		for i := range items {
			it := &items[i]
			// Still where it was, and no batch on its way says otherwise.
			if p, ok := w.indexLocked(it.group).get(it.at); ok && p == it.place && !b.changesGroup(it.group) && !w.current.changesGroup(it.group) {
				b.add(it.group, kindCopy, &it.log)
			}
		}
	})
}

// changesGroup reports whether the batch does anything to a group but copy.
func (b *batch) changesGroup(group uint32) bool {
	if b == nil {
		return false
	}
	for i := range b.changes {
		if b.changes[i].group == group && b.changes[i].kind != kindCopy {
			return true
		}
	}
	return false
}
