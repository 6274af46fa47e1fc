package fsm

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quorate/quorate/fsm/keyspace"
)

// changes is rdb_changes_since_last_save of redis-server.
func (r *redisServer) changes(t *testing.T) int64 {
	t.Helper()
	_, rest, _ := strings.Cut(string(r.must("INFO", "persistence")), "rdb_changes_since_last_save:")
	digits, _, _ := strings.Cut(rest, "\r\n")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestChangesOnRedis sends random commands to a machine and to redis-server and
// compares by how much each of them raises rdb_changes_since_last_save, by which
// save points go.
func TestChangesOnRedis(t *testing.T) {
	r := startRedis(t, true)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 6))
	g := newGenerator(rnd)
	g.cmds = slices.DeleteFunc(g.cmds, func(c *Command) bool { return !comparable(c) })
	changes := int64(0)
	for range 20 {
		p := newPair(t, Options{})
		p.apply(0, Limit("proto-max-bulk-len", 1<<20))
		r.reset(t)
		r.setLimit("proto-max-bulk-len", "1048576")
		for range 300 {
			p.now = notDue(p.leader, p.now+rnd.Int64N(100))
			r.setTime(p.now)
			op := g.op()
			if waits(&op) || byBytes(&op) {
				continue
			}
			deleteExpired(p, r, &op)
			theirs, ours := r.changes(t), p.leader.Stats.Changes.Load()
			r.run(op.DB, op.Args)
			p.do(op.DB, op.Args)
			theirs, ours = r.changes(t)-theirs, p.leader.Stats.Changes.Load()-ours
			if changes += theirs; ours != theirs {
				t.Fatalf("%.300q counts %d, on redis-server %d", op.Args, ours, theirs)
			}
		}
	}
	if changes < 1000 {
		t.Errorf("%d changes in all: too few were compared", changes)
	}
}

// deleteExpired deletes what has expired from both: a command that deletes whatever is
// there counts it or not, as somebody has come upon it before.
func deleteExpired(p *pair, r *redisServer, op *Op) {
	exists := func(db int, key string) { r.run(db, [][]byte{[]byte("EXISTS"), []byte(key)}) }
	for db := range p.leader.ks.Databases() {
		p.leader.ks.DB(db).Scan(0, 1<<30, func(e *keyspace.Entry) {
			if at := e.ExpireAt(); at != 0 && at <= p.now {
				exists(db, e.Key())
			}
		})
	}
	p.apply(1 << 20)
	for _, a := range op.Args[1:] { // there it may be there still, and here not
		exists(op.DB, string(a))
	}
}

