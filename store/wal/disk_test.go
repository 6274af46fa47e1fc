package wal

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// disk is a file system in memory, of one directory, that knows what has reached
// stable storage. Each change is a step: at one of them the power can fail, which
// leaves any of the 512-byte sectors, and any of the directory's changes, that
// were not synced. Or an operation can fail, or be left out.
type disk struct {
	mu     sync.Mutex
	dir    map[string]*inode // as the process sees it
	stable map[string]*inode // as it is on the disk for certain
	since  []dirChange       // of the directory since it was synced
	direct bool              // writes past the page cache are possible

	steps   int
	crashAt int    // the step at which the power fails; 0: none
	failAt  int    // the step that fails as a broken disk does; 0: none
	room    int    // bytes that all files can have; 0: no limit
	down    bool   // the power has failed
	point   string // the step at which it did, or that failed
	lie     func(point string) bool
}

// dirChange is a name that goes, one that comes, or both at once.
type dirChange struct {
	gone string // "": nothing
	name string // "": nothing
	node *inode
}

// inode is the content of a file.
type inode struct {
	cache  []byte             // what is read
	stable []byte             // what is on the disk for certain
	dirty  map[int64][][]byte // by sector, what was written since
}

var (
	errPower = errors.New("the power has failed")
	errDisk  = errors.New("the disk is broken")
)

func newDisk(direct bool) *disk {
	return &disk{dir: map[string]*inode{}, stable: map[string]*inode{}, direct: direct}
}

// phases are the functions that tell what a step is for.
var phases = map[string]bool{"put": true, "roomLocked": true, "rotate": true, "spareLocked": true, "makeSpareLocked": true, "discard": true,
	"wipe": true, "removeSpares": true, "fromDisk": true, "SetSync": true, "releaseOldest": true, "Close": true, "Open": true}

// pointOf names a step: what the log is doing, and the operation.
func pointOf(op string) string {
	pcs := make([]uintptr, 40)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	var names []string
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.File, "_test.go") && len(names) > 0 {
			break
		}
		_, name, _ := strings.Cut(f.Function, "store/wal.")
		name = strings.TrimPrefix(name, "(*WAL).")
		name = strings.TrimPrefix(name, "(*segment).")
		name, _, _ = strings.Cut(name, ".")
		if phases[name] && !slices.Contains(names, name) {
			names = append(names, name)
		}
		if !more {
			break
		}
	}
	slices.Reverse(names)
	return strings.Join(names, " ") + ": " + op
}

// begin counts a step. skip: it must be left out; half: the power fails in the
// middle of it; err: it fails.
func (d *disk) begin(op string) (skip, half bool, err error) {
	if d.down {
		return false, false, errPower
	}
	d.steps++
	point := pointOf(op)
	switch d.steps {
	case d.crashAt:
		d.down, d.point = true, point
		return false, true, nil
	case d.failAt:
		d.point = point
		return false, false, errDisk
	}
	return d.lie != nil && d.lie(point), false, nil
}

func (d *disk) mkdir(string) error { return nil }

func (d *disk) list(string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.dir)), nil
}

func (d *disk) open(path string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.dir[filepath.Base(path)]
	if n == nil {
		return nil, fmt.Errorf("no file %s", path)
	}
	return &diskFile{d: d, n: n}, nil
}

func (d *disk) openDirect(path string) directFile {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.dir[filepath.Base(path)]; n != nil && d.direct {
		return &diskFile{d: d, n: n, direct: true}
	}
	return nil
}

func (d *disk) create(path string, _ bool) (file, error) {
	n := &inode{dirty: map[int64][][]byte{}}
	d.mu.Lock()
	old := d.dir[filepath.Base(path)]
	d.mu.Unlock()
	if old != nil {
		return nil, fmt.Errorf("%s exists", path)
	}
	return &diskFile{d: d, n: n}, d.alter("create", dirChange{name: filepath.Base(path), node: n})
}

func (d *disk) rename(from, to string) error {
	d.mu.Lock()
	n := d.dir[filepath.Base(from)]
	d.mu.Unlock()
	if n == nil {
		return fmt.Errorf("no file %s", from)
	}
	return d.alter("rename", dirChange{gone: filepath.Base(from), name: filepath.Base(to), node: n})
}

func (d *disk) remove(path string) error {
	return d.alter("remove", dirChange{gone: filepath.Base(path)})
}

func (d *disk) alter(op string, c dirChange) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, half, err := d.begin(op)
	if err != nil {
		return err
	}
	d.since = append(d.since, c)
	c.apply(d.dir)
	if half {
		return errPower
	}
	return nil
}

func (c dirChange) apply(dir map[string]*inode) {
	if c.gone != "" {
		delete(dir, c.gone)
	}
	if c.name != "" {
		dir[c.name] = c.node
	}
}

func (d *disk) syncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	skip, half, err := d.begin("sync of the directory")
	if half {
		err = errPower
	}
	if err == nil && !skip {
		d.stable, d.since = maps.Clone(d.dir), nil
	}
	return err
}

// diskFile is an open file.
type diskFile struct {
	d      *disk
	n      *inode
	direct bool
}

