package fsm

// Integers of 1 to 64 bits within a string, for BITFIELD: two's complement, the
// highest bit first, beginning at any bit.

// overflow says what happens to a value that an integer can't hold.
type overflow uint8

const (
	overflowWrap overflow = iota // the bits that it has no room for are lost
	overflowSat                  // it becomes the nearest that fits
	overflowFail                 // nothing is written, and the reply is null
)

// intType is the type of an integer: i1 to i64, u1 to u63.
type intType struct {
	signed bool
	bits   int64
}

// parseIntType parses a type. As in Redis a zero byte ends it.
func parseIntType(arg []byte) (t intType, ok bool) {
	word := cString(arg)
	if word == "" || word[0] != 'i' && word[0] != 'u' || len(word) < 2 || len(word) > 3 || word[1] == '0' {
		return t, false
	}
	t.signed = word[0] == 'i'
	for _, d := range word[1:] {
		if d < '0' || d > '9' {
			return t, false
		}
		t.bits = t.bits*10 + int64(d-'0')
	}
	return t, t.bits <= 63 || t.signed && t.bits == 64
}

// get returns the integer at a bit of s. Bits behind the end are 0.
func (t intType) get(s []byte, at int64) int64 {
	var v uint64
	for left, i := t.bits, at>>3; left > 0; i++ {
		var b byte
		if i < int64(len(s)) {
			b = s[i]
		}
		b <<= at & 7
		n := min(8-at&7, left)
		v = v<<n | uint64(b>>(8-n))
		at += n
		left -= n
	}
	return t.wrap(v)
}

// set writes v at a bit of s, which is long enough.
func (t intType) set(s []byte, at, v int64) {
	for left := t.bits; left > 0; {
		n := min(8-at&7, left)
		left -= n
		mask := byte(1<<n-1) << (8 - n - at&7)
		b := &s[at>>3]
		*b = *b&^mask | byte(v>>left)<<(8-n-at&7)&mask
		at += n
	}
}

// wrap returns the integer that the low bits of v are.
func (t intType) wrap(v uint64) int64 {
	shift := 64 - t.bits
	if t.signed {
		return int64(v<<shift) >> shift
	}
	return int64(v << shift >> shift)
}

// limits returns the smallest and the largest integer of the type.
func (t intType) limits() (lo, hi int64) {
	if t.signed {
		hi = int64(uint64(1)<<(t.bits-1) - 1)
		return -hi - 1, hi
	}
	return 0, int64(uint64(1)<<t.bits - 1)
}

// add returns old + by, settled as o says, and false if it overflows and
// nothing must be written. old is an integer of the type.
func (t intType) add(old, by int64, o overflow) (int64, bool) {
	lo, hi := t.limits()
	// Neither difference overflows where it is looked at: with by > 0, hi-old
	// can only be too large for an int64 if old is negative in 64 bits.
	switch {
	case by > 0 && (old >= 0 || t.bits < 64) && by > hi-old:
		return t.settle(uint64(old)+uint64(by), hi, o)
	case by < 0 && (old < 0 || t.bits < 64) && by < lo-old:
		return t.settle(uint64(old)+uint64(by), lo, o)
	}
	return old + by, true
}

// fit returns v, settled as o says, and false if it doesn't fit and nothing must
// be written. A negative v is larger than any unsigned integer, as in Redis.
func (t intType) fit(v int64, o overflow) (int64, bool) {
	lo, hi := t.limits()
	switch {
	case v > hi || !t.signed && v < 0:
		return t.settle(uint64(v), hi, o)
	case v < lo:
		return t.settle(uint64(v), lo, o)
	}
	return v, true
}

func (t intType) settle(v uint64, nearest int64, o overflow) (int64, bool) {
	switch o {
	case overflowWrap:
		return t.wrap(v), true
	case overflowSat:
		return nearest, true
	}
	return 0, false
}
