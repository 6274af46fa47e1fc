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
}
