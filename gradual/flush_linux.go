package gradual

import (
	"os"

	"golang.org/x/sys/unix"
)

// flush writes what the page cache has of f, and waits. Unlike a sync it writes no metadata and
// doesn't empty the disk's own cache, for which others' syncs would have to wait.
func flush(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	const all = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	cerr := raw.Control(func(fd uintptr) { err = unix.SyncFileRange(int(fd), 0, 0, all) })
	if err == unix.ESPIPE || err == unix.ENOSYS || err == unix.EINVAL {
		err = nil // it is only a favour to others
	}
	if cerr != nil {
		return os.ErrClosed
	}
	return err
}
