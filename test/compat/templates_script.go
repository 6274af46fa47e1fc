package compat

// Scripts and functions. What they return doesn't depend on the moment, on
// chance or on the order of a table. EVAL_RO caches its script in Redis and not
// here, so it has scripts whose names are never asked for.
func init() {
	templates["script"] = []string{
		"EVAL %S %# [%v] [%i]", "EVAL %S %# %v %f", "EVAL %S 0", "EVAL %S %# %m %d %v", "EVALSHA %v %#", "EVALSHA %H %# [%v]", "EVALSHA %H 0", "EVALSHA_RO %H %#", "EVAL_RO %R %# [%v]",
		"SCRIPT LOAD %S", "SCRIPT EXISTS %v",
		"SCRIPT FLUSH [SYNC|ASYNC|NOW]", "SCRIPT KILL", "SCRIPT NOSUCH",
		"FUNCTION LOAD [REPLACE] %L", "FUNCTION LOAD REPLACE %L", "FCALL (f1|f2|f3|F1) %# [%v] [%i]", "FCALL_RO (f1|f2|f3) %# [%v]",
		"FUNCTION DELETE (lib1|lib2|nosuch)", "FUNCTION LIST LIBRARYNAME (lib2|nosuch) [WITHCODE]", "FUNCTION STATS", "FUNCTION KILL",
		"SET %k %v", "LPUSH %k <%v>", "HSET %k <%d %v>", "ZADD %k <%s %m>", "DEL %k", "GET %k",
	}
}

var scripts = []string{
	"return 1",
	"return {KEYS, ARGV}",
	"return redis.call('set', KEYS[1], ARGV[1])",
	"return redis.call('get', KEYS[1])",
	"return redis.pcall('incr', KEYS[1])",
	"return redis.call('incrbyfloat', KEYS[1], ARGV[1])",
	"return redis.pcall('lrange', KEYS[1], 0, -1)",
	"redis.setresp(3) return redis.pcall('zrange', KEYS[1], 0, -1, 'withscores')",
	"return {1, 2.9, 'x', true, {ok='fine'}, {err='MY error'}, {1, nil, 3}}",
	"return {double=3.5}", "return {big_number='123'}", "return {map={a=1}}", "return {set={a=true}}",
	"return {verbatim_string={format='txt', string='abc'}}",
	"return tonumber(ARGV[1])", "return tostring(tonumber(ARGV[2]))", "return #(ARGV[1] or '')",
	"local n = 0 for i = 1, tonumber(ARGV[2] or '3') or 0 do n = n + i if i > 100 then break end end return n",
	"return string.format('%5.2f|%d|%s|%q', 1.234, 7, ARGV[1] or 'x', 'a\\nb')",
	"return {string.byte(ARGV[1] or 'abc', 1, -1)}",
	"return (ARGV[1] or 'hello world'):gsub('%w+', string.upper)",
	"return table.concat(ARGV, ',')",
	"table.sort(ARGV) return ARGV",
	"return cjson.encode(ARGV)", "return cjson.decode('[1,2.5,\"x\",null,{\"a\":[]}]')[5].a",
	"return cmsgpack.unpack(cmsgpack.pack(ARGV))", "return bit.tohex(bit.bxor(tonumber(ARGV[2]) or 1, 255))",
	"return {struct.unpack('>I2', struct.pack('>I2', 513))}",
	"math.randomseed(tonumber(ARGV[2]) or 1) return math.random(1000)",
	"return redis.error_reply(ARGV[1] or 'x')", "return redis.status_reply(ARGV[1] or 'x')", "return redis.sha1hex(ARGV[1] or 'x')",
	"error(ARGV[1] or 'x')", "error({err=tostring(ARGV[1])})", "return {pcall(error, ARGV[1])}", "return redis.call(ARGV[1] or 'ping')",
	"local x = nil return x.y", "return nosuch", "x = 1", "return 1 .. {}", "return nil + 1", "local t = {} t.x.y = 1", "nosuch.x = 1", "return ARGV.x.y",
	"return redis.call('multi')", "return redis.call('nosuch', 1)", "return redis.call('get')", "return redis.call('echo', 1.5, 2)",
	"return redis.call('echo', 0.1)", "return redis.call('echo', 1e20)", "return redis.call('echo', ARGV[1] or 'x')",
	"#!lua\nreturn redis.call('get', KEYS[1])", "#!lua flags=no-writes\nreturn redis.call('set', KEYS[1], 1)",
	"#!lua flags=nosuch\nreturn 1", "#!lua nosuch\nreturn 1", "#!x\nreturn 1", "#!lua",
	"return select('#', unpack(ARGV))", "return next({})", "return type(next)", "return rawget(_G, 'x')", "return #KEYS",
	"local c = coroutine.wrap(function(a) coroutine.yield(a) return 2 end) return {c(1), c()}",
}

var libraries = []string{
	"#!lua name=lib1\nredis.register_function('f1', function(keys, args) return {keys, args} end)",
	"#!lua name=lib1\nredis.register_function('f1', function(keys, args) return redis.call('set', keys[1], args[1]) end)\n" +
		"redis.register_function{function_name='f2', callback=function(keys) return redis.call('get', keys[1]) end, flags={'no-writes'}}",
	"#!lua name=lib2\nredis.register_function{function_name='f3', callback=function(keys, args) return #keys + #args end, flags={'no-writes', 'allow-stale'}, description='d'}",
	"#!lua name=lib2\nredis.register_function('f1', function() error('x') end)",
	"#!lua name=lib2\nerror('x')", "#!lua name=lib2\nreturn 1", "#!lua name=lib-2\n", "#!lua\n", "x", "#!lua name=lib2\nredis.call('ping')",
}
