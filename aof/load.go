package aof

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Loader is who takes what the files say.
type Loader interface {
	// RDB takes a base that is an RDB file.
	RDB(r io.Reader) error
	// Command takes a command, in order, which is its own.
	Command(args [][]byte) error
	// End says that a file has ended: a transaction that is open there was never
	// finished. It reports whether one was, and forgets it.
	End() (unfinished bool)
}

// Load hands everything that a manifest names to a loader. truncated says that the
// last file may end in the middle of a command or a transaction, which is left out:
// warn is told. Errors have Redis's texts.
func (d Dir) Load(m *Manifest, l Loader, truncated bool, warn func(text string)) error {
	files := m.Files()
	for i, f := range files {
		at, err := d.loadFile(f.Name, l)
		short := errors.Is(err, ErrTruncated)
		switch {
		case err == nil:
		case short && i < len(files)-1:
			return fmt.Errorf("Unexpected end of file reading the append only file %s at offset %d: the truncated file is not the last file", d.file(f.Name), at)
		case short && truncated:
			warn(fmt.Sprintf("AOF %s loaded anyway because aof-load-truncated is enabled: what is behind offset %d is left out", f.Name, at))
		case short:
			return fmt.Errorf("Unexpected end of file reading the append only file %s at offset %d. You can: "+
				"1) Make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>. "+
				"2) Alternatively you can set the 'aof-load-truncated' configuration option to yes and restart the server.", d.file(f.Name), at)
		case errors.Is(err, ErrFormat):
			return fmt.Errorf("Bad file format reading the append only file %s at offset %d: make a backup of your AOF file, "+
				"then use ./redis-check-aof --fix <filename.manifest>", d.file(f.Name), at)
		case errors.As(err, &refusal{}):
			return fmt.Errorf("%w reading the append only file %s at offset %d", err, d.file(f.Name), at)
		default:
			return fmt.Errorf("Unrecoverable error reading the append only file %s at offset %d: %w", d.file(f.Name), at, err)
		}
	}
	return nil
}

// loadFile returns how far the file was loaded.
func (d Dir) loadFile(name string, l Loader) (at int64, err error) {
	f, err := os.Open(d.file(name))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<20)
	if head, _ := in.Peek(5); string(head) == "REDIS" {
		if err := l.RDB(in); err != nil {
			return 0, fmt.Errorf("Error reading the RDB preamble: %w", err)
		}
		return 0, nil
	}
	r := NewReader(in)
	begun, open := int64(0), false // a transaction, and where
	for {
		before := r.Offset()
		args, err := r.Next()
		if errors.Is(err, io.EOF) {
			if l.End() {
				return begun, ErrTruncated
			}
			return r.Offset(), nil
		}
		if err != nil {
			if l.End() {
				before = begun
			}
			return before, err
		}
		switch {
		case strings.EqualFold(string(args[0]), "MULTI") && !open:
			begun, open = before, true
		case strings.EqualFold(string(args[0]), "EXEC"):
			open = false
		}
		if err := l.Command(args); err != nil {
			return before, refusal{err}
		}
	}
}

// refusal is what a loader says of a command.
type refusal struct{ error }

// Unwrap implements the interface of package errors.
func (r refusal) Unwrap() error { return r.error }
