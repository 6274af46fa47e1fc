package fsm

import (
	"strings"
	"testing"

	"github.com/quorate/quorate/security"
)

// limited returns a step that runs for a user with these rules.
func limited(op Op, rules string, denied *[]string) Op {
	op.As = &As{Rules: rules, Denied: func(r security.Reason, object string) {
		*denied = append(*denied, r.String()+" "+object)
	}}
	return op
}

// TestScriptsRunAsUsers makes sure that what a script's user may not do isn't done
// on any replica: the follower knows the rules from the entry alone.
func TestScriptsRunAsUsers(t *testing.T) {
	p := newPair(t, Options{})
	var denied []string
	rules := "~k* %R~read% resetchannels &c -@all +set +get +sort +eval +lpush"
	for _, c := range []struct {
		script, want, denied string
	}{
		{"return redis.call('set','k1','v')", "+OK\r\n", ""},
		{"redis.call('set','k2','v') return redis.pcall('set','other','v')", "-ERR " + errScriptUserKey + "\r\n", "key other"},
		{"redis.call('set','k3','v') return redis.pcall('del','k1')", "-ERR " + errScriptUserCommand + "\r\n", "command del"},
		{"redis.pcall('set','read%','x') return redis.call('get','read%')", "$-1\r\n", "key read%"},
		{"return {redis.acl_check_cmd('get','read%'), redis.acl_check_cmd('set','read%','x'), redis.acl_check_cmd('del','k')}", "*3\r\n:1\r\n$-1\r\n$-1\r\n", ""},
		{"return redis.pcall('ping')", "-ERR " + errScriptUserCommand + "\r\n", ""},
		{"redis.call('lpush','k4','1') return redis.pcall('sort','k4','by','x*')", "-" + errSortByUser + "\r\n", ""},
		{"return redis.pcall('sort','k4','get','x*')", "-" + errSortGetUser + "\r\n", ""},
	} {
		denied = nil
		got := string(p.apply(0, limited(p.script(c.script, "0"), rules, &denied)))
		if got != c.want || strings.Join(denied, ",") != c.denied {
			t.Errorf("%s: %q %q, want %q %q", c.script, got, denied, c.want, c.denied)
		}
		tx := Op{Tx: []Op{p.op("SET", "count", "1"), limited(p.script(c.script, "0"), rules, &denied), p.op("INCR", "count")}, Slot: -1}
		if got := string(p.apply(0, tx)); got != "*3\r\n+OK\r\n"+c.want+":2\r\n" {
			t.Errorf("in a transaction, %s: %q", c.script, got)
		}
	}
	if got := p.doWords("EXISTS other k1 k2 k3"); got != ":3\r\n" {
		t.Errorf("EXISTS: %q", got)
	}
	// SORT with STORE is a write of its own.
	denied = nil
	if got := string(p.apply(0, limited(p.op("SORT", "k4", "BY", "x*", "STORE", "k5"), rules, &denied))); got != "-"+errSortByUser+"\r\n" {
		t.Errorf("SORT: %q", got)
	}
	if got := string(p.apply(0, limited(p.op("SORT", "k4", "BY", "x*", "STORE", "k5"), "~* resetchannels -@all +sort", &denied))); got != ":2\r\n" {
		t.Errorf("SORT: %q", got)
	}
}

// TestAsLines writes and reads rules that are long and full of odd bytes.
func TestAsLines(t *testing.T) {
	odd := "~\xc2\xa0%\x01\xff"
	for _, rules := range []string{"-@all", odd, strings.Repeat(odd+" ", 500)} {
		entry := appendAs(nil, &As{Rules: rules})
		for _, line := range strings.Split(string(entry), "\r\n") {
			if len(line) > 1000 {
				t.Fatalf("a line of %d bytes", len(line))
			}
		}
		entry = append(entry, "*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"...)
		ops, err := readSteps(entry)
		if err != nil || len(ops) != 2 || ops[0].op.As == nil || ops[0].op.As.Rules != rules || ops[1].op.As != nil {
			t.Fatalf("%.40q: %v %v", rules, ops, err)
		}
	}
	for _, bad := range []string{"#as\r\n", "#as + x\r\n", "#as = x\r\n#as = y\r\n", "#as = %4\r\n*1\r\n$8\r\nFLUSHALL\r\n", "#as = %zz\r\n*1\r\n$8\r\nFLUSHALL\r\n"} {
		if _, err := readSteps([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// readSteps reads a short body.
func readSteps(body []byte) ([]loggedOp, error) {
	var r stepReader
	r.begin(body, 16)
	return r.next(100)
}
