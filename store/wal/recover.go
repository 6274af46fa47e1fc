package wal

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// DamageError says that the log can't be trusted: something in its middle is
// not what was written. Nothing was changed.
type DamageError struct {
	File   string
	Offset int64
	What   string
}

// Error implements error.
func (e *DamageError) Error() string {
	return fmt.Sprintf("the log is damaged at %s, offset %d: %s", e.File, e.Offset, e.What)
}

// load reads all segments and rebuilds the indexes.
func (w *WAL) load() error {
	names, err := os.ReadDir(w.dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		text, ok := strings.CutSuffix(n.Name(), ".log")
		if !ok {
			continue
		}
		first, err := strconv.ParseUint(text, 16, 64)
		if err != nil {
			return fmt.Errorf("unknown file %s in the log's directory", n.Name())
		}
		path := filepath.Join(w.dir, n.Name())
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		st, err := f.Stat()
		if err != nil {
			return err
		}
		w.segments = append(w.segments, &segment{file: f, path: path, first: first, size: st.Size()})
	}
	sort.Slice(w.segments, func(i, j int) bool { return w.segments[i].first < w.segments[j].first })
	for i, s := range w.segments {
		if i == 0 {
			w.seq = s.first
		} else if s.first != w.seq {
			return &DamageError{s.path, 0, fmt.Sprintf("batches %d to %d are missing before it", w.seq, s.first-1)}
		}
		if err := w.loadSegment(s, i == len(w.segments)-1); err != nil {
			return err
		}
	}
	for id, x := range w.replay {
		done, err := x.finish()
		if err != nil {
			return fmt.Errorf("log of group %d: %w", id, err)
		}
		w.groups[id] = done
	}
	w.replay = nil
	return nil
}

// loadSegment reads the batches of a segment up to the first invalid one. Behind
// that nothing valid may follow: in the last segment it is the torn end of a
// crash, elsewhere just the room that was left.
func (w *WAL) loadSegment(s *segment, newest bool) error {
	off := int64(0)
	for {
		b, seq, ok := s.readBatch(off)
		if !ok || seq != w.seq {
			break
		}
		if err := w.loadBatch(s, off, b[batchHead:]); err != nil {
			return &DamageError{s.path, off, err.Error()}
		}
		w.seq++
		off = aligned(off + int64(len(b)))
	}
	for at := off + align; at < s.size; at += align {
		if b, seq, ok := s.readBatch(at); ok && seq > w.seq {
			return &DamageError{s.path, off, fmt.Sprintf("batch %d is invalid, but batch %d (%d bytes) follows it at %d", w.seq, seq, len(b), at)}
		}
	}
	s.end = off
	if newest {
		return w.wipe(s, off)
	}
	return nil
}

// wipe zeroes what a crash left behind the end, so that half a batch can never
// be taken for the continuation of another one.
func (w *WAL) wipe(s *segment, off int64) error {
	chunk := make([]byte, 64<<10)
	dirty := false
	for at := off; at < s.size; at += int64(len(chunk)) {
		n := min(int64(len(chunk)), s.size-at)
		if _, err := s.file.ReadAt(chunk[:n], at); err != nil {
			return err
		}
		for _, c := range chunk[:n] {
			if c != 0 {
				clear(chunk)
				dirty = true
				if _, err := s.file.WriteAt(chunk[:n], at); err != nil {
					return err
				}
				break
			}
		}
	}
	if dirty {
		return s.file.Sync()
	}
	return nil
}

func (w *WAL) loadBatch(s *segment, off int64, records []byte) error {
	at := off + batchHead
	for len(records) > 0 {
		r, err := parseRecord(records)
		if err != nil {
			return err
		}
		x := w.replay[r.group]
		if x == nil {
			x = &history{places: map[uint64]place{}}
			w.replay[r.group] = x
		}
		x.apply(r, place{s, at, r.size})
		at += int64(r.size)
		records = records[r.size:]
	}
	return nil
}

// history is a group's index while it is rebuilt. It can have gaps: an entry
// whose segment is gone comes as a copy, after younger ones.
type history struct {
	places map[uint64]place
	last   uint64
}

func (h *history) apply(r record, p place) {
	switch r.kind {
	case kindEntry:
		h.truncate(r.index)
		h.places[r.index], h.last = p, r.index
	case kindCopy:
		h.places[r.index] = p
		h.last = max(h.last, r.index)
	case kindTruncate:
		h.truncate(r.index)
	case kindTrim:
		for i := range h.places {
			if i <= r.index {
				delete(h.places, i)
			}
		}
		if len(h.places) == 0 {
			h.last = 0
		}
	case kindDrop:
		clear(h.places)
		h.last = 0
	}
}

func (h *history) truncate(from uint64) {
	for ; h.last >= from && h.last > 0; h.last-- {
		delete(h.places, h.last)
	}
	if len(h.places) == 0 {
		h.last = 0
	}
}

// finish turns the history into an index, which must have no gap.
func (h *history) finish() (*index, error) {
	x := &index{}
	if len(h.places) == 0 {
		return x, nil
	}
	first := h.last
	for i := range h.places {
		first = min(first, i)
	}
	if n := h.last - first + 1; n != uint64(len(h.places)) {
		return nil, fmt.Errorf("entries %d to %d should be there, but only %d are", first, h.last, len(h.places))
	}
	for i := first; i <= h.last; i++ {
		x.put(i, h.places[i])
	}
	return x, nil
}
