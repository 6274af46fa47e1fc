package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/slots/hashslot"
	"github.com/quorate/quorate/test/wire"
)

// outcome is what a client may conclude from the answer to a write.
type outcome int

const (
	refused outcome = iota // not executed, for certain
	acked                  // executed, for certain
	unknown                // either
)

// notExecuted are the error codes that promise that nothing was executed.
var notExecuted = map[string]bool{"MOVED": true, "TRYAGAIN": true, "CLUSTERDOWN": true, "LOADING": true, "MISCONF": true, "OOM": true}

// judge sorts a reply to a write. An error reply that is in no class is a bug
// of the server, which the caller must report.
func judge(r wire.Reply) (outcome, error) {
	if !r.IsError() {
		return acked, nil
	}
	code, _, _ := strings.Cut(string(r.Str), " ")
	switch {
	case notExecuted[code]:
		return refused, nil
	case code == "UNCERTAIN":
		return unknown, nil
	}
	return unknown, fmt.Errorf("error reply of no known class: %s", r.Str)
}

// client is a Redis Cluster client of the simplest kind: it sends a command
// where the last MOVED pointed, never repeats a command whose outcome is
// unknown, and goes to another node when one can't be reached. It has one
// connection a node. Not safe for concurrent use.
type client struct {
	addrs   []string
	timeout time.Duration
	rnd     *rand.Rand
	conns   map[string]*wire.Conn
	where   map[[2]int]string // who serves a run of slots, as last heard
}

// newRand returns a random source and prints its seed.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Log("seed", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

func newClient(addrs []string, timeout time.Duration, rnd *rand.Rand) *client {
	return &client{addrs: addrs, timeout: timeout, rnd: rnd, conns: map[string]*wire.Conn{}, where: map[[2]int]string{}}
}

func (c *client) close() {
	for _, conn := range c.conns {
		_ = conn.Close() // nothing is in flight
	}
}

// try sends a command once. refused with a nil reply kind means that no node
// could be reached. A MOVED is noted and reported as refused.
func (c *client) try(args ...string) (wire.Reply, outcome, error) {
	slot := hashslot.Of([]byte(args[1]))
	addr := c.lookup(slot)
	if addr == "" {
		addr = c.addrs[c.rnd.IntN(len(c.addrs))]
	}
	conn := c.conns[addr]
	if conn == nil {
		var err error
		if conn, err = wire.Dial(context.Background(), addr, c.timeout); err != nil {
			c.forget(addr)
			return wire.Reply{}, refused, nil
		}
		c.conns[addr] = conn
	}
	r, err := conn.Do(args...)
	if err != nil {
		_ = conn.Close()
		delete(c.conns, addr)
		c.forget(addr)
		return wire.Reply{}, unknown, nil
	}
	out, err := judge(r)
	if out == refused {
		if f := strings.Fields(string(r.Str)); f[0] == "MOVED" && len(f) == 3 {
			c.moved(slot, addr, f[2])
		}
	}
	return r, out, err
}

// lookup returns who serves a slot, "" if that isn't known.
func (c *client) lookup(slot uint16) string {
	for run, addr := range c.where {
		if run[0] <= int(slot) && int(slot) <= run[1] {
			return addr
		}
	}
	return ""
}

// forget drops everything known about a node that can't be reached.
func (c *client) forget(addr string) {
	maps.DeleteFunc(c.where, func(_ [2]int, a string) bool { return a == addr })
}

// moved learns from a redirect, for the whole run that the slot is in: the
// groups of these tests keep their slots. Where the run begins and ends is
// asked of the node that sent the redirect, as the other may be stopped.
func (c *client) moved(slot uint16, from, addr string) {
	for run := range c.where {
		if run[0] <= int(slot) && int(slot) <= run[1] {
			c.where[run] = addr
			return
		}
	}
	if runs, err := leaders(from); err == nil {
		for run := range runs {
			if run[0] <= int(slot) && int(slot) <= run[1] {
				c.where[run] = addr
			}
		}
	}
}

// read repeats a command that only reads until it is answered, or gives up.
func (c *client) read(args ...string) (wire.Reply, error) {
	var last string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		r, out, err := c.try(args...)
		if err != nil {
			return r, err
		}
		if out == acked {
			return r, nil
		}
		last = string(r.Str)
		if !strings.HasPrefix(last, "MOVED") {
			time.Sleep(20 * time.Millisecond)
		}
	}
	return wire.Reply{}, fmt.Errorf("%s: no answer within %v, the last was %q", strings.Join(args, " "), patience, last)
}
