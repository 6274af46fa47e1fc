// Package wire is the client half of RESP2 and RESP3, for tests and benchmarks
// only. It keeps every reply byte as the server sent it, because the tests
// compare servers byte by byte; the server's own codec is deliberately not
// used here, so that one mistake can't hide on both ends.
//
// Source: the RESP2 and RESP3 specifications.
package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// ErrMalformed is returned when the bytes received are not RESP.
var ErrMalformed = errors.New("malformed RESP reply")

// Limits on what a reply may claim, so that a broken server under test cannot
// take the memory of the test with it.
const (
	maxBulkBytes = 600 << 20
	maxElements  = 16 << 20
	maxDepth     = 64
	maxLineBytes = 1 << 20
)

// Reply is one parsed reply. Kind is its type byte ('+', '-', ':', '$', '*',
// '_', '#', ',', '(', '!', '=', '%', '~', '>').
type Reply struct {
	Kind  byte
	Null  bool    // "$-1", "*-1" or "_"
	Str   []byte  // scalar payload, without type byte and line ends
	Elems []Reply // members; a map's keys and values alternate
	Raw   []byte  // the exact bytes, members included
}

// IsError reports whether the reply is an error of either protocol version.
func (r Reply) IsError() bool { return r.Kind == '-' || r.Kind == '!' }

// IsAggregate reports whether the reply has members (arrays, maps, sets, pushes).
func (r Reply) IsAggregate() bool {
	return !r.Null && (r.Kind == '*' || r.Kind == '%' || r.Kind == '~' || r.Kind == '>')
}

// Int returns the value of an integer reply.
func (r Reply) Int() (int64, bool) {
	if r.Kind != ':' {
		return 0, false
	}
	n, err := strconv.ParseInt(string(r.Str), 10, 64)
	return n, err == nil
}

// Strings returns the payloads of an aggregate's members.
func (r Reply) Strings() []string {
	out := make([]string, len(r.Elems))
	for i, e := range r.Elems {
		out[i] = string(e.Str)
	}
	return out
}

// AppendCommand appends args as a RESP array of bulk strings.
func AppendCommand[T ~string | ~[]byte](dst []byte, args ...T) []byte {
	dst = append(dst, '*')
	dst = strconv.AppendInt(dst, int64(len(args)), 10)
	dst = append(dst, '\r', '\n')
	for _, a := range args {
		dst = append(dst, '$')
		dst = strconv.AppendInt(dst, int64(len(a)), 10)
		dst = append(dst, '\r', '\n')
		dst = append(dst, a...)
		dst = append(dst, '\r', '\n')
	}
	return dst
}

// ReadRaw reads one complete reply and appends its bytes to dst. RESP3
// attributes ('|') are dropped: the reply that follows them is the one returned.
func ReadRaw(br *bufio.Reader, dst []byte) ([]byte, error) {
	return readRaw(br, dst, 0)
}

func readRaw(br *bufio.Reader, dst []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return dst, fmt.Errorf("%w: nested too deeply", ErrMalformed)
	}
	start := len(dst)
	dst, err := readLine(br, dst)
	if err != nil {
		return dst, err
	}
	line := dst[start : len(dst)-2]
	switch line[0] {
	case '+', '-', ':', '_', '#', ',', '(':
		return dst, nil
	case '$', '!', '=':
		n, err := length(line[1:], maxBulkBytes)
		if err != nil || n < 0 {
			return dst, err
		}
		at := len(dst)
		dst = append(dst, make([]byte, n+2)...)
		if _, err := io.ReadFull(br, dst[at:]); err != nil {
			return dst, err
		}
		if !bytes.Equal(dst[len(dst)-2:], []byte("\r\n")) {
			return dst, fmt.Errorf("%w: bulk of %d bytes without line end", ErrMalformed, n)
		}
		return dst, nil
	case '*', '%', '~', '>', '|':
		kind := line[0]
		n, err := length(line[1:], maxElements)
		if err != nil {
			return dst, err
		}
		if kind == '%' || kind == '|' {
			n *= 2
		}
		for range n {
			if dst, err = readRaw(br, dst, depth+1); err != nil {
				return dst, err
			}
		}
		if kind == '|' {
			return readRaw(br, dst[:start], depth)
		}
		return dst, nil
	}
	return dst, fmt.Errorf("%w: unexpected line %q", ErrMalformed, line)
}

// readLine appends one line with its "\r\n"; the line has at least one byte.
func readLine(br *bufio.Reader, dst []byte) ([]byte, error) {
	start := len(dst)
	for {
		part, err := br.ReadSlice('\n')
		dst = append(dst, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return dst, err
		}
		if len(dst)-start > maxLineBytes {
			return dst, fmt.Errorf("%w: endless line", ErrMalformed)
		}
	}
	if len(dst)-start < 3 || dst[len(dst)-2] != '\r' {
		return dst, fmt.Errorf("%w: line %q", ErrMalformed, dst[start:])
	}
	return dst, nil
}

// length parses the length of a bulk or an aggregate; -1 means null.
func length(text []byte, limit int64) (int64, error) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < -1 || n > limit {
		return 0, fmt.Errorf("%w: length %q", ErrMalformed, text)
	}
	return n, nil
}

// Parse turns the bytes of one reply, as ReadRaw returned them, into a Reply
// whose slices alias raw.
func Parse(raw []byte) (Reply, error) {
	r, rest, err := parse(raw)
	if err == nil && len(rest) != 0 {
		err = fmt.Errorf("%w: %d bytes after the reply", ErrMalformed, len(rest))
	}
	return r, err
}

func parse(raw []byte) (Reply, []byte, error) {
	end := bytes.Index(raw, []byte("\r\n"))
	if end < 1 {
		return Reply{}, nil, ErrMalformed
	}
	r := Reply{Kind: raw[0], Str: raw[1:end]}
	rest := raw[end+2:]
	switch r.Kind {
	case '_':
		r.Null = true
	case '$', '!', '=':
		n, err := length(r.Str, maxBulkBytes)
		if err != nil {
			return r, nil, err
		}
		if n < 0 {
			r.Null, r.Str = true, nil
			break
		}
		if int64(len(rest)) < n+2 {
			return r, nil, ErrMalformed
		}
		r.Str, rest = rest[:n], rest[n+2:]
	case '*', '%', '~', '>':
		n, err := length(r.Str, maxElements)
		if err != nil {
			return r, nil, err
		}
		r.Str, r.Null = nil, n < 0
		if r.Kind == '%' {
			n *= 2
		}
		for range n {
			var e Reply
			if e, rest, err = parse(rest); err != nil {
				return r, nil, err
			}
			r.Elems = append(r.Elems, e)
		}
	}
	r.Raw = raw[:len(raw)-len(rest)]
	return r, rest, nil
}
