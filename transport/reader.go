package transport

import (
	"errors"
	"net"
	"sync/atomic"

	"github.com/tidwall/redcon"
)

const (
	smallInput  = 2 << 10  // what an idle connection holds
	usualInput  = 64 << 10 // up to here a buffer grows because reads fill it
	keepInput   = 1 << 20  // larger buffers are given back as soon as they are empty
	smallArgs   = 64
	keepArgs    = 4096
	inlineGuess = 8
)

var (
	errInputLimit = errors.New("client reached max query buffer length")
	errTotalInput = errors.New("input buffers of all clients reached their limit")
)

// input is a connection's input buffer. What it holds in memory follows what
// has arrived, never what was announced. One goroutine owns it.
type input struct {
	buf   []byte // arrived and not consumed: buf[start:]
	start int
	frame framer
	full  bool // the last read filled the buffer

	args  [][]byte // arena of the arguments of this round's commands
	total *atomic.Int64
}

// fill reads once. limit is for this buffer, totalLimit (0: none) for those of
// all connections. Arguments handed out before are no longer valid.
func (in *input) fill(conn net.Conn, limit, totalLimit int64) (int, error) {
	in.compact()
	if len(in.buf) == cap(in.buf) || in.full && cap(in.buf) < usualInput {
		if int64(len(in.buf)) >= limit {
			return 0, errInputLimit
		}
		if err := in.grow(limit, totalLimit); err != nil {
			return 0, err
		}
	}
	n, err := conn.Read(in.buf[len(in.buf):cap(in.buf)])
	in.buf = in.buf[:len(in.buf)+n]
	in.full = len(in.buf) == cap(in.buf)
	return n, err
}

// grow doubles the buffer, or makes it as large as the arriving argument needs
// if that is less.
func (in *input) grow(limit, totalLimit int64) error {
	size := max(int64(2*cap(in.buf)), smallInput)
	if want := in.frame.wants(); size > keepInput && want > int64(len(in.buf)) {
		size = min(size, want)
	}
	size = min(size, limit+1) // one more, to notice when it is reached
	if totalLimit > 0 && in.total.Load()+size-int64(cap(in.buf)) > totalLimit {
		return errTotalInput
	}
	in.resize(int(size))
	return nil
}

// resize moves what has arrived into a new buffer.
func (in *input) resize(size int) {
	in.total.Add(int64(size - cap(in.buf)))
	in.buf = append(make([]byte, 0, size), in.buf...)
}

// compact drops what was consumed and gives a large empty buffer back.
func (in *input) compact() {
	if in.start > 0 {
		in.buf = in.buf[:copy(in.buf, in.buf[in.start:])]
		in.start = 0
	}
	if cap(in.args) > keepArgs {
		in.args = nil
	}
	in.args = in.args[:0]
	if len(in.buf) == 0 && cap(in.buf) > keepInput {
		in.resize(usualInput)
	}
}

// shrink gives back what an idle connection doesn't need.
func (in *input) shrink() {
	in.compact()
	in.args = nil
	if len(in.buf) == 0 && cap(in.buf) > smallInput {
		in.resize(smallInput)
		in.full = false
	}
}

// release gives everything back.
func (in *input) release() {
	in.total.Add(-int64(cap(in.buf)))
	in.buf, in.args, in.start = nil, nil, 0
}

// next returns the arguments of the next complete command. more is false if
// there is none yet. No arguments and more: something to be ignored. problem is
// the error reply after which the connection must close. The arguments are
// valid until the next fill.
func (in *input) next(lim frameLimits) (args [][]byte, more bool, problem string) {
	packet := in.buf[in.start:]
	n, count, problem := in.frame.next(packet, lim)
	if n == needMore {
		return nil, false, problem
	}
	in.start += n
	packet = packet[:n:n]
	if count == 0 {
		return nil, true, ""
	}
	if count < 0 {
		args, ok := splitInline(in.room(inlineGuess), packet)
		if !ok {
			return nil, false, errQuotes
		}
		return in.keep(args), true, ""
	}
	complete, args, _, _, err := redcon.ReadNextCommand(packet, in.room(int(count)))
	if err != nil || !complete {
		// The framer only lets through what redcon can parse.
		return nil, false, "Protocol error: invalid request"
	}
	return in.keep(args), true, ""
}

// room returns an empty slice in the arena with space for n arguments.
func (in *input) room(n int) [][]byte {
	if cap(in.args)-len(in.args) < n {
		in.args = make([][]byte, 0, max(n, min(2*cap(in.args), keepArgs), smallArgs))
	}
	return in.args[len(in.args):len(in.args):cap(in.args)]
}

// keep marks the arguments' place in the arena as taken.
func (in *input) keep(args [][]byte) [][]byte {
	if len(args) > 0 && cap(in.args)-len(in.args) >= len(args) {
		in.args = in.args[:len(in.args)+len(args)]
	}
	return args[:len(args):len(args)]
}
