package lua

import (
	"fmt"
	"math"
	"os/exec"
	"strings"
	"testing"

	"github.com/quorate/quorate/resp"
)

// fakeHost answers PING and ECHO.
type fakeHost struct {
	calls int
	fail  bool // panic
}

func (h *fakeHost) Call(args [][]byte, proto int) ([]byte, string) {
	h.calls++
	if h.fail {
		panic("a command has panicked")
	}
	w := resp.Writer{Proto: proto}
	switch strings.ToLower(string(args[0])) {
	case "ping":
		w.Simple("PONG")
	case "echo":
		w.Bulk(args[1])
	case "map":
		w.Map(1)
		w.BulkString("a")
		w.Double([]byte("1.5"))
	default:
		return nil, "Unknown Redis command called from script"
	}
	return w.Buf, ""
}
func (h *fakeHost) Cost([][]byte) int64     { return 0 }
func (h *fakeHost) Known([][]byte) bool     { return true }
func (h *fakeHost) Permitted([][]byte) bool { return true }
func (h *fakeHost) Log(int, string)         {}

// run runs a script and returns its reply.
func run(t *testing.T, in *Interpreter, body string, args ...string) string {
	t.Helper()
	s, err := NewScript(body)
	if err != nil {
		return "-" + err.Error()
	}
	c := &Call{Host: &fakeHost{}, Seed: 1}
	for _, a := range args {
		c.Args = append(c.Args, []byte(a))
	}
	w := &resp.Writer{Proto: 2}
	in.Run(s, c, w)
	return strings.ReplaceAll(strings.ReplaceAll(strings.TrimSuffix(string(w.Buf), "\r\n"), "\r\n", " "), s.SHA, "SHA")
}

// TestRun checks what TestScriptsOnRedis of package fsm can't: what differs
// from Redis on purpose.
func TestRun(t *testing.T) {
	in := &Interpreter{}
	for _, c := range []struct{ body, want string }{
		{"return tostring({})", "$21 table: 0x000000000001"},
		{"local a, b = {}, {} return {tostring(b), tostring(a), tostring(b)}",
			"*3 $21 table: 0x000000000001 $21 table: 0x000000000002 $21 table: 0x000000000001"},
		{"return collectgarbage('count') < 10000", ":1"},
		{"redis.setresp(3) return redis.call('map')['map']['a'].double * 2", ":3"},
		{"return redis.call('map')", "*2 $1 a $3 1.5"},
		{"while true do end", "-ERR user_script:1: script ran for more steps than a script may take script: SHA, on @user_script:1."},
		{"math.randomseed(7) return tostring(math.random())", "$16 0." + randomOf(7)},
	} {
		if got := run(t, in, c.body); got != c.want {
			t.Errorf("%s\n got  %s\n want %s", c.body, got, c.want)
		}
	}
}

func randomOf(seed int32) string {
	var d drand48
	d.seed(seed)
	return strings.TrimPrefix(formatNumber(float64(d.next()%math.MaxInt32)/math.MaxInt32), "0.")
}

// TestHostile runs scripts that must end with an error, or at least end, and
// whose end must be the same in a new interpreter and in one that has run
// others before.
func TestHostile(t *testing.T) {
	// A part of what a script may take, for the sake of the test's time.
	small := func() *Interpreter { return &Interpreter{steps: maxSteps / 20, bytes: maxBytes / 8} }
	used := small()
	for _, body := range hostileScripts {
		first, second := run(t, small(), body, "a", "b"), run(t, used, body, "a", "b")
		if first != second {
			t.Errorf("%.80s\n new  %.300s\n used %.300s", body, first, second)
		}
		if strings.Contains(first, "0xc0") || strings.Contains(first, "runtime error") {
			t.Errorf("%.80s: %.300s", body, first)
		}
		if got := run(t, used, "return 'alive'"); got != "$5 alive" {
			t.Fatalf("after %.80s: %s", body, got)
		}
	}
}

