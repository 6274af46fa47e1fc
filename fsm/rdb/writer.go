package rdb

import (
	"encoding/binary"
	"io"
)

// Writer passes the pieces of a file on and sums them up.
type Writer struct {
	// NoChecksum leaves the checksum out: it is zero then, which readers take for
	// none.
	NoChecksum bool

	w   io.Writer
	crc uint64
	n   int64
}

// NewWriter returns a Writer for one file. It doesn't buffer: give it pieces of
// some size.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write writes a piece of the file that an Encoder has built.
func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if !w.NoChecksum {
		w.crc = CRC64(w.crc, p[:n])
	}
	w.n += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}

// Finish writes the end of the file and its checksum. The Writer under it is
// not closed.
func (w *Writer) Finish() error {
	if _, err := w.Write([]byte{opEOF}); err != nil {
		return err
	}
	_, err := w.Write(binary.LittleEndian.AppendUint64(nil, w.crc))
	return err
}

// Written returns the number of bytes written.
func (w *Writer) Written() int64 { return w.n }
