package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

const dialTimeout = 5 * time.Second

// redisTarget is redis-server: node 0 takes all commands.
type redisTarget struct {
	clustered
	wait bool // send WAIT 1 0 after each batch with a write in it
	pool *keyPool
}

func (t *redisTarget) Shards() int      { return 1 }
func (t *redisTarget) MaxPipeline() int { return maxPipeline }

func (t *redisTarget) Dial(ctx context.Context, _ int) (client, error) {
	if t.pool == nil {
		t.pool = newKeyPool(func(string) bool { return true })
	}
	return dialRESP(ctx, t.cluster.Addr(0), t.pool, t.wait)
}

// redisReplicated is a primary, node 0, with all other nodes as its replicas.
type redisReplicated struct{ harness.Redis }

func (k redisReplicated) Args(ports []int, i int, dir string) []string {
	// Without the delay a primary waits five seconds for more replicas to sync.
	args := append(k.Redis.Args(ports, i, dir), "--repl-diskless-sync-delay", "0")
	if i > 0 {
		args = append(args, "--replicaof", "127.0.0.1", strconv.Itoa(ports[0]))
	}
	return args
}

// Ready waits until a replica has finished its first sync.
func (k redisReplicated) Ready(ctx context.Context, addr string) error {
	r, err := wire.Once(ctx, addr, dialTimeout, "INFO", "replication")
	if err != nil {
		return err
	}
	text := string(r.Str)
	if strings.Contains(text, "role:slave") && !strings.Contains(text, "master_link_status:up") {
		return fmt.Errorf("replica is still syncing")
	}
	return nil
}
