package lualib

import lua "github.com/yuin/gopher-lua"

// Open sets the globals string, table, math, bit, cjson, cmsgpack, struct and
// unpack in L, and the metatable that makes ("x"):rep(2) call the same
// functions. All of them draw on b for as long as L lives; coroutines of L
// share it. L needs no library of gopher-lua to have been opened before.
//
// The settings of cjson (cjson.encode_max_depth and its like) last until
// b.Reset. In Redis they last as long as the server.
func Open(L *lua.LState, b *Budget) {
	l := &libs{b: b}
	l.openString(L)
	l.openTable(L)
	l.openMath(L)
	l.openBit(L)
	l.openJSON(L)
	l.openMsgpack(L)
	l.openStruct(L)
}
