package aof

import (
	"cmp"
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

// Base returns the path of the base that a manifest names, "" if there is none.
func (d Dir) Base(m *Manifest) string {
	if m == nil || m.Base == nil {
		return ""
	}
	return d.file(m.Base.Name)
}

// single is the file of Redis 6 and older, which lies beside the directory.
func (d Dir) single() string { return filepath.Join(filepath.Dir(d.Path), d.Name) }

// Single reports whether there is a file of Redis 6 and older that Upgrade would take,
// given the manifest, nil for none.
func (d Dir) Single(m *Manifest) bool {
	if st, err := os.Stat(d.single()); err != nil || !st.Mode().IsRegular() {
		return false
	}
	if m == nil || m.Base == nil && len(m.Increments) == 0 {
		return true
	}
	// An upgrade was interrupted behind its manifest.
	if m.Base == nil || m.Base.Name != d.Name || len(m.Increments) > 0 {
		return false
	}
	_, err := os.Stat(d.file(d.Name))
	return errors.Is(err, fs.ErrNotExist)
}

// Upgrade makes the file of Redis 6 and older the base of the directory, as Redis 7
// does, and returns the manifest. A crash in between is made up for by the next call.
func (d Dir) Upgrade(m *Manifest) (*Manifest, error) {
	if _, err := os.Stat(d.file(d.Name)); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is %s already, and no manifest that names it: one of the two must go (%w)", d.file(d.Name), cmp.Or(err, fs.ErrExist))
	}
	if err := d.create(); err != nil {
		return nil, fmt.Errorf("Can't open or create append-only dir %s: %w", d.Path, err)
	}
	next := &Manifest{Base: &File{Name: d.Name, Seq: 1, Kind: Base}}
	if m != nil {
		next.History = m.History
	}
	err := d.WriteManifest(next)
	if err == nil {
		err = os.Rename(d.single(), d.file(d.Name))
	}
	if err == nil {
		err = errors.Join(d.sync(), Dir{Path: filepath.Dir(d.Path)}.sync())
	}
	if err != nil {
		return nil, fmt.Errorf("Error trying to move the old AOF file %s into dir %s: %w", d.Name, d.Path, err)
	}
	return next, nil
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
