package e2e

import (
	"testing"

	"github.com/quorate/quorate/test/harness"
)

// TestConfigSetBack sets everything that CONFIG GET * shows to what it is: only
// what redis-server refuses as well may be refused.
func TestConfigSetBack(t *testing.T) {
	c := startPlain(t, "--enable-protected-configs", "yes")
	redis := harness.New(t, harness.Options{Kind: harness.Redis{}, Nodes: 1, Args: []string{"--enable-protected-configs", "yes"}})
	all, err := ask(c.Addr(0), "CONFIG", "GET", "*")
	must(t, err)
	pairs := all.Strings()
	if len(pairs) < 400 {
		t.Fatalf("CONFIG GET * has %d elements", len(pairs))
	}
	for i := 0; i < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		r, err := ask(c.Addr(0), "CONFIG", "SET", name, value)
		if err == nil && !r.IsError() {
			continue
		}
		own, err := ask(redis.Addr(0), "CONFIG", "GET", name)
		if err != nil || len(own.Elems) != 2 {
			t.Errorf("CONFIG SET %s %q: %s, and Redis has no such parameter", name, value, r.Raw)
			continue
		}
		if other, err := ask(redis.Addr(0), "CONFIG", "SET", name, own.Strings()[1]); err == nil && !other.IsError() {
			t.Errorf("CONFIG SET %s %q: %s, Redis takes its own value back", name, value, r.Raw)
		}
	}
}

// TestSyncAtRuntime: appendfsync takes effect while the server runs; with boltdb files,
// which are always synced, it may say what it likes.
func TestSyncAtRuntime(t *testing.T) {
	for _, args := range [][]string{{"--appendfsync", "no"}, {"--quorate-log-store", "boltdb"}} {
		addr := startPlain(t, args...).Addr(0)
		for _, policy := range []string{"always", "everysec", "no", "always"} {
			text(t, addr, "CONFIG", "SET", "appendfsync", policy)
			text(t, addr, "SET", "k", policy)
		}
	}
}
