package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestBusyScript: while a script that hasn't written runs for too long, others are
// told BUSY, it can be ended, and nothing of it is in the log. A transaction that
// meets it isn't run in part.
func TestBusyScript(t *testing.T) {
	c := startPlain(t, "--appendfsync", "no", "--lua-time-limit", "10")
	addr := c.Addr(0)
	text(t, addr, "SET", "x", "1")
	text(t, addr, "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() while true do end end)")
	for _, test := range []struct {
		run          []string
		right, wrong string
	}{
		{[]string{"EVAL", "while true do end", "0"}, "SCRIPT", "FUNCTION"},
		{[]string{"FCALL", "f", "0"}, "FUNCTION", "SCRIPT"},
	} {
		done := make(chan string)
		go func() {
			r, err := ask(addr, test.run...)
			done <- fmt.Sprintf("%s (%v)", r.Str, err)
		}()
		busy := "BUSY Redis is busy running a script. You can only call " + test.right + " KILL or SHUTDOWN NOSAVE."
		eventually(t, "others are told", func() error {
			if r, err := ask(addr, "PING"); string(r.Str) != busy {
				return fmt.Errorf("PING: %s %v", r.Raw, err)
			}
			return nil
		})
		for _, words := range [][]string{{"GET", "x"}, {"SET", "x", "2"}, {test.wrong, "KILL"}, {"SHUTDOWN"}} {
			if r, err := ask(addr, words...); string(r.Str) != busy {
				t.Errorf("%q: %s %v", words, r.Raw, err)
			}
		}
		text(t, addr, "MULTI")
		if r, err := ask(addr, test.right, "KILL"); err != nil || string(r.Str) != "OK" {
			t.Errorf("%s KILL: %s %v", test.right, r.Raw, err)
		}
		if got := <-done; !strings.HasPrefix(got, "ERR Script killed by user with SCRIPT KILL... script: ") {
			t.Errorf("%q: %s", test.run, got)
		}
		if r, err := ask(addr, "GET", "x"); err != nil || string(r.Str) != "1" {
			t.Errorf("GET: %s %v", r.Raw, err)
		}
		if r, err := ask(addr, test.right, "KILL"); !strings.HasPrefix(string(r.Str), "NOTBUSY") {
			t.Errorf("%s KILL without one: %s %v", test.right, r.Raw, err)
		}
	}
}

// TestStopWithScript: a script that runs for ever doesn't keep the server from
// stopping.
func TestStopWithScript(t *testing.T) {
	c := startPlain(t, "--appendfsync", "no", "--lua-time-limit", "10")
	addr := c.Addr(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if r, err := ask(addr, "EVAL", "while true do end", "0"); err == nil {
			t.Errorf("the script ended: %s", r.Raw)
		}
	}()
	eventually(t, "the script runs", func() error {
		if r, err := ask(addr, "PING"); !strings.HasPrefix(string(r.Str), "BUSY") {
			return fmt.Errorf("PING: %s %v", r.Raw, err)
		}
		return nil
	})
	if _, err := ask(addr, "SHUTDOWN", "NOSAVE"); err == nil {
		t.Error("SHUTDOWN NOSAVE was answered")
	}
	<-done
}

// TestScriptSleeps: DEBUG SLEEP of a script keeps its reply back, and nobody else.
func TestScriptSleeps(t *testing.T) {
	c := startPlain(t, "--appendfsync", "no")
	addr := c.Addr(0)
	text(t, addr, "DEBUG", "SET-DISABLE-DENY-SCRIPTS", "1")
	const script = "redis.call('SET', KEYS[1], 'v', 'PX', '1') redis.call('DEBUG', 'SLEEP', '0.3') return redis.call('EXISTS', KEYS[1])"
	start := time.Now()
	done := make(chan string)
	go func() {
		r, err := ask(addr, "EVAL", script, "1", "k")
		done <- fmt.Sprintf("%s%v", r.Raw, err)
	}()
	text(t, addr, "PING")
	if got := <-done; got != ":1\r\n<nil>" {
		t.Errorf("EVAL: %q", got)
	}
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("the script was answered after %v", took)
	}
	if n, err := ask(addr, "EXISTS", "k"); err != nil || string(n.Raw) != ":0\r\n" {
		t.Errorf("EXISTS: %s %v", n.Raw, err)
	}
}