var hostileScripts = []string{
	"return string.find(('a'):rep(40), ('a?'):rep(40)..('a'):rep(40))",
	"return string.rep('x', 3e9)",
	"local s = 'x' while true do s = s .. s end",
	"local t = {} t[67108863] = 1 return #t",
	"local t = {} for i = 1, 1e9 do t[i] = {} end",
	"return #{unpack({}, 1, 1e8)}",
	"local function f() return f() end return f()",
	"local function f() return 1 + f() end return f()",
	"local function f() return pcall(f) end return f()",
	"local function f() pcall(f) pcall(f) end f()",
	"while true do pcall(function() while true do end end) end",
	"local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) return t[1]",
	"local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
	"local t = {} t[1] = t return t",
	"local t = {} for i = 1, 60 do t = {t, t} end return t",
	"local function co() return coroutine.wrap(co)() end return co()",
	"for i = 1, 1e7 do coroutine.create(function() end) end",
	"local c c = coroutine.wrap(function() c() end) c()",
	"local c = coroutine.create(function() while true do end end) while true do coroutine.resume(c) end",
	"return pcall(coroutine.yield)",
	"return pcall(coroutine.wrap(function() return pcall(coroutine.yield, 1) end))",
	"return tostring(nil) .. {}",
	"local t = nil return pcall(function() return t[{}] end)",
	"return loadstring(('('):rep(1e6))",
	"return loadstring('return ' .. ('-'):rep(3e5, ' ') .. '1')",
	"return loadstring('return ' .. ('1+'):rep(3e5) .. '1')",
	"return loadstring('return ' .. ('a..'):rep(3e5) .. '1')",
	"return loadstring('f' .. ('()'):rep(3e5))",
	"return loadstring(('if a then '):rep(300) .. ('end '):rep(300))",
	"return loadstring('\\27Lua')",
	"return loadstring(string.dump(function() end))()",
	"return load(function() return 'x ' end)",
	"local a, b = ('x'):rep(1e7), ('x'):rep(1e7) for i = 1, 1e9 do if a ~= b then return 1 end end",
	"local t, k = {}, ('x'):rep(1e7) for i = 1, 1e9 do t[k] = i end",
	"local t = {} for i = 1, 1e6 do t[i] = 1 end for i = 1, 1e6 do t[i] = nil end for i = 1, 1e9 do local n = #t end",
	"local t = {} for i = 1, 1e5 do t['k' .. i] = 1 end for i = 1, 1e5 do t['k' .. i] = nil end while true do next(t) end",
	"local function v(...) return select('#', ...) end local t = {} for i = 1, 5000 do t[i] = i end while true do v(unpack(t)) end",
	"_G.x = 1", "rawset(_G, 'x', 1)", "string.rep = nil", "redis.call = nil", "table.insert(redis, 1)", "setmetatable(string, {})",
	"getmetatable('').__index = {}", "getmetatable(_G).__index = nil", "KEYS = 1", "table.sort(math)", "math.pi = 3",
	"setfenv(1, {})", "return getfenv", "return newproxy(true)", "os.exit()", "io.open('x')", "require('os')", "dofile('/etc/passwd')",
	"package.loaded = nil", "debug.sethook()", "module('x')", "return _GOPHER_LUA_VERSION", "return channel", "_printregs()",
	"error()", "error({})", "error(setmetatable({}, {__tostring = function() error('again') end}))", "error(string)",
	"local t = setmetatable({}, {__index = function() error('x') end}) return t.a",
	"xpcall(function() error('x') end, function() while true do end end) return 1",
	"return xpcall(function() error('x') end, function() error('y') end)",
	"table.sort({3, 1, 2, 5, 4}, function() return true end) return 1",
	"local t = {} for i = 1, 300 do t[i] = i end table.sort(t, function() while true do end end)",
	"return ('x'):rep(100):gsub('.', function() while true do end end)",
	"return redis.call(('x'):rep(1e7), ('y'):rep(1e7))",
	"return redis.call(unpack({}, 1, 200000))",
	"while true do redis.pcall('nosuch') end",
	"return redis.sha1hex(('x'):rep(1e7))",
	"for i = 1, 1e9 do redis.sha1hex(('x'):rep(1e5)) end",
	"return cjson.decode(('['):rep(1e6))", "local t = {} t[1] = t return cjson.encode(t)",
	"return cmsgpack.unpack(('\\145'):rep(1e6))", "return struct.pack('>I2147483647', 1)", "return bit.tohex(1, -2147483648)",
	"for i = 1, 10, 0 do end return 1", "for i = 'x', 2 do end", "for i = 1, 0/0 do end return 1",
	"local t = {} t[0/0] = 1", "local t = {} t[nil] = 1", "return 2^1e308", "return -nil", "return #nil", "return {} < {}", "return 1 < 'x'",
	"goto x", "return ...", "break", "local x <const> = 1", "return \"\\400\"", "--[[", "[==[", "x = 'abc",
}

