package compat

import (
	"strings"
	"testing"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// goneStreams are what may happen to a stream, s, that a client waits for with
// XREADGROUP in database 9: commands on another connection; "gone" waits until the
// stream has expired, "missing" until a client that asks doesn't find it.
var goneStreams = []string{
	"DEL s",
	"UNLINK s",
	"FLUSHDB",
	"FLUSHDB ASYNC",
	"FLUSHALL",
	"FLUSHALL ASYNC",
	"SELECT 3; FLUSHALL",
	"SELECT 3; FLUSHDB; SELECT 9; DEL s",
	"SET s v",
	"SET s v GET",
	"MSET s v",
	"SET o v; RENAME o s",
	"SADD o v; RENAME o s",
	"XADD o 1-1 f v; RENAME o s",
	"XADD o 999-1 f v; RENAME o s",
	"XGROUP CREATE o g 0 MKSTREAM; XADD o 1-1 f v; RENAME o s",
	"RENAME s o",
	"RENAMENX s o",
	"MOVE s 3",
	"SWAPDB 3 9",
	"SELECT 3; SWAPDB 9 4",
	"SELECT 3; SET s v; SWAPDB 9 3",
	"SELECT 3; XADD s 1-1 f v; SWAPDB 9 3",
	"SELECT 3; XGROUP CREATE s g 0 MKSTREAM; XADD s 1-1 f v; SWAPDB 9 3",
	"SELECT 3; XGROUP CREATE s g 0 MKSTREAM; SWAPDB 9 3; SELECT 9; XADD s * f v",
	"SWAPDB 9 9",
	"EXPIRE s -1",
	"PEXPIRE s 1; gone",
	"EXPIREAT s 1",
	"PEXPIRE s 1; missing",
	"SET o v PX 200; RENAME o s; gone",
	"COPY t s REPLACE; SET t v; COPY t s REPLACE",
	"XADD t 999-1 f v; COPY t s REPLACE",
	"SUNIONSTORE s nothing",
	"SADD o v; SUNIONSTORE s o",
	"RPUSH o v; SORT o STORE s",
	"SETBIT o 1 1; BITOP NOT s o",
	"PFMERGE s",
	"GETDEL s",
	"SETEX s 100 v",
	"GETSET s v",
	"MULTI; DEL s; SADD s e; EXEC",
	"MULTI; DEL s; XADD s 1-1 f v; EXEC",
	"MULTI; DEL s; XGROUP CREATE s g 0 MKSTREAM; EXEC",
	"MULTI; DEL s; XGROUP CREATE s g 0 MKSTREAM; XADD s 1-1 f v; EXEC",
	"MULTI; XADD s * f v; DEL s; EXEC",
	"MULTI; XADD s * f v; FLUSHALL; EXEC",
	"MULTI; XADD s * f v; XGROUP DESTROY s g; EXEC",
	"MULTI; FLUSHALL; SET x 1; EXEC",
	"MULTI; RENAME s o; RENAME o s; EXEC",
	"MULTI; SWAPDB 3 9; SWAPDB 3 9; EXEC",
	"EVAL redis.call('del',KEYS[1]) 1 s",
	"EVAL redis.call('del',KEYS[1]);redis.call('set',KEYS[1],1) 1 s",
	"EVAL redis.call('flushall') 0",
	"XGROUP DESTROY s g",
	"MULTI; XGROUP DESTROY s g; XGROUP CREATE s g 0; EXEC",
	"XGROUP SETID s g 0",
	"XGROUP SETID s g 0; XADD s 1000-1 f v",
	"XSETID s 2000-1",
	"XGROUP CREATECONSUMER s g c2; XGROUP DELCONSUMER s g c",
	"XDEL s 1-1; XTRIM s MAXLEN 0",
	"XADD s 1000-1 f v",
	"XADD s 1000-1 f v; XADD t 1000-1 f v",
	"MULTI; XADD s 1000-1 f v; XDEL s 1000-1; EXEC",
	"MULTI; XADD s 1000-1 f v; XADD s 1000-2 f v; XDEL s 1000-1; EXEC",
	"XREADGROUP GROUP g c STREAMS s 0; XACK s g 1-1; XCLAIM s g c 0 1-1",
	"FUNCTION FLUSH; FLUSHALL",
	"DEBUG RELOAD",
}

// TestGoneStreams compares what clients hear that wait for a stream with
// XREADGROUP when it goes, or its group, or another takes its place: by one
// stream, by several, and next to an XREAD.
func TestGoneStreams(t *testing.T) {
	redis := startRedis(t, debugArgs...)
	sut := *addrFlag
	if sut == "" {
		sut = harness.New(t, harness.Options{Kind: harness.Quorate{}, Nodes: 1, Args: debugArgs}).Addr(0)
	}
	for _, wait := range []string{
		"XREADGROUP GROUP g c BLOCK 0 STREAMS s >",
		"XREADGROUP GROUP g c COUNT 1 BLOCK 0 NOACK STREAMS t s > >",
		"XREADGROUP GROUP g c BLOCK 0 STREAMS s t > >",
		"XREAD BLOCK 0 STREAMS s t $ $",
	} {
		if testing.Short() && wait[len(wait)-1] != '>' {
			continue
		}
		for _, event := range goneStreams {
			want, got := gone(t, redis, wait, event), gone(t, sut, wait, event)
			if got != want {
				t.Errorf("%s, %s\n under test %s\n redis      %s", wait, event, got, want)
			}
		}
	}
}

// gone lets two clients wait and returns what they hear when something has happened, and
// what the others hear who made it happen.
func gone(t *testing.T, addr, wait, event string) string {
	t.Helper()
	own := dial(t.Context(), t, addr)
	defer own.Close()
	must(t, own, "FLUSHALL")
	for _, line := range []string{"SELECT 9", "XADD s 1-1 f v", "XADD s 2-1 f v", "XGROUP CREATE s g $", "XADD t 1-1 f v", "XGROUP CREATE t g $"} {
		must(t, own, strings.Fields(line)...)
	}
	var waiting []*wire.Conn
	var ids []string
	for range 2 {
		c := dial(t.Context(), t, addr)
		defer c.Close()
		must(t, c, "SELECT", "9")
		ids = append(ids, strings.Trim(must(t, c, "CLIENT", "ID"), ":\r\n"))
		c.Send(strings.Fields(wait)...)
		c.Send("PING")
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, c)
		n := string(rune('0' + len(waiting)))
		eventually(t, "they wait", func() bool { return field(must(t, own, "INFO", "clients"), "blocked_clients") == n })
	}
	var out []string
	hear := func(c *wire.Conn) {
		t.Helper()
		r, err := c.Receive()
		if err != nil {
			t.Fatalf("%s, %s: %v after %q", wait, event, err, out)
		}
		out = append(out, string(r.Raw))
	}
	for _, line := range strings.Split(event, "; ") {
		switch line {
		case "gone":
			eventually(t, "it has expired", func() bool { return must(t, own, "DBSIZE") == ":1\r\n" })
			continue
		case "missing":
			eventually(t, "it is missing", func() bool { return must(t, own, "EXISTS", "s") == ":0\r\n" })
			continue
		}
		own.Send(strings.Fields(line)...)
		if err := own.Flush(); err != nil {
			t.Fatal(err)
		}
		hear(own)
	}
	must(t, own, "SET", "last", "1") // behind it, who has something has it
	for i, c := range waiting {
		out = append(out, must(t, own, "CLIENT", "UNBLOCK", ids[i], "ERROR"))
		hear(c)
		hear(c)
	}
	return strings.ReplaceAll(theTime.ReplaceAllString(strings.Join(out, " "), "T"), "\r\n", " ")
}
