package hyperloglog

import (
	"slices"
	"strconv"
)

// A sparse value is a sequence of runs of registers with the same count:
//
//	00nnnnnn           n+1 registers with count 0
//	01nnnnnn nnnnnnnn  n+1 registers with count 0
//	1vvvvvnn           n+1 registers with count v+1
//
// Which sequence stands for given registers isn't unique. Where Redis would
// write other bytes, values and their sizes would differ, and with them the
// moment at which they become dense, so runs are split and joined as it does.
const (
	maxZeros      = 64 // registers in a run of zeros of one byte
	maxValues     = 4  // registers in a run of another count
	maxValueCount = 32 // the largest count that a run can have
	joinRuns      = 5  // runs that are looked at to be joined after a change
)

// run is one run.
type run struct {
	size   int // bytes: 1 or 2
	length int // registers
	count  byte
}

// readRun reads the run at b[i]. Of a run that is cut off the missing byte
// counts as 0.
func readRun(b []byte, i int) run {
	switch c := b[i]; {
	case c&0x80 != 0:
		return run{1, int(c&3) + 1, c>>2&31 + 1}
	case c&0x40 == 0:
		return run{1, int(c) + 1, 0}
	default:
		length := int(c&0x3f)<<8 + 1
		if i+1 < len(b) {
			length += int(b[i+1])
		}
		return run{2, length, 0}
	}
}

// eachRun calls f with the runs of a sparse value, the first register of each
// and the number of registers, which together are within Registers. It returns
// ErrCorrupt if they aren't exactly that many.
func eachRun(b []byte, f func(at, length int, count byte)) error {
	at := 0
	for i := headerSize; i < len(b); {
		r := readRun(b, i)
		if r.length > Registers-at {
			return ErrCorrupt
		}
		f(at, r.length, r.count)
		at += r.length
		i += r.size
	}
	if at != Registers {
		return ErrCorrupt
	}
	return nil
}

// appendZeros appends a run of zeros.
func appendZeros(dst []byte, length int) []byte {
	if length > maxZeros {
		return append(dst, byte((length-1)>>8)|0x40, byte(length-1))
	}
	return append(dst, byte(length-1))
}

// valueRun is a run of a count of 1 to maxValueCount.
func valueRun(count byte, length int) byte { return 0x80 | (count-1)<<2 | byte(length-1) }

// sparseRaise gives a register of a sparse value at least the count; see Add.
func sparseRaise(b []byte, register int, count byte, sparseMax int) ([]byte, bool, error) {
	if count > maxValueCount {
		return promote(b, register, count)
	}
	// Find the run that the register is in, and the one before it.
	i, first, before := headerSize, 0, headerSize
	for i < len(b) {
		// readRun, unrolled: this is where the time goes.
		size, length := 1, int(b[i]&3)+1
		if c := b[i]; c < 0x40 {
			length = int(c) + 1
		} else if c < 0x80 {
			size, length = 2, readRun(b, i).length
		}
		if register < first+length {
			break
		}
		before = i
		i += size
		first += length
	}
	if i >= len(b) {
		return b, false, ErrCorrupt
	}
	r := readRun(b, i)
	if i+r.size > len(b) {
		return b, false, ErrCorrupt // cut off
	}
	if r.count >= count {
		return b, false, nil
	}
	if r.length == 1 && r.size == 1 {
		b[i] = valueRun(count, 1)
	} else {
		var buf [5]byte
		split := r.split(buf[:0], register-first, count)
		grow := len(split) - r.size
		if grow > 0 && len(b)+grow > sparseMax {
			return promote(b, register, count)
		}
		b = slices.Replace(b, i, i+r.size, split...)
	}
	b = join(b, before)
	Invalidate(b)
	return b, true, nil
}

// split appends the runs that stand for r after its register at got the count.
func (r run) split(dst []byte, at int, count byte) []byte {
	same := func(length int) {
		switch {
		case length == 0:
		case r.count == 0:
			dst = appendZeros(dst, length)
		default:
			dst = append(dst, valueRun(r.count, length))
		}
	}
	same(at)
	dst = append(dst, valueRun(count, 1))
	same(r.length - at - 1)
	return dst
}

// join joins neighbours of the same count among a few runs from b[i] on, where
// one run can hold both.
func join(b []byte, i int) []byte {
	for n := 0; n < joinRuns && i < len(b); n++ {
		r := readRun(b, i)
		if r.count > 0 && i+1 < len(b) {
			if next := readRun(b, i+1); next.count == r.count && r.length+next.length <= maxValues {
				b[i+1] = valueRun(r.count, r.length+next.length)
				b = slices.Delete(b, i, i+1)
				continue // the joined run may take the next one too
			}
		}
		i += r.size
	}
	return b
}

// promote makes a sparse value dense and raises the register.
func promote(b []byte, register int, count byte) ([]byte, bool, error) {
	dense, err := ToDense(b)
	if err != nil {
		return b, false, err
	}
	return dense, denseRaise(dense[headerSize:], register, count), nil
}

// AppendRuns appends the runs of a valid sparse value in the notation of PFDEBUG
// DECODE: z:length and Z:length for zeros in one and two bytes, v:count,length
// for others, separated by spaces. It reports false if that would be longer
// than limit bytes.
func AppendRuns(dst, b []byte, limit int) ([]byte, bool) {
	begin := len(dst)
	for i := headerSize; i < len(b); {
		r := readRun(b, i)
		if i > headerSize {
			dst = append(dst, ' ')
		}
		switch {
		case r.count > 0:
			dst = append(dst, "v:"...)
			dst = append(strconv.AppendInt(dst, int64(r.count), 10), ',')
		case r.size == 1:
			dst = append(dst, "z:"...)
		default:
			dst = append(dst, "Z:"...)
		}
		dst = strconv.AppendInt(dst, int64(r.length), 10)
		if len(dst)-begin > limit {
			return dst, false
		}
		i += r.size
	}
	return dst, true
}
