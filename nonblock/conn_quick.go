//go:build linux && !race

package nonblock

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// quick is how many bytes are moved without telling the scheduler: so few take some
// microseconds.
const quick = 64 << 10

// Conn returns c with quick reads and writes if it is a TCP connection, else c.
func Conn(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	q := &conn{TCPConn: tcp, raw: raw}
	q.in.try, q.out.try = q.in.transfer(unix.SYS_READ), q.out.transfer(unix.SYS_WRITE)
	return q
}

// conn is a TCP connection. It is as safe for concurrent use as any.
type conn struct {
	*net.TCPConn
	raw     syscall.RawConn
	in, out half
}

// half is one direction.
type half struct {
	mu    sync.Mutex
	b     []byte
	n     int
	errno syscall.Errno
	try   func(fd uintptr) bool // made once: it would be allocated for each call
}

// transfer returns what is called until it returns true, when the socket is ready.
func (h *half) transfer(call uintptr) func(fd uintptr) bool {
	return func(fd uintptr) bool {
		for {
			n, _, errno := unix.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(h.b))), uintptr(len(h.b)))
			switch errno {
			case unix.EINTR:
				continue
			case unix.EAGAIN:
				return false
			case 0:
				h.n, h.errno = int(n), 0
			default:
				h.n, h.errno = 0, errno
			}
			return true
		}
	}
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	if len(b) == 0 || len(b) > quick {
		return c.TCPConn.Read(b)
	}
	h := &c.in
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b = b
	err := c.raw.Read(h.try)
	h.b = nil
	switch {
	case err != nil:
		return 0, err
	case h.errno != 0:
		return 0, c.failed("read", h.errno)
	case h.n == 0:
		return 0, io.EOF
	}
	return h.n, nil
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (n int, err error) {
	if len(b) > quick {
		return c.TCPConn.Write(b)
	}
	h := &c.out
	h.mu.Lock()
	defer h.mu.Unlock()
	for n < len(b) {
		h.b = b[n:]
		err := c.raw.Write(h.try)
		h.b = nil
		if err != nil {
			return n, err
		}
		if h.errno != 0 {
			return n, c.failed("write", h.errno)
		}
		n += h.n
	}
	return n, nil
}

func (c *conn) failed(op string, errno syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, errno)}
}
