package fsm

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestChangesOnRedis sends random commands to a machine and to redis-server and
// compares by how much each of them raises rdb_changes_since_last_save, by which
// save points go.
func TestChangesOnRedis(t *testing.T) {
	r := startRedis(t, true)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 6))
	g := newGenerator(rnd)
	g.cmds = slices.DeleteFunc(g.cmds, func(c *Command) bool {
		// There BITOP counts one where nothing comes of nothing and BITFIELD none where it
		// makes a string longer; what FLUSHALL and an empty result delete may have expired
		// and be there or not.
		return !comparable(c) || strings.HasPrefix(c.Name, "BIT") || strings.HasPrefix(c.Name, "FLUSH") || strings.Contains(c.Name, "STORE")
	})
	dirty := func() int64 {
		_, rest, _ := strings.Cut(string(r.must("INFO", "persistence")), "rdb_changes_since_last_save:")
		digits, _, _ := strings.Cut(rest, "\r\n")
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	changes := int64(0)
	for range 20 {
		p := newPair(t, Options{})
		p.apply(0, Limit("proto-max-bulk-len", 1<<20))
		r.reset(t)
		r.setLimit("proto-max-bulk-len", "1048576")
		for range 300 {
			p.now = notDue(p.leader, p.now+rnd.Int64N(100))
			r.setTime(p.now)
			op := g.op()
			if waits(&op) || byBytes(&op) {
				continue
			}
			theirs, ours := dirty(), p.leader.Stats.Changes.Load()
			r.run(op.DB, op.Args)
			p.do(op.DB, op.Args)
			theirs, ours = dirty()-theirs, p.leader.Stats.Changes.Load()-ours
			if changes += theirs; ours != theirs {
				t.Fatalf("%.300q counts %d, on redis-server %d", op.Args, ours, theirs)
			}
		}
	}
	if changes < 1000 {
		t.Errorf("%d changes in all: too few were compared", changes)
	}
}
