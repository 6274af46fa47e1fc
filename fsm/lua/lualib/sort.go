package lualib

import (
	lua "github.com/yuin/gopher-lua"
)

// sorter sorts a table in place. It makes the same comparisons and exchanges
// as Lua 5.1 (a quicksort on the median of the first, middle and last
// element), because the order of equal elements can be seen.
type sorter struct {
	l    *libs
	L    *lua.LState
	t    *lua.LTable
	less *lua.LFunction // nil: the < of Lua
}

func (l *libs) tabSort(L *lua.LState) int {
	t := checkTable(L, 1)
	s := &sorter{l: l, L: L, t: t}
	if !none(L, 2) {
		s.less = checkFunction(L, 2)
	}
	s.sort(1, t.Len())
	return 0
}

func (s *sorter) sort(low, high int) {
	for low < high {
		s.order(low, high)
		if high-low == 1 {
			return
		}
		mid := (low + high) / 2
		if s.lessThan(get(s.t, mid), get(s.t, low)) {
			s.swap(mid, low)
		} else if s.lessThan(get(s.t, high), get(s.t, mid)) {
			s.swap(mid, high)
		}
		if high-low == 2 {
			return
		}
		pivot := get(s.t, mid)
		s.swap(mid, high-1)
		i, j := low, high-1
		for {
			for i++; s.lessThan(get(s.t, i), pivot); i++ {
				if i > high {
					fail(s.L, "invalid order function for sorting")
				}
			}
			for j--; s.lessThan(pivot, get(s.t, j)); j-- {
				if j < low {
					fail(s.L, "invalid order function for sorting")
				}
			}
			if j < i {
				break
			}
			s.swap(i, j)
		}
		s.swap(high-1, i)
		if i-low < high-i {
			s.sort(low, i-1)
			low = i + 1
		} else {
			s.sort(i+1, high)
			high = i - 1
		}
	}
}

// order puts the smaller of two elements first.
func (s *sorter) order(i, j int) {
	if s.lessThan(get(s.t, j), get(s.t, i)) {
		s.swap(i, j)
	}
}

func (s *sorter) swap(i, j int) {
	a, b := get(s.t, i), get(s.t, j)
	s.l.set(s.L, s.t, i, b)
	s.l.set(s.L, s.t, j, a)
}

func (s *sorter) lessThan(a, b lua.LValue) bool {
	s.l.b.Spend(s.L, 1)
	if s.less == nil {
		return lessThan(s.L, a, b)
	}
	s.L.Push(s.less)
	s.L.Push(a)
	s.L.Push(b)
	s.L.Call(2, 1)
	v := s.L.Get(-1)
	s.L.Pop(1)
	return lua.LVAsBool(v)
}

// lessThan is Lua's <, with Lua's error texts.
func lessThan(L *lua.LState, a, b lua.LValue) bool {
	if a.Type() == b.Type() {
		switch a := a.(type) {
		case lua.LNumber:
			return a < b.(lua.LNumber)
		case lua.LString:
			return a < b.(lua.LString)
		}
		if lt := L.GetMetaField(a, "__lt"); lt != lua.LNil && lt == L.GetMetaField(b, "__lt") {
			L.Push(lt)
			L.Push(a)
			L.Push(b)
			L.Call(2, 1)
			v := L.Get(-1)
			L.Pop(1)
			return lua.LVAsBool(v)
		}
		raise(L, "attempt to compare two "+a.Type().String()+" values")
	}
	raise(L, "attempt to compare "+a.Type().String()+" with "+b.Type().String())
	return false
}
