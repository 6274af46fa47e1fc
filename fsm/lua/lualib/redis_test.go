package lualib

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// wrapper runs a snippet and returns its results, or its error, as one string.
const wrapper = `local function show(v, depth)
local t = type(v)
if t == "number" then if v ~= v then return "nan" end return string.format("%%.17g", v) end
if t == "string" then return "<" .. v .. ">" end
if t == "table" then
if depth > 40 then return "deep" end
local out = {}
for k, e in pairs(v) do out[#out+1] = show(k, depth+1) .. "=" .. show(e, depth+1) end
table.sort(out)
return "{" .. table.concat(out, ",") .. "}"
end
if t == "userdata" then return "userdata" end
return t == "function" and t or tostring(v)
end
local function pack(...) local out = {} for i = 1, select("#", ...) do out[i] = show((select(i, ...)), 0) end return table.concat(out, " ") end
return pack(pcall(function()
%s
end))`

const (
	testSteps = 20_000_000
	testBytes = 64 << 20
)

func newState(tb testing.TB, steps, bytes int64) (*lua.LState, *Budget) {
	L := lua.NewState(lua.Options{SkipOpenLibs: true, RegistrySize: 1024, RegistryMaxSize: 1 << 18})
	tb.Cleanup(L.Close)
	lua.OpenBase(L)
	b := NewBudget(steps, bytes)
	Open(L, b)
	return L, b
}

func compile(L *lua.LState, snippet string) (*lua.LFunction, error) {
	return L.Load(strings.NewReader(fmt.Sprintf(wrapper, snippet)), "user_script")
}

func runHere(tb testing.TB, snippet string) string {
	L, _ := newState(tb, testSteps, testBytes)
	fn, err := compile(L, snippet)
	if err != nil {
		return "compile: " + err.Error()
	}
	L.Push(fn)
	if err := L.PCall(0, 1, nil); err != nil {
		return "error: " + err.Error()
	}
	return L.Get(-1).String()
}

// redis starts a redis-server on a unix socket and returns a function that
// runs a snippet there.
func redis(t *testing.T) func(snippet string) string {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("no redis-server")
	}
	dir, err := os.MkdirTemp("", "lualib") // short: the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	sock := filepath.Join(dir, "s")
	cmd := exec.Command(bin, "--port", "0", "--unixsocket", sock, "--save", "", "--dir", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var conn net.Conn
	for deadline := time.Now().Add(10 * time.Second); ; {
		if conn, err = net.Dial("unix", sock); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { conn.Close() })
	r := bufio.NewReader(conn)
	return func(snippet string) string {
		script := fmt.Sprintf(wrapper, snippet)
		fmt.Fprintf(conn, "*3\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n0\r\n", len(script), script)
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line[0] != '$' {
			return line
		}
		n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
		body := make([]byte, n+2)
		if _, err := io.ReadFull(r, body); err != nil {
			t.Fatal(err)
		}
		return string(body[:n])
	}
}

// TestSameAsRedis runs every snippet of testdata/snippets.lua, one a line, in
// redis-server and here.
func TestSameAsRedis(t *testing.T) {
	data, err := os.ReadFile("testdata/snippets.lua")
	if err != nil {
		t.Fatal(err)
	}
	oracle := redis(t)
	n := 0
	for _, line := range bytes.Split(data, []byte("\n")) {
		snippet := string(line)
		if snippet == "" || strings.HasPrefix(snippet, "--") {
			continue
		}
		n++
		if got, want := runHere(t, snippet), oracle(snippet); got != want {
			t.Errorf("%s\n got %.300q\nwant %.300q", snippet, got, want)
		}
	}
	if n < 100 {
		t.Errorf("ran %d snippets", n)
	}
}
