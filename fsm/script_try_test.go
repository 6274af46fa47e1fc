package fsm

import (
	"crypto/sha1"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/quorate/quorate/resp"
)

// try runs steps on the leader as a read.
func (p *pair) try(ops ...Op) (tried Tried, loads []Op, reply string) {
	for i := range ops {
		ops[i].Try = ops[i].Cmd.RunsScript()
	}
	u := &Unit{Ops: ops, Reply: &resp.Writer{Proto: 2}}
	if !u.Tries() {
		p.t.Fatal("the unit isn't one to be tried")
	}
	tried, loads = p.leader.Try(u, p.now, 1)
	return tried, loads, string(u.Reply.Buf)
}

// TestTry makes sure that an attempt answers scripts that only read, and that of
// one that reaches a write nothing is left, whatever the script does about errors.
func TestTry(t *testing.T) {
	p := newPair(t, Options{})
	p.doWords("SET k v")
	p.doWords("ZADD z 1 a")
	p.doWords("PFADD h a b")
	p.apply(0, p.op("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('r', function(k) return redis.call('get', k[1]) end)\n"+
		"redis.register_function('w', function(k) redis.call('get', k[1]) return redis.call('del', k[1]) end)"))
	for _, test := range []struct {
		op   Op
		want string // "": it writes
	}{
		{p.script("return redis.call('get', KEYS[1])", "1", "k"), "$1\r\nv\r\n"},
		{p.script("return {redis.call('sort', KEYS[1], 'alpha', 'by', 'x')}", "1", "nosuch"), "*1\r\n*0\r\n"},
		{p.script("return redis.pcall('nosuch')", "0"), "-ERR Unknown Redis command called from script\r\n"},
		{p.script("return redis.pcall('set', 'k')", "0"), "-ERR Wrong number of args calling Redis command from script\r\n"},
		{p.script("#!lua flags=no-writes\nreturn redis.pcall('del', 'k')", "0"), "-ERR Write commands are not allowed from read-only scripts.\r\n"},
		{p.script("#!lua flags=no-writes\nreturn redis.pcall('publish', 'c', 'm')", "0"), "-ERR Write commands are not allowed from read-only scripts.\r\n"},
		{p.script("x =", "0"), "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '<eof>'\r\n"},
		{p.op("EVALSHA", strings.Repeat("0", 40), "0"), "-" + errNoScript + "\r\n"},
		{p.op("FCALL", "r", "1", "k"), "$1\r\nv\r\n"},
		{p.op("FCALL", "nosuch", "0"), "-ERR Function not found\r\n"},
		{p.op("FCALL", "w", "1", "k"), ""},
		{p.script("redis.call('get', 'k') return redis.call('set', 'k', 'other')", "0"), ""},
		{p.script("while true do redis.pcall('del', 'k') end", "0"), ""},
		{p.script("while true do pcall(function() redis.call('del', 'k') end) end", "0"), ""},
		{p.script("local c = coroutine.wrap(function() redis.call('del', 'k') end) while true do pcall(c) end", "0"), ""},
		{p.script("return xpcall(function() redis.call('del', 'k') end, function() return redis.call('get', 'k') end)", "0"), ""},
		{p.script("return redis.call('sort', 'z', 'alpha')", "0"), ""},
		{p.script("return redis.call('pfcount', 'h')", "0"), ""},
	} {
		before := fmt.Sprint(p.leader.Chain(), p.leader.Digest())
		tried, _, reply := p.try(test.op)
		if (tried == TriedWrite) != (test.want == "") || reply != test.want {
			t.Errorf("%q: %v, %q", test.op.Args, tried, reply)
		}
		if (tried != TriedWrite) != p.leader.WorthTrying(test.op.Cmd, test.op.Args) && test.op.Args[0][0] == 'F' {
			t.Errorf("%q: worth trying again: %v", test.op.Args, tried != TriedRead)
		}
		if after := fmt.Sprint(p.leader.Chain(), p.leader.Digest()); after != before {
			t.Errorf("%q has changed the state", test.op.Args)
		}
		if p.leader.running.Any() {
			t.Errorf("%q is still running", test.op.Args)
		}
	}
}

