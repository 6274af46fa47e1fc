package lualib

import (
	"encoding/binary"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// maxNesting is the depth at which cmsgpack.pack writes nil for a table.
const maxNesting = 16

// openMsgpack sets cmsgpack, version 0.4.0.
func (l *libs) openMsgpack(L *lua.LState) {
	t := L.NewTable()
	register(L, t,
		[]string{"pack", "unpack", "unpack_one", "unpack_limit"},
		[]lua.LGFunction{l.msgPack, l.msgUnpack, l.msgUnpackOne, l.msgUnpackLimit})
	t.RawSetString("_NAME", lua.LString("cmsgpack"))
	t.RawSetString("_VERSION", lua.LString("lua-cmsgpack 0.4.0"))
	t.RawSetString("_COPYRIGHT", lua.LString("Copyright (C) 2012, Salvatore Sanfilippo"))
	t.RawSetString("_DESCRIPTION", lua.LString("MessagePack C implementation for Lua"))
	L.SetGlobal("cmsgpack", t)
}

func (l *libs) msgPack(L *lua.LState) int {
	if L.GetTop() == 0 {
		argError(L, 0, "MessagePack pack needs input.")
	}
	p := &packer{libs: l, L: L}
	for i := 1; i <= L.GetTop(); i++ {
		p.value(L.Get(i), 0)
	}
	return l.pushString(L, string(p.out))
}

type packer struct {
	*libs
	L   *lua.LState
	out []byte
}

func (p *packer) bytes(b ...byte) {
	p.out = p.grow(p.L, p.out, string(b))
}

// sized writes a type byte and the low size bytes of v.
func (p *packer) sized(kind byte, v uint64, size int) {
	var b [9]byte
	b[0] = kind
	binary.BigEndian.PutUint64(b[1:], v<<(64-8*size))
	p.bytes(b[:1+size]...)
}

func (p *packer) value(v lua.LValue, level int) {
	p.b.Spend(p.L, 1)
	switch v := v.(type) {
	case lua.LString:
		p.text(string(v))
	case lua.LBool:
		p.bytes(0xc2 + byte(boolInt(bool(v))))
	case lua.LNumber:
		p.number(float64(v))
	case *lua.LTable:
		if level == maxNesting {
			p.bytes(0xc0)
		} else if n, ok := p.isArray(v); ok {
			p.header(0x90, 0xdc, n)
			for i := 1; i <= n; i++ {
				p.value(get(v, i), level+1)
			}
		} else {
			p.table(v, level)
		}
	default:
		p.bytes(0xc0)
	}
}

func (p *packer) text(s string) {
	switch n := len(s); {
	case n < 32:
		p.bytes(0xa0 | byte(n))
	case n <= 0xff:
		p.sized(0xd9, uint64(n), 1)
	case n <= 0xffff:
		p.sized(0xda, uint64(n), 2)
	default:
		p.sized(0xdb, uint64(n), 4)
	}
	p.out = p.grow(p.L, p.out, s)
}

func (p *packer) number(f float64) {
	i := toInt64(f)
	if float64(i) != f {
		if float64(float32(f)) == f {
			p.sized(0xca, uint64(math.Float32bits(float32(f))), 4)
		} else {
			p.sized(0xcb, math.Float64bits(f), 8)
		}
		return
	}
	switch {
	case i >= 0 && i <= 127 || i < 0 && i >= -32:
		p.bytes(byte(i))
	case i >= 0 && i <= 0xff:
		p.sized(0xcc, uint64(i), 1)
	case i >= 0 && i <= 0xffff:
		p.sized(0xcd, uint64(i), 2)
	case i >= 0 && i <= 0xffffffff:
		p.sized(0xce, uint64(i), 4)
	case i >= 0:
		p.sized(0xcf, uint64(i), 8)
	case i >= math.MinInt8:
		p.sized(0xd0, uint64(i), 1)
	case i >= math.MinInt16:
		p.sized(0xd1, uint64(i), 2)
	case i >= math.MinInt32:
		p.sized(0xd2, uint64(i), 4)
	default:
		p.sized(0xd3, uint64(i), 8)
	}
}

// header writes the size of an array or a map.
func (p *packer) header(fix, kind byte, n int) {
	switch {
	case n <= 15:
		p.bytes(fix | byte(n))
	case n <= 0xffff:
		p.sized(kind, uint64(n), 2)
	default:
		p.sized(kind+1, uint64(n), 4)
	}
}

// isArray tells whether a table has exactly the keys 1 to n.
func (p *packer) isArray(t *lua.LTable) (n int, ok bool) {
	most, count := 0.0, 0
	ok = true
	p.each(p.L, t, func(k, _ lua.LValue) bool {
		f, number := k.(lua.LNumber)
		if ok = number && f > 0 && float64(toInt64(float64(f))) == float64(f); ok {
			most = max(most, float64(f))
			count++
		}
		return ok
	})
	return count, ok && most == float64(count)
}

func (p *packer) table(t *lua.LTable, level int) {
	n := 0
	p.each(p.L, t, func(_, _ lua.LValue) bool {
		n++
		return true
	})
	p.header(0x80, 0xde, n)
	p.each(p.L, t, func(k, v lua.LValue) bool {
		p.value(k, level+1)
		p.value(v, level+1)
		return true
	})
}