// TestChangesOfCommands compares the same for commands that random ones don't
// reach: what they pick by chance, wait for, or run.
func TestChangesOfCommands(t *testing.T) {
	r := startRedis(t, true)
	p := newPair(t, Options{})
	r.reset(t)
	r.setTime(p.now)
	both := func(line string) {
		t.Helper()
		var args [][]byte
		for _, w := range strings.Fields(line) {
			args = append(args, []byte(strings.ReplaceAll(w, "%", " ")))
		}
		theirs, ours := r.changes(t), p.leader.Stats.Changes.Load()
		want, _ := r.run(0, args)
		got := p.do(0, args)
		theirs, ours = r.changes(t)-theirs, p.leader.Stats.Changes.Load()-ours
		if got[0] == '-' && (want[0] != '-' || bytes.Contains(got, []byte("unknown command"))) {
			t.Errorf("%s replies %q, there %q", line, got, want)
		}
		if ours != theirs {
			t.Errorf("%s counts %d, on redis-server %d (it replies %.60q, there %.60q)", line, ours, theirs, got, want)
		}
	}
	for line := range strings.Lines(`
		SADD s 1 2 3 4 5 6 7 8 9
		SPOP s
		SPOP s 3
		SPOP s 0
		SPOP s 100
		SPOP none 3
		SADD s a
		SPOP s
		SMOVE s s a
		SADD s a b
		SMOVE s t a
		SMOVE s t nothing
		SADD t b
		SMOVE s t b
		RPUSH l 1 2 3 4 5 6
		BLPOP none l 0.01
		BRPOP l 0.01
		BLMOVE l l LEFT RIGHT 0.01
		BLMOVE l m LEFT RIGHT 0.01
		BRPOPLPUSH l m 0.01
		RPOPLPUSH l l
		RPOPLPUSH none l
		BLMPOP 0.01 2 none l LEFT COUNT 2
		LMPOP 1 m LEFT COUNT 10
		LMPOP 1 none LEFT
		RPUSH l 1 2 3 4
		LPOP l 2
		LPOP l 0
		RPOP l 10
		ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g
		BZPOPMIN none z 0.01
		BZMPOP 0.01 1 z MIN COUNT 2
		ZMPOP 1 z MAX COUNT 2
		ZPOPMAX z 0
		ZPOPMIN z 10
		ZADD z 1 a 2 b
		ZADD z XX CH 1 a 3 b
		ZADD z GT 0 a
		ZINCRBY z 0 a
		ZADD z INCR 0 a
		ZADD z NX INCR 1 a
		ZRANGESTORE y z 0 -1
		ZRANGESTORE y z 5 6
		ZRANGESTORE y z 5 6
		ZUNIONSTORE y 2 z none
		ZDIFFSTORE y 2 z z
		ZREMRANGEBYRANK z 0 0
		GEOADD g 13 38 a 15 37 b
		GEOADD g 13 38 a
		GEOSEARCHSTORE h g FROMMEMBER a BYRADIUS 500 km
		GEOSEARCHSTORE h g FROMMEMBER a BYRADIUS 500 km STOREDIST
		GEORADIUSBYMEMBER g a 500 km STORE h
		GEORADIUS g 100 0 1 km STORE h
		GEORADIUS g 100 0 1 km STORE h
		RPUSH l 3 1 2
		SORT l STORE m
		SORT none STORE m
		SORT none STORE m
		SORT l
		SET a 1
		SET a 1 GET
		SET a 1 NX
		SET none 1 XX
		SET a 1 EX 100
		SET a 1 KEEPTTL
		SETNX a 1
		SETEX a 10 1
		GETSET a 2
		GETEX a
		GETEX a EX 100
		GETEX a PERSIST
		GETEX a PERSIST
		GETEX a EXAT 1
		GETDEL a
		MSET a 1 b 2 c 3
		MSETNX a 1 d 2
		MSETNX d 1 e 2
		INCR a
		INCRBYFLOAT a 0
		APPEND a %
		SETRANGE a 0 x
		SETBIT bits 7 0
		SETBIT bits 7 0
		SETBIT bits 100 0
		BITFIELD bits SET u8 0 0
		BITFIELD bits SET u8 0 5 SET u8 8 0 GET u8 0
		BITFIELD bits OVERFLOW FAIL INCRBY u2 1000 9
		BITFIELD bits INCRBY u2 2000 0 SET u2 2 0
		BITFIELD new OVERFLOW FAIL SET u2 9 9
		BITOP NOT bits2 bits
		BITOP AND bits2 none none
		BITOP AND bits2 none none
		PFADD p
		PFADD p
		PFADD p a b c
		PFADD p a
		PFMERGE q p
		PFMERGE q
		PFCOUNT p
		PFCOUNT p
		PFCOUNT p q
		EXPIRE b 100
		EXPIRE b 100 NX
		EXPIRE b -1
		EXPIRE b -1
		PERSIST c
		EXPIRE c 100
		PERSIST c
		RENAME c c
		RENAME c f
		RENAMENX f f
		RENAMENX f c
		COPY c f
		COPY c f
		COPY c f REPLACE
		COPY c c
		MOVE f 1
		MOVE f 1
		TOUCH c
		UNLINK c none
		DEL none
		HSET k a 1 b 2
		HSET k a 1
		HSETNX k a 2
		HSETNX k d 2
		HINCRBY k a 0
		HINCRBYFLOAT k a 0
		HDEL k a none
		HMSET k x 1 y 2
		XADD x 1-1 f v
		XADD x NOMKSTREAM 1-2 f v
		XADD x MAXLEN 1 1-3 f v
		XADD none NOMKSTREAM 1-1 f v
		XDEL x 9-9
		XTRIM x MAXLEN 0
		XTRIM x MAXLEN 0
		XADD x 2-1 f v
		XADD x 2-2 f v
		XSETID x 3-1
		XGROUP CREATE x g 0
		XGROUP CREATE xx g 0 MKSTREAM
		XGROUP CREATECONSUMER x g c
		XGROUP CREATECONSUMER x g c
		XGROUP SETID x g 0
		XREADGROUP GROUP g c COUNT 1 STREAMS x >
		XREADGROUP GROUP g c STREAMS x 0
		XREADGROUP GROUP g c2 STREAMS x 0
		XREADGROUP GROUP g c3 NOACK COUNT 1 STREAMS x >
		XREADGROUP GROUP g c4 STREAMS x >
		XCLAIM x g c2 0 2-1
		XCLAIM x g c2 0 2-1 JUSTID
		XCLAIM x g c9 0 7-7
		XAUTOCLAIM x g c5 0 0
		XAUTOCLAIM x g c5 99999 0
		XACK x g 2-1
		XACK x g 2-1
		XDEL x 2-1 2-2
		XGROUP DELCONSUMER x g c5
		XGROUP DELCONSUMER x g none
		XGROUP DESTROY x g
		XGROUP DESTROY x g
		DEL x
		XADD x 1-1 f v
		XADD x 1-2 f v
		XADD x 1-3 f v
		XADD x 1-4 f v
		XADD x 1-5 f v
		XADD xx 1-1 f v
		XGROUP CREATE x g 0
		XREADGROUP GROUP g c COUNT 4 STREAMS x xx > >
		XREADGROUP GROUP g c STREAMS x xx 0 0
		XREADGROUP GROUP g d STREAMS x xx > >
		XREADGROUP GROUP g d STREAMS x xx > >
		XCLAIM x g e 0 1-1 1-2 1-3
		XCLAIM x g e 0 1-1 1-2 1-3 LASTID 1-4
		XCLAIM x g e 0 9-9 FORCE
		XCLAIM x g e 0 LASTID 1-9
		XCLAIM x g e 0 1-1 LASTID 9-9 JUSTID
		XDEL x 1-2 1-3
		XCLAIM x g e2 0 1-1 1-2 1-3
		XAUTOCLAIM x g f 0 0 COUNT 2
		XAUTOCLAIM x g f2 0 0
		XACK x g 1-1 1-2 1-3 1-4 1-5
		XADD x MAXLEN 1 2-1 f v
		XADD x 2-2 f v
		XADD x 2-3 f v
		XTRIM x MAXLEN 1
		XTRIM x MINID 9
		SWAPDB 0 0
		SWAPDB 0 1
		SWAPDB 0 1
		EVAL return%1 0
		EVAL return%redis.call('get',KEYS[1]) 1 d
		EVAL return%redis.call('set',KEYS[1],1) 1 d
		EVAL redis.call('set',KEYS[1],1);redis.call('rpush',KEYS[2],1,2,3) 2 d l
		EVAL redis.call('set',KEYS[1],1);error('x') 1 d
		SCRIPT LOAD return%1
		SCRIPT FLUSH
		FUNCTION FLUSH
		LPUSHX none a
		LPUSHX l a b
		LSET l 0 a
		LINSERT l BEFORE a x
		LINSERT l BEFORE nothing x
		LREM l 0 a
		LREM l 0 nothing
		LTRIM l 0 -1
		LTRIM l 0 1
		LTRIM l 5 9
		SUNIONSTORE u t none
		SINTERSTORE u t none
		SINTERSTORE u t none
		SDIFFSTORE u t t
		DUMP d
		FLUSHDB
		FLUSHDB
		FLUSHALL
		FLUSHALL ASYNC`) {
		if line = strings.TrimSpace(line); line != "" {
			both(line)
		}
	}
}
