package harness

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/quorate/quorate/test/wire"
)

// Quorate is the server of this repository: a cluster, or plain nodes.
type Quorate struct {
	Cluster bool // cluster mode; otherwise each node is a server by itself
}

// Binary returns the program under test; see the function of the same name.
func (Quorate) Binary() (string, error) { return Binary() }

// Args starts every node of a cluster with the list of all of them.
func (q Quorate) Args(ports []int, i int, dir string) []string {
	// The metrics page's default port lies where Linux hands out ports to
	// outgoing connections, so it may be taken at any moment.
	args := []string{"--port", strconv.Itoa(ports[i]), "--dir", dir, "--quorate-metrics-port", "0"}
	if !q.Cluster {
		return args
	}
	args = append(args, "--cluster-enabled", "yes", "--quorate-initial-nodes")
	for _, p := range ports {
		args = append(args, Addr(p))
	}
	return args
}

// Alive pings.
func (Quorate) Alive(ctx context.Context, addr string) error { return ping(ctx, addr) }

// Form has nothing to do: the nodes find each other.
func (Quorate) Form(context.Context, *Cluster) error { return nil }

// Ready asks for all slots of a cluster, and for an answered write of a plain node.
func (q Quorate) Ready(ctx context.Context, addr string) error {
	if q.Cluster {
		if err := ping(ctx, addr); err != nil { // it loads
			return err
		}
		return clusterReady(ctx, addr)
	}
	_, err := wire.Once(ctx, addr, replyTimeout, "DEL", "harness:probe")
	return err
}

// RedisCluster is redis-server in cluster mode, the control for cluster tests.
// With six nodes and Replicas 1 there are three masters.
type RedisCluster struct {
	Replicas int
}

// Binary finds redis-server on the PATH.
func (RedisCluster) Binary() (string, error) { return exec.LookPath("redis-server") }

// Args gives a short node timeout, so that a failover takes about two seconds.
func (RedisCluster) Args(ports []int, i int, dir string) []string {
	return []string{"--port", strconv.Itoa(ports[i]), "--dir", dir, "--bind", "127.0.0.1", "--save", "",
		"--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--appendonly", "yes"}
}

// Alive pings.
func (RedisCluster) Alive(ctx context.Context, addr string) error { return ping(ctx, addr) }

// Form runs redis-cli --cluster create.
func (k RedisCluster) Form(ctx context.Context, c *Cluster) error {
	args := append([]string{"--cluster", "create"}, c.Addrs()...)
	args = append(args, "--cluster-replicas", strconv.Itoa(k.Replicas), "--cluster-yes")
	out, err := exec.CommandContext(ctx, "redis-cli", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("redis-cli --cluster create: %w\n%s", err, out)
	}
	return nil
}

// Ready asks for all slots, and of a replica also for a finished first sync,
// without which it could not take over.
func (RedisCluster) Ready(ctx context.Context, addr string) error {
	if err := clusterReady(ctx, addr); err != nil {
		return err
	}
	r, err := wire.Once(ctx, addr, replyTimeout, "INFO", "replication")
	if err == nil && strings.Contains(string(r.Str), "master_link_status:down") {
		err = fmt.Errorf("replica is still syncing")
	}
	return err
}

// Redis is redis-server by itself, the control for everything else.
type Redis struct{}

// Binary finds redis-server on the PATH.
func (Redis) Binary() (string, error) { return exec.LookPath("redis-server") }

// Args turns all persistence off; Options.Args may turn it on again.
func (Redis) Args(ports []int, i int, dir string) []string {
	return []string{"--port", strconv.Itoa(ports[i]), "--dir", dir, "--bind", "127.0.0.1",
		"--save", "", "--appendonly", "no"}
}

// Alive pings.
func (Redis) Alive(ctx context.Context, addr string) error { return ping(ctx, addr) }

// Form has nothing to do.
func (Redis) Form(context.Context, *Cluster) error { return nil }

// Ready pings, which a loading server refuses.
func (Redis) Ready(ctx context.Context, addr string) error { return ping(ctx, addr) }

func ping(ctx context.Context, addr string) error {
	_, err := wire.Once(ctx, addr, replyTimeout, "PING")
	return err
}

// clusterReady checks that the node serves and knows the owner of every slot.
func clusterReady(ctx context.Context, addr string) error {
	r, err := wire.Once(ctx, addr, replyTimeout, "CLUSTER", "INFO")
	if err != nil {
		return err
	}
	for _, want := range []string{"cluster_state:ok", "cluster_slots_assigned:16384"} {
		if !strings.Contains(string(r.Str), want+"\r\n") {
			return fmt.Errorf("CLUSTER INFO does not say %s", want)
		}
	}
	return nil
}