// TestPanicGoesOn makes sure that a command that panics is not taken for an
// error of the script, whatever the script does.
func TestPanicGoesOn(t *testing.T) {
	s, err := NewScript("while true do pcall(redis.call, 'ping') end")
	if err != nil {
		t.Fatal(err)
	}
	h := &fakeHost{fail: true}
	defer func() {
		if v := recover(); v == nil || h.calls != 1 {
			t.Errorf("recovered %v after %d calls", v, h.calls)
		}
	}()
	(&Interpreter{}).Run(s, &Call{Host: h}, &resp.Writer{})
}

// TestOrder compares the order in which two interpreters show their tables.
func TestOrder(t *testing.T) {
	const body = `local names = {}
		for _, lib in pairs({string, table, math, bit, cjson, cmsgpack, struct, coroutine, redis, _G}) do
			for k in pairs(lib) do names[#names + 1] = tostring(k) end
		end
		return table.concat(names, ' ')`
	first := run(t, &Interpreter{}, body)
	for range 5 {
		if got := run(t, &Interpreter{}, body); got != first {
			t.Fatalf("orders differ:\n%s\n%s", first, got)
		}
	}
	if len(first) < 500 {
		t.Errorf("few names: %s", first)
	}
}

// TestStateless checks which libraries keep their interpreter, and that a
// variable of a library is at each call as its code has set it.
func TestStateless(t *testing.T) {
	in := &Interpreter{}
	for _, c := range []struct {
		body      string
		stateless bool
		want      string
	}{
		{"local call = redis.log redis.register_function('f', function() return 1 end)", true, ":1"},
		{"local n = 0 redis.register_function('f', function() n = n + 1 return n end)", false, ":1"},
		{"local t = {} redis.register_function('f', function() t[#t+1] = 1 return #t end)", false, ":1"},
		{"local function g() return 2 end redis.register_function('f', function() return g() end)", true, ":2"},
		{"local function g() local t = {} return function() t[#t+1] = 1 return #t end end local h = g() redis.register_function('f', function() return h() end)", false, ":1"},
	} {
		lib, err := in.LoadLibrary("#!lua name=l\n"+c.body, nil, func(string) error { return nil })
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		if lib.stateless != c.stateless {
			t.Errorf("%s: stateless is %v", c.body, lib.stateless)
		}
		for range 3 {
			w := &resp.Writer{Proto: 2}
			in.CallFunction(lib.Functions[0], &Call{Host: &fakeHost{}}, w)
			if got := strings.TrimSpace(string(w.Buf)); got != c.want {
				t.Errorf("%s: %s, want %s", c.body, got, c.want)
			}
		}
	}
}

// TestFormat compares formatNumber with printf.
func TestFormat(t *testing.T) {
	numbers := []float64{0, 1, -1, 0.1, 10.0 / 3, 1e14, 1e15, 123456789012345678, 1e100, -1e-5, 1e-4, 0.00012345678901234567, math.Inf(1), math.Inf(-1),
		3.14159265358979, 99999999999999.5, 1e300, 5e-324, -2.5}
	format, want := []string{}, []string{}
	for _, n := range numbers {
		format = append(format, formatNumber(n), formatArgument(n))
		want = append(want, fmt.Sprintf("%.17g", n))
	}
	args := []string{"%.14g %.17g\n"}
	for i := range numbers {
		args = append(args, want[i], want[i])
	}
	for i, a := range args {
		args[i] = strings.Replace(a, "Inf", "inf", 1)
	}
	out, err := exec.Command("/usr/bin/printf", args...).Output()
	if err != nil {
		t.Skip("no printf: ", err)
	}
	if got := strings.Fields(string(out)); strings.Join(got, " ") != strings.Join(format, " ") {
		for i := range got {
			if got[i] != format[i] {
				t.Errorf("%s, want %s", format[i], got[i])
			}
		}
	}
}
