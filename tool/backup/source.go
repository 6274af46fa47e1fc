package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
)

// source is a backup, or an RDB file of whatever server.
type source struct {
	path     string
	manifest *Manifest // of a directory at once, of one file when it was read to its end; nil: it is no backup
	dir      bool
	size     int64 // of all files
}

func openSource(path string) (*source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	s := &source{path: path, dir: info.IsDir(), size: info.Size()}
	if !s.dir {
		return s, nil
	}
	text, err := os.ReadFile(filepath.Join(path, manifestName))
	if err != nil {
		return nil, fmt.Errorf("%s is no backup: %w", path, err)
	}
	if s.manifest, err = parseManifest(text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.size = s.manifest.Bytes
	return s, nil
}

// visitor is shown a record and how many bytes it has at least.
type visitor func(rec *rdb.Record, size int64) error

// nothing is a visitor for whom it is enough that everything is checked.
func nothing(*rdb.Record, int64) error { return nil }

// Contents is what was found in a source.
type Contents struct {
	Keys, Expires int64
	ByType        map[string]int64
	Databases     []int // that have keys, in their order
	Libraries     []string
}

// read passes on every record of the source, each with its value decoded and checked.
// Only when it returns nil has everything been what the manifest and the checksums say.
func (s *source) read(ctx context.Context, show *progress, visit visitor) (*Contents, error) {
	c := &Contents{ByType: map[string]int64{}}
	if !s.dir {
		if err := s.readFile(ctx, s.path, nil, show, c, visit); err != nil {
			return nil, err
		}
	} else {
		for i := range s.manifest.Groups {
			p := &s.manifest.Groups[i]
			if p.File != filepath.Base(p.File) {
				return nil, fmt.Errorf("%s: %w: file %.80q", s.path, errManifest, p.File)
			}
			if err := s.readFile(ctx, filepath.Join(s.path, p.File), p, show, c, visit); err != nil {
				return nil, err
			}
		}
	}
	if m := s.manifest; m != nil && (m.Keys != c.Keys || m.Expires != c.Expires) {
		return nil, fmt.Errorf("%s: %d keys and %d that expire, the manifest says %d and %d", s.path, c.Keys, c.Expires, m.Keys, m.Expires)
	}
	slices.Sort(c.Databases)
	return c, nil
}

// readFile reads one file, which is p's if that isn't nil.
func (s *source) readFile(ctx context.Context, path string, p *Part, show *progress, c *Contents, visit visitor) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && p != nil && info.Size() != p.Bytes {
		return fmt.Errorf("%s has %d bytes, the manifest says %d", path, info.Size(), p.Bytes)
	}
	sum := sha256.New()
	d := rdb.NewDecoder(io.TeeReader(bufio.NewReaderSize(f, 1<<20), io.MultiWriter(sum, counted{show})))
	limits := keyspace.DefaultLimits()
	d.Limits = &limits
	for {
		before := d.Offset()
		rec, err := d.Next()
		switch {
		case errors.Is(err, io.EOF):
			if p != nil && sumText(sum) != p.SHA256 {
				return fmt.Errorf("%s is not what the manifest says: another SHA-256", path)
			}
			return s.mustHaveSum(f)
		case errors.Is(err, rdb.ErrEmptyKey) && p == nil:
			continue // an old bug of Redis; it ignores such keys as well
		case err != nil:
			return fmt.Errorf("%s: %w", path, err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if err := s.record(&rec, p, c); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		size := d.Offset() - before
		if rec.Kind == rdb.KeyValue && rec.Value.Kind() == keyspace.KindString {
			size = max(size, int64(rec.Value.StrLen())) // it may have been compressed
		}
		if err := visit(&rec, size); err != nil {
			return err
		}
	}
}

// mustHaveSum refuses a backup without a checksum, which Redis can be told to leave
// out and the decoder lets pass.
func (s *source) mustHaveSum(f *os.File) error {
	if s.dir || s.manifest == nil {
		return nil
	}
	var sum [8]byte
	info, err := f.Stat()
	if err == nil {
		_, err = f.ReadAt(sum[:], info.Size()-8)
	}
	if err == nil && sum == [8]byte{} {
		err = fmt.Errorf("%s: %w: there is none", f.Name(), rdb.ErrChecksum)
	}
	return err
}

// record counts a record.
func (s *source) record(rec *rdb.Record, p *Part, c *Contents) (err error) {
	switch rec.Kind {
	case rdb.AuxField:
		if p == nil && string(rec.Name) == auxManifest {
			s.manifest, err = parseManifest(rec.Text)
		}
	case rdb.FunctionLibrary:
		name := libraryName(string(rec.Text))
		if !slices.ContainsFunc(c.Libraries, func(code string) bool { return libraryName(code) == name }) {
			c.Libraries = append(c.Libraries, string(rec.Text))
		}
	case rdb.KeyValue:
		c.Keys++
		if rec.ExpireAt != 0 {
			c.Expires++
		}
		c.ByType[rec.Value.Kind().String()]++
		if !slices.Contains(c.Databases, rec.DB) {
			c.Databases = append(c.Databases, rec.DB)
		}
	}
	return err
}
