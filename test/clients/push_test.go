package clients

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorate/quorate/test/harness"
)

// pushLimit is how long a message may take, a change of leader included.
const pushLimit = 30 * time.Second

// receive returns the next message of a subscription.
func receive(t *testing.T, ps *redis.PubSub) *redis.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), pushLimit)
	defer cancel()
	m, err := ps.ReceiveMessage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// awaitEnd waits until a subscription hears that a shard channel has ended.
func awaitEnd(t *testing.T, ps *redis.PubSub, channel string) {
	t.Helper()
	for deadline := time.Now().Add(pushLimit); ; {
		v, err := ps.ReceiveTimeout(t.Context(), time.Until(deadline))
		if err != nil {
			t.Fatalf("waiting for the end of %s: %v", channel, err)
		}
		if s, ok := v.(*redis.Subscription); ok && s.Kind == "sunsubscribe" && s.Channel == channel {
			return
		}
	}
}

// TestPubSub subscribes with go-redis at one node and publishes at all; then has
// slots move while somebody listens to them.
func TestPubSub(t *testing.T) {
	c := harness.New(t, harness.Options{})
	if err := c.WaitSettled(t.Context()); err != nil {
		t.Fatal(err)
	}
	nodes := make([]*redis.Client, c.Len())
	for i, addr := range c.Addrs() {
		nodes[i] = redis.NewClient(&redis.Options{Addr: addr})
		defer nodes[i].Close()
	}
	ctx := t.Context()
	ps := nodes[1].Subscribe(ctx, "news")
	pat := nodes[2].PSubscribe(ctx, "n*")
	defer ps.Close()
	defer pat.Close()
	for _, s := range []*redis.PubSub{ps, pat} {
		if _, err := s.Receive(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range nodes {
		got, err := n.Publish(ctx, "news", fmt.Sprint("from ", i)).Result()
		if want := int64(min(i, 1)); err != nil || got != want {
			t.Fatalf("PUBLISH at node %d: %d receivers at that node (%v), want %d", i, got, err, want)
		}
		for _, s := range []*redis.PubSub{ps, pat} {
			if m := receive(t, s); m.Channel != "news" || m.Payload != fmt.Sprint("from ", i) {
				t.Fatalf("got %v", m)
			}
		}
	}

	all := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs()})
	defer all.Close()
	shard := all.SSubscribe(ctx, "{k}channel")
	defer shard.Close()
	if _, err := shard.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := all.SPublish(ctx, "{k}channel", "sharded").Result(); err != nil || n != 1 {
		t.Fatalf("SPUBLISH: %d, %v", n, err)
	}
	if m := receive(t, shard); m.Payload != "sharded" {
		t.Fatalf("got %v", m)
	}

	// Keyspace events come from the node that leads the key's group.
	owner := ownerOf(t, nodes, "{k}")
	if err := nodes[owner].ConfigSet(ctx, "notify-keyspace-events", "KEA").Err(); err != nil {
		t.Fatal(err)
	}
	events := nodes[owner].PSubscribe(ctx, "__keyevent@0__:*")
	defer events.Close()
	if _, err := events.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	if err := all.Set(ctx, "{k}1", "v", 50*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	var seen []string
	for range 3 {
		m := receive(t, events)
		seen = append(seen, strings.TrimPrefix(m.Channel, "__keyevent@0__:")+" "+m.Payload)
	}
	if got := strings.Join(seen, ", "); got != "set {k}1, expire {k}1, expired {k}1" {
		t.Errorf("events: %s", got)
	}

	// The owner ends: another node leads for a while, and gives back.
	if err := c.Kill(owner); err != nil {
		t.Fatal(err)
	}
	heir := -1
	for deadline := time.Now().Add(pushLimit); heir < 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody took the slots over")
		}
		for i, n := range nodes {
			if i != owner && n.Set(ctx, "{k}2", "1", 0).Err() == nil {
				heir = i
			}
		}
	}
	guest := nodes[heir].SSubscribe(ctx, "{k}guest")
	defer guest.Close()
	if _, err := guest.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Restart(owner); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, guest, "{k}guest")
}

// ownerOf returns the node that serves a key.
func ownerOf(t *testing.T, nodes []*redis.Client, key string) int {
	t.Helper()
	for i, n := range nodes {
		if n.Get(t.Context(), key).Err() == redis.Nil {
			return i
		}
	}
	t.Fatal("no node serves " + key)
	return -1
}
