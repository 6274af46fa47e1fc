package e2e

import (
	"fmt"
	"testing"
)

// TestMinReplicas: writes are refused while fewer other replicas answer than
// min-replicas-to-write wants, and only then.
func TestMinReplicas(t *testing.T) {
	t.Parallel()
	c := startNodes(t)
	h := homes(t, c)[0]
	addr, key := c.Addr(0), h.key("k", 0)
	set := func() string {
		r, err := askAgain(addr, "SET", key, "v")
		if err != nil {
			return err.Error()
		}
		return string(r.Str)
	}
	const few = "SET: NOREPLICAS Not enough good replicas to write."
	text(t, addr, "CONFIG", "SET", "min-replicas-to-write", "2")
	if got := set(); got != "OK" {
		t.Errorf("both others answer, and SET replies %q", got)
	}
	if n := infoNumber(t, addr, "replication", "min_slaves_good_slaves"); n != 2 {
		t.Errorf("INFO counts %d", n)
	}
	text(t, addr, "CONFIG", "SET", "min-replicas-to-write", "3")
	if got := set(); got != few {
		t.Errorf("there are only two others, and SET replies %q", got)
	}
	if r, err := askAgain(addr, "GET", key); err != nil || string(r.Str) != "v" {
		t.Errorf("GET: %s %v", r.Raw, err)
	}
	// A script that only reads may run, unless it says that it could write.
	for script, want := range map[string]string{
		"return redis.call('get',KEYS[1])":                        "v",
		"#!lua flags=no-writes\nreturn redis.call('get',KEYS[1])": "v",
		"#!lua\nreturn redis.call('get',KEYS[1])":                 "EVAL: NOREPLICAS Not enough good replicas to write.",
	} {
		r, err := askAgain(addr, "EVAL", script, "1", key)
		if got := string(r.Str); err == nil && got != want || err != nil && err.Error() != want {
			t.Errorf("%q: %q %v, want %s", script, got, err, want)
		}
	}
	text(t, addr, "CONFIG", "SET", "min-replicas-to-write", "2", "min-replicas-max-lag", "1")
	pause(t, c, 2)
	eventually(t, "a paused replica is missed", func() error {
		if got := set(); got != few {
			return fmt.Errorf("SET replies %q", got)
		}
		return nil
	})
	resume(t, c, 2)
	eventually(t, "it is back", func() error {
		if got := set(); got != "OK" {
			return fmt.Errorf("SET replies %q", got)
		}
		return nil
	})
}
