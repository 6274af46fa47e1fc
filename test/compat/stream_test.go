package compat

import (
	"bufio"
	"context"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// streams are commands whose effects are compared with what redis-server sends
// to its replicas, family by family.
var streams = map[string]string{
	"string": `SET a 1
		SET a 1 EX 100 NX
		SET b 2 PX 100000
		SET b 3 GET
		SET b 3 KEEPTTL GET
		SET b 4 EXAT 99999999999
		SETEX a 100 x
		PSETEX a 100000 x
		SETNX a 1
		SETNX c 1
		GETSET c 7
		GETDEL c
		GETDEL c
		INCRBYFLOAT f 1.5
		INCRBYFLOAT f 3.0e3
		INCR n
		DECRBY n 4
		APPEND n 1
		SETRANGE n 5 abc
		SETRANGE nothing 5 ""
		MSET x 1 y 2
		MSETNX x 1 z 2
		GETEX x EX 100
		GETEX x PERSIST
		GETEX x PERSIST
		GETEX x
		GETEX x EXAT 5
		GETEX missing EX 5
		SETBIT bits 7 1
		BITFIELD bits SET u8 0 5
		BITFIELD bits GET u8 0
		BITOP NOT bits2 bits
		PFADD h a b c
		PFADD h a b c
		PFMERGE h2 h`,
	"keys": `MSET a 1 b 2 c 3
		EXPIRE a 100
		EXPIRE a 200 XX
		EXPIRE a 50 GT
		PEXPIRE a 100000
		EXPIREAT a 99999999999
		PEXPIREAT a 99999999999999 NX
		PERSIST a
		PERSIST a
		EXPIRE b -1
		EXPIRE missing 10
		RENAME a d
		RENAMENX d c
		COPY c e
		COPY c e
		MOVE e 3
		SWAPDB 3 4
		DEL missing
		DEL c missing
		UNLINK d
		TOUCH d
		FLUSHDB
		FLUSHDB ASYNC
		SELECT 5
		SET a 1
		SELECT 0
		SET a 1
		FLUSHALL`,
	"list": `RPUSH l a b c d e f
		LPOP l
		RPOP l 2
		LPOP l 0
		LPOP missing
		LPUSHX missing a
		LMPOP 2 missing l LEFT COUNT 2
		LMPOP 1 l RIGHT COUNT 100
		RPUSH l a b c d e f
		BLPOP missing l 0
		BRPOP l 0
		BLMPOP 0 1 l LEFT COUNT 2
		LMOVE l m LEFT RIGHT
		BLMOVE l m right left 0
		RPUSH l x y
		RPOPLPUSH l m
		BRPOPLPUSH l m 0
		BLPOP missing 0.01
		LSET m 0 z
		LINSERT m BEFORE z y
		LINSERT m BEFORE nothing y
		LREM m 0 nothing
		LREM m 0 z
		LTRIM m 0 0`,
	"set": `SADD s a
		SADD s a
		SPOP s
		SPOP s
		SADD s a
		SPOP s 1
		SADD s a b c
		SPOP s 10
		SPOP s 0
		SADD s 1 2 3
		SMOVE s t 1
		SMOVE s t 1
		SREM s 9
		SREM s 2
		SUNIONSTORE u s t
		SINTERSTORE u missing t
		SINTERSTORE u missing t`,
	"hash": `HSET h a 1 b 2
		HSETNX h a 1
		HINCRBY h a 3
		HINCRBYFLOAT h a 1.25
		HDEL h nothing
		HDEL h a b`,
	"zset": `ZADD z 1 a 2 b 3 c 4 d 5 e
		ZADD z 1 a
		ZADD z INCR 1.5 a
		ZINCRBY z 2 a
		ZPOPMIN z
		ZPOPMAX z 2
		ZPOPMAX z 0
		ZMPOP 1 z MIN COUNT 10
		ZADD z 1 a 2 b 3 c 4 d 5 e
		BZPOPMIN missing z 0
		BZPOPMAX z 0
		BZMPOP 0 1 z MAX COUNT 2
		ZRANGESTORE y z 0 -1
		ZUNIONSTORE y 1 missing
		ZREMRANGEBYRANK z 0 0
		ZREM z a
		GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
		GEOADD g NX 1 1 Palermo
		GEORADIUS g 15 37 200 km STORE near
		GEOSEARCHSTORE near g FROMLONLAT 15 37 BYRADIUS 200 km`,
	"sort": `RPUSH l 3 1 2
		SORT l STORE m
		SORT missing STORE m
		SORT missing STORE m`,
	"stream": `XADD s 1-1 a 1
		XADD s 2-* a 1
		XADD s 3 a 1
		XADD s MAXLEN = 2 4-1 a 1
		XADD s MAXLEN ~ 2 5-1 a 1
		XADD s NOMKSTREAM MINID ~ 4-1 6-1 a 1
		XADD t NOMKSTREAM 6-1 a 1
		XTRIM s MAXLEN ~ 1
		XTRIM s MAXLEN 3
		XTRIM s MAXLEN 3
		XDEL s 9-9
		XADD s 7-1 a 1
		XDEL s 7-1
		XGROUP CREATE s g 0
		XGROUP CREATE t g $ MKSTREAM
		XGROUP CREATECONSUMER s g c1
		XGROUP CREATECONSUMER s g c1
		XREADGROUP GROUP g c1 COUNT 1 STREAMS s >
		XREADGROUP GROUP g c1 STREAMS s 0
		XREADGROUP GROUP g c2 NOACK STREAMS s >
		XREADGROUP GROUP g c2 STREAMS s >
		XADD s 8-1 a 1
		XADD s 9-1 a 1
		XREADGROUP GROUP g c2 STREAMS s >
		XCLAIM s g c3 0 8-1
		XCLAIM s g c3 1000000 8-1
		XCLAIM s g c3 0 99-1 LASTID 100-1
		XDEL s 8-1
		XAUTOCLAIM s g c4 0 0
		XACK s g 9-1
		XACK s g 9-1
		XSETID s 200-1
		XGROUP SETID s g 0
		XGROUP DELCONSUMER s g c4
		XGROUP DESTROY s g`,
	"transactions": `MULTI
		EXEC
		MULTI
		SET a 1
		EXEC
		MULTI
		SET a 1
		GET a
		DEL missing
		INCR n
		EXEC
		MULTI
		SELECT 3
		SET a 1
		SELECT 4
		SET a 1
		SELECT 0
		EXEC
		SET a 1
		MULTI
		PUBLISH c m
		EXEC
		PUBLISH c m`,
	"scripts": `EVAL "return redis.call('set', KEYS[1], 'x')" 1 a
		EVAL "redis.call('set', KEYS[1], 'x') redis.call('incr', 'n') return redis.call('get', 'n')" 1 a
		EVAL "return redis.call('get', KEYS[1])" 1 a
		EVAL "redis.call('expire', KEYS[1], 100) redis.call('incrbyfloat', 'f', 2)" 1 a
		EVAL "redis.call('select', 4) redis.call('set', 'b', 1)" 0
		EVAL "redis.call('set', 'b', 1) return redis.call('incr', 'a')" 0
		SCRIPT LOAD "return 1"
		SCRIPT FLUSH
		FUNCTION LOAD "#!lua name=l\nredis.register_function('f', function(keys) redis.call('set', keys[1], 1) redis.call('del', keys[1]) end)"
		FCALL f 1 k
		MULTI
		FCALL f 1 k
		SET x 1
		EXEC
		FUNCTION DELETE l
		FUNCTION FLUSH`,
}

// TestStream compares the effects of commands, as a replica gets them.
func TestStream(t *testing.T) {
	redis := startRedis(t, debugArgs...)
	addr := *addrFlag
	if addr == "" {
		addr = harness.New(t, harness.Options{Kind: harness.Quorate{}, Nodes: 1, Args: debugArgs}).Addr(0)
	}
	for family, script := range streams {
		t.Run(family, func(t *testing.T) {
			want, got := effects(t, redis, script), effects(t, addr, script)
			for i := range max(len(want), len(got)) {
				if i >= len(want) || i >= len(got) || want[i] != got[i] {
					t.Fatalf("effect %d differs:\n%s\nredis:\n%s", i, strings.Join(got[min(i, len(got)):], "\n"), strings.Join(want[min(i, len(want)):], "\n"))
				}
			}
		})
	}
}

// theTime are Unix times in ms that depend on when the test runs.
var theTime = regexp.MustCompile(`\b1[789]\d{11}\b`)

// effects runs commands, one a line, and returns what a replica is sent.
func effects(t *testing.T, addr, script string) []string {
	t.Helper()
	ctx := t.Context()
	c := dial(ctx, t, addr)
	must(t, c, "FLUSHALL")
	must(t, c, "FUNCTION", "FLUSH")
	r := attach(ctx, t, addr)
	for _, line := range strings.Split(script, "\n") {
		if _, err := c.Do(words(t, line)...); err != nil {
			t.Fatal(line, err)
		}
	}
	must(t, c, "SET", "the-end", "1")
	var out []string
	for {
		raw, err := wire.ReadRaw(r, nil)
		if err != nil {
			t.Fatalf("%v after %q", err, out)
		}
		reply, err := wire.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		args := reply.Strings()
		args[0] = strings.ToLower(args[0])
		if args[0] == "set" && args[1] == "the-end" {
			return out
		}
		if args[0] != "ping" {
			out = append(out, theTime.ReplaceAllString(strings.Join(args, " "), "T"))
		}
	}
}

// attach sends SYNC and reads the file.
func attach(ctx context.Context, t *testing.T, addr string) *bufio.Reader {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.Write([]byte("SYNC\r\n")); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line = strings.TrimSpace(line); line == "" {
			continue // Redis keeps the connection alive while it saves
		}
		size, err := strconv.Atoi(strings.TrimPrefix(line, "$"))
		if err != nil {
			t.Fatalf("SYNC: %q", line)
		}
		if _, err := r.Discard(size); err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// words splits a line; one in double quotes is a Go string.
func words(t *testing.T, line string) (out []string) {
	t.Helper()
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		word, rest, _ := strings.Cut(line, " ")
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				t.Fatal(line, err)
			}
			word, _ = strconv.Unquote(quoted)
			rest = line[len(quoted):]
		}
		out, line = append(out, word), rest
	}
	return out
}
