package fsm

import "testing"

// TestOnlyReads asks of scripts with and without flags, known and unknown ones.
func TestOnlyReads(t *testing.T) {
	p := newPair(t, Options{})
	do := func(words ...string) [][]byte {
		args := make([][]byte, len(words))
		for i, w := range words {
			args[i] = []byte(w)
		}
		return args
	}
	p.do(0, do("FUNCTION", "LOAD", `#!lua name=l
redis.register_function{function_name='reads', callback=function() return 1 end, flags={'no-writes'}}
redis.register_function('writes', function() return 1 end)`))
	for _, c := range []struct {
		want bool
		args [][]byte
	}{
		{true, do("EVAL", "#!lua flags=no-writes\nreturn 1", "0")},
		{false, do("EVAL", "#!lua\nreturn 1", "0")},
		{false, do("EVAL", "return 1", "0")},
		{false, do("EVALSHA", "ffffffffffffffffffffffffffffffffffffffff", "0")},
		{true, do("FCALL", "reads", "0")},
		{true, do("FCALL", "READS", "0")},
		{false, do("FCALL", "writes", "0")},
		{false, do("FCALL", "missing", "0")},
		{false, do("SET", "a", "b")},
	} {
		if got := p.leader.OnlyReads(lookupCommand(c.args), c.args); got != c.want {
			t.Errorf("%.60q only reads: %v", c.args, got)
		}
	}
}
