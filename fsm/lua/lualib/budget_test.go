package lualib

import (
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// TestHostileScriptsEnd runs what would take for ever or all memory.
func TestHostileScriptsEnd(t *testing.T) {
	for _, snippet := range []string{
		`return ("a"):rep(40):find(("a?"):rep(40) .. ("a"):rep(41))`,
		`return ("a"):rep(100000):find(("a*"):rep(20) .. "b")`,
		`return ("a"):rep(100000):find(("a-"):rep(20) .. "b")`,
		`return ("("):rep(100000):gsub("%b()", "")`,
		`return ("a"):rep(1000000):gsub("(a*)b", "")`,
		`return ("x"):rep(2^31 - 1)`,
		`return ("x"):rep(1e6):rep(2147483647)`,
		`local s = ("x"):rep(1e6) return (s:gsub(".", s))`,
		`local s = ("x"):rep(1e6) return string.format(("%s"):rep(200), unpack((function() local t = {} for i = 1, 200 do t[i] = s end return t end)()))`,
		`local t = {} for i = 1, 200 do t[i] = ("x"):rep(1e6) end return table.concat(t)`,
		`local t = {} for i = 1, 100 do t[i] = "x" end return table.concat(t, ("y"):rep(1e6))`,
		`local t = {} table.insert(t, 60000000, 1)`,
		`return cjson.encode({("\1"):rep(1e7), ("\1"):rep(1e7)})`,
		`local t = {} for i = 1, 20 do t = {t, t} end return cjson.encode(t)`,
		`local t = {1} for i = 1, 15 do t = {t, t, t, t, t} end return cmsgpack.pack(t)`,
		`return cjson.decode("[" .. ("{},"):rep(1e6) .. "{}]")`,
		`return cmsgpack.unpack("\221\255\255\255\255" .. ("\128"):rep(1e6))`,
		`while pcall(string.rep, "x", 1) do end return ("x"):rep(1)`,
	} {
		L, b := newState(t, 500_000, 8<<20)
		fn, err := compile(L, snippet)
		if err != nil {
			t.Fatal(err)
		}
		L.Push(fn)
		err = L.PCall(0, 1, nil)
		if b.Err() == nil {
			t.Errorf("%s: ended within the budget: %v", snippet, err)
		}
	}
}

// TestBudgetStaysSpent: pcall catches the error once only.
func TestBudgetStaysSpent(t *testing.T) {
	L, b := newState(t, 1000, 1<<20)
	err := L.DoString(`
		local ok, e = pcall(string.find, ("a"):rep(40), ("a?"):rep(40) .. ("a"):rep(41))
		assert(not ok and e:find("steps", 1, true) == nil)`)
	if err == nil || !strings.Contains(err.Error(), ErrSteps.Error()) {
		t.Errorf("got %v", err)
	}
	if b.Take(0) || b.TakeBytes(0) || b.Err() != ErrSteps {
		t.Errorf("budget goes on after %v", b.Err())
	}
	b.Reset(10, 10)
	if b.Err() != nil || !b.Take(10) || b.Take(1) || b.TakeBytes(1) {
		t.Error("Reset does not refill")
	}
}

func TestResetRestoresJSON(t *testing.T) {
	L, b := newState(t, testSteps, testBytes)
	if err := L.DoString(`cjson.encode_max_depth(1)`); err != nil {
		t.Fatal(err)
	}
	b.Reset(testSteps, testBytes)
	if err := L.DoString(`assert(cjson.encode({{}}) == "[{}]")`); err != nil {
		t.Error(err)
	}
}

func TestNumbers(t *testing.T) {
	for s, want := range map[string]float64{"10": 10, " 10 ": 10, "0x10": 16, "1e3": 1000, ".5": .5, "5.": 5, "-0x1p4": -16, "1\x00x": 1} {
		if f, ok := ParseNumber(s); !ok || f != want {
			t.Errorf("ParseNumber(%q) = %v, %v", s, f, ok)
		}
	}
	for _, s := range []string{"", " ", "x", "1x", "1 2", "0x", "--1", "e5", ".", "1e", "1_0"} {
		if f, ok := ParseNumber(s); ok {
			t.Errorf("ParseNumber(%q) = %v", s, f)
		}
	}
	for f, want := range map[float64]string{0: "0", 1e14: "1e+14", 1e15: "1e+15", 123456789012: "123456789012", 0.1: "0.1", 1.0 / 3: "0.33333333333333", -2147483648: "-2147483648", 1e100: "1e+100"} {
		if got := FormatNumber(f); got != want {
			t.Errorf("FormatNumber(%v) = %s, want %s", f, got, want)
		}
	}
}

// call runs a library function on arguments and gives its first result; it
// must end in a result or in a Lua error.
func call(t *testing.T, lib, name string, args ...lua.LValue) lua.LValue {
	L, _ := newState(t, 200_000, 1<<22)
	L.Push(L.GetField(L.GetGlobal(lib), name))
	for _, a := range args {
		L.Push(a)
	}
	if err := L.PCall(len(args), 1, nil); err != nil {
		if api, ok := err.(*lua.ApiError); !ok || api.Type != lua.ApiErrorRun {
			t.Fatalf("%s.%s: %v", lib, name, err)
		}
		return nil
	}
	return L.Get(-1)
}

func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,"\ud83d\ude00",null,true]}`, `[[[`, `"\u12`, "0x1p4", "-nan", "\x00\x00", `{"a":`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v := call(t, "cjson", "decode", lua.LString(s)); v != nil {
			call(t, "cjson", "encode", v)
		}
	})
}

func FuzzUnpackMsgpack(f *testing.F) {
	for _, s := range []string{"\x93\x01\xc0\x03", "\xdd\xff\xff\xff\xff", "\x81\xa1a\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "\xdb\xff\xff\xff\xff", "\x91\x91\x91"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v := call(t, "cmsgpack", "unpack", lua.LString(s)); v != nil {
			packed := call(t, "cmsgpack", "pack", v)
			if again := call(t, "cmsgpack", "pack", call(t, "cmsgpack", "unpack", packed)); v.Type() != lua.LTTable && again != packed {
				t.Errorf("%q packs to %q, then to %q", s, packed, again)
			}
		}
	})
}

func FuzzUnpackStruct(f *testing.F) {
	f.Add("!4bd>i16c0s", "\x01\x02\x03\x04\x05", 1.0)
	f.Add("bc0", "\xffabc", 2.0)
	f.Add("c2147483647", "abc", -1.0)
	f.Add("!1073741824i", "abcdefgh", 1e18)
	f.Fuzz(func(t *testing.T, format, data string, pos float64) {
		call(t, "struct", "unpack", lua.LString(format), lua.LString(data), lua.LNumber(pos))
		call(t, "struct", "size", lua.LString(format))
		call(t, "struct", "pack", lua.LString(format), lua.LNumber(pos), lua.LString(data), lua.LNumber(pos))
	})
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{"(a*)%1", "%f[%w]x", "%b()", "[^]a-z%]]+", "^(.-)$", "a?b*c+d-", "()", "[", "%", "[a-", "[%"} {
		f.Add("abcabc(())", s, "%1%0")
	}
	f.Fuzz(func(t *testing.T, s, pattern, repl string) {
		call(t, "string", "find", lua.LString(s), lua.LString(pattern))
		call(t, "string", "gsub", lua.LString(s), lua.LString(pattern), lua.LString(repl))
		call(t, "string", "format", lua.LString(pattern), lua.LNumber(1), lua.LString(s))
	})
}
