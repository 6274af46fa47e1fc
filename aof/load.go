package aof

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Loader is who takes what the files say.
type Loader interface {
	// RDB takes an RDB file, with which a base may begin, and returns how many bytes it
	// has: r may give more.
	RDB(r io.Reader) (int64, error)
	// Command takes a command, in order, which is its own.
	Command(args [][]byte) error
	// End says that a file has ended: a transaction that is open there was never
	// finished. It reports whether one was, and forgets it.
	End() (unfinished bool)
}

// Log is told what is being read.
type Log interface {
	Info(text string, pairs ...any)
	Warn(text string, pairs ...any)
}

// Load hands everything that a manifest names to a loader. truncated says that the
// last file may end in the middle of a command or a transaction, which is left out.
// Errors and what goes into the log have Redis's texts.
func (d Dir) Load(m *Manifest, l Loader, truncated bool, log Log) error {
	files := m.Files()
	for i, f := range files {
		start := time.Now()
		at, err := d.loadFile(f.Name, l, log)
		short := errors.Is(err, ErrTruncated)
		switch {
		case err == nil:
			logLoaded(log, f, start)
		case errors.Is(err, errEmpty):
		case short && i < len(files)-1:
			return fmt.Errorf("Unexpected end of file reading the append only file %s at offset %d: the truncated file is not the last file", d.file(f.Name), at)
		case short && truncated:
			log.Warn(fmt.Sprintf("!!! Warning: short read while loading the AOF file %s!!!", f.Name))
			log.Warn(fmt.Sprintf("AOF %s loaded anyway because aof-load-truncated is enabled: what is behind offset %d is left out", f.Name, at))
			logLoaded(log, f, start)
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

func logLoaded(log Log, f File, start time.Time) {
	kind := "incr"
	if f.Kind == Base {
		kind = "base"
	}
	log.Info(fmt.Sprintf("DB loaded from %s file %s: %.3f seconds", kind, f.Name, time.Since(start).Seconds()))
}

// errEmpty is returned by loadFile for a file without a byte.
var errEmpty = errors.New("the file is empty")

// loadFile returns how far the file was loaded.
func (d Dir) loadFile(name string, l Loader, log Log) (at int64, err error) {
	f, err := os.Open(d.file(name))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<20)
	r := NewReader(in)
	if _, err := in.Peek(1); errors.Is(err, io.EOF) {
		return 0, errEmpty
	}
	if head, _ := in.Peek(5); string(head) == "REDIS" {
		what, old := "RDB base file", name == d.Name // of Redis 6 and older
		if old {
			what = "RDB preamble of the AOF file"
			log.Info("Reading RDB preamble from AOF file...")
		} else {
			log.Info("Reading RDB base file on AOF loading...")
		}
		n, err := l.RDB(in)
		if err == nil {
			_, err = f.Seek(n, io.SeekStart)
		}
		if err != nil {
			return 0, fmt.Errorf("Error reading the %s %s, AOF loading aborted: %w", what, name, err)
		}
		if old {
			log.Info("Reading the remaining AOF tail...")
		}
		in.Reset(f)
		r.offset, r.whole = n, n
	}
	begun, open := int64(0), false // a transaction, and where
	for {
		before := r.Offset()
		args, err := r.Next()
		if errors.Is(err, io.EOF) {
			if l.End() {
				log.Warn("Revert incomplete MULTI/EXEC transaction in AOF file " + name)
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
