package wal

import (
	"errors"
	"fmt"
	"os"

	"github.com/hashicorp/raft"
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
	first, last := x.first, x.last()
	l.w.mu.Unlock()
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

// discardLocked deletes a segment's file or, if it can serve as the next
// segment, keeps it for that: a new file would have to be filled with zeros
// first. The batches in it are older than any that will be written, and that is
// how they are told apart.
func (w *WAL) discardLocked(s *segment) error {
	if len(w.spares) >= maxSpares || s.size != w.opt.SegmentBytes {
		return os.Remove(s.path)
	}
	spare := w.spareNameLocked()
	if err := os.Rename(s.path, spare); err != nil {
		return err
	}
	w.spares = append(w.spares, spare)
	return nil
}

// release deletes the oldest segments that nobody needs. A few entries of idle
// groups that keep one are copied to the end first; no more than one segment's
// at a time, or a log that is all needed would be copied for ever.
func (w *WAL) release() error {
	w.releasing.Lock()
	defer w.releasing.Unlock()
	for copied := false; ; {
		w.mu.Lock()
		if len(w.segments) < 2 || w.err != nil {
			err := w.err
			w.mu.Unlock()
			return err
		}
		oldest := w.segments[0]
		if oldest.live == 0 {
			w.segments = w.segments[1:]
			// The marks that made it dispensable are in later batches, or in it: then
			// they go with what they deleted.
			err := w.discardLocked(oldest)
			w.mu.Unlock()
			if err = errors.Join(err, oldest.close()); err != nil {
				return err
			}
			continue
		}
		if copied || !w.worthCopyingLocked() {
			w.mu.Unlock()
			return nil
		}
		copied = true
		type item struct {
			group uint32
			at    uint64
			place place
		}
		var items []item
		for id, x := range w.groups {
			for i, p := range x.places {
				if p.seg == oldest {
					items = append(items, item{id, x.first + uint64(i), p})
				}
			}
		}
		w.mu.Unlock()
		logs := make([]raft.Log, len(items))
		for i, it := range items {
			if err := w.read(it.place, it.group, it.at, &logs[i]); err != nil {
				return err
			}
		}
		err := w.append(func(b *batch) {
			for i, it := range items {
				// Still where it was, and no batch on its way says otherwise.
				if p, ok := w.indexLocked(it.group).get(it.at); ok && p == it.place && !b.changesGroup(it.group) && !w.current.changesGroup(it.group) {
					b.add(it.group, kindCopy, &logs[i])
				}
			}
		})
		if err != nil {
			return err
		}
	}
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
