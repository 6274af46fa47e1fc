package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"golang.org/x/sys/unix"
)

// Disk watches the data directory of a node and ends the process when the disk
// can't be trusted any more. After a failed sync a retry may "succeed" with
// pages lost, and a leader whose disk hangs would lead for ever, because
// heartbeats don't touch the disk; so both are fatal (docs/decisions/0004-fail-stop.md).
type Disk struct {
	dir     string
	limit   time.Duration // how long one operation may take; 0: not watched
	minFree int64         // bytes that must stay free for writes to be accepted
	fatal   func(error)

	syncs   atomic.Int64
	syncNs  atomic.Int64
	full    atomic.Bool
	free    atomic.Int64
	looked  atomic.Int64 // when full and free were measured, ns since started
	started time.Time
	mu      sync.Mutex
	pending map[*operation]struct{} // in progress
	observe func(time.Duration)

	stop, done chan struct{}
}

// operation is one access to the disk.
type operation struct {
	what   string
	waited time.Duration // as far as the watch has seen
}

// watchEvery is how often the watch looks.
const watchEvery = time.Second

// NewDisk starts watching dir. fatal must not return; observe (which may be
// nil) is told how long each log write took. Close ends the watch.
func NewDisk(dir string, limit time.Duration, minFree int64, fatal func(error), observe func(time.Duration)) *Disk {
	d := &Disk{dir: dir, limit: limit, minFree: minFree, fatal: fatal, observe: observe,
		started: time.Now(), pending: map[*operation]struct{}{}, stop: make(chan struct{}), done: make(chan struct{})}
	d.measure()
	// Owned by Disk. Stops when d.stop closes; Close waits. Failures go to fatal.
	go d.watch()
	return d
}

// Close stops the watch.
func (d *Disk) Close() {
	close(d.stop)
	<-d.done
}

// fullAge is how old the answer of Full may be: a disk must not fill up by
// more than the reserve in that time.
const fullAge = 5 * time.Millisecond

// Full reports whether writes must be refused to keep room for the log. It is
// asked before each write and looks at the disk itself when nobody has lately.
func (d *Disk) Full() bool {
	now, looked := int64(time.Since(d.started)), d.looked.Load()
	if now-looked > int64(fullAge) && d.looked.CompareAndSwap(looked, now) {
		d.measure()
	}
	return d.full.Load()
}

// Free returns the bytes free at the last look.
func (d *Disk) Free() int64 { return d.free.Load() }

// Syncs returns the number of log writes and the time they took in all.
func (d *Disk) Syncs() (n int64, total time.Duration) {
	return d.syncs.Load(), time.Duration(d.syncNs.Load())
}

// do runs an operation that must succeed in time or end the process.
func (d *Disk) do(what string, op func() error) error {
	start, o := time.Now(), &operation{what: what}
	d.mu.Lock()
	d.pending[o] = struct{}{}
	d.mu.Unlock()
	err := op()
	d.mu.Lock()
	delete(d.pending, o)
	d.mu.Unlock()
	if err != nil {
		d.fatal(fmt.Errorf("%s: %w", what, err))
		return err
	}
	took := time.Since(start)
	d.syncs.Add(1)
	d.syncNs.Add(int64(took))
	if d.observe != nil {
		d.observe(took)
	}
	return nil
}

func (d *Disk) watch() {
	defer close(d.done)
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	probing := make(chan struct{}, 1)
	for n := 0; ; n++ {
		select {
		case <-d.stop:
			return
		case <-t.C:
		}
		d.measure()
		if d.limit == 0 {
			continue
		}
		d.mu.Lock()
		for o := range d.pending {
			// Not by the clock: when the whole process was stopped (SIGSTOP, a
			// machine that moves), the disk had no chance to be late.
			if o.waited += watchEvery; o.waited > d.limit+watchEvery {
				d.mu.Unlock()
				d.fatal(fmt.Errorf("%s hangs for %s: the disk under %s doesn't answer", o.what, o.waited-watchEvery, d.dir))
				return
			}
		}
		d.mu.Unlock()
		// An idle leader writes nothing: ask the disk itself now and then.
		if n%5 == 0 {
			select {
			case probing <- struct{}{}:
				// Owned by watch. Ends with the sync it waits for; if that never
				// ends, the pending entry above ends the process.
				go func() {
					_ = d.do("sync of the disk probe", d.probe)
					<-probing
				}()
			default:
			}
		}
	}
}

// probe writes and syncs a small file. A full disk is no failure of the probe:
// writes are refused by Full.
func (d *Disk) probe() error {
	f, err := os.OpenFile(filepath.Join(d.dir, "disk-probe"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = f.Write([]byte("quorate"))
		if err == nil {
			err = f.Sync()
		}
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		d.full.Store(true)
		return nil
	}
	if err != nil {
		select {
		case <-d.stop: // the directory may be gone already
			return nil
		default:
		}
	}
	return err
}

func (d *Disk) measure() {
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil {
		return
	}
	free := int64(st.Bavail) * st.Bsize
	d.free.Store(free)
	d.full.Store(free < d.minFree)
}

// watchedLog is a log store whose writes the disk watches.
type watchedLog struct {
	raft.LogStore
	disk *Disk
}

func (w watchedLog) StoreLog(l *raft.Log) error { return w.StoreLogs([]*raft.Log{l}) }

func (w watchedLog) StoreLogs(logs []*raft.Log) error {
	return w.disk.do("write of the log", func() error { return w.LogStore.StoreLogs(logs) })
}

func (w watchedLog) DeleteRange(min, max uint64) error {
	return w.disk.do("truncation of the log", func() error { return w.LogStore.DeleteRange(min, max) })
}

// watchedStable is a stable store whose writes the disk watches.
type watchedStable struct {
	raft.StableStore
	disk *Disk
}

func (w watchedStable) Set(k, v []byte) error {
	return w.disk.do("write of the vote", func() error { return w.StableStore.Set(k, v) })
}

func (w watchedStable) SetUint64(k []byte, n uint64) error {
	return w.disk.do("write of the term", func() error { return w.StableStore.SetUint64(k, n) })
}
