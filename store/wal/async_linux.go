package wal

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A write that waits for the disk in a system call keeps a thread, and until the
// runtime's monitor notices, up to 10 ms later, a processor: on a node with one, nothing
// else happens. The monitor then looks every 20 us, all the time, which was an eighth of a
// busy node's CPU time. So writes past the page cache are handed to the kernel
// (io_submit, which containers allow where they forbid io_uring), and the end of each
// wakes its goroutine like a packet from the network.

// asyncFile is a file that was opened with O_DIRECT, with writes of that kind.
type asyncFile struct {
	*os.File
	raw syscall.RawConn
}

func newAsyncFile(f *os.File) (*asyncFile, error) {
	raw, err := f.SyscallConn()
	return &asyncFile{f, raw}, err
}

// writer is a context of the kernel's for one write at a time. Writers are made
// when they are needed and kept as long as the process runs: the log has one
// write under way, and another while it makes a spare.
type writer struct {
	context uintptr
	event   *os.File // an eventfd, which counts writes that have ended
	ready   syscall.RawConn
	control iocb
	result  ioEvent
	pinner  runtime.Pinner
}

// iocb is struct iocb of linux/aio_abi.h on little-endian machines; what isn't
// used has no name.
type iocb struct {
	data      uint64
	_         uint32
	rwFlags   uint32
	opcode    uint16
	_         int16
	fd        uint32
	buf       uint64
	bytes     uint64
	offset    int64
	_         uint64
	flags     uint32
	resultsFD uint32
}

// ioEvent is struct io_event.
type ioEvent struct {
	data, object uint64
	result       int64
	_            int64
}

const (
	iocbCmdPwrite = 1
	iocbFlagResFD = 1
	rwfNoWait     = 8 // RWF_NOWAIT: EAGAIN instead of waiting for room in a queue
)

var writers struct {
	sync.Mutex
	idle   []*writer
	denied bool // the kernel doesn't give any: not asked again
}

// takeWriter returns a writer that nobody uses, or nil if there can't be one.
func takeWriter() *writer {
	writers.Lock()
	defer writers.Unlock()
	if n := len(writers.idle); n > 0 {
		w := writers.idle[n-1]
		writers.idle = writers.idle[:n-1]
		return w
	}
	if writers.denied || !littleEndian {
		return nil
	}
	w, err := newWriter()
	if err != nil {
		writers.denied = true
		return nil
	}
	return w
}

func (w *writer) giveBack() {
	writers.Lock()
	defer writers.Unlock()
	writers.idle = append(writers.idle, w)
}

var littleEndian = func() bool { n := uint16(1); return *(*byte)(unsafe.Pointer(&n)) == 1 }()

func newWriter() (*writer, error) {
	w := new(writer)
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&w.context)), 0); errno != 0 {
		return nil, errno
	}
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err == nil {
		w.event = os.NewFile(uintptr(fd), "eventfd")
		w.ready, err = w.event.SyscallConn()
	}
	if err != nil {
		if w.event != nil {
			_ = w.event.Close()
		}
		_, _, _ = unix.Syscall(unix.SYS_IO_DESTROY, w.context, 0, 0)
		return nil, err
	}
	w.control = iocb{opcode: iocbCmdPwrite, rwFlags: rwfNoWait, flags: iocbFlagResFD, resultsFD: uint32(fd)}
	return w, nil
}

// WriteAt implements io.WriterAt.
func (f *asyncFile) WriteAt(b []byte, off int64) (n int, err error) {
	var w *writer
	if w = takeWriter(); w == nil {
		return f.File.WriteAt(b, off)
	}
	defer w.giveBack()
	submitted := true
	// Control keeps the file open until the write has ended.
	if f.raw.Control(func(fd uintptr) { n, submitted, err = w.write(fd, b, off) }) != nil {
		err = os.ErrClosed
	}
	if err != nil {
		return 0, &os.PathError{Op: "write", Path: f.Name(), Err: err}
	}
	if !submitted || n < len(b) { // the kernel has taken nothing, or the beginning
		more, err := f.File.WriteAt(b[n:], off+int64(n))
		return n + more, err
	}
	return n, nil
}

// write writes b, or the beginning of it. It returns when the kernel is done with b.
func (w *writer) write(fd uintptr, b []byte, off int64) (n int, submitted bool, err error) {
	w.pinner.Pin(unsafe.SliceData(b))
	w.pinner.Pin(w)
	defer w.pinner.Unpin()
	w.control.fd, w.control.offset = uint32(fd), off
	w.control.buf, w.control.bytes = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), uint64(len(b))
	control, ended := &w.control, false
	_ = w.ready.Read(func(uintptr) bool {
		if !submitted {
			// Not before here: news of the end that came earlier would be forgotten.
			if _, _, errno := unix.RawSyscall(unix.SYS_IO_SUBMIT, w.context, 1, uintptr(unsafe.Pointer(&control))); errno != 0 {
				return true
			}
			submitted = true
			return false // it takes a while
		}
		ended = w.ended(false)
		return ended
	})
	switch {
	case !submitted:
		return 0, false, nil
	case !ended: // whatever kept it from waiting: b isn't ours before the end
		w.ended(true)
	}
	if errno := unix.Errno(-w.result.result); w.result.result < 0 {
		if errno == unix.EAGAIN {
			return 0, false, nil
		}
		return 0, true, errno
	}
	return int(w.result.result), true, nil
}

// ended reports whether the write has ended; with wait it returns when it has.
func (w *writer) ended(wait bool) bool {
	var now unix.Timespec
	timeout, call := unsafe.Pointer(&now), unix.RawSyscall6
	if wait {
		timeout, call = nil, unix.Syscall6
	}
	for {
		n, _, errno := call(unix.SYS_IO_GETEVENTS, w.context, 1, 1, uintptr(unsafe.Pointer(&w.result)), uintptr(timeout), 0)
		if errno == unix.EINTR {
			continue
		}
		return errno == 0 && n == 1
	}
}
