package rdb

import (
	"errors"
	"fmt"
)

// The causes inside an Error.
var (
	// ErrFormat: the bytes are not RDB, or a value in them is not sound.
	ErrFormat = errors.New("malformed RDB")
	// ErrUnsupported: the data is of a kind that this version can't hold.
	ErrUnsupported = errors.New("unsupported in RDB")
	// ErrChecksum: the bytes are not those that were written.
	ErrChecksum = errors.New("wrong RDB checksum")
	// ErrEmptyKey: a collection without elements, which old versions of Redis
	// could write. The decoder stands behind it and can go on.
	ErrEmptyKey = errors.New("key with an empty value in RDB")
)

// Error tells where in the input a problem was found.
type Error struct {
	Offset int64 // bytes read so far
	Err    error // wraps a cause of this package, io.ErrUnexpectedEOF or the reader's error
}

func (e *Error) Error() string { return fmt.Sprintf("at byte %d: %v", e.Offset, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// malformed returns an ErrFormat with details.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrFormat, fmt.Errorf(format, args...))
}
