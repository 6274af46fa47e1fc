package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/quorate/quorate/test/wire"
)

// infoNumber returns a number from INFO.
func infoNumber(t *testing.T, addr, section, name string) int64 {
	t.Helper()
	for line := range strings.Lines(text(t, addr, "INFO", section)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				t.Fatalf("%s is %q", name, value)
			}
			return n
		}
	}
	t.Fatalf("INFO %s has no %s", section, name)
	return 0
}

// pipeline sends commands in one go and returns their replies.
func pipeline(t *testing.T, c *wire.Conn, commands [][]string) []wire.Reply {
	t.Helper()
	for _, args := range commands {
		c.Send(args...)
	}
	must(t, c.Flush())
	out := make([]wire.Reply, len(commands))
	for i := range out {
		r, err := c.Receive()
		must(t, err)
		out[i] = r
	}
	return out
}

func connect(t *testing.T, addr string) *wire.Conn {
	t.Helper()
	c, err := wire.Dial(context.Background(), addr, askTimeout)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

const oom = "OOM command not allowed when used memory > 'maxmemory'."

// TestMaxmemoryPolicies writes much more than maxmemory allows under each policy:
// used_memory stays below it, and only what the policy may evict goes.
func TestMaxmemoryPolicies(t *testing.T) {
	c := startPlain(t, "--appendfsync", "no")
	addr := c.Addr(0)
	conn := connect(t, addr)
	const room, keep = 600 << 10, 50
	for _, policy := range []string{"allkeys-lru", "allkeys-lfu", "allkeys-random",
		"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "noeviction"} {
		t.Run(policy, func(t *testing.T) {
			text(t, addr, "CONFIG", "SET", "maxmemory", "0")
			text(t, addr, "FLUSHALL")
			text(t, addr, "CONFIG", "RESETSTAT")
			limit := infoNumber(t, addr, "memory", "used_memory") + room
			text(t, addr, "CONFIG", "SET", "maxmemory-policy", policy, "maxmemory", fmt.Sprint(limit))
			for i := range keep {
				text(t, addr, "SET", fmt.Sprint("kept:", i), "x")
			}
			refused := 0
			for batch := range 40 {
				var commands [][]string
				for i := range 100 {
					key := fmt.Sprintf("{%s}:%d:%d", policy, batch, i)
					switch {
					case i%10 == 0:
						commands = append(commands, []string{"RPUSH", key, strings.Repeat("y", 300)}, []string{"EXPIRE", key, "1000"})
					default:
						commands = append(commands, []string{"SETEX", key, fmt.Sprint(1000 + batch), strings.Repeat("y", 300)})
					}
				}
				if batch%4 == 3 { // not everything comes in pipelines
					for i, args := range commands {
						if r, err := ask(addr, args...); i < 10 && err != nil && !strings.Contains(err.Error(), oom) {
							t.Fatalf("%q: %s %v", args, r.Raw, err)
						}
					}
				} else {
					for _, r := range pipeline(t, conn, commands) {
						if r.IsError() {
							if string(r.Str) != oom {
								t.Fatalf("%s", r.Raw)
							}
							refused++
						}
					}
				}
				if used := infoNumber(t, addr, "memory", "used_memory"); used > limit+4096 {
					t.Fatalf("batch %d: %d bytes are used, %d over the limit", batch, used, used-limit)
				}
			}
			evicted := infoNumber(t, addr, "stats", "evicted_keys")
			if (policy == "noeviction") != (refused > 0) || (policy == "noeviction") != (evicted == 0) {
				t.Errorf("%d writes were refused, %d keys evicted", refused, evicted)
			}
			if !strings.HasPrefix(policy, "allkeys") {
				for i := range keep {
					if got := text(t, addr, "GET", fmt.Sprint("kept:", i)); got != "x" {
						t.Fatalf("a key without expiry is gone: %q", got)
					}
				}
			}
		})
	}
}

// TestNoEviction: what needs memory is refused, alone, in transactions and while
// they are queued; everything else passes, and deleting makes room.
func TestNoEviction(t *testing.T) {
	c := startPlain(t, "--appendfsync", "no")
	addr := c.Addr(0)
	conn := connect(t, addr)
	say := func(want string, args ...string) {
		t.Helper()
		r, err := conn.Do(args...)
		must(t, err)
		if got := strings.TrimSuffix(string(r.Raw), "\r\n"); got != want {
			t.Errorf("%q: got %q, want %q", args, got, want)
		}
	}
	say("+OK", "SET", "big", strings.Repeat("x", 100000))
	say("+OK", "SET", "k", "v")
	say("+OK", "MULTI")
	say("+QUEUED", "SET", "k", "w")
	text(t, addr, "CONFIG", "SET", "maxmemory", fmt.Sprint(infoNumber(t, addr, "memory", "used_memory")-10))
	say("-EXECABORT Transaction discarded because of: "+oom, "EXEC")
	say("-"+oom, "SET", "k", "w")
	say("-"+oom, "LPUSH", "l", "w")
	say("$1\r\nv", "GET", "k")
	say(":1", "EXPIRE", "k", "1000")
	say("+OK", "MULTI")
	say("-"+oom, "SET", "k", "w")
	say("-EXECABORT Transaction discarded because of previous errors.", "EXEC")
	say("+OK", "MULTI")
	say("-"+oom, "PING")
	say("+OK", "DISCARD")
	replies := pipeline(t, conn, [][]string{{"SET", "k", "w"}, {"DEL", "big"}, {"SET", "k", "w"}})
	for i, want := range []string{"-" + oom, ":1", "+OK"} {
		if got := strings.TrimSuffix(string(replies[i].Raw), "\r\n"); got != want {
			t.Errorf("reply %d is %q, want %q", i, got, want)
		}
	}
	say("$1\r\nw", "GET", "k")
}

// TestShrinkMaxmemory: less room by CONFIG SET is room soon, without a write.
func TestShrinkMaxmemory(t *testing.T) {
	c := startPlain(t, "--appendfsync", "no", "--maxmemory-policy", "allkeys-lru")
	addr := c.Addr(0)
	conn := connect(t, addr)
	var commands [][]string
	for i := range 20000 {
		commands = append(commands, []string{"SET", fmt.Sprint("key:", i), strings.Repeat("x", 100)})
	}
	pipeline(t, conn, commands)
	used := infoNumber(t, addr, "memory", "used_memory")
	limit := 1<<20 + (used-1<<20)/4
	text(t, addr, "CONFIG", "SET", "maxmemory", fmt.Sprint(limit))
	eventually(t, "used_memory is below maxmemory", func() error {
		if now := infoNumber(t, addr, "memory", "used_memory"); now > limit {
			return fmt.Errorf("%d of %d", now, limit)
		}
		return nil
	})
	if n := infoNumber(t, addr, "stats", "evicted_keys"); n < 14000 || n > 16000 {
		t.Errorf("%d keys were evicted of 20000", n)
	}
}

// TestEvictionKeepsReplicasEqual: what three leaders evict under a heavy mixed
// load, their replicas evict.
func TestEvictionKeepsReplicasEqual(t *testing.T) {
	c := startNodes(t, "--appendfsync", "no", "--maxmemory-policy", "allkeys-lru", "--maxmemory", "1500000")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	all := homes(t, c)
	conns := make([]*wire.Conn, len(all))
	for i := range all {
		conns[i] = connect(t, c.Addr(all[i].node))
	}
	for batch := range scaled(150, 90) {
		h := all[batch%len(all)]
		var commands [][]string
		for i := range 80 {
			kind := r.IntN(6)
			key := h.key(fmt.Sprint("k", min(kind, 4)), r.IntN(3000))
			value := strings.Repeat("v", r.IntN(1000))
			commands = append(commands, [][]string{{"HSET", key, fmt.Sprint(i), value}, {"ZADD", key, fmt.Sprint(i), value},
				{"SADD", key, value}, {"RPUSH", key, value}, {"SET", key, value}, {"GET", key}}[kind])
		}
		eventually(t, "a batch is taken", func() (err error) {
			for _, r := range pipeline(t, conns[batch%len(all)], commands) {
				if r.IsError() && !passing(r) && !uncertain(r) {
					t.Fatalf("%s", r.Raw)
				} else if r.IsError() {
					err = errors.New(string(r.Str))
				}
			}
			return err
		})
	}
	replicasAgree(t, c)
	groups, err := groupLines(c.Addr(0))
	must(t, err)
	for i := range c.Len() {
		if infoNumber(t, c.Addr(i), "stats", "evicted_keys") == 0 {
			t.Errorf("node %d has evicted nothing", i)
		}
		other, err := groupLines(c.Addr(i))
		must(t, err)
		for name, g := range groups {
			if name == "group0" {
				continue
			}
			if other[name]["used_memory"] != g["used_memory"] {
				t.Errorf("%s takes %s on node 0 and %s on node %d", name, g["used_memory"], other[name]["used_memory"], i)
			}
			if n, _ := strconv.Atoi(g["used_memory"]); n > 1500000+4096 {
				t.Errorf("%s takes %d", name, n)
			}
		}
	}
}