// TestTryLoadsForOthers: what comes behind a script in the same unit finds it cached, as if
// the script had been run by itself.
func TestTryLoadsForOthers(t *testing.T) {
	p := newPair(t, Options{})
	const body = "return 7"
	sha := fmt.Sprintf("%x", sha1.Sum([]byte(body)))
	tried, loads, reply := p.try(p.script(body, "0"), p.op("EVALSHA", strings.ToUpper(sha), "0"), p.op("SCRIPT", "EXISTS", sha, strings.Repeat("0", 40)),
		p.op("EVALSHA_RO", sha, "0"), p.script(body, "0"))
	if want := ":7\r\n:7\r\n*2\r\n:1\r\n:0\r\n:7\r\n:7\r\n"; tried != TriedRead || reply != want {
		t.Errorf("%v, %q, want %q", tried, reply, want)
	}
	if len(loads) != 1 || string(loads[0].Args[2]) != body {
		t.Errorf("%d scripts to cache", len(loads))
	}
	if p.leader.scripts.byBody[body] != nil {
		t.Error("an attempt has changed the cache")
	}
}

// TestTryMemo makes sure that a script that wrote isn't tried again, until it
// hasn't written in a run.
func TestTryMemo(t *testing.T) {
	p := newPair(t, Options{})
	op := p.script("if redis.call('exists', KEYS[1]) == 0 then return redis.call('set', KEYS[1], 1) end return 0", "1", "k")
	for i, writes := range []bool{true, false, false} {
		if worth := p.leader.WorthTrying(op.Cmd, op.Args); worth != (i != 1) {
			t.Errorf("run %d: worth trying: %v", i, worth)
		}
		if p.apply(0, op); p.leader.scripts.byBody[string(op.Args[1])].Wrote.Load() != writes {
			t.Errorf("run %d: the memo doesn't say %v", i, writes)
		}
	}
}

// TestTryHoldsBack makes sure that others see nothing of an attempt that is
// thrown away, and everything, once, of one that counts.
func TestTryHoldsBack(t *testing.T) {
	p := newPair(t, Options{})
	var seen []string
	p.leader.ScriptLog = func(_ int, text string) { seen = append(seen, "log "+text) }
	p.leader.Events = func(class byte, event string, _ int, key []byte) { seen = append(seen, event+" "+string(key)) }
	const reads = "redis.log(redis.LOG_WARNING, 'here') redis.call('get', 'nosuch') "
	run := func(text string) Tried {
		seen = nil
		op := p.script(text, "0")
		op.Nested = &Nested{
			Before: func(cmd *Command, args [][]byte, _ int) { seen = append(seen, fmt.Sprintf("%s %s", cmd.Name, args[1])) },
			After: func(args [][]byte, _ NestedEnd, failure []byte) {
				seen = append(seen, fmt.Sprintf("%s: %s", args[0], failure))
			},
		}
		hits := p.leader.Stats.Misses.Load()
		tried, _, _ := p.try(op)
		if tried == TriedWrite && p.leader.Stats.Misses.Load() != hits {
			t.Error("an attempt was counted")
		}
		return tried
	}
	if tried := run(reads + "redis.call('set', 'k', 'v')"); tried != TriedWrite || seen != nil {
		t.Errorf("%v, of an attempt that writes others see %q", tried, seen)
	}
	if tried := run(reads); tried != TriedRead || !slices.Equal(seen, []string{"log here", "GET nosuch", "keymiss nosuch"}) {
		t.Errorf("%v, of an attempt that counts others see %q", tried, seen)
	}
	if tried := run("redis.pcall('select', 99) " + reads); tried != TriedRead || len(seen) != 4 || seen[0] != "select: ERR DB index is out of range" {
		t.Errorf("%v, of a command that fails others see %q", tried, seen)
	}
	run("for i = 1, 100000 do redis.log(redis.LOG_WARNING, i) end")
	for i, line := range seen {
		if line != fmt.Sprint("log ", i+1) {
			t.Fatalf("line %d of many is %q", i, line)
		}
	}
	if len(seen) != 100000 {
		t.Errorf("%d lines of 100000", len(seen))
	}
}

