package lualib

import lua "github.com/yuin/gopher-lua"

// Open sets the globals string, table, math, bit, cjson, cmsgpack, struct and
// unpack in L, and the metatable that makes ("x"):rep(2) call the same
// functions. All of them draw on b for as long as L lives; coroutines of L
// share it. L needs no library of gopher-lua to have been opened before.
func Open(L *lua.LState, b *Budget) {
}
