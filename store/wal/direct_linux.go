package wal

import (
	"os"

	"golang.org/x/sys/unix"
)

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

// createDirect makes an empty file for writes past the page cache that a sync
// makes durable.
func createDirect(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC|unix.O_DIRECT, 0o600)
}

func datasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err != unix.EINTR {
			return err
		}
	}
}
