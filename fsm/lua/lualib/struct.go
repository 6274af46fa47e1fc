package lualib

import (
	"fmt"
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Limits of struct.
const (
	maxIntSize   = 32 // bytes of an integer
	defaultAlign = 8  // of "!" without a number
)

// openStruct sets struct.
func (l *libs) openStruct(L *lua.LState) {
	t := L.NewTable()
	register(L, t, []string{"pack", "unpack", "size"}, []lua.LGFunction{l.structPack, l.structUnpack, l.structSize})
	L.SetGlobal("struct", t)
}

// structFormat walks a format string. A format ends at its first zero byte.
type structFormat struct {
	L     *lua.LState
	s     string
	pos   int
	big   bool
	align int
}

func newStructFormat(L *lua.LState) *structFormat {
	return &structFormat{L: L, s: cString(checkString(L, 1)), align: 1}
}

func (f *structFormat) more() bool { return f.pos < len(f.s) }

// option reads an option and the size of its value.
func (f *structFormat) option() (opt byte, size int) {
	opt = f.s[f.pos]
	f.pos++
	switch opt {
	case 'B', 'b', 'x':
		return opt, 1
	case 'H', 'h':
		return opt, 2
	case 'L', 'l', 'T', 'd':
		return opt, 8
	case 'f':
		return opt, 4
	case 'c':
		return opt, f.number(1)
	case 'i', 'I':
		size = f.number(4)
		if size > maxIntSize {
			fail(f.L, "integral size %d is larger than limit of %d", size, maxIntSize)
		}
		return opt, size
	}
	return opt, 0
}

func (f *structFormat) number(def int) int {
	if !f.more() || !isDigit(f.s[f.pos]) {
		return def
	}
	n := 0
	for ; f.more() && isDigit(f.s[f.pos]); f.pos++ {
		digit := int(f.s[f.pos] - '0')
		if n > math.MaxInt32/10 || n*10 > math.MaxInt32-digit {
			fail(f.L, "integral size overflow")
		}
		n = n*10 + digit
	}
	return n
}

// control obeys an option that stands for no value.
func (f *structFormat) control(opt byte) {
	switch opt {
	case ' ':
	case '>':
		f.big = true
	case '<':
		f.big = false
	case '!':
		a := f.number(defaultAlign)
		if a == 0 || a&(a-1) != 0 {
			fail(f.L, "alignment %d is not a power of 2", a)
		}
		f.align = a
	default:
		argError(f.L, 1, fmt.Sprintf("invalid format option '%c'", opt))
	}
}

// padding is what a value at offset n needs before it to be aligned.
func (f *structFormat) padding(n int, opt byte, size int) int {
	if size == 0 || opt == 'c' {
		return 0
	}
	size = min(size, f.align)
	if size <= 1 {
		return 0
	}
	return (size - n&(size-1)) & (size - 1)
}

func (l *libs) structSize(L *lua.LState) int {
	f := newStructFormat(L)
	total := 0
	for f.more() {
		l.b.Spend(L, 1)
		opt, size := f.option()
		pad := f.padding(total, opt, size)
		switch {
		case opt == 's':
			argError(L, 1, "option 's' has no fixed size")
		case opt == 'c' && size == 0:
			argError(L, 1, "option 'c0' has no fixed size")
		case !isAlnum(opt):
			f.control(opt)
		}
		total += pad + size
	}
	L.Push(lua.LNumber(total))
	return 1
}

func (l *libs) structPack(L *lua.LState) int {
	f := newStructFormat(L)
	L.Push(lua.LNil) // an argument that is missing is nil in errors
	var out []byte
	arg, total := 2, 0
	for f.more() {
		l.b.Spend(L, 1)
		opt, size := f.option()
		pad := f.padding(total, opt, size)
		total += pad
		out = l.grow(L, out, strings.Repeat("\x00", pad))
		switch opt {
		case 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I':
			v := checkNumber(L, arg)
			arg++
			out = l.grow(L, out, f.integer(toUint64(v), size))
		case 'x':
			out = l.grow(L, out, "\x00")
		case 'f':
			out = l.grow(L, out, f.integer(uint64(math.Float32bits(float32(checkNumber(L, arg)))), 4))
			arg++
		case 'd':
			out = l.grow(L, out, f.integer(math.Float64bits(checkNumber(L, arg)), 8))
			arg++
		case 'c', 's':
			s := checkString(L, arg)
			arg++
			if size == 0 {
				size = len(s)
			}
			if len(s) < size {
				argError(L, arg, "string too short")
			}
			out = l.grow(L, out, s[:size])
			if opt == 's' {
				out = l.grow(L, out, "\x00")
				size++
			}
		default:
			f.control(opt)
		}
		total += size
	}
	return l.pushString(L, string(out))
}

// integer is a number in size bytes; those above the eighth are 0.
func (f *structFormat) integer(v uint64, size int) string {
	var b [maxIntSize]byte
	for i := range size {
		at := i
		if f.big {
			at = size - 1 - i
		}
		b[at] = byte(v)
		v >>= 8
	}
	return string(b[:size])
}

// number reads the integer that data is.
func (f *structFormat) read(data string, signed bool) lua.LNumber {
	var v uint64
	for i := range len(data) {
		at := i
		if !f.big {
			at = len(data) - 1 - i
		}
		v = v<<8 | uint64(data[at])
	}
	if !signed {
		return lua.LNumber(v)
	}
	mask := ^uint64(0) << (uint(len(data)*8-1) & 63) // as the shift of x86
	if v&mask != 0 {
		v |= mask
	}
	return lua.LNumber(int64(v))
}

func (l *libs) structUnpack(L *lua.LState) int {
	f := newStructFormat(L)
	data := checkString(L, 2)
	pos := uint64(optInt64(L, 3, 1)) // negative ones are far beyond the data
	if pos == 0 {
		argError(L, 3, "offset must be 1 or greater")
	}
	pos--
	need := func(size int) string {
		if size > len(data) || pos > uint64(len(data)-size) {
			argError(L, 2, "data string too short")
		}
		return data[pos : pos+uint64(size)]
	}
	var values []lua.LValue
	for f.more() {
		l.b.Spend(L, 1)
		l.b.Grow(L, 32)
		opt, size := f.option()
		pos += uint64(f.padding(int(pos&math.MaxInt32), opt, size))
		part := need(size)
		if len(values)+4 > maxStack-L.GetTop() {
			fail(L, "stack overflow (too many results)")
		}
		switch opt {
		case 'b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I':
			values = append(values, f.read(part, isLower(opt)))
		case 'x':
		case 'f':
			values = append(values, lua.LNumber(math.Float32frombits(uint32(f.bits(part)))))
		case 'd':
			values = append(values, lua.LNumber(math.Float64frombits(f.bits(part))))
		case 'c':
			if size == 0 {
				part = need(f.popSize(&values))
				size = len(part)
			}
			values = append(values, lua.LString(part))
		case 's':
			end := strings.IndexByte(data[pos:], 0)
			if end < 0 {
				fail(L, "unfinished string in data")
			}
			l.b.Spend(L, int64(end)/16)
			values = append(values, lua.LString(data[pos:pos+uint64(end)]))
			size = end + 1
		default:
			f.control(opt)
		}
		pos += uint64(size)
	}
	for _, v := range values {
		L.Push(v)
	}
	L.Push(lua.LNumber(int64(pos + 1)))
	return len(values) + 1
}

// bits is the unsigned number that data is.
func (f *structFormat) bits(data string) (v uint64) {
	for i := range len(data) {
		at := i
		if !f.big {
			at = len(data) - 1 - i
		}
		v = v<<8 | uint64(data[at])
	}
	return v
}

// popSize takes the last value back as the length of a string. One beyond the
// data is cut to what need refuses.
func (f *structFormat) popSize(values *[]lua.LValue) int {
	n := len(*values)
	if n == 0 {
		fail(f.L, "format 'c0' needs a previous size")
	}
	v, ok := asNumber((*values)[n-1])
	if !ok {
		fail(f.L, "format 'c0' needs a previous size")
	}
	*values = (*values)[:n-1]
	return int(min(toUint64(v), math.MaxInt32))
}
