package backup

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/quorate/quorate/slots/hashslot"
)

// topology knows which server has which hash slot. Safe for concurrent use.
type topology struct {
	access Access

	mu      sync.Mutex
	cluster bool
	owner   [hashslot.Count]string
	known   []string // servers that may know
}

// discover asks a server what it is part of.
func discover(ctx context.Context, a Access) (*topology, error) {
	t := &topology{access: a, known: []string{a.Addr}}
	for since := time.Now(); ; {
		err := t.refresh(ctx)
		// A server that answers will be ready soon; one that doesn't may be mistyped.
		if err == nil || !isRefusal(err) || !isPassing(err) || !again(ctx, since, patience) {
			return t, err
		}
	}
}

// refresh asks the servers that are known, one after the other, who has what.
func (t *topology) refresh(ctx context.Context) (err error) {
	t.mu.Lock()
	known := slices.Clone(t.known)
	t.mu.Unlock()
	var failed error
	for _, addr := range known {
		if failed = t.ask(ctx, addr); failed == nil {
			return nil
		}
		if err == nil {
			err = failed
		}
	}
	return err
}

func (t *topology) ask(ctx context.Context, addr string) error {
	a := t.access
	a.Timeout = min(a.Timeout, 5*time.Second)
	c, err := a.dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.close()
	r, err := c.do("CLUSTER", "SLOTS")
	var refused refusal
	if errors.As(err, &refused) && strings.Contains(refused.text, "cluster support disabled") {
		t.mu.Lock()
		defer t.mu.Unlock()
		for i := range t.owner {
			t.owner[i] = addr
		}
		return nil
	}
	if err != nil {
		return err
	}
	var owner [hashslot.Count]string
	known := []string{addr}
	for _, e := range r.elems {
		if len(e.elems) < 3 || len(e.elems[2].elems) < 2 {
			return errBadReply
		}
		host := string(e.elems[2].elems[0].text)
		if host == "" || host == "?" {
			host = hostOf(addr)
		}
		at := net.JoinHostPort(host, strconv.FormatInt(e.elems[2].elems[1].n, 10))
		for s := max(0, e.elems[0].n); s <= e.elems[1].n && s < hashslot.Count; s++ {
			owner[s] = at
		}
		if !slices.Contains(known, at) {
			known = append(known, at)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cluster, t.owner = true, owner
	for _, k := range t.known { // those of which we don't hear now may be back later
		if !slices.Contains(known, k) {
			known = append(known, k)
		}
	}
	t.known = known
	return nil
}

// of returns the server that has a slot, or any if it isn't known.
func (t *topology) of(slot int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := t.owner[slot]; at != "" {
		return at
	}
	return t.access.Addr
}

// tell notes what a redirection said.
func (t *topology) tell(slot int, addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owner[slot] = addr
	if !slices.Contains(t.known, addr) {
		t.known = append(t.known, addr)
	}
}

func (t *topology) isCluster() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cluster
}

// servers returns those that have slots, in the order of these.
func (t *topology) servers() (all []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, at := range t.owner {
		if at != "" && !slices.Contains(all, at) {
			all = append(all, at)
		}
	}
	return all
}

// starts returns the first slots of the runs that have one owner each, of the slots
// that want says.
func (t *topology) starts(want func(slot int) bool) (first []int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for slot := range t.owner {
		if want(slot) && (slot == 0 || !want(slot-1) || t.owner[slot] != t.owner[slot-1]) {
			first = append(first, slot)
		}
	}
	return first
}

// everywhere does something on every server that has slots, and all of it again, from begin,
// where it can't be done at the moment.
func (t *topology) everywhere(ctx context.Context, begin func(), do func(c *conn) error) error {
	for since := time.Now(); ; {
		begin()
		var passing error
		for _, at := range t.servers() {
			c, err := t.access.dial(ctx, at)
			if err == nil {
				err = do(c)
				c.close()
			}
			if err != nil && (!isPassing(err) || ctx.Err() != nil) {
				return err
			}
			if err != nil {
				passing = err
			}
		}
		if passing == nil {
			return nil
		}
		if !again(ctx, since, patience) {
			return passing
		}
		_ = t.refresh(ctx) // what fails is tried again
	}
}

// anywhere does something on one of the servers that are known, and all of it again where it
// can't be done at the moment.
func (t *topology) anywhere(ctx context.Context, do func(c *conn) error) (err error) {
	for since := time.Now(); ; {
		t.mu.Lock()
		known := slices.Clone(t.known)
		t.mu.Unlock()
		for _, at := range known {
			var c *conn
			if c, err = t.access.dial(ctx, at); err == nil {
				err = do(c)
				c.close()
			}
			if err == nil || !isPassing(err) || ctx.Err() != nil {
				return err
			}
		}
		if !again(ctx, since, patience) {
			return err
		}
	}
}

// again waits a moment before something is tried again and reports whether there is
// time left for that.
func again(ctx context.Context, since time.Time, patience time.Duration) bool {
	if time.Since(since) > patience {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(100 * time.Millisecond):
		return true
	}
}
