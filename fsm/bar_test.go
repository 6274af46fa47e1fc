package fsm

import "testing"

// The replies are those of redis-server 7.0.15 with min-replicas-to-write 1 and
// no replicas.
func TestFewReplicas(t *testing.T) {
	const few = "-NOREPLICAS Not enough good replicas to write."
	const library = "#!lua name=l\n" +
		"redis.register_function('f', function() return redis.call('get', 'foo') end)\n" +
		"redis.register_function{function_name='fn', callback=function() return redis.call('get', 'foo') end, flags={'no-writes'}}"
	for _, test := range []struct {
		words    []string
		want, tx string // tx: in a transaction; "": the same as an element
	}{
		{words: []string{"SET", "foo", "x"}, want: few + "\r\n", tx: "-" + errExecBarred + errNoReplicas + "\r\n"},
		{words: []string{"FLUSHALL"}, want: few + "\r\n", tx: "-" + errExecBarred + errNoReplicas + "\r\n"},
		{words: []string{"GET", "foo"}, want: "$3\r\nbar\r\n"},
		{words: []string{"EVAL", "return redis.call('get','foo')", "0"}, want: "$3\r\nbar\r\n"},
		{words: []string{"EVAL", "return redis.pcall('set','foo',1)", "0"}, want: few + "\r\n"},
		{words: []string{"EVAL", "return redis.call('set','x',1)", "0"},
			want: few + " script: 4cb91861d207e5689edc816618ab68f9d6de3b44, on @user_script:1.\r\n"},
		{words: []string{"EVAL", "#!lua\nreturn redis.call('get','foo')", "0"}, want: few + "\r\n"},
		{words: []string{"EVAL", "#!lua flags=no-writes\nreturn redis.call('get','foo')", "0"}, want: "$3\r\nbar\r\n"},
		{words: []string{"FCALL", "f", "0"}, want: few + "\r\n"},
		{words: []string{"FCALL", "fn", "0"}, want: "$3\r\nbar\r\n"},
	} {
		p := newPair(t, Options{})
		p.doWords("SET foo bar")
		p.apply(0, p.op("FUNCTION", "LOAD", library))
		if got := string(p.apply(0, FewReplicas.Step(), p.op(test.words...))); got != test.want {
			t.Errorf("%q replied %q, not %q", test.words, got, test.want)
		}
		want := test.tx
		if want == "" {
			want = "*1\r\n" + test.want
		}
		if got := string(p.apply(0, FewReplicas.Step(), Op{Tx: []Op{p.op(test.words...)}, Slot: -1})); got != want {
			t.Errorf("%q in a transaction replied %q, not %q", test.words, got, want)
		}
		p.compare()
		if got := p.doWords("SET foo x"); got != "+OK\r\n" {
			t.Errorf("the next entry: %q", got)
		}
	}
}

// The replies are those of redis-server 7.0.15 after a BGSAVE that failed; test/e2e
// compares more of them.
func TestNotSaved(t *testing.T) {
	long, script := "-"+errNotSaved+"\r\n", "-"+errScriptNotSaved+"\r\n"
	for _, test := range []struct {
		words    []string
		want, tx string
	}{
		{[]string{"SET", "foo", "x"}, long, "-EXECABORT Transaction discarded because of: " + long[1:]},
		{[]string{"GET", "foo"}, "$3\r\nbar\r\n", "*1\r\n$3\r\nbar\r\n"},
		{[]string{"EVAL", "#!lua\nreturn redis.call('get','foo')", "0"}, long, "*1\r\n" + script},
		{[]string{"EVAL", "return redis.pcall('set','foo',1)", "0"}, long, "*1\r\n" + long},
		{[]string{"EVAL", "#!lua flags=no-writes\nreturn redis.call('get','foo')", "0"}, "$3\r\nbar\r\n", "*1\r\n$3\r\nbar\r\n"},
	} {
		p := newPair(t, Options{})
		p.doWords("SET foo bar")
		if got := string(p.apply(0, NotSaved.Step(), p.op(test.words...))); got != test.want {
			t.Errorf("%q replied %q, not %q", test.words, got, test.want)
		}
		if got := string(p.apply(0, NotSaved.Step(), Op{Tx: []Op{p.op(test.words...)}, Slot: -1})); got != test.tx {
			t.Errorf("%q in a transaction replied %q, not %q", test.words, got, test.tx)
		}
		p.compare()
	}
}
