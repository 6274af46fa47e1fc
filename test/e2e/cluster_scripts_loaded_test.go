package e2e

import (
	"fmt"
	"testing"

	"github.com/quorate/quorate/slots/hashslot"
	"github.com/quorate/quorate/test/harness"
)

// TestLoadedScriptsSurviveLeader: scripts and functions are loaded node by node,
// as in Redis, and belong to the groups that the node leads: another node that
// takes over has them, and a command to it then reaches both of its groups.
func TestLoadedScriptsSurviveLeader(t *testing.T) {
	c := startNodes(t)
	var sha string
	var keys [3]string
	own := homes(t, c) // nothing moves any more
	for node := range 3 {
		sha = text(t, c.Addr(node), "SCRIPT", "LOAD", "return redis.call('incr', KEYS[1])")
		text(t, c.Addr(node), "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function(keys) return redis.call('incr', keys[1]) end)")
		keys[node] = own[node].key("k", 0)
		runLoaded(t, c.Addr(node), sha, keys[node], 1)
	}
	must(t, c.Kill(2))
	var heir string
	eventually(t, "another node leads the third group", func() error {
		runs, err := leaders(c.Addr(0))
		if err != nil {
			return err
		}
		slot := int(hashslot.Of([]byte(keys[2])))
		for run, addr := range runs {
			if run[0] <= slot && slot <= run[1] {
				heir = addr
			}
		}
		if heir == c.Addr(2) {
			return fmt.Errorf("%s is said to lead", heir)
		}
		_, err = ask(heir, "GET", keys[2])
		return err
	})
	runLoaded(t, heir, sha, keys[2], 3)

	text(t, heir, "SCRIPT", "FLUSH")
	text(t, heir, "FUNCTION", "FLUSH")
	for _, key := range []string{keys[2], keys[indexOf(t, c, heir)]} {
		if r, err := ask(heir, "EVALSHA", sha, "1", key); err == nil {
			t.Errorf("EVALSHA of %s after SCRIPT FLUSH: %s", key, r.Raw)
		}
		if r, err := ask(heir, "FCALL", "f", "1", key); err == nil {
			t.Errorf("FCALL of %s after FUNCTION FLUSH: %s", key, r.Raw)
		}
	}
	text(t, heir, "SCRIPT", "LOAD", "return redis.call('incr', KEYS[1])")
	for _, key := range []string{keys[2], keys[indexOf(t, c, heir)]} {
		if r, err := ask(heir, "EVALSHA", sha, "1", key); err != nil {
			t.Errorf("EVALSHA of %s after SCRIPT LOAD: %s %v", key, r.Raw, err)
		}
	}
}

// runLoaded runs the script and the function, which count.
func runLoaded(t *testing.T, addr, sha, key string, want int64) {
	t.Helper()
	for i, line := range [][]string{{"EVALSHA", sha, "1", key}, {"FCALL", "f", "1", key}} {
		r := reply(t, addr, line...)
		if n, _ := r.Int(); n != want+int64(i) {
			t.Errorf("%q: %s, want %d", line, r.Raw, want+int64(i))
		}
	}
	if r := reply(t, addr, "SCRIPT", "EXISTS", sha); string(r.Raw) != "*1\r\n:1\r\n" {
		t.Errorf("SCRIPT EXISTS: %s", r.Raw)
	}
}

func indexOf(t *testing.T, c *harness.Cluster, addr string) int {
	t.Helper()
	i := c.Index(addr)
	if i < 0 {
		t.Fatalf("no node at %s", addr)
	}
	return i
}
