package aof

import (
	"bufio"
	"errors"
	"io"
	"strconv"
)

// ErrTruncated is returned by Reader.Next where a file ends in the middle of a command.
var ErrTruncated = errors.New("unexpected end of file")

// ErrFormat is returned by Reader.Next for what is no command.
var ErrFormat = errors.New("bad file format")

// Reader reads the commands of a file. The memory that it takes is bounded by what
// it has read, whatever lengths the file claims.
type Reader struct {
	in     *bufio.Reader
	offset int64
	whole  int64
}

// NewReader returns a reader. It buffers.
func NewReader(r io.Reader) *Reader {
	if in, ok := r.(*bufio.Reader); ok {
		return &Reader{in: in}
	}
	return &Reader{in: bufio.NewReaderSize(r, 64<<10)}
}

// Offset returns where the last complete command ends.
func (r *Reader) Offset() int64 { return r.whole }

// Next returns the next command, which is the caller's, or io.EOF at the end. Lines
// that begin with "#" are skipped.
//
// Source: Redis 7.0's format of append-only files: annotation lines, and commands as
// RESP arrays.
func (r *Reader) Next() ([][]byte, error) {
	for {
		line, err := r.line()
		if errors.Is(err, ErrTruncated) && (len(line) == 0 || line[0] == '#') {
			return nil, io.EOF
		}
		if err = begins(line, '*', err); err != nil {
			return nil, err
		}
		if line[0] == '#' {
			r.whole = r.offset
			continue
		}
		n, err := number(line, '*')
		if err != nil || n < 1 {
			return nil, ErrFormat
		}
		var args [][]byte
		for ; n > 0; n-- {
			arg, err := r.bulk()
			if err != nil {
				return nil, err
			}
			args = append(args, arg)
		}
		r.whole = r.offset
		return args, nil
	}
}

// line reads a line, which is good until the next read.
func (r *Reader) line() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	r.offset += int64(len(line))
	switch {
	case errors.Is(err, io.EOF):
		return line, ErrTruncated
	case errors.Is(err, bufio.ErrBufferFull) || err == nil && len(line) > maxLine:
		return line, ErrFormat
	}
	return line, err
}

// begins returns the error of a line that was read and should begin with kind: one
// that doesn't is damage, also where it is cut off.
func begins(line []byte, kind byte, err error) error {
	if errors.Is(err, ErrTruncated) && len(line) > 0 && line[0] != kind {
		return ErrFormat
	}
	return err
}

// maxBulk is the longest argument, as everywhere in RESP.
const maxBulk = 512 << 20

func (r *Reader) bulk() ([]byte, error) {
	line, err := r.line()
	if err = begins(line, '$', err); err != nil {
		return nil, err
	}
	n, err := number(line, '$')
	if err != nil || n > maxBulk {
		return nil, ErrFormat
	}
	const step = 64 << 10
	arg := make([]byte, 0, min(n+2, step))
	for n += 2; len(arg) < n; {
		if len(arg) == cap(arg) {
			arg = append(make([]byte, 0, min(n, 2*cap(arg))), arg...)
		}
		got, err := r.in.Read(arg[len(arg):min(cap(arg), n)])
		arg = arg[:len(arg)+got]
		r.offset += int64(got)
		if errors.Is(err, io.EOF) {
			return nil, ErrTruncated
		}
		if err != nil {
			return nil, err
		}
	}
	if arg[n-2] != '\r' || arg[n-1] != '\n' {
		return nil, ErrFormat
	}
	return arg[: n-2 : n-2], nil
}

// number reads a line of a kind with a number.
func number(line []byte, kind byte) (int, error) {
	if line[0] != kind {
		return 0, ErrFormat
	}
	line = line[1 : len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	n, err := strconv.ParseUint(string(line), 10, 31)
	return int(n), err
}
