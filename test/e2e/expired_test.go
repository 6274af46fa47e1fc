package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestExpiredKeyIsDeletedWhenSeen: as in Redis a key that has expired is deleted
// when a read comes upon it, also when nobody looks for expired keys, and not
// while writes are paused; likewise when it is looked at for somebody who waits.
func TestExpiredKeyIsDeletedWhenSeen(t *testing.T) {
	c := startPlain(t, "--appendfsync", "no", "--enable-debug-command", "yes")
	addr := c.Addr(0)
	expired := func() string {
		for _, line := range strings.Split(text(t, addr, "INFO", "stats"), "\r\n") {
			if n, ok := strings.CutPrefix(line, "expired_keys:"); ok {
				return n
			}
		}
		t.Fatal("INFO has no expired_keys")
		return ""
	}
	gone := func(key string) {
		t.Helper()
		eventually(t, key+" expires", func() error {
			if r, err := ask(addr, "GET", key); err != nil || string(r.Raw) != "$-1\r\n" {
				return fmt.Errorf("%s %v", r.Raw, err)
			}
			return nil
		})
	}
	text(t, addr, "DEBUG", "SET-ACTIVE-EXPIRE", "0")
	text(t, addr, "SET", "a", "1", "PX", "1")
	gone("a")
	if n := expired(); n != "1" {
		t.Errorf("%s keys expired, want 1", n)
	}

	text(t, addr, "SET", "a", "1", "PX", "20")
	text(t, addr, "CLIENT", "PAUSE", "100000", "WRITE")
	gone("a")
	if n := expired(); n != "1" {
		t.Errorf("while writes are paused: %s keys expired, want 1", n)
	}
	text(t, addr, "CLIENT", "UNPAUSE")
	gone("a")
	if n := expired(); n != "2" {
		t.Errorf("%s keys expired, want 2", n)
	}

	// Somebody waits for k in database 0 when it comes there, expired.
	done := make(chan string)
	go func() {
		r, err := ask(addr, "BLPOP", "k", "0")
		done <- fmt.Sprintf("%s %v", r.Raw, err)
	}()
	eventually(t, "somebody waits", func() error {
		if info := text(t, addr, "INFO", "clients"); !strings.Contains(info, "blocked_clients:1\r\n") {
			return fmt.Errorf("%s", info)
		}
		return nil
	})
	text(t, addr, "EVAL", "redis.call('SELECT', 1) redis.call('RPUSH', 'k', 'x') redis.call('PEXPIRE', 'k', 1)", "0")
	pushed := time.Now()
	eventually(t, "the time of k has come", func() error {
		if passed := time.Since(pushed); passed < 5*time.Millisecond {
			return fmt.Errorf("%v have passed", passed)
		}
		return nil
	})
	text(t, addr, "SWAPDB", "0", "1")
	eventually(t, "k is deleted", func() error {
		if n := expired(); n != "3" {
			return fmt.Errorf("%s keys expired, want 3", n)
		}
		return nil
	})
	select {
	case r := <-done:
		t.Errorf("BLPOP got what had expired: %s", r)
	default:
	}
	text(t, addr, "RPUSH", "k", "y")
	if r := <-done; !strings.Contains(r, "\r\ny\r\n") {
		t.Errorf("BLPOP: %q", r)
	}
}