func (f *diskFile) ReadAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if off > int64(len(f.n.cache)) {
		return 0, io.EOF
	}
	n := copy(b, f.n.cache[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *diskFile) WriteAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	op := "write"
	if f.direct {
		op = "direct write"
	}
	skip, half, err := f.d.begin(op)
	if err != nil && err != errDisk || skip && !f.direct {
		return len(b), err
	}
	end := off + int64(len(b))
	if more := end - int64(len(f.n.cache)); more > 0 {
		if used := f.d.used(); f.d.room > 0 && used+int(more) > f.d.room {
			return 0, unix.ENOSPC
		}
		f.n.cache = append(f.n.cache, make([]byte, more)...)
	}
	copy(f.n.cache[off:], b)
	for at := off / align; at*align < end; at++ {
		sector := slices.Clone(f.n.cache[at*align : min((at+1)*align, int64(len(f.n.cache)))])
		f.n.dirty[at] = append(f.n.dirty[at], sector)
	}
	if half {
		err = errPower
	}
	if err != nil {
		return 0, err // what of it has reached the disk is not known
	}
	if f.direct && !skip {
		f.n.settle(func(at int64) bool { return at*align >= off && at*align < end })
	}
	return len(b), nil
}

// used returns how many bytes all files have.
func (d *disk) used() (n int) {
	for _, i := range d.dir {
		n += len(i.cache)
	}
	return n
}

// settle has the sectors that were written, or some of them, on the disk.
func (n *inode) settle(which func(at int64) bool) {
	if more := len(n.cache) - len(n.stable); more > 0 {
		n.stable = append(n.stable, make([]byte, more)...)
	}
	for at, versions := range n.dirty {
		if which(at) {
			copy(n.stable[at*align:], versions[len(versions)-1])
			delete(n.dirty, at)
		}
	}
}

func (f *diskFile) Sync() error { return f.Datasync() }

func (f *diskFile) Datasync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	skip, half, err := f.d.begin("sync")
	switch {
	case half:
		return errPower
	case err == errDisk:
		// The kernel takes the pages for clean from here on.
		if more := len(f.n.cache) - len(f.n.stable); more > 0 {
			f.n.stable = append(f.n.stable, make([]byte, more)...)
		}
		clear(f.n.dirty)
		return err
	case err == nil && !skip:
		f.n.settle(func(int64) bool { return true })
	}
	return err
}

func (f *diskFile) Forget() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.lie != nil && f.d.lie(pointOf("forget")) {
		return nil
	}
	for at := int64(0); at*align < int64(len(f.n.stable)); at++ {
		if f.n.dirty[at] == nil {
			copy(f.n.cache[at*align:], f.n.stable[at*align:min((at+1)*align, int64(len(f.n.stable)))])
		}
	}
	return nil
}

func (f *diskFile) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return int64(len(f.n.cache)), nil
}

func (f *diskFile) Close() error { return nil }

// killed returns the disk as another process finds it after this one was killed.
func (d *disk) killed() *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	copies := map[*inode]*inode{}
	n := newDisk(d.direct)
	n.lie = d.lie
	for name, i := range d.dir {
		n.dir[name] = i.copy(copies)
	}
	for name, i := range d.stable {
		n.stable[name] = i.copy(copies)
	}
	for _, c := range d.since {
		if c.node != nil {
			c.node = c.node.copy(copies)
		}
		n.since = append(n.since, c)
	}
	return n
}

func (n *inode) copy(copies map[*inode]*inode) *inode {
	if copies[n] == nil {
		c := &inode{cache: slices.Clone(n.cache), stable: slices.Clone(n.stable), dirty: map[int64][][]byte{}}
		for at, v := range n.dirty {
			c.dirty[at] = slices.Clone(v)
		}
		copies[n] = c
	}
	return copies[n]
}

// afterPowerFailure returns the disk as it can be found after the power failed.
func (d *disk) afterPowerFailure(r *rand.Rand) *disk {
	n := d.killed()
	// What a run of writes leaves is often its beginning or everything: both are
	// drawn as often as any mixture.
	keep := func() bool { return false }
	switch r.IntN(4) {
	case 0:
	case 1:
		keep = func() bool { return true }
	default:
		keep = func() bool { return r.IntN(2) == 0 }
	}
	dir := maps.Clone(n.stable)
	for _, c := range n.since {
		if keep() {
			c.apply(dir)
		}
	}
	n.dir, n.stable, n.since = dir, maps.Clone(dir), nil
	for _, name := range slices.Sorted(maps.Keys(dir)) {
		i := dir[name]
		if more := len(i.cache) - len(i.stable); more > 0 && keep() {
			i.stable = append(i.stable, make([]byte, more)...)
		}
		for _, at := range slices.Sorted(maps.Keys(i.dirty)) {
			if keep() && at*align < int64(len(i.stable)) {
				copy(i.stable[at*align:], i.dirty[at][r.IntN(len(i.dirty[at]))])
			}
		}
		clear(i.dirty)
		i.cache = slices.Clone(i.stable)
	}
	return n
}
