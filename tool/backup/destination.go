package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// destination is where a backup goes. Nothing of it is there under its name before
// Commit has returned; a crash before leaves at most something aside.
type destination interface {
	// Create begins an object of the backup, or begins it anew. Different objects
	// may be written at the same time. What was written is durable when Close
	// has returned.
	Create(name string) (io.WriteCloser, error)
	// Commit makes the objects that were closed the backup.
	Commit() error
	// Abort leaves nothing. It does nothing after Commit.
	Abort() error
}

// Single reports whether a path names a backup in one file.
func Single(path string) bool { return strings.HasSuffix(path, ".rdb") }

// local is a destination in a file system: a directory, or the one object "".
type local struct {
	path, aside string
	force, done bool
}

var errExists = errors.New("is there already; --force replaces it")

// openLocal begins a backup at path, where nothing may be unless force is set.
func openLocal(path string, force bool) (*local, error) {
	path = filepath.Clean(path)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) && !force {
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s %w", path, errExists)
	}
	d := &local{path: path, force: force}
	dir, pattern := filepath.Dir(path), "."+filepath.Base(path)+".partial-*"
	if !Single(path) {
		var err error
		d.aside, err = os.MkdirTemp(dir, pattern)
		return d, err
	}
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	d.aside = f.Name()
	return d, f.Close()
}

// object is a file that is synced when it is closed.
type object struct{ *os.File }

func (o object) Close() error { return errors.Join(o.Sync(), o.File.Close()) }

func (d *local) Create(name string) (io.WriteCloser, error) {
	f, err := os.OpenFile(filepath.Join(d.aside, name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return object{f}, nil
}

func (d *local) Commit() error {
	if !Single(d.path) {
		if err := syncDir(d.aside); err != nil {
			return err
		}
	}
	if err := d.rename(); err != nil {
		return err
	}
	d.done = true
	return syncDir(filepath.Dir(d.path))
}

// rename puts the backup in its place. One that has come there meanwhile stays,
// unless it is to be replaced.
func (d *local) rename() error {
	switch {
	case d.force && Single(d.path):
		return os.Rename(d.aside, d.path)
	case d.force:
		old := d.aside + ".old"
		if err := os.Rename(d.path, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Rename(d.aside, d.path); err != nil {
			return err
		}
		return os.RemoveAll(old)
	case Single(d.path):
		// A link, unlike a rename, doesn't replace. Some file systems have none.
		if err := os.Link(d.aside, d.path); err == nil || errors.Is(err, fs.ErrExist) {
			return errors.Join(err, os.Remove(d.aside))
		}
		if _, err := os.Lstat(d.path); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s %w", d.path, errExists)
		}
	}
	return os.Rename(d.aside, d.path) // fails where a directory is that isn't empty
}

func (d *local) Abort() error {
	if d.done {
		return nil
	}
	return os.RemoveAll(d.aside)
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
