package aof

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Dir is a directory with a manifest, which may not be there yet.
type Dir struct {
	Path string // dir and appenddirname
	Name string // appendfilename, with which the names of the files begin
}

// Manifest reads the manifest; nil: there is none.
func (d Dir) Manifest() (*Manifest, error) {
	f, err := os.Open(d.manifestPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("can't open the AOF manifest file %s for reading: %w", d.manifestName(), err)
	}
	m, err := ParseManifest(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("AOF manifest file %s: %w", d.manifestPath(), err)
	}
	return m, nil
}

func (d Dir) manifestName() string         { return d.Name + ".manifest" }
func (d Dir) manifestPath() string         { return d.file(d.manifestName()) }
func (d Dir) file(name string) string      { return filepath.Join(d.Path, name) }
func (d Dir) create() error                { return os.MkdirAll(d.Path, 0o755) }
func (d Dir) remove(name string) error     { return os.Remove(d.file(name)) }
func (d Dir) rename(from, to string) error { return os.Rename(d.file(from), d.file(to)) }

// WriteManifest puts a manifest in the place of the one that is there. A crash leaves the
// old or the new one, and what was renamed before it is on stable storage too.
func (d Dir) WriteManifest(m *Manifest) error {
	temp := "temp-" + d.manifestName()
	f, err := os.OpenFile(d.file(temp), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(m.Format())
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := d.rename(temp, d.manifestName()); err != nil {
		return err
	}
	return d.sync()
}

// sync makes the names in the directory durable.
func (d Dir) sync() error {
	f, err := os.Open(d.Path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
