package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	magic     = "QLOG1\r\n\x00"
	batchHead = 8 + 8 + 4 + 4
	align     = 512
	pageBytes = 4096
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// directFile is a file whose writes go past the page cache.
type directFile interface {
	io.WriterAt
	io.Closer
}

// segment is one file of the log.
type segment struct {
	file   *os.File
	direct directFile // see openDirect; nil: not possible, or nothing is written to it any more
	path   string
	first  uint64 // sequence of its first batch
	size   int64
	end    int64 // where the next batch goes
	live   int64 // bytes of entries in it that are still needed
}

// write writes a batch and, if durable is set, has it on stable storage when it returns.
func (s *segment) write(off int64, b []byte, durable bool) error {
	if durable && s.direct != nil {
		_, err := s.direct.WriteAt(padded(b), off)
		if !errors.Is(err, unix.EINVAL) {
			return err
		}
		// The disk's blocks are larger than ours; nothing was written.
		if err := s.closeDirect(); err != nil {
			return err
		}
	}
	// Up to the end of a page: the kernel would have to read the rest of one that
	// it doesn't hold. What lies there is nothing yet.
	end := off + int64(len(b))
	end = min((end+pageBytes-1)/pageBytes*pageBytes, s.size)
	b, whole := withRoom(b, int(end-off)-len(b)), len(b)
	b = b[:end-off]
	clear(b[whole:])
	if _, err := s.file.WriteAt(b, off); err != nil || !durable {
		return err
	}
	return datasync(s.file)
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

// seal fills in the head of a batch whose records follow it in b.
func seal(b []byte, seq uint64) {
	copy(b, magic)
	binary.LittleEndian.PutUint64(b[8:], seq)
	binary.LittleEndian.PutUint32(b[16:], uint32(len(b)-batchHead))
	binary.LittleEndian.PutUint32(b[20:], checksum(b))
}

func checksum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[8:20], castagnoli), castagnoli, b[batchHead:])
}

// readBatch returns the batch at off, head included, or false if there is no
// valid one.
func (s *segment) readBatch(off int64) (b []byte, seq uint64, ok bool) {
	var head [batchHead]byte
	if off+batchHead > s.size {
		return nil, 0, false
	}
	if _, err := s.file.ReadAt(head[:], off); err != nil || string(head[:8]) != magic {
		return nil, 0, false
	}
	n := int64(binary.LittleEndian.Uint32(head[16:]))
	if off+batchHead+n > s.size {
		return nil, 0, false
	}
	b = make([]byte, batchHead+n)
	if _, err := s.file.ReadAt(b, off); err != nil || checksum(b) != binary.LittleEndian.Uint32(b[20:]) {
		return nil, 0, false
	}
	return b, binary.LittleEndian.Uint64(b[8:]), true
}

// makeFile makes a file of size zero bytes, synced.
func makeFile(path string, size int64) (*os.File, error) {
	f, err := createDirect(path)
	if err == nil {
		// It is for the zeros alone: what is read must come from the page cache's side.
		if err = fillZeros(f, size); err == nil {
			if err = f.Close(); err == nil {
				return os.OpenFile(path, os.O_RDWR, 0)
			}
		} else {
			err = errors.Join(err, f.Close())
		}
		if !errors.Is(err, unix.EINVAL) {
			return nil, fmt.Errorf("make log segment %s: %w", path, err)
		}
	}
	if f, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600); err != nil {
		return nil, err
	}
	if err := fillZeros(f, size); err != nil {
		return nil, errors.Join(fmt.Errorf("make log segment %s: %w", path, err), f.Close())
	}
	return f, nil
}

// fillZeros writes a file of zeros and syncs it.
func fillZeros(f *os.File, size int64) (err error) {
	zeros := withRoom(nil, 1<<20)[:1<<20]
	for off := int64(0); off < size && err == nil; off += int64(len(zeros)) {
		_, err = f.WriteAt(zeros[:min(int64(len(zeros)), size-off)], off)
	}
	if err != nil {
		return err
	}
	return f.Sync()
}

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x.log", first))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
