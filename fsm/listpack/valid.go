package listpack

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrCorrupt is returned, with details, for bytes that are not a listpack.
var ErrCorrupt = errors.New("corrupt listpack")

// Valid checks that b is a listpack all of whose entries can be read in both
// directions. Bytes from outside become an LP only after it. Integers and
// strings that are stored less compactly than they could be are accepted, as
// Redis does.
func Valid(b []byte) error {
	if len(b) < headerSize+1 {
		return fmt.Errorf("%w: %d bytes", ErrCorrupt, len(b))
	}
	if total := binary.LittleEndian.Uint32(b); uint64(total) != uint64(len(b)) {
		return fmt.Errorf("%w: header says %d bytes, there are %d", ErrCorrupt, total, len(b))
	}
	end := len(b) - 1
	if b[end] != endMark {
		return fmt.Errorf("%w: no end mark", ErrCorrupt)
	}
	count := 0
	for p := headerSize; p < end; count++ {
		size, err := checkEntry(b[p:end])
		if err != nil {
			return fmt.Errorf("%w: entry at offset %d: %w", ErrCorrupt, p, err)
		}
		p += size
	}
	if want := LP(b).count(); want != unknownCount && want != count {
		return fmt.Errorf("%w: header says %d elements, there are %d", ErrCorrupt, want, count)
	}
	return nil
}

var (
	errEncoding  = errors.New("unknown encoding")
	errTruncated = errors.New("truncated")
	errBacklen   = errors.New("wrong back length")
)

// checkEntry returns the size of the entry that b, which is not empty, starts
// with.
func checkEntry(b []byte) (int, error) {
	if b[0] > 0xF4 {
		return 0, errEncoding
	}
	if b[0] >= 0xE0 && b[0] < 0xF0 && len(b) < 2 || b[0] == 0xF0 && len(b) < 5 {
		return 0, errTruncated
	}
	n := LP(b).encodedSize(0)
	backlen := backlenSize(n)
	if n > len(b)-backlen {
		return 0, errTruncated
	}
	var want [5]byte
	putBacklen(want[:], n)
	if string(want[:backlen]) != string(b[n:n+backlen]) {
		return 0, errBacklen
	}
	return n + backlen, nil
}
