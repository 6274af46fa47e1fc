package lualib

import (
	"fmt"
	"math"

	lua "github.com/yuin/gopher-lua"
)

// Null is cjson.null, JSON's null inside of tables. There is one for all
// states; nobody may change it.
var Null = &lua.LUserData{Metatable: lua.LNil}

// jsonConfig is what the functions of one cjson table are set to.
type jsonConfig struct {
	sparseConvert bool
	sparseRatio   int
	sparseSafe    int
	encodeDepth   int
	decodeDepth   int
	precision     int
	keepBuffer    bool
	encodeInvalid int // 0: refused, 1: written, 2: written as null
	decodeInvalid bool
}

var defaultJSON = jsonConfig{sparseRatio: 2, sparseSafe: 10, encodeDepth: 1000, decodeDepth: 1000, precision: 14, keepBuffer: true, decodeInvalid: true}

// jsonLib is one cjson table.
type jsonLib struct {
	*libs
	jsonConfig
}

// openJSON sets cjson, version 2.1.0.
func (l *libs) openJSON(L *lua.LState) {
	l.b.json = &jsonLib{libs: l, jsonConfig: defaultJSON}
	L.SetGlobal("cjson", l.b.json.table(L))
}

func (j *jsonLib) table(L *lua.LState) *lua.LTable {
	t := L.NewTable()
	register(L, t,
		[]string{"encode", "decode", "encode_sparse_array", "encode_max_depth", "decode_max_depth", "encode_number_precision",
			"encode_keep_buffer", "encode_invalid_numbers", "decode_invalid_numbers", "new"},
		[]lua.LGFunction{j.encode, j.decode, j.setSparse, j.setEncodeDepth, j.setDecodeDepth, j.setPrecision,
			j.setKeepBuffer, j.setEncodeInvalid, j.setDecodeInvalid, j.new})
	t.RawSetString("null", Null)
	t.RawSetString("_NAME", lua.LString("cjson"))
	t.RawSetString("_VERSION", lua.LString("2.1.0"))
	return t
}

// new makes another cjson with settings of its own.
func (j *jsonLib) new(L *lua.LState) int {
	j.pay(L, 2048)
	L.Push((&jsonLib{libs: j.libs, jsonConfig: defaultJSON}).table(L))
	return 1
}

// arguments refuses more than n of them.
func arguments(L *lua.LState, n int) {
	if L.GetTop() > n {
		argError(L, n+1, "found too many arguments")
	}
}

// intOption sets *v to argument n, if there is one, and pushes *v.
func intOption(L *lua.LState, n int, v *int, low, high int) {
	if !none(L, n) {
		i := checkInt(L, n)
		if i < low || i > high {
			argError(L, 1, fmt.Sprintf("expected integer between %d and %d", low, high))
		}
		*v = i
	}
	L.Push(lua.LNumber(*v))
}

// enumOption reads argument n as a boolean or one of the words, whose first
// two are off and on, and gives its number.
func enumOption(L *lua.LState, n, v int, words ...string) int {
	if none(L, n) {
		return v
	}
	if b, ok := L.Get(n).(lua.LBool); ok {
		return boolInt(bool(b))
	}
	s := checkString(L, n)
	for i, w := range words {
		if s == w {
			return i
		}
	}
	argError(L, n, fmt.Sprintf("invalid option '%s'", cString(s)))
	return v
}

func (j *jsonLib) setSparse(L *lua.LState) int {
	arguments(L, 3)
	L.SetTop(3)
	j.sparseConvert = enumOption(L, 1, boolInt(j.sparseConvert), "off", "on") == 1
	L.Push(lua.LBool(j.sparseConvert))
	intOption(L, 2, &j.sparseRatio, 0, math.MaxInt32)
	intOption(L, 3, &j.sparseSafe, 0, math.MaxInt32)
	return 3
}

func oneInt(L *lua.LState, v *int, low, high int) int {
	arguments(L, 1)
	L.SetTop(1)
	intOption(L, 1, v, low, high)
	return 1
}

func (j *jsonLib) setEncodeDepth(L *lua.LState) int {
	return oneInt(L, &j.encodeDepth, 1, math.MaxInt32)
}

func (j *jsonLib) setDecodeDepth(L *lua.LState) int {
	return oneInt(L, &j.decodeDepth, 1, math.MaxInt32)
}

func (j *jsonLib) setPrecision(L *lua.LState) int {
	return oneInt(L, &j.precision, 1, 14)
}

func oneBool(L *lua.LState, v *bool) int {
	arguments(L, 1)
	L.SetTop(1)
	*v = enumOption(L, 1, boolInt(*v), "off", "on") == 1
	L.Push(lua.LBool(*v))
	return 1
}

// setKeepBuffer keeps the setting, which changes nothing that a script sees.
func (j *jsonLib) setKeepBuffer(L *lua.LState) int { return oneBool(L, &j.keepBuffer) }

func (j *jsonLib) setDecodeInvalid(L *lua.LState) int { return oneBool(L, &j.decodeInvalid) }

func (j *jsonLib) setEncodeInvalid(L *lua.LState) int {
	arguments(L, 1)
	L.SetTop(1)
	j.encodeInvalid = enumOption(L, 1, j.encodeInvalid, "off", "on", "null")
	if j.encodeInvalid == 2 {
		L.Push(lua.LString("null"))
	} else {
		L.Push(lua.LBool(j.encodeInvalid == 1))
	}
	return 1
}
