package node

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// heardMessages collects what a node was told.
type heardMessages struct {
	mu   sync.Mutex
	list map[string][]string // payloads by channel
}

func (h *heardMessages) add(channel, payload []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list[string(channel)] = append(h.list[string(channel)], string(payload))
}

func (h *heardMessages) count() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.list {
		n += len(l)
	}
	return n
}

// TestSpread publishes at all of three nodes at once: each hears what the others
// published, once, and every publisher's messages in their order.
func TestSpread(t *testing.T) {
	heard := [3]*heardMessages{}
	c := startClusterWith(t, 3, func(i int, o *Options) {
		heard[i] = &heardMessages{list: map[string][]string{}}
		o.OnMessage = heard[i].add
		// What is too slow misses messages; here nothing may count as that.
		o.NodeTimeout = time.Minute
	})
	for _, n := range c.nodes {
		n.spread.limit = time.Minute
	}
	c.wait("the cluster serves", c.serves)
	const publishers, messages = 2, 500
	var wg sync.WaitGroup
	for i, n := range c.nodes {
		for p := range publishers {
			wg.Go(func() {
				for m := range messages {
					payload := fmt.Append(nil, m, " ")
					if m%50 == 0 {
						payload = append(payload, make([]byte, 300_000)...) // several batches
					}
					if err := n.Spread(fmt.Append(nil, i, "/", p), payload); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	for i, h := range heard {
		c.wait(fmt.Sprintf("node %d has heard everything", i), func() bool { return h.count() >= 2*publishers*messages })
		for channel, list := range h.list {
			if channel[0] == byte('0'+i) {
				t.Errorf("node %d was sent its own message", i)
			}
			if len(list) != messages {
				t.Errorf("node %d: %d messages of %s, want %d", i, len(list), channel, messages)
			}
			for m, payload := range list {
				var got int
				if fmt.Sscan(payload, &got); got != m {
					t.Fatalf("node %d, %s: message %d came where %d was next", i, channel, got, m)
				}
			}
		}
	}
	if err := c.nodes[0].Spread(make([]byte, maxSpread), []byte("x")); err == nil {
		t.Error("a message over the limit was taken")
	}
	// A node that is gone costs the publisher nothing, and the others miss nothing.
	c.stop(2)
	before := heard[1].count()
	for range messages {
		if err := c.nodes[0].Spread([]byte("0/0"), []byte("after")); err != nil {
			t.Fatal(err)
		}
	}
	c.wait("the other node hears on", func() bool { return heard[1].count() == before+messages })
}

func TestSpreadBatches(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	t.Log("seed", seed)
	n := &Node{spread: newSpread()}
	var got, want []string
	n.opt.OnMessage = func(channel, payload []byte) { got = append(got, string(channel)+"="+string(payload)) }
	q := &spreadTo{}
	var batches [][]byte
	for range 300 {
		channel, payload := make([]byte, rnd.IntN(5)), make([]byte, rnd.IntN(3)*rnd.IntN(80_000))
		q.waiting = appendMessage(q.waiting, channel, payload)
		want = append(want, string(channel)+"="+string(payload))
		if rnd.IntN(4) == 0 {
			for b := n.spread.cut(q); b != nil; b = n.spread.cut(q) {
				batches = append(batches, b)
			}
		}
	}
	for b := n.spread.cut(q); b != nil; b = n.spread.cut(q) {
		batches = append(batches, b)
	}
	for _, b := range batches {
		for range 1 + rnd.IntN(2) { // the second time it is old
			if _, err := n.servePublish(t.Context(), "a", bytes.Clone(b)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d messages, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("message %d differs", i)
		}
	}
}

func FuzzServePublish(f *testing.F) {
	f.Add(appendMessage(make([]byte, spreadHead), []byte("channel"), []byte("payload")))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := &Node{spread: newSpread()}
		n.opt.OnMessage = func(channel, payload []byte) {
			if len(channel)+len(payload) > len(b) {
				t.Error("more was delivered than came")
			}
		}
		n.servePublish(t.Context(), "a", b)
	})
}
