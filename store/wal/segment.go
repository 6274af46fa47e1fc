package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	magic       = "QLOG2\r\n\x00"
	magicBefore = "QLOG1\r\n\x00" // had no salt
	segmentHead = align           // of which headUsed bytes are used
	headUsed    = 8 + 8 + 8 + 4
	batchHead   = 8 + 8 + 8 + 8 + 4
	align       = 512
	pageBytes   = 4096
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segment is one file of the log.
type segment struct {
	file   file
	direct directFile // see openDirect; nil: not possible, or nothing is written to it any more
	path   string
	salt   uint64
	first  uint64 // sequence of its first batch
	size   int64
	end    int64 // where the next batch goes
	live   int64 // bytes of entries in it that are still needed
}

// write writes a batch, past the page cache if direct is set and that is
// possible; then it is on stable storage when write returns.
func (s *segment) write(off int64, b []byte, direct bool) (durable bool, err error) {
	if direct && s.direct != nil {
		_, err := s.direct.WriteAt(padded(b), off)
		if !errors.Is(err, unix.EINVAL) {
			return true, err
		}
		// The disk's blocks are larger than ours; nothing was written.
		if err := s.closeDirect(); err != nil {
			return false, err
		}
	}
	// Up to the end of a page: the kernel would have to read the rest of one that
	// it doesn't hold. What lies there is nothing yet.
	end := off + int64(len(b))
	end = min((end+pageBytes-1)/pageBytes*pageBytes, s.size)
	b, whole := withRoom(b, int(end-off)-len(b)), len(b)
	b = b[:end-off]
	clear(b[whole:])
	_, err = s.file.WriteAt(b, off)
	return false, err
}

func (s *segment) closeDirect() error {
	if s.direct == nil {
		return nil
	}
	err := s.direct.Close()
	s.direct = nil
	return err
}

func (s *segment) close() error { return errors.Join(s.closeDirect(), s.file.Close()) }

// aligned rounds up to where a batch may begin.
func aligned(n int64) int64 { return (n + align - 1) / align * align }

// head is what stands before the records of a batch.
type head struct {
	seq     uint64
	durable uint64 // the newest batch that was on stable storage when this one was written
	length  int64  // of the records
}

// seal fills in the head of a batch whose records follow it in b.
func seal(b []byte, salt, seq, durable uint64) {
	binary.LittleEndian.PutUint64(b, salt)
	binary.LittleEndian.PutUint64(b[8:], seq)
	binary.LittleEndian.PutUint64(b[16:], durable)
	binary.LittleEndian.PutUint64(b[24:], uint64(len(b)-batchHead))
	binary.LittleEndian.PutUint32(b[32:], checksum(b))
}

func checksum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:32], castagnoli), castagnoli, b[batchHead:])
}

// readBatch returns the batch at off, head included, or nil if there is no valid one.
func (s *segment) readBatch(off int64) (b []byte, h head, err error) {
	if off+batchHead > s.size {
		return nil, h, nil
	}
	var raw [batchHead]byte
	if _, err := s.file.ReadAt(raw[:], off); err != nil {
		return nil, h, s.unreadable(off, err)
	}
	n := binary.LittleEndian.Uint64(raw[24:])
	if binary.LittleEndian.Uint64(raw[:]) != s.salt || n > uint64(s.size-off-batchHead) {
		return nil, h, nil
	}
	b = make([]byte, batchHead+n)
	if _, err := s.file.ReadAt(b, off); err != nil {
		return nil, h, s.unreadable(off, err)
	}
	if checksum(b) != binary.LittleEndian.Uint32(b[32:]) {
		return nil, h, nil
	}
	return b, head{binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]), int64(n)}, nil
}

// unreadable is the error of a disk that doesn't give back what it took: it must
// never look like the end of the log.
func (s *segment) unreadable(off int64, err error) error {
	return fmt.Errorf("read the log at %s, offset %d: %w", s.path, off, err)
}

// newHead returns the first sector of a segment, with a salt of its own.
func newHead(size int64) []byte {
	b := withRoom(nil, segmentHead)[:segmentHead]
	clear(b)
	copy(b, magic)
	_, _ = rand.Read(b[8:16]) // never fails (crypto/rand)
	binary.LittleEndian.PutUint64(b[16:], uint64(size))
	binary.LittleEndian.PutUint32(b[24:], crc32.Checksum(b[:24], castagnoli))
	return b
}

// openSegment opens a segment and reads its head, which was on stable storage
// before the file got its name.
func openSegment(fs fileSystem, path string, first uint64) (*segment, error) {
	f, err := fs.open(path)
	if err != nil {
		return nil, err
	}
	s := &segment{file: f, path: path, first: first, end: segmentHead}
	if err := s.readHead(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// fromDisk makes sure that what is read from the segment is on stable storage.
// What a process that was killed has left unsynced is synced: from here on it
// counts as part of this node's log. What a failed sync has left in the page
// cache alone is forgotten.
func (s *segment) fromDisk() error {
	if err := errors.Join(s.file.Datasync(), s.file.Forget()); err != nil {
		return fmt.Errorf("sync the log at %s: %w", s.path, err)
	}
	return nil
}

func (s *segment) readHead() (err error) {
	if s.size, err = s.file.Size(); err != nil {
		return err
	}
	b := make([]byte, min(s.size, headUsed))
	if _, err := s.file.ReadAt(b, 0); err != nil {
		return s.unreadable(0, err)
	}
	switch {
	case strings.HasPrefix(string(b), magicBefore):
		return fmt.Errorf("%s was written by an earlier version, whose log this one doesn't read: "+
			"start that version, or wipe the data directory to come back as a new node", s.path)
	case len(b) < headUsed || string(b[:8]) != magic || crc32.Checksum(b[:24], castagnoli) != binary.LittleEndian.Uint32(b[24:]):
		return &DamageError{s.path, 0, "the segment's head is invalid"}
	}
	if made := binary.LittleEndian.Uint64(b[16:]); made != uint64(s.size) || s.size < segmentHead {
		return &DamageError{s.path, 0, fmt.Sprintf("the segment has %d bytes and was made with %d", s.size, made)}
	}
	s.salt = binary.LittleEndian.Uint64(b[8:])
	return nil
}

// makeFile makes a segment of size bytes, zeros behind its head, synced. If that
// fails nothing stays of it.
func makeFile(fs fileSystem, path string, size int64) error {
	err := fillNew(fs, path, size, true)
	if errors.Is(err, unix.EINVAL) {
		err = fillNew(fs, path, size, false)
	}
	if err != nil {
		return fmt.Errorf("make log segment %s: %w", path, err)
	}
	return nil
}

// fillNew makes the file through or past the page cache.
func fillNew(fs fileSystem, path string, size int64, direct bool) error {
	f, err := fs.create(path, direct)
	if err != nil {
		if direct { // some file systems notice only when the file is there
			_ = fs.remove(path)
		}
		return err
	}
	content := withRoom(nil, int(min(size, 1<<20)))
	content = content[:min(size, 1<<20)]
	copy(content, newHead(size))
	for off := int64(0); off < size && err == nil; off += int64(len(content)) {
		_, err = f.WriteAt(content[:min(int64(len(content)), size-off)], off)
		clear(content[:segmentHead])
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		err = errors.Join(err, fs.remove(path))
	}
	return err
}

const segmentSuffix = ".log"

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x", first)+segmentSuffix)
}

func parent(dir string) string { return filepath.Dir(filepath.Clean(dir)) }
