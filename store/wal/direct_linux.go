package wal

import (
	"os"

	"golang.org/x/sys/unix"
)

// directFlag opens a file for access past the page cache.
const directFlag = unix.O_DIRECT

// openDirect opens a file for writes that go past the page cache and are on
// stable storage when they return; nil where the file system can't do that. The
// page cache would hold a copy of a log that is hardly ever read, and getting a
// page for every 4 KiB was a fifth of a busy node's CPU time.
func openDirect(path string) directFile {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_DIRECT|unix.O_DSYNC, 0)
	if err != nil {
		return nil
	}
	async, err := newAsyncFile(f)
	if err != nil {
		return f
	}
	return async
}

// Datasync makes the content durable.
func (f osFile) Datasync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err != unix.EINTR {
			return err
		}
	}
}

// Forget implements file.
func (f osFile) Forget() error { return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }
