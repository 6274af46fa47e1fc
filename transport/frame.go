package transport

import (
	"bytes"
	"math"
	"strconv"
)

// framer finds the ends of commands in a growing buffer without looking at any
// byte twice. It accepts exactly what redis-server 7.0.15 accepts
// (processInlineBuffer and processMultibulkBuffer) and never trusts a length
// for more than deciding how much to wait for. The zero value is ready.
type framer struct {
	multibulk bool  // inside a command that began with '*'
	left      int64 // arguments of it that are still to come
	args      int64 // arguments of it in all
	bulk      int64 // length of the argument that is arriving plus 1; 0: its header is next
	pos       int   // from the beginning of the command: the next thing to parse
	seen      int   // from pos: bytes that are known to hold no line end
}

// frameLimits are what Redis checks while a command is still arriving.
type frameLimits struct {
	maxBulk int64 // proto-max-bulk-len
	unauth  bool  // the client has to authenticate first
}

const (
	maxLine       = 64 << 10 // PROTO_INLINE_MAX_SIZE
	unauthArgs    = 10
	unauthBulk    = 16384
	needMore      = 0
	errInline     = "Protocol error: too big inline request"
	errMbulkCount = "Protocol error: too big mbulk count string"
	errMbulkLen   = "Protocol error: invalid multibulk length"
	errBulkCount  = "Protocol error: too big bulk count string"
	errBulkLen    = "Protocol error: invalid bulk length"
	errUnauthArgs = "Protocol error: unauthenticated multibulk length"
	errUnauthBulk = "Protocol error: unauthenticated bulk length"
	errQuotes     = "Protocol error: unbalanced quotes in request"
)

// next looks at buf, which begins with a command, and returns the command's
// length, or needMore. args is its number of arguments, 0 if it is to be
// ignored ("*0"), -1 for an inline command. A non-empty problem is the text of
// the error after which the connection closes.
//
// Redis skips two bytes after a header's digits and after an argument without
// looking at all of them; next overwrites them with CRLF, so that a parser that
// does look takes the command the same way.
func (f *framer) next(buf []byte, lim frameLimits) (n int, args int64, problem string) {
	if len(buf) == 0 {
		return needMore, 0, ""
	}
	if !f.multibulk {
		if buf[0] != '*' {
			return f.inline(buf)
		}
		count, ok := f.usual(buf)
		if !ok {
			if count, ok, problem = f.length(buf, errMbulkCount, errMbulkLen, math.MaxInt32); !ok {
				return needMore, 0, problem
			}
		}
		if count > unauthArgs && lim.unauth {
			return needMore, 0, errUnauthArgs
		}
		if count <= 0 {
			n = f.pos
			*f = framer{}
			return n, 0, ""
		}
		f.multibulk, f.left, f.args = true, count, count
	}
	for f.left > 0 {
		if f.bulk == 0 {
			size, ok, problem := f.header(buf, lim)
			if !ok {
				return needMore, 0, problem
			}
			f.bulk = size + 1
		}
		size := f.bulk - 1
		if int64(len(buf)-f.pos) < size+2 {
			return needMore, 0, ""
		}
		f.pos += int(size) + 2
		buf[f.pos-2], buf[f.pos-1] = '\r', '\n'
		f.bulk = 0
		f.left--
	}
	n, args = f.pos, f.args
	*f = framer{}
	return n, args, ""
}

// header parses "$<length>\r\n".
func (f *framer) header(buf []byte, lim frameLimits) (int64, bool, string) {
	if f.pos < len(buf) && buf[f.pos] == '$' {
		before := *f
		if size, ok := f.usual(buf); ok {
			if size <= lim.maxBulk && (size <= unauthBulk || !lim.unauth) {
				return size, true, ""
			}
			*f = before // its error is found below
		}
	}
	if _, ok, problem := f.line(buf, '\r', errBulkCount); !ok {
		return 0, false, problem
	}
	if c := buf[f.pos]; c != '$' {
		return 0, false, "Protocol error: expected '$', got '" + string([]byte{c}) + "'"
	}
	size, ok, problem := f.length(buf, errBulkCount, errBulkLen, lim.maxBulk)
	switch {
	case !ok:
		return 0, false, problem
	case size < 0:
		return 0, false, errBulkLen
	case size > unauthBulk && lim.unauth:
		return 0, false, errUnauthBulk
	}
	return size, true, ""
}

// usual parses a header line that is all there and has a type byte and up to
// nine digits, as nearly all have, and moves behind it. Of others it says false.
func (f *framer) usual(buf []byte) (n int64, ok bool) {
	first := f.pos + 1
	i := first
	for end := min(len(buf), first+9); i < end; i++ {
		digit := buf[i] - '0'
		if digit > 9 {
			break
		}
		n = n*10 + int64(digit)
	}
	if i == first || i+1 >= len(buf) || buf[i] != '\r' || buf[first] == '0' && i > first+1 {
		return 0, false
	}
	f.pos, f.seen = i+2, 0
	buf[f.pos-1] = '\n'
	return n, true
}

// line finds the end of the line at pos, and for '\r' that one more byte is
// there. Like Redis's strchr it doesn't see beyond a NUL.
func (f *framer) line(buf []byte, end byte, tooLong string) (n int, ok bool, problem string) {
	rest := buf[f.pos:]
	look := rest[f.seen:min(len(rest), maxLine+1)]
	n = bytes.IndexByte(look, end)
	if n >= 0 && bytes.IndexByte(look[:n], 0) < 0 {
		n += f.seen
		if end == '\r' && n+2 > len(rest) {
			return 0, false, ""
		}
		return n, true, ""
	}
	if len(rest) > maxLine {
		return 0, false, tooLong
	}
	if z := bytes.IndexByte(look, 0); z >= 0 {
		f.seen += z // stays in front of the NUL: nothing behind it counts
	} else {
		f.seen += len(look)
	}
	return 0, false, ""
}

// length parses a header line of a type byte and a number, which must not be
// above limit, and moves behind it.
func (f *framer) length(buf []byte, tooLong, invalid string, limit int64) (int64, bool, string) {
	n, ok, problem := f.line(buf, '\r', tooLong)
	if !ok {
		return 0, false, problem
	}
	size, ok := parseLength(buf[f.pos+1 : f.pos+n])
	if !ok || size > limit {
		return 0, false, invalid
	}
	f.pos += n + 2
	f.seen = 0
	buf[f.pos-1] = '\n'
	return size, true, ""
}

func (f *framer) inline(buf []byte) (int, int64, string) {
	n, ok, problem := f.line(buf, '\n', errInline)
	if !ok {
		return needMore, 0, problem
	}
	*f = framer{}
	return n + 1, -1, ""
}

// wants returns how many bytes the command takes at least, as far as that is
// known.
func (f *framer) wants() int64 {
	if f.bulk == 0 {
		return int64(f.pos) + 1
	}
	return int64(f.pos) + f.bulk + 1
}

// parseLength parses a decimal as string2ll of Redis does: no plus sign, no
// leading zeros, no "-0".
func parseLength(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	digits := b
	if b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || digits[0] < '0' || digits[0] > '9' || digits[0] == '0' && len(b) > 1 {
		return 0, false
	}
	var n int64
	if len(digits) <= 18 {
		for _, c := range digits {
			if c < '0' || c > '9' {
				return 0, false
			}
			n = n*10 + int64(c-'0')
		}
		if len(digits) < len(b) {
			n = -n
		}
		return n, true
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}
