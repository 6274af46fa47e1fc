package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/quorate/quorate/test/harness"
)

// target is a running system under measurement.
type target interface {
	Name() string
	Start(ctx context.Context) error // returns when it serves
	Stop() error
	Pids() []int // of all its server processes
	// Shards is the number of nodes that own keys of their own.
	Shards() int
	// Dial connects client i, which uses the keys of shard i modulo Shards.
	Dial(ctx context.Context, i int) (client, error)
	// MaxPipeline is the largest useful batch.
	MaxPipeline() int
}

// op is one command: a write or a read of the key at an index of the client's pool.
type op struct {
	write bool
	key   int
}

// client is one connection. Not safe for concurrent use.
type client interface {
	// Keys is the size of this client's pool of keys.
	Keys() int
	// Do sends the batch and waits for all its replies. failed counts the
	// commands answered with an error, a missing value, or too few replicas;
	// err means the connection is of no more use.
	Do(batch []op) (failed int, err error)
	// Failure describes the first failed command.
	Failure() string
	Close() error
}

func supports(t target, c cell) bool { return c.pipeline <= t.MaxPipeline() }

// isMissing reports whether a target could not start because its program is
// not on this machine.
func isMissing(err error) bool {
	return errors.Is(err, harness.ErrNoBinary) || errors.Is(err, exec.ErrNotFound)
}

func newTarget(name, dir string, portBase int) (target, error) {
	c := clustered{name: name, options: harness.Options{Dir: dir, PortBase: portBase}}
	always := []string{"--appendonly", "yes", "--appendfsync", "always"}
	switch strings.TrimSpace(name) {
	case "quorate":
		c.options.Args = []string{"--appendfsync", "always", "--save", ""} // as redis-server is started
		return &quorateTarget{clustered: c}, nil
	case "redis-repl":
		c.options.Kind, c.options.Args = redisReplicated{}, always
		return &redisTarget{clustered: c, wait: true}, nil
	case "redis-aof":
		c.options.Kind, c.options.Args, c.options.Nodes = harness.Redis{}, always, 1
		return &redisTarget{clustered: c}, nil
	case "redis-mem":
		c.options.Kind, c.options.Nodes = harness.Redis{}, 1
		return &redisTarget{clustered: c}, nil
	case "etcd", "etcd-leader":
		c.options.Kind = etcdKind{}
		return &etcdTarget{clustered: c, leaderOnly: name == "etcd-leader"}, nil
	}
	return nil, fmt.Errorf("unknown target %q; known: %s,etcd-leader", name, defaultTargets)
}

// clustered is what all targets share: a harness cluster.
type clustered struct {
	name    string
	options harness.Options
	cluster *harness.Cluster // nil unless running
}

func (c *clustered) Name() string { return c.name }

func (c *clustered) Start(ctx context.Context) error {
	cluster, err := harness.Start(ctx, c.options)
	if err == nil {
		c.cluster = cluster
	}
	return err
}

func (c *clustered) Stop() error {
	if c.cluster == nil {
		return nil
	}
	return c.cluster.Stop()
}

func (c *clustered) Pids() []int { return c.cluster.Pids() }
