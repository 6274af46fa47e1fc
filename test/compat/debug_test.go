package compat

import (
	"bytes"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// debugged starts a server that allows DEBUG and connects to it.
func debugged(t *testing.T, kind harness.Kind) *wire.Conn {
	t.Helper()
	addr := harness.New(t, harness.Options{Kind: kind, Nodes: 1, Args: []string{"--enable-debug-command", "yes"}}).Addr(0)
	c, err := wire.Dial(t.Context(), addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestDebugSameAsRedis compares subcommands of DEBUG, byte by byte but for what
// neither server can know of the other: addresses and the LRU clock.
func TestDebugSameAsRedis(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server, the oracle, is not installed")
	}
	sut, oracle := debugged(t, harness.Quorate{}), debugged(t, harness.Redis{})
	private := regexp.MustCompile(`at:0x[0-9a-f]+| lru:\d+ lru_seconds_idle:\d+`)
	same := func(line string) {
		t.Helper()
		args := strings.Fields(line)
		var got [2][]byte
		for i, c := range []*wire.Conn{sut, oracle} {
			r, err := c.Do(args...)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			got[i] = private.ReplaceAll(r.Raw, nil)
			if args[0] == "HELLO" {
				got[i] = nil
			}
		}
		if !bytes.Equal(got[0], got[1]) {
			t.Errorf("%s:\n under test %q\n redis      %q", line, got[0], got[1])
		}
	}
	for proto := 2; proto <= 3; proto++ {
		same("HELLO " + strconv.Itoa(proto))
		for _, kind := range strings.Fields("string integer double bignum null array set map attrib verbatim true false nosuch") {
			same("DEBUG PROTOCOL " + kind)
		}
		if proto == 2 {
			same("DEBUG PROTOCOL push")
		}
	}
	for _, line := range []string{
		"SET small 1", "SET number 123456", "SET text hello", "RPUSH list a bb ccc 4", "RPUSH ends a", "SADD ints 1 2 3", "SADD set a",
		"HSET hash a 1 b 2", "ZADD zset 1 a 2.5 b",
		"DEBUG OBJECT small", "DEBUG OBJECT number", "DEBUG OBJECT text", "DEBUG OBJECT list", "DEBUG OBJECT ends", "DEBUG OBJECT ints",
		"DEBUG OBJECT set", "DEBUG OBJECT hash", "DEBUG OBJECT zset", "DEBUG OBJECT none", "DEBUG OBJECT", "DEBUG OBJECT a b", "DEBUG PROTOCOL",
		"DEBUG QUICKLIST-PACKED-THRESHOLD", "DEBUG QUICKLIST-PACKED-THRESHOLD x", "DEBUG QUICKLIST-PACKED-THRESHOLD 4gb",
		"DEBUG QUICKLIST-PACKED-THRESHOLD 1b",
		"RPUSH plain a bb ccc 4", "DEBUG OBJECT plain", "LSET list 1 xx", "LINSERT list BEFORE ccc y", "LRANGE list 0 -1",
		"DEBUG QUICKLIST-PACKED-THRESHOLD 0", "RPUSH plain a b", "LRANGE plain 0 -1",
	} {
		same(line)
	}
	same("DEBUG SET-DISABLE-DENY-SCRIPTS 1")
	for _, kind := range strings.Fields("string integer double bignum null array set map attrib verbatim true false nosuch") {
		for script := '2'; script <= '3'; script++ {
			for client := '2'; client <= '3'; client++ {
				same("HELLO " + string(client))
				same("EVAL redis.setresp(" + string(script) + ");return(redis.pcall('debug','protocol','" + kind + "')) 0")
			}
		}
	}
	same("EVAL return(redis.pcall('brpoplpush','ends','ends2',0)) 0")
	same("EVAL return(redis.pcall('brpoplpush','ends','ends2',0)) 0")
	same("EVAL return(redis.pcall('debug','sleep','0')) 0")
	same("DEBUG SET-DISABLE-DENY-SCRIPTS 0")
	same("EVAL return(redis.pcall('debug','sleep','0')) 0")
	same("DEBUG SET-DISABLE-DENY-SCRIPTS")
	for _, line := range []string{"FLUSHALL", "DEBUG RELOAD NOFLUSH", "SADD s c a b", "DEBUG RELOAD what", "DEBUG RELOAD nosave x",
		"DEBUG RELOAD NOFLUSH MERGE"} {
		same(line)
	}
}

// TestInfoScripts makes sure that INFO counts the scripts, the libraries and
// the functions, and that settings that suites for Redis use can be set.
func TestInfoScripts(t *testing.T) {
	c := debugged(t, harness.Quorate{})
	do := func(args ...string) string {
		r, err := c.Do(args...)
		if err != nil {
			t.Fatal(args, err)
		}
		return string(r.Raw)
	}
	has := func(lines ...string) {
		t.Helper()
		info := do("INFO", "memory")
		for _, l := range lines {
			if !strings.Contains(info, "\r\n"+l+"\r\n") {
				t.Errorf("no %s in %s", l, info)
			}
		}
	}
	has("number_of_cached_scripts:0", "number_of_libraries:0", "number_of_functions:0", "used_memory_scripts:0")
	library := "#!lua name=l\nredis.register_function('a', function() end) redis.register_function('b', function() end)"
	do("FUNCTION", "LOAD", library)
	do("SCRIPT", "LOAD", "return 1")
	do("EVAL", "return 2", "0")
	has("number_of_cached_scripts:2", "number_of_libraries:1", "number_of_functions:2", "used_memory_scripts_eval:16",
		"used_memory_functions:"+strconv.Itoa(len(library)), "used_memory_scripts:"+strconv.Itoa(len(library)+16))
	do("SCRIPT", "FLUSH")
	do("FUNCTION", "FLUSH")
	has("number_of_cached_scripts:0", "number_of_libraries:0", "number_of_functions:0")
	for set, get := range map[string]string{"lua-time-limit": "busy-reply-threshold", "busy-reply-threshold": "lua-time-limit"} {
		do("CONFIG", "SET", set, "17")
		if got := do("CONFIG", "GET", get); !strings.Contains(got, "\r\n17\r\n") {
			t.Errorf("%s is not what %s was set to: %q", get, set, got)
		}
		do("CONFIG", "SET", set, "5000")
	}
}
