package fsm

import (
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
