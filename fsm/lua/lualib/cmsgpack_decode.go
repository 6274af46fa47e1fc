package lualib

import (
	"encoding/binary"
	"math"

	lua "github.com/yuin/gopher-lua"
)

func (l *libs) msgUnpack(L *lua.LState) int {
	return l.unpackAll(L, 0, 0)
}

func (l *libs) msgUnpackOne(L *lua.LState) int {
	return l.unpackAll(L, 1, optInt64(L, 2, 0))
}

func (l *libs) msgUnpackLimit(L *lua.LState) int {
	limit := checkInt64(L, 2)
	return l.unpackAll(L, limit, optInt64(L, 3, 0))
}

// unpackAll pushes up to limit values that lie from offset on, all for limit
// and offset 0. With a limit, the first result is where to go on, -1 at the end.
func (l *libs) unpackAll(L *lua.LState, limit, offset int64) int {
	s := checkString(L, 1)
	if offset < 0 || limit < 0 {
		fail(L, "Invalid request to unpack with offset of %d and limit of %d.", int32(offset), len(s))
	}
	if offset > int64(len(s)) {
		fail(L, "Start offset %d greater than input length %d.", int32(offset), len(s))
	}
	all := limit == 0 && offset == 0
	if all {
		limit = math.MaxInt32
	}
	u := &unpacker{libs: l, L: L, s: s, pos: int(offset)}
	var values []lua.LValue
	for int64(len(values)) < limit && u.pos < len(s) {
		l.b.Grow(L, 32)
		values = append(values, u.value(1+len(values)))
	}
	n := 0
	if !all {
		next := u.pos
		if next == len(s) {
			next = -1
		}
		L.Push(lua.LNumber(next))
		n++
	}
	for _, v := range values {
		L.Push(v)
	}
	return n + len(values)
}

type unpacker struct {
	*libs
	L   *lua.LState
	s   string
	pos int
}

// take gives the next n bytes.
func (u *unpacker) take(n uint64) string {
	if n > uint64(len(u.s)-u.pos) {
		fail(u.L, "Missing bytes in input.")
	}
	s := u.s[u.pos : u.pos+int(n)]
	u.pos += int(n)
	return s
}

// number reads a big-endian number of size bytes.
func (u *unpacker) number(size int) uint64 {
	var b [8]byte
	copy(b[8-size:], u.take(uint64(size)))
	return binary.BigEndian.Uint64(b[:])
}

// value reads one value; slots is how much of its stack the C
// function would use by now.
func (u *unpacker) value(slots int) lua.LValue {
	u.b.Spend(u.L, 1)
	if slots >= maxStack {
		fail(u.L, "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)")
	}
	kind := u.take(1)[0]
	size := 1 << (kind & 3) // of the types whose four sizes follow each other
	switch {
	case kind <= 0x7f:
		return lua.LNumber(kind)
	case kind >= 0xe0:
		return lua.LNumber(int8(kind))
	case kind <= 0x8f:
		return u.table(uint64(kind&15), slots)
	case kind <= 0x9f:
		return u.array(uint64(kind&15), slots)
	case kind <= 0xbf:
		return u.text(uint64(kind & 31))
	}
	switch kind {
	case 0xc0:
		return lua.LNil
	case 0xc2, 0xc3:
		return lua.LBool(kind == 0xc3)
	case 0xca:
		return lua.LNumber(math.Float32frombits(uint32(u.number(4))))
	case 0xcb:
		return lua.LNumber(math.Float64frombits(u.number(8)))
	case 0xcc, 0xcd, 0xce, 0xcf:
		return lua.LNumber(int64(u.number(size))) // the largest wrap, as there
	case 0xd0, 0xd1, 0xd2, 0xd3:
		shift := 64 - 8*size
		return lua.LNumber(int64(u.number(size)<<shift) >> shift)
	case 0xd9:
		return u.text(u.number(1))
	case 0xda:
		return u.text(u.number(2))
	case 0xdb:
		return u.text(u.number(4))
	case 0xdc:
		return u.array(u.number(2), slots)
	case 0xdd:
		return u.array(u.number(4), slots)
	case 0xde:
		return u.table(u.number(2), slots)
	case 0xdf:
		return u.table(u.number(4), slots)
	}
	fail(u.L, "Bad data format in input.")
	return lua.LNil
}

// text is a part of the input, whose memory it shares.
func (u *unpacker) text(n uint64) lua.LValue {
	u.b.Grow(u.L, 16)
	return lua.LString(u.take(n))
}

func (u *unpacker) array(n uint64, slots int) lua.LValue {
	if slots+2 > maxStack {
		fail(u.L, "stack overflow (in function mp_decode_to_lua_array)")
	}
	u.b.Grow(u.L, 128)
	t := u.L.NewTable()
	for i := range n {
		v := u.value(slots + 1)
		u.b.Grow(u.L, 32)
		u.set(u.L, t, int(i)+1, v)
	}
	return t
}

func (u *unpacker) table(n uint64, slots int) lua.LValue {
	u.b.Grow(u.L, 128)
	t := u.L.NewTable()
	for range n {
		k := u.value(slots + 1)
		v := u.value(slots + 2)
		if k == lua.LNil {
			raise(u.L, "table index is nil")
		}
		if f, ok := k.(lua.LNumber); ok && f != f {
			raise(u.L, "table index is NaN")
		}
		u.b.Grow(u.L, 96)
		if f, ok := k.(lua.LNumber); ok && f >= 1 && float64(f) == math.Floor(float64(f)) && float64(f) < float64(lua.MaxArrayIndex) {
			u.set(u.L, t, int(f), v)
		} else {
			t.RawSet(k, v)
		}
	}
	return t
}
