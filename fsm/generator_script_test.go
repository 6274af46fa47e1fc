package fsm

import "fmt"

// scriptSamples are scripts for random tests. They use their keys if they have
// any, and must do the same on every replica.
var scriptSamples = []string{
	"return 1",
	"return {KEYS, ARGV}",
	"return redis.pcall('set', KEYS[1] or 'k{0}', ARGV[1] or 'v')",
	"return redis.call('incr', KEYS[1] or 'n{0}')",
	"local r = {} for i = 1, 5 do r[i] = redis.pcall('rpush', KEYS[1] or 'l{0}', ARGV[i] or i) end return r",
	"redis.pcall('hset', KEYS[1] or 'h{0}', ARGV[1] or 'f', math.random(100)) return redis.pcall('hgetall', KEYS[1] or 'h{0}')",
	"local t = {} for k, v in pairs({a=1, b=2, c={}, [1.5]=3, [true]=4}) do t[#t+1] = tostring(k) .. tostring(v) end " +
		"redis.pcall('set', KEYS[1] or 'k{0}', table.concat(t, ',')) return t",
	"redis.pcall('set', KEYS[1] or 'k{0}', redis.call('time')[1] .. tostring({}) .. tostring(math.random())) return redis.call('time')",
	"redis.setresp(3) return {redis.pcall('zrange', KEYS[1] or 'z{0}', 0, -1, 'withscores'), redis.pcall('smembers', KEYS[2] or 's{0}')}",
	"redis.pcall('expire', KEYS[1] or 'k{0}', ARGV[1] or 10) error('at the end')",
	"return redis.pcall(ARGV[1] or 'ping', ARGV[2], ARGV[3])",
	"redis.pcall('lpush', KEYS[1] or 'l{0}', 'x') return redis.call('nosuch')",
	"redis.pcall('spop', KEYS[1] or 's{0}', 3) return redis.pcall('srandmember', KEYS[1] or 's{0}', 3)",
	"#!lua flags=no-writes\nreturn redis.pcall('get', KEYS[1] or 'k{0}')",
	"#!lua\nreturn redis.pcall('get', KEYS[1] or 'k{0}')",
	"local f = coroutine.wrap(function(a) redis.pcall('incr', KEYS[1] or 'n{0}') coroutine.yield(a) error(a) end) return {f(1), pcall(f)}",
	"for i = 1, 1e9 do if i % 50000 == 0 then redis.pcall('incr', KEYS[1] or 'n{0}') end local x = ('x'):rep(1000) end",
	"return nosuch", "return +", "return {err='MY error'}",
}

var functionSamples = []string{
	"redis.register_function('%s', function(keys, args) return redis.pcall('incrby', keys[1] or 'n{0}', #args) end)",
	"local n = 0 redis.register_function('%s', function(keys) n = n + 1 return redis.pcall('set', keys[1] or 'k{0}', n) end)",
	"redis.register_function{function_name='%s', callback=function(keys) return redis.pcall('get', keys[1] or 'k{0}') end, flags={'no-writes'}}",
	"error('%s')",
}

// script returns a script, a library or a function's name.
func (g *generator) script(what string) []byte {
	name := fmt.Sprint("f", g.r.IntN(4))
	switch what {
	case "script":
		if n := g.r.IntN(len(scriptSamples)); n != heavySample || g.r.IntN(40) == 0 {
			return []byte(scriptSamples[n])
		}
		return []byte(scriptSamples[0])
	case "function":
		return []byte(name)
	}
	body := fmt.Sprintf(functionSamples[g.r.IntN(len(functionSamples))], name)
	return fmt.Appendf(nil, "#!lua name=lib%d\n%s", g.r.IntN(3), body)
}

// heavySample is the number of the script that uses up its budget.
const heavySample = 16
