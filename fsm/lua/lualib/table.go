package lualib

import (
	lua "github.com/yuin/gopher-lua"
)

// openTable sets table and unpack.
func (l *libs) openTable(L *lua.LState) {
	t := L.NewTable()
	register(L, t,
		[]string{"concat", "foreach", "foreachi", "getn", "insert", "maxn", "remove", "setn", "sort"},
		[]lua.LGFunction{l.tabConcat, l.tabForeach, l.tabForeachi, l.tabGetn, l.tabInsert, l.tabMaxn, l.tabRemove, l.tabSetn, l.tabSort})
	L.SetGlobal("table", t)
	L.SetGlobal("unpack", L.NewFunction(l.unpack))
}

// set is lua_rawseti, which pays for a new element.
func (l *libs) set(L *lua.LState, t *lua.LTable, i int, v lua.LValue) {
	l.b.Spend(L, 1)
	if i < 1 || i >= lua.MaxArrayIndex {
		l.b.Grow(L, 64)
	} else if n := t.MaxN(); i > n {
		l.b.Grow(L, 32*int64(i-n)) // the array reaches up to i
	}
	t.RawSetInt(i, v)
}

// get is lua_rawgeti, whose index may lie outside the array.
func get(t *lua.LTable, i int) lua.LValue {
	return t.RawGet(lua.LNumber(i))
}

func (l *libs) tabConcat(L *lua.LState) int {
	t := checkTable(L, 1)
	sep := optString(L, 2, "")
	i := optInt(L, 3, 1)
	last := 0
	if none(L, 4) {
		last = t.Len()
	} else {
		last = checkInt(L, 4)
	}
	var out []byte
	for ; i <= last; i++ {
		l.b.Spend(L, 1)
		v := get(t, i)
		s, ok := asString(v)
		if !ok {
			fail(L, "invalid value (%s) at index %d in table for 'concat'", v.Type(), i)
		}
		out = l.grow(L, out, s)
		if i != last {
			out = l.grow(L, out, sep)
		}
	}
	return l.pushString(L, string(out))
}

func (l *libs) tabInsert(L *lua.LState) int {
	t := checkTable(L, 1)
	end := t.Len() + 1
	pos := end
	switch L.GetTop() {
	case 2:
	case 3:
		pos = checkInt(L, 2)
		end = max(end, pos)
		l.b.Spend(L, int64(end)-int64(pos))
		for i := end; i > pos; i-- {
			l.set(L, t, i, get(t, i-1))
		}
	default:
		fail(L, "wrong number of arguments to 'insert'")
	}
	l.set(L, t, pos, L.Get(L.GetTop()))
	return 0
}

func (l *libs) tabRemove(L *lua.LState) int {
	t := checkTable(L, 1)
	end := t.Len()
	pos := optInt(L, 2, end)
	if pos < 1 || pos > end {
		return 0
	}
	removed := get(t, pos)
	l.b.Spend(L, 1+int64(end-pos))
	if pos == end && end == t.MaxN() {
		t.Remove(pos) // gives the memory back
	} else {
		for ; pos < end; pos++ {
			t.RawSetInt(pos, get(t, pos+1))
		}
		t.RawSetInt(end, lua.LNil)
	}
	L.Push(removed)
	return 1
}

func (l *libs) tabGetn(L *lua.LState) int {
	l.b.Spend(L, 1)
	L.Push(lua.LNumber(checkTable(L, 1).Len()))
	return 1
}

func (l *libs) tabMaxn(L *lua.LState) int {
	t := checkTable(L, 1)
	most := 0.0
	l.each(L, t, func(k, _ lua.LValue) bool {
		if n, ok := k.(lua.LNumber); ok && float64(n) > most {
			most = float64(n)
		}
		return true
	})
	L.Push(lua.LNumber(most))
	return 1
}

// each visits a table's pairs in the order of next, until fn says to stop.
func (l *libs) each(L *lua.LState, t *lua.LTable, fn func(k, v lua.LValue) bool) {
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		l.b.Spend(L, 1)
		if !fn(k, v) {
			return
		}
	}
}

func (l *libs) tabForeach(L *lua.LState) int {
	t, f := checkTable(L, 1), checkFunction(L, 2)
	found := false
	l.each(L, t, func(k, v lua.LValue) bool {
		found = l.callback(L, f, k, v)
		return !found
	})
	return boolInt(found)
}

func (l *libs) tabForeachi(L *lua.LState) int {
	t, f := checkTable(L, 1), checkFunction(L, 2)
	for i, n := 1, t.Len(); i <= n; i++ {
		l.b.Spend(L, 1)
		if l.callback(L, f, lua.LNumber(i), get(t, i)) {
			return 1
		}
	}
	return 0
}

// callback calls f and leaves its result on the stack if it is not nil.
func (l *libs) callback(L *lua.LState, f *lua.LFunction, k, v lua.LValue) bool {
	L.Push(f)
	L.Push(k)
	L.Push(v)
	L.Call(2, 1)
	if L.Get(-1) != lua.LNil {
		return true
	}
	L.Pop(1)
	return false
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (l *libs) tabSetn(L *lua.LState) int {
	checkTable(L, 1)
	fail(L, "'setn' is obsolete")
	return 0
}

func (l *libs) unpack(L *lua.LState) int {
	t := checkTable(L, 1)
	i, e := optInt(L, 2, 1), 0
	if none(L, 3) {
		e = t.Len()
	} else {
		e = checkInt(L, 3)
	}
	if i > e {
		return 0
	}
	n := int64(e) - int64(i) + 1
	if n+int64(L.GetTop()) > maxStack {
		fail(L, "too many results to unpack")
	}
	l.b.Spend(L, n)
	for ; i <= e; i++ {
		L.Push(get(t, i))
	}
	return int(n)
}
