package fsm

import (
	"strings"
	"testing"
)

// script returns the step of an EVAL.
func (p *pair) script(text string, words ...string) Op {
	return p.op(append([]string{"EVAL", text}, words...)...)
}

// TestScriptsSettle makes sure that what a script's commands leave behind is
// what commands of their own would: memory that is counted, and accesses.
func TestScriptsSettle(t *testing.T) {
	p := newPair(t, Options{})
	p.doWords("RPUSH l a b c")
	p.doWords("SET k v")
	p.now += 3_600_000
	p.apply(0, p.script("for i = 1, 50 do redis.call('rpush', KEYS[1], i) redis.call('set', i, i) end return redis.call('get', KEYS[2])", "2", "l", "k"))
	for _, m := range []*Machine{p.leader, p.follower} {
		if got, want := m.ks.Used(), m.ks.Recount(); got != want {
			t.Errorf("%d bytes are counted, %d used", got, want)
		}
	}
	for _, key := range []string{"l", "k", "7"} {
		if got := p.doWords("OBJECT IDLETIME " + key); got != ":0\r\n" {
			t.Errorf("a script has accessed %s, and it is idle for %q s", key, got)
		}
	}
}

// TestScriptsOutOfMemory compares with what redis-server 7.0.15 replies when more
// than maxmemory is used and nothing can be evicted.
func TestScriptsOutOfMemory(t *testing.T) {
	const library = "#!lua name=l\n" +
		"redis.register_function('f', function() return redis.call('set', 'x', 'y') end)\n" +
		"redis.register_function{function_name='fo', callback=function() return redis.call('set', 'x', 'y') end, flags={'allow-oom'}}\n" +
		"redis.register_function{function_name='fn', callback=function() return redis.call('get', 'x') end, flags={'no-writes'}}"
	const oom = "-OOM command not allowed when used memory > 'maxmemory'."
	inside := func(sha string) string { return oom + " script: " + sha + ", on @user_script:1.\r\n" }
	for _, test := range []struct {
		words []string
		want  string
	}{
		{[]string{"EVAL", "#!lua\nreturn redis.call('get','foo')", "0"}, oom + "\r\n"},
		{[]string{"EVAL", "#!lua\nreturn (", "0"}, oom + "\r\n"},
		{[]string{"EVAL", "#!lua\nreturn 1", "x"}, oom + "\r\n"},
		{[]string{"EVAL", "#!lua bad", "0"}, "-ERR Invalid script shebang\r\n"},
		{[]string{"EVAL", "#!lua flags=allow-oom\nreturn redis.call('set','foo', 2)", "0"}, "+OK\r\n"},
		{[]string{"EVAL", "#!lua flags=no-writes\nreturn redis.call('get','foo')", "0"}, "$3\r\nbar\r\n"},
		{[]string{"EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"}, "-NOSCRIPT No matching script. Please use EVAL.\r\n"},
		{[]string{"EVAL", "return redis.call('get','foo')", "0"}, "$3\r\nbar\r\n"},
		{[]string{"EVAL", "return redis.call(\"set\",\"foo\",1)", "0"}, inside("cb85a52f9ead2328a3e01b7a0f36a1de82641270")},
		{[]string{"EVAL", "return redis.pcall('set','foo',1)", "0"}, oom + "\r\n"},
		{[]string{"EVAL", "redis.call('del','x') redis.call('set','foo',1)", "0"}, "$-1\r\n"},
		{[]string{"EVAL", "redis.pcall(\"del\") redis.call(\"set\",\"foo\",1)", "0"}, inside("a35d4bc7b1966eb9fd9f8a7c3e1eea12340a3ec4")},
		{[]string{"EVAL", "redis.pcall(\"get\",\"x\") redis.call(\"set\",\"foo\",1)", "0"}, inside("6cd68f7d0f250508adbfab49de1bc8083cc00d3c")},
		{[]string{"FCALL", "f", "0"}, oom + "\r\n"},
		{[]string{"FCALL", "F", "x"}, oom + "\r\n"},
		{[]string{"FCALL", "other", "0"}, "-ERR Function not found\r\n"},
		{[]string{"FCALL", "fo", "0"}, "+OK\r\n"},
		{[]string{"FCALL", "fn", "0"}, "$-1\r\n"},
	} {
		p := newPair(t, Options{})
		p.doWords("SET foo bar")
		p.apply(0, p.op("FUNCTION", "LOAD", library))
		if got := string(p.apply(0, denyAbove(1), p.op(test.words...))); got != test.want {
			t.Errorf("%q replied %q, not %q", test.words, got, test.want)
		}
		if got := string(p.apply(0, p.op(test.words...))); got == test.want && got[:4] == "-OOM" {
			t.Errorf("%q replied %q in the next entry", test.words, got)
		}
		tx := Op{Tx: []Op{p.op(test.words...)}, Slot: -1}
		got := string(p.apply(0, denyAbove(1), tx))
		want := "*1\r\n" + test.want
		if test.want == oom+"\r\n" && !strings.HasPrefix(test.words[1], "return") {
			want = "-" + errExecOOM + "\r\n"
		}
		if got != want {
			t.Errorf("%q in a transaction replied %q, not %q", test.words, got, want)
		}
	}
}

// TestLetScripts makes sure that DEBUG SET-DISABLE-DENY-SCRIPTS of the proposer
// is in force on every replica, in the entries that it makes, and nowhere else.
func TestLetScripts(t *testing.T) {
	p := newPair(t, Options{})
	pop := p.script("local v = redis.pcall('blpop', KEYS[1], 0) redis.call('set', 'x', type(v) == 'table' and v[2] or 'none') return v", "1", "l")
	const refused = "-ERR This Redis command is not allowed from script\r\n"
	p.doWords("RPUSH l a b")
	if got := string(p.apply(0, pop)); got != refused {
		t.Errorf("not allowed: %q", got)
	}
	p.follower.LetScripts(true)
	if got := string(p.apply(0, append(p.leader.Let(), pop)...)); got != refused {
		t.Errorf("allowed by a follower: %q", got)
	}
	p.follower.LetScripts(false)
	p.leader.LetScripts(true)
	for _, want := range []string{"*2\r\n$1\r\nl\r\n$1\r\na\r\n", "*2\r\n$1\r\nl\r\n$1\r\nb\r\n", "$-1\r\n"} {
		if got := string(p.apply(0, append(p.leader.Let(), pop)...)); got != want {
			t.Errorf("allowed: %q, not %q", got, want)
		}
	}
	for words, want := range map[string]string{
		"return redis.pcall('debug', 'protocol', 'Integer')":   ":12345\r\n",
		"return redis.pcall('debug', 'sleep', 10)":             "+OK\r\n",
		"return redis.pcall('eval', 'return 1', 0)":            refused,
		"return redis.pcall('function', 'flush')":              refused,
		"return redis.pcall('multi')":                          refused,
		"return redis.pcall('debug', 'digest')":                "-ERR of DEBUG only PROTOCOL and SLEEP can be called from scripts\r\n",
		"return redis.pcall('restore-asking', 'k', 0, 'junk')": "-ERR DUMP payload version or checksum are wrong\r\n",
	} {
		if got := string(p.apply(0, append(p.leader.Let(), p.script(words, "0"))...)); got != want {
			t.Errorf("%s: %q, not %q", words, got, want)
		}
	}
	p.leader.LetScripts(false)
	if got := string(p.apply(0, append(p.leader.Let(), pop)...)); got != refused {
		t.Errorf("no longer allowed: %q", got)
	}
}
