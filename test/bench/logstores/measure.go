package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
)

// compactEvery is after how many bytes the beginning of a log is deleted, and how
// many stay: what a server does with its defaults keeps about so much.
const compactEvery = 16 << 20

// warmUp is not measured: files are made in it.
const warmUp = 300 * time.Millisecond

// appender appends entries to one group and compacts its log.
type appender struct {
	log   raft.LogStore
	entry []byte
	next  uint64
	since int64 // bytes since the last compaction
	keep  uint64
}

func newAppender(log raft.LogStore, size int, seed uint64) *appender {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return &appender{log: log, entry: b, next: 1, keep: max(compactEvery/uint64(size), 1)}
}

func (a *appender) one() error {
	err := a.log.StoreLogs([]*raft.Log{{Index: a.next, Term: 1, Type: raft.LogCommand, Data: a.entry, AppendedAt: time.Now()}})
	a.next++
	a.since += int64(len(a.entry))
	if err == nil && a.since >= compactEvery && a.next > a.keep+1 {
		a.since = 0
		var first uint64
		if first, err = a.log.FirstIndex(); err == nil {
			err = a.log.DeleteRange(first, a.next-1-a.keep)
		}
	}
	return err
}

func measure(name string, c cell, parent string, seconds time.Duration, device string) (r result, err error) {
	quiet()
	dir, err := os.MkdirTemp(parent, "logstores-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := open(name, dir, c.groups)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		times []time.Duration
		errs  []error
	)
	start := time.Now()
	from := start.Add(warmUp)
	end := from.Add(seconds)
	var before counters
	for g := range c.groups {
		wg.Add(1)
		// Owned by measure. Ends at the end of the measurement; waited for below.
		go func() {
			defer wg.Done()
			a := newAppender(s.logs[g], c.size, uint64(g))
			var own []time.Duration
			for now := time.Now(); now.Before(end); {
				err := a.one()
				then := time.Now()
				if now.After(from) {
					own = append(own, then.Sub(now))
				}
				now = then
				if err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					return
				}
			}
			mu.Lock()
			times = append(times, own...)
			mu.Unlock()
		}()
	}
	time.Sleep(time.Until(from))
	before = count(device)
	wg.Wait()
	after := count(device)
	if err := errors.Join(errs...); err != nil {
		return r, err
	}
	if len(times) == 0 {
		return r, errors.New("nothing was measured")
	}
	slices.Sort(times)
	bytes := float64(len(times)) * float64(c.size)
	return result{perSecond: float64(len(times)*c.commands) / seconds.Seconds(), p50: times[len(times)/2], p99: times[len(times)*99/100],
		written: float64(after.process-before.process) / bytes, device: float64(after.device-before.device) / bytes}, nil
}

// quiet waits until the disk is done with what was measured before.
func quiet() {
	syscall.Sync()
	time.Sleep(500 * time.Millisecond)
}

// counters are bytes written so far.
type counters struct{ process, device int64 }

func count(device string) (c counters) {
	text, _ := os.ReadFile("/proc/self/io")
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			c.process, _ = strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		}
	}
	if device != "" {
		text, _ := os.ReadFile(filepath.Join("/sys/block", device, "stat"))
		if f := strings.Fields(string(text)); len(f) > 6 {
			c.device, _ = strconv.ParseInt(f[6], 10, 64)
			c.device *= 512
		}
	}
	return c
}

// runBurst writes a lot with compaction on and reports what the disk holds after.
func runBurst(parent string, names []string, total int64, device string) error {
	const size = 64 << 10
	var st syscall.Statfs_t
	if err := syscall.Statfs(parent, &st); err != nil {
		return err
	}
	if free := int64(st.Bavail) * st.Bsize; free < total/2 {
		fmt.Printf("\nThe disk has %.1f GB free: the burst is %.1f GB instead of %.1f.\n", float64(free)/1e9, float64(free)/4e9, float64(total)/1e9)
		total = free / 4
	}
	fmt.Printf("\nA burst of %.1f GB in entries of 64 KiB, the log compacted to 16 MiB each 16 MiB:\n\n", float64(total)/1e9)
	fmt.Println("| store | MB/s | MB on the disk after | bytes written per byte | on the device |")
	fmt.Println("|---|---|---|---|---|")
	for _, name := range names {
		if err := burst(name, parent, size, total, device); err != nil {
			return fmt.Errorf("burst, %s: %w", name, err)
		}
	}
	return nil
}

func burst(name, parent string, size int, total int64, device string) (err error) {
	dir, err := os.MkdirTemp(parent, "logstores-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := open(name, dir, 1)
	if err != nil {
		return err
	}
	quiet()
	before, start := count(device), time.Now()
	a := newAppender(s.logs[0], size, 1)
	for n := int64(0); n < total; n += int64(size) {
		if err := a.one(); err != nil {
			return errors.Join(err, s.close())
		}
	}
	took, after := time.Since(start), count(device)
	if err := s.close(); err != nil {
		return err
	}
	used, err := diskUsed(dir)
	fmt.Printf("| %s | %.0f | %.0f | %.2f | %.2f |\n", name, float64(total)/1e6/took.Seconds(), float64(used)/1e6,
		float64(after.process-before.process)/float64(total), float64(after.device-before.device)/float64(total))
	return err
}

// diskUsed returns the bytes that a directory takes on the disk.
func diskUsed(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				n += st.Blocks * 512
			}
		}
		return err
	})
	return n, err
}
