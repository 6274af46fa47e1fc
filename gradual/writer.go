// Package gradual writes large files bit by bit. What is synced only at the end goes to
// the disk in one flood, and everybody else's syncs wait behind it.
package gradual

import "os"

// Bytes is how much goes to the disk at once: some milliseconds of a slow one.
const Bytes = 1 << 20

// Writer writes to a file and has the system bring that to the disk bit by bit. Nothing is on
// stable storage before the file is synced. Not safe for concurrent use.
type Writer struct {
	f     *os.File
	dirty int
}

// NewWriter returns a writer to f.
func NewWriter(f *os.File) *Writer { return &Writer{f: f} }

// Write implements io.Writer. An error of the disk is one of the write.
func (w *Writer) Write(b []byte) (int, error) {
	n, err := w.f.Write(b)
	if err == nil {
		err = w.Wrote(n)
	}
	return n, err
}

// Wrote notes that somebody else has written n bytes to the file.
func (w *Writer) Wrote(n int) error {
	if w.dirty += n; w.dirty < Bytes {
		return nil
	}
	w.dirty = 0
	return flush(w.f)
}
