package e2e

import (
	"fmt"
	"testing"
)

// TestPauseKeepsKeys: while writes are paused nothing is deleted that no client
// deletes, although expired keys aren't shown; later it is.
func TestPauseKeepsKeys(t *testing.T) {
	c := startPlain(t, "--appendfsync", "no")
	addr := c.Addr(0)
	text(t, addr, "CONFIG", "SET", "maxmemory-policy", "allkeys-random")
	for i := range 100 {
		text(t, addr, "SET", fmt.Sprint("k", i), "v", "PX", "500")
	}
	text(t, addr, "CLIENT", "PAUSE", "100000", "WRITE")
	before := infoNumber(t, addr, "stats", "expired_keys")
	if before > 0 {
		t.Skip("this machine is too slow: keys expired before the pause")
	}
	eventually(t, "the keys are past their time", func() error {
		for i := range 100 {
			if r, err := ask(addr, "GET", fmt.Sprint("k", i)); err != nil || !r.Null {
				return fmt.Errorf("k%d: %s %v", i, r.Raw, err)
			}
		}
		return nil
	})
	text(t, addr, "CONFIG", "SET", "maxmemory", "1")
	if n := infoNumber(t, addr, "stats", "expired_keys"); n != 0 {
		t.Errorf("%d keys expired in the pause", n)
	}
	if r, err := ask(addr, "DBSIZE"); err != nil || string(r.Str) != "100" {
		t.Errorf("DBSIZE in the pause: %s %v", r.Raw, err)
	}
	if n := infoNumber(t, addr, "stats", "evicted_keys"); n != 0 {
		t.Errorf("%d keys were evicted in the pause", n)
	}
	text(t, addr, "CLIENT", "UNPAUSE")
	eventually(t, "the keys are deleted", func() error {
		if r, err := ask(addr, "DBSIZE"); err != nil || string(r.Str) != "0" {
			return fmt.Errorf("DBSIZE: %s %v", r.Raw, err)
		}
		return nil
	})
}
