package transport

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"net"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// reference parses a whole input at once, in the plainest way: commands, and
// the error that ends them.
func reference(in []byte, lim frameLimits) (cmds [][]string, problem string) {
	find := func(b []byte, end byte, tooLong string) (int, string) {
		for i, c := range b {
			if i > maxLine {
				return -1, tooLong
			}
			if c == 0 {
				break
			}
			if c == end {
				if end == '\r' && i+1 >= len(b) {
					return -1, ""
				}
				return i, ""
			}
		}
		if len(b) > maxLine {
			return -1, tooLong
		}
		return -1, ""
	}
	number := func(b []byte) (int64, bool) {
		n, err := strconv.ParseInt(string(b), 10, 64)
		return n, err == nil && strconv.FormatInt(n, 10) == string(b)
	}
	for len(in) > 0 {
		if in[0] != '*' {
			n, problem := find(in, '\n', errInline)
			if n < 0 {
				return cmds, problem
			}
			args, ok := splitInline(nil, append([]byte(nil), in[:n+1]...))
			if !ok {
				return cmds, errQuotes
			}
			cmds = appendCommand(cmds, args)
			in = in[n+1:]
			continue
		}
		n, problem := find(in, '\r', errMbulkCount)
		if n < 0 {
			return cmds, problem
		}
		count, ok := number(in[1:n])
		if !ok || count > 1<<31-1 {
			return cmds, errMbulkLen
		}
		if lim.unauth && count > 10 {
			return cmds, errUnauthArgs
		}
		rest := in[n+2:]
		var args [][]byte
		for ; count > 0; count-- {
			n, problem := find(rest, '\r', errBulkCount)
			if n < 0 {
				return cmds, problem
			}
			if rest[0] != '$' {
				return cmds, "Protocol error: expected '$', got '" + string(rest[:1]) + "'"
			}
			size, ok := number(rest[1:n])
			if !ok || size < 0 || size > lim.maxBulk {
				return cmds, errBulkLen
			}
			if lim.unauth && size > 16384 {
				return cmds, errUnauthBulk
			}
			rest = rest[n+2:]
			if int64(len(rest)) < size+2 {
				return cmds, ""
			}
			args = append(args, rest[:size])
			rest = rest[size+2:]
		}
		cmds = appendCommand(cmds, args)
		in = rest
	}
	return cmds, ""
}

func appendCommand(cmds [][]string, args [][]byte) [][]string {
	if len(args) == 0 {
		return cmds
	}
	var c []string
	for _, a := range args {
		c = append(c, string(a))
	}
	return append(cmds, c)
}

// chunks is a connection that delivers its data in given pieces.
type chunks struct {
	net.Conn
	data []byte
	rnd  *rand.Rand
}

func (c *chunks) Read(b []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := min(len(b), len(c.data), 1+c.rnd.Intn(1+c.rnd.Intn(5000)))
	copy(b, c.data[:n])
	c.data = c.data[n:]
	return n, nil
}

// incremental parses the same through the input buffer.
func incremental(in []byte, lim frameLimits, seed int64) (cmds [][]string, problem string) {
	var total atomic.Int64
	b := input{total: &total}
	defer b.release()
	conn := &chunks{data: in, rnd: rand.New(rand.NewSource(seed))}
	for {
		for {
			args, more, problem := b.next(lim)
			if problem != "" {
				return cmds, problem
			}
			if !more {
				break
			}
			cmds = appendCommand(cmds, args)
		}
		if _, err := b.fill(conn, 1<<30, 0); err != nil {
			return cmds, ""
		}
	}
}

func compareParsers(t *testing.T, in []byte, unauth bool, seed int64) {
	lim := frameLimits{maxBulk: 1 << 20, unauth: unauth}
	want, wantProblem := reference(append([]byte(nil), in...), lim)
	got, gotProblem := incremental(append([]byte(nil), in...), lim, seed)
	if !reflect.DeepEqual(got, want) || gotProblem != wantProblem {
		t.Fatalf("input %.300q seed %d\n got %.300q %q\nwant %.300q %q", in, seed, got, gotProblem, want, wantProblem)
	}
}

func FuzzFraming(f *testing.F) {
	for i, s := range diffInputs {
		f.Add([]byte(s), i%2 == 0, int64(i))
	}
	f.Fuzz(func(t *testing.T, in []byte, unauth bool, seed int64) { compareParsers(t, in, unauth, seed) })
}

