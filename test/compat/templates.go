package compat

// templates are the commands of Redis 7.0 by family, in the notation of expand.
// A line that stands twice is twice as likely. What depends on the machine or
// the moment is left out.
var templates = map[string][]string{
	"string": {
		"SET %k %v [NX|XX] [GET] [EX %t|PX %p|EXAT %u|PXAT %U|KEEPTTL]",
		"SET %k %v [EX %t|PX %p|KEEPTTL|EX %t PX %p] [GET] [XX|NX|NX XX]",
		"SET %k %v", "SET %k %i", "SET %k %f",
		"GET %k", "GET %k", "GETSET %k %v", "GETDEL %k",
		"GETEX %k [EX %t|PX %p|EXAT %u|PXAT %U|PERSIST|EX %t PERSIST]",
		"SETNX %k %v", "SETEX %k %t %v", "PSETEX %k %p %v",
		"MGET <%a>", "MSET <%k %v>", "MSETNX <%k %v>",
		"APPEND %k %v", "STRLEN %k", "STRLEN %k",
		"SETRANGE %k %o %v", "GETRANGE %k %x %x", "SUBSTR %k %x %x",
		"INCR %k", "DECR %k", "INCRBY %k %i", "DECRBY %k %i", "INCRBYFLOAT %k %f",
		"LCS %k %k [LEN|IDX] [MINMATCHLEN %n] [WITHMATCHLEN]",
		"OBJECT ENCODING %k",
	},
	"keys": {
		"DEL <%a>", "UNLINK <%a>", "EXISTS <%a>", "TOUCH <%a>", "TYPE %a", "TYPE %a",
		"RENAME %a %a", "RENAMENX %a %a", "COPY %a %a [DB %b] [REPLACE]", "MOVE %a %b",
		"EXPIRE %a %t [NX|XX|GT|LT|NX XX|GT LT|XX GT]", "PEXPIRE %a %p [NX|XX|GT|LT|LT NX]",
		"EXPIREAT %a %u [NX|XX|GT|LT]", "PEXPIREAT %a %U [NX|XX|GT|LT]",
		"TTL %a", "PTTL %a", "EXPIRETIME %a", "PEXPIRETIME %a", "PERSIST %a",
		"OBJECT ENCODING %a", "OBJECT ENCODING %a", "OBJECT NOSUCH %a", "OBJECT",
		"RANDOMKEY", "DBSIZE", "KEYS %g", "NOSUCHCOMMAND %a %v", "PING [%v]", "ECHO %v",
	},
	"scan": {
		"SCAN 0 [MATCH %g] [COUNT %n] [TYPE (string|hash|list|set|zset|stream|nosuch)]", "SCAN %i",
		"SSCAN %a 0 [MATCH %g] [COUNT %n]", "HSCAN %a 0 [COUNT %n] [MATCH %g]", "ZSCAN %a 0 [MATCH %g] [COUNT %n]",
		"SSCAN set:1 0", "HSCAN hash:1 0 [COUNT 100]", "ZSCAN zset:1 0 [COUNT 3]", "KEYS %g",
		"SSCAN %a x", "HSCAN %a (-1|1x|18446744073709551616)", "ZSCAN %a 0 NOSUCH 1",
	},
	"hash": {
		"HSET %k <%d %v>", "HSET %k <%d %v>", "HMSET %k <%d %v>", "HSETNX %k %d %v", "HGET %k %d", "HMGET %k <%d>",
		"HDEL %k <%d>", "HLEN %k", "HSTRLEN %k %d", "HEXISTS %k %d", "HGETALL %k", "HKEYS %k", "HVALS %k",
		"HINCRBY %k %d %i", "HINCRBYFLOAT %k %d %f", "HRANDFIELD %k [%n|%n WITHVALUES]", "OBJECT ENCODING %k",
		"HSCAN %k 0 [MATCH %g] [COUNT %n]", "HSET %k <%i %i>",
	},
	"list": {
		"LPUSH %k <%v>", "RPUSH %k <%v>", "LPUSHX %k <%v>", "RPUSHX %k <%v>", "LPOP %k [%n]", "RPOP %k [%n]",
		"LLEN %k", "LRANGE %k %x %x", "LRANGE %k 0 -1", "LINDEX %k %x", "LSET %k %x %v", "LTRIM %k %x %x",
		"LREM %k %n %v", "LINSERT %k (BEFORE|AFTER|BEFOR) %v %v",
		"LPOS %k %v [RANK %n] [COUNT %n] [MAXLEN %n]", "LPOS %k %v [MAXLEN %n] [RANK %n]",
		"RPOPLPUSH %k %k", "LMOVE %k %k (LEFT|RIGHT|UP) (LEFT|RIGHT)", "LMPOP %# (LEFT|RIGHT) [COUNT %n]",
		"OBJECT ENCODING %k",
	},
	"set": {
		"SADD %k <%m>", "SADD %k <%m>", "SREM %k <%m>", "SISMEMBER %k %m", "SMISMEMBER %k <%m>", "SCARD %k", "SMEMBERS %k",
		"SMOVE %k %k %m", "SPOP %k", "SPOP %k %n", "SRANDMEMBER %k [%n]",
		"SINTER <%k>", "SUNION <%k>", "SDIFF <%k>", "SINTERSTORE %k <%k>", "SUNIONSTORE %k <%k>", "SDIFFSTORE %k <%k>",
		"SINTERCARD %# [LIMIT %n]", "OBJECT ENCODING %k", "SSCAN %k 0 [MATCH %g] [COUNT %n]",
	},
	"zset": {
		"ZADD %k <%f %m>", "ZADD %k <%s %m>", "ZADD %k <%s %m>", "ZADD %k [NX|XX] [GT|LT] [CH] [INCR] <%f %m>", "ZADD %k [CH|INCR] [XX|NX|GT] %f %m", "ZINCRBY %k %f %m",
		"ZREM %k <%m>", "ZSCORE %k %m", "ZMSCORE %k <%m>", "ZCARD %k", "ZCOUNT %k %r %r", "ZRANK %k %m", "ZREVRANK %k %m",
		"ZRANGE %k %x %x [REV] [WITHSCORES]", "ZRANGE %k %r %r BYSCORE [REV] [LIMIT %n %n] [WITHSCORES]", "ZRANGE %k 0 -1 WITHSCORES",
		"ZRANGE %k %x %x [LIMIT 0 1|BYSCORE REV|BYLEX WITHSCORES]",
		"ZREVRANGE %k %x %x [WITHSCORES]", "ZRANGEBYSCORE %k %r %r [WITHSCORES] [LIMIT %n %n]",
		"ZREVRANGEBYSCORE %k %r %r [LIMIT %n %n] [WITHSCORES]",
		"ZRANGESTORE %k %k (%x %x|%r %r BYSCORE [LIMIT %n %n]) [REV]",
		"ZREMRANGEBYRANK %k %x %x", "ZREMRANGEBYSCORE %k %r %r", "ZPOPMIN %k [%n]", "ZPOPMAX %k [%n]", "ZMPOP %# (MIN|MAX) [COUNT %n]",
		"ZUNION %# [WEIGHTS %w] [AGGREGATE (SUM|MIN|MAX|AVG)] [WITHSCORES]", "ZINTER %# [AGGREGATE (SUM|MIN|MAX)] [WEIGHTS %w] [WITHSCORES]",
		"ZDIFF %# [WITHSCORES]", "ZUNIONSTORE %k %# [WEIGHTS %w] [AGGREGATE (SUM|MIN|MAX)]",
		"ZINTERSTORE %k %# [WEIGHTS %w] [AGGREGATE (SUM|MIN|MAX)]", "ZDIFFSTORE %k %#", "ZINTERCARD %# [LIMIT %n]",
		"ZRANDMEMBER %k [%n|%n WITHSCORES]", "OBJECT ENCODING %k", "ZSCAN %k 0 [MATCH %g] [COUNT %n]",
	},
	"lex": {
		"ZADD %k <0 %y>", "ZADD %k <0 %y>", "ZREM %k <%y>", "ZLEXCOUNT %k %l %l", "ZRANGEBYLEX %k %l %l [LIMIT %n %n]",
		"ZREVRANGEBYLEX %k %l %l [LIMIT %n %n]", "ZRANGE %k %l %l BYLEX [REV] [LIMIT %n %n]", "ZREMRANGEBYLEX %k %l %l",
		"ZRANGESTORE lex:0 %k %l %l BYLEX [REV] [LIMIT %n %n]", "ZLEXCOUNT %z %l %l", "ZRANGEBYLEX %z %l %l", "ZLEXCOUNT %k %l",
		"DEL %k", "OBJECT ENCODING %k",
	},
}