// TestTryLoads makes sure that an EVAL that is answered without the log leaves its
// script in the cache of every replica.
func TestTryLoads(t *testing.T) {
	p := newPair(t, Options{})
	op := p.script("return 1", "0")
	tried, loads, reply := p.try(op)
	if tried != TriedRead || reply != ":1\r\n" || len(loads) != 1 {
		t.Fatalf("%v, %q, %d scripts", tried, reply, len(loads))
	}
	p.apply(0, loads...)
	if p.leader.scripts.byBody["return 1"] == nil || p.follower.scripts.byBody["return 1"] == nil {
		t.Error("the script isn't cached")
	}
	if _, loads, _ := p.try(op); len(loads) != 0 {
		t.Error("a cached script is loaded again")
	}
}

// TestKill makes sure that a script that never ends can be ended while it holds
// whatever lock its caller has, and who is told what meanwhile.
func TestKill(t *testing.T) {
	for _, test := range []struct {
		op       []string
		function bool
		busy     string
	}{
		{op: []string{"EVAL", "while true do pcall(function() while true do end end) end", "0"}, busy: errBusyScript},
		{op: []string{"EVAL_RO", "while true do end", "0"}, busy: errBusyScript},
		{op: []string{"FCALL", "f", "0"}, function: true, busy: errBusyFunction},
	} {
		p := newPair(t, Options{})
		p.apply(0, p.op("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() while true do end end)"))
		running := p.leader.running
		done := make(chan string)
		go func() {
			w := &resp.Writer{Proto: 2}
			u := &Unit{Ops: []Op{p.op(test.op...)}, Reply: w}
			u.Ops[0].Try = true
			if u.Tries() {
				p.leader.Try(u, p.now, 1)
			} else {
				p.leader.Read(u, p.now, 1)
			}
			done <- string(w.Buf)
		}()
		for !running.Any() {
			select {
			case reply := <-done:
				t.Fatalf("%q ended with %q", test.op, reply)
			default:
			}
		}
		if got := running.Busy(p.now+10, 10); got != test.busy {
			t.Errorf("%q: others are told %q", test.op, got)
		}
		if got := running.Busy(p.now+9, 10); got != "" {
			t.Errorf("%q: others are told %q too early", test.op, got)
		}
		if got := running.kill(!test.function); got != test.busy {
			t.Errorf("%q: the wrong KILL says %q", test.op, got)
		}
		if got := running.kill(test.function); got != "" {
			t.Errorf("%q: KILL says %q", test.op, got)
		}
		if reply := <-done; !strings.HasPrefix(reply, "-ERR Script killed by user with SCRIPT KILL... script: ") {
			t.Errorf("%q replied %q", test.op, reply)
		}
		if got := running.kill(test.function); got != errNotBusy {
			t.Errorf("%q: after its end KILL says %q", test.op, got)
		}
	}
	r := &Running{}
	r.begin(&runningScript{logged: true})
	if got := r.kill(false); got != errUnkillable {
		t.Errorf("KILL of a script from the log says %q", got)
	}
}

// TestScriptsPublish makes sure that a script's messages are published once, by
// the replica that answers, and that its reply is the same on all replicas.
func TestScriptsPublish(t *testing.T) {
	p := newPair(t, Options{})
	var seen []string
	p.leader.Publish = func(shard bool, channel, payload []byte) {
		seen = append(seen, fmt.Sprintf("%v %s %s", shard, channel, payload))
	}
	p.follower.Publish = func(bool, []byte, []byte) { t.Error("a follower publishes") }
	const text = "return redis.call('publish', 'c', 'm') + redis.call('spublish', 's', 'm')"
	want := []string{"false c m", "true s m"}
	if tried, _, reply := p.try(p.script(text, "0")); tried != TriedRead || reply != ":0\r\n" || !slices.Equal(seen, want) {
		t.Errorf("tried: %v, %q, published %q", tried, reply, seen)
	}
	seen = nil
	write := p.script("redis.call('set', 'k', 'v') "+text, "0")
	if tried, _, _ := p.try(write); tried != TriedWrite || seen != nil {
		t.Errorf("an attempt that writes: %v, published %q", tried, seen)
	}
	write = p.script(text+" + redis.call('incr', 'n')", "0")
	if tried, _, _ := p.try(write); tried != TriedWrite || seen != nil {
		t.Errorf("an attempt that writes: %v, published %q", tried, seen)
	}
	if p.apply(0, write); !slices.Equal(seen, want) {
		t.Errorf("from the log: published %q", seen)
	}
}
