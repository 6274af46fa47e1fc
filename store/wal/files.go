package wal

import (
	"errors"
	"io"
	"os"
)

// fileSystem is what the log needs of one. Tests have one that forgets at a
// crash what was not synced.
type fileSystem interface {
	mkdir(dir string) error
	list(dir string) ([]string, error)
	open(path string) (file, error)
	openDirect(path string) directFile             // nil: it can't do that
	create(path string, direct bool) (file, error) // fails if path exists
	rename(from, to string) error
	remove(path string) error
	syncDir(dir string) error
}

// directFile is a file whose writes go past the page cache.
type directFile interface {
	io.WriterAt
	io.Closer
}

// file is an open one.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Sync() error
	Datasync() error
	// Forget has what is read next come from the disk. After a sync that failed
	// the page cache holds what the disk does not.
	Forget() error
}

// osFiles is the file system of the machine.
type osFiles struct{}

// osFile is a file of it.
type osFile struct{ *os.File }

func (osFiles) mkdir(dir string) error {
	_, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.MkdirAll(dir, 0o700); err == nil {
			err = osFiles{}.syncDir(parent(dir))
		}
	}
	return err
}

func (osFiles) list(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	return names, errors.Join(err, d.Close())
}

func (osFiles) open(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// filesToRead opens files that can't be written.
type filesToRead struct{ osFiles }

func (filesToRead) open(path string) (file, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFiles) openDirect(path string) directFile { return openDirect(path) }

func (osFiles) create(path string, direct bool) (file, error) {
	flags := os.O_CREATE | os.O_EXCL | os.O_RDWR
	if direct {
		flags |= directFlag
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFiles) rename(from, to string) error { return os.Rename(from, to) }

func (osFiles) remove(path string) error { return os.Remove(path) }

func (osFiles) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Size returns the file's length.
func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}
