package wal

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/quorate/quorate/store/fault"
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

// Exists reports whether there is a log in dir: one that has been opened never has
// no segment.
func Exists(dir string) bool {
	names, _ := osFiles{}.list(dir)
	return slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, segmentSuffix) })
}

// load reads all segments and rebuilds the indexes.
func (w *WAL) load() error {
	names, err := w.opt.fs.list(w.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		text, ok := strings.CutSuffix(name, segmentSuffix)
		if !ok {
			continue
		}
		first, err := strconv.ParseUint(text, 16, 64)
		if err != nil || first == 0 || segmentPath("", first) != name {
			return fmt.Errorf("unknown file %s in the log's directory", name)
		}
		s, err := openSegment(w.opt.fs, filepath.Join(w.dir, name), first)
		if err != nil {
			return err
		}
		w.segments = append(w.segments, s)
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
			return fmt.Errorf("the log in %s is damaged: group %d: %w", w.dir, id, err)
		}
		w.groups[id] = done
	}
	w.replay = nil
	w.durable = w.seq - 1
	if last := len(w.segments) - 1; last >= 0 && !w.look {
		// Only now, when all the rest is as it should be.
		return w.segments[last].wipe()
	}
	return nil
}

// loadSegment reads the batches of a segment up to the first invalid one. Behind
// that no valid one may follow that knew it to be on stable storage: in the last
// segment the end is the torn one of a crash, elsewhere just the room that was left.
func (w *WAL) loadSegment(s *segment, newest bool) error {
	if err := s.fromDisk(); err != nil {
		return err
	}
	off := s.end
	for {
		b, h, err := s.readBatch(off)
		if err != nil {
			return err
		}
		if b == nil || h.seq != w.seq {
			break
		}
		if err := w.loadBatch(s, off, b[batchHead:]); err != nil {
			return &DamageError{s.path, off, err.Error()}
		}
		w.seq++
		off = aligned(off + int64(len(b)))
	}
	s.end = off
	return s.search(func(at int64, b []byte, h head) error {
		if newest && h.seq > w.seq && h.durable < w.seq {
			return nil // neither was synced: only one of them has reached the disk
		}
		return &DamageError{s.path, off, fmt.Sprintf("batch %d is invalid, but batch %d (%d bytes) follows it at %d", w.seq, h.seq, len(b), at)}
	})
}

// searchChunk is how much is read at once behind the end.
const searchChunk = 64 << 10

// search calls found for each valid batch at or behind the end.
func (s *segment) search(found func(at int64, b []byte, h head) error) error {
	return s.eachChunk(func(at int64, chunk []byte) error {
		for i := 0; i+8 <= len(chunk); i += align {
			if binary.LittleEndian.Uint64(chunk[i:]) != s.salt {
				continue
			}
			b, h, err := s.readBatch(at + int64(i))
			if err == nil && b != nil {
				err = found(at+int64(i), b, h)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// eachChunk reads what is behind the end.
func (s *segment) eachChunk(do func(at int64, chunk []byte) error) error {
	chunk := make([]byte, min(searchChunk, max(s.size-s.end, 0)))
	for at := s.end; at < s.size; at += int64(len(chunk)) {
		part := chunk[:min(int64(len(chunk)), s.size-at)]
		if _, err := s.file.ReadAt(part, at); err != nil {
			return s.unreadable(at, err)
		}
		if err := do(at, part); err != nil {
			return err
		}
	}
	return nil
}

// wipe zeroes what a crash left behind the end, so that half a batch can never
// be taken for the continuation of another one.
func (s *segment) wipe() error {
	fault.Point("log: before a torn end is wiped")
	dirty := false
	err := s.eachChunk(func(at int64, chunk []byte) error {
		for _, c := range chunk {
			if c != 0 {
				clear(chunk)
				dirty = true
				_, err := s.file.WriteAt(chunk, at)
				return err
			}
		}
		return nil
	})
	if err == nil && dirty {
		err = datasync(s.file)
	}
	return err
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
	if h.last < from {
		return
	}
	if h.last-from < uint64(len(h.places)) {
		for i := from; i <= h.last; i++ {
			delete(h.places, i)
		}
	} else {
		for i := range h.places {
			if i >= from {
				delete(h.places, i)
			}
		}
	}
	if h.last = from - 1; len(h.places) == 0 {
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