func TestFramingRandom(t *testing.T) {
	const seed = 7
	rnd := rand.New(rand.NewSource(seed))
	pieces := []string{"*1\r\n", "*2\r\n", "*0\r\n", "*-1\r\n", "*11\r\n", "$4\r\nPING\r\n", "$0\r\n\r\n", "$3\r\nabcXX", "\r", "\n", "\r\n", "\x00",
		"ping\r\n", "echo \"a b\"\n", "$", "*", "'", "\"", " ", "$20000\r\n", "$70000\r\n", "set a b\r\n", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n"}
	for range 3000 {
		var in []byte
		for range 1 + rnd.Intn(12) {
			in = append(in, pieces[rnd.Intn(len(pieces))]...)
		}
		compareParsers(t, in, rnd.Intn(2) == 0, rnd.Int63())
	}
	for _, n := range []int{maxLine - 2, maxLine - 1, maxLine, maxLine + 1, maxLine + 2, 3 * maxLine} {
		for _, form := range []string{"%s\r\nping\r\n", "*%s\r\nping\r\n", "*1\r\n$%s\r\nping\r\n", "echo %s", "*2\r\n$4\r\nECHO\r\n$70000\r\n%s\r\n"} {
			compareParsers(t, fmt.Appendf(nil, form, strings.Repeat("1", n)), false, rnd.Int63())
		}
	}
}

// A large argument that arrives in small pieces is copied a bounded number of
// times, and takes memory as it arrives.
func TestBigArgumentIsNotQuadratic(t *testing.T) {
	const size = 8 << 20
	var total atomic.Int64
	in := input{total: &total}
	value := bytes.Repeat([]byte("x"), size)
	conn := &chunks{data: append(fmt.Appendf(nil, "*2\r\n$4\r\nECHO\r\n$%d\r\n", size), append(value, '\r', '\n')...), rnd: rand.New(rand.NewSource(1))}
	lim := frameLimits{maxBulk: 512 << 20}
	arrived, grown, capacity := 0, 0, 0
	for {
		if args, more, problem := in.next(lim); problem != "" {
			t.Fatal(problem)
		} else if more {
			if len(args) != 2 || len(args[1]) != size {
				t.Fatalf("got %d arguments", len(args))
			}
			break
		}
		n, err := in.fill(conn, 1<<30, 0)
		if err != nil {
			t.Fatal(err)
		}
		arrived += n
		if cap(in.buf) != capacity {
			grown += len(in.buf) - n
			capacity = cap(in.buf)
		}
		if cap(in.buf) > max(2*arrived, usualInput) {
			t.Fatalf("%d bytes have arrived and the buffer holds %d", arrived, cap(in.buf))
		}
	}
	if grown > 2*size {
		t.Errorf("copied %d bytes for an argument of %d", grown, size)
	}
	in.compact()
	if total.Load() > usualInput {
		t.Errorf("an empty buffer keeps %d bytes", total.Load())
	}
	in.shrink()
	if total.Load() != smallInput {
		t.Errorf("a quiet buffer keeps %d bytes", total.Load())
	}
	in.release()
	if total.Load() != 0 {
		t.Errorf("%d bytes are counted after release", total.Load())
	}
}

func TestInputLimits(t *testing.T) {
	var total atomic.Int64
	in := input{total: &total}
	conn := &chunks{data: bytes.Repeat([]byte("*1\r\n$1000000\r\n"), 100000), rnd: rand.New(rand.NewSource(1))}
	lim := frameLimits{maxBulk: 1 << 30}
	for {
		if _, _, problem := in.next(lim); problem != "" {
			t.Fatal(problem)
		}
		if _, err := in.fill(conn, 100000, 0); err != nil {
			if err != errInputLimit || cap(in.buf) > 100001 {
				t.Fatalf("%v with %d bytes", err, cap(in.buf))
			}
			break
		}
	}
	other := input{total: &total}
	if _, err := other.fill(conn, 1<<30, total.Load()+100); err != errTotalInput {
		t.Fatalf("total limit: %v", err)
	}
}

func BenchmarkFrameMSET(b *testing.B) {
	var packet []byte
	packet = append(packet, "*21\r\n$4\r\nMSET\r\n"...)
	for i := range 10 {
		packet = fmt.Appendf(packet, "$6\r\nkey:%02d\r\n$100\r\n%0100d\r\n", i, i)
	}
	var in input
	in.buf = packet
	b.ReportAllocs()
	for b.Loop() {
		in.start, in.args = 0, in.args[:0]
		if args, more, problem := in.next(frameLimits{maxBulk: 1 << 20}); !more || len(args) != 21 {
			b.Fatal(problem)
		}
	}
}
