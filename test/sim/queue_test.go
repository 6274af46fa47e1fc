package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
)

// queues are lists with producers that push numbered elements and consumers
// that wait for them, and what they saw.
type queues struct {
	c       *cluster
	pushing chan struct{} // closed: no more pushes
	popping chan struct{} // closed: no more pops
	pushers sync.WaitGroup
	poppers sync.WaitGroup

	mu            sync.Mutex
	pushed        map[string]bool // acknowledged or not known
	acked         map[string]bool
	delivered     map[string]int
	waited        int // deliveries to somebody who waited
	unknown       int // pops that may or may not have taken an element
	waitedUnknown int // those of them that had waited
}

var queueKeys = []string{"q0", "q1", "q2", "q3"}

// TestQueues runs blocking pops under random faults: no element reaches two
// consumers, and none that was acknowledged is lost but to a pop whose client was told
// that it may have happened.
func TestQueues(t *testing.T) {
	for i := range *runsFlag {
		seed := *seedFlag
		if seed == 0 {
			seed = rand.Uint64()
		}
		t.Run(fmt.Sprint("run", i), func(t *testing.T) {
			t.Logf("seed %d (-sim.seed=%d)", seed, seed)
			synctest.Test(t, func(t *testing.T) { queueRun(t, seed) })
		})
	}
}

func queueRun(t *testing.T, seed uint64) {
	c := newCluster(t, 3, seed, func(_ int, o *node.Options) { o.Group = smallSnapshots })
	defer c.close()
	c.wait("all slots served", time.Minute, c.served)
	// Messages take their time, so that pops are under way when a fault comes.
	for _, a := range c.members {
		for _, b := range c.members {
			if a != b {
				c.net.SetDelay(a.name, b.name, 2*time.Millisecond, 8*time.Millisecond)
			}
		}
	}
	q := &queues{c: c, pushing: make(chan struct{}), popping: make(chan struct{}),
		pushed: map[string]bool{}, acked: map[string]bool{}, delivered: map[string]int{}}
	for id := range 3 {
		q.pushers.Add(1)
		go q.produce(id, rand.New(rand.NewPCG(seed, uint64(id)+200)))
	}
	for id := range 24 {
		q.poppers.Add(1)
		go q.consume(rand.New(rand.NewPCG(seed, uint64(id)+300)))
	}
	for end := time.Now().Add(*timeFlag); time.Now().Before(end); {
		time.Sleep(time.Duration(200+c.rng.IntN(1500)) * time.Millisecond)
		undo := c.fault()
		time.Sleep(time.Duration(100+c.rng.IntN(3000)) * time.Millisecond)
		undo()
	}
	c.wait("calm after the faults", time.Minute, c.served)
	close(q.pushing)
	q.pushers.Wait()
	c.wait("the queues are empty", 2*time.Minute, func() bool { return q.left() == 0 })
	close(q.popping)
	q.poppers.Wait()
	c.settled()
	q.check(t)
}

func (q *queues) produce(id int, r *rand.Rand) {
	defer q.pushers.Done()
	at := r.IntN(len(q.c.members))
	for i := 0; ; i++ {
		select {
		case <-q.pushing:
			return
		case <-time.After(time.Duration(1+r.IntN(8)) * time.Millisecond):
		}
		n := q.c.nodeAt(at)
		if n == nil {
			at = r.IntN(len(q.c.members))
			continue
		}
		element := fmt.Sprintf("%d-%d", id, i)
		reply, redirected, err := do(n, "RPUSH", queueKeys[r.IntN(len(queueKeys))], element)
		switch {
		case redirected:
			at = q.c.leaderIndex(reply, r)
		case err != nil && !strings.Contains(err.Error(), "in flight"):
			at = r.IntN(len(q.c.members)) // not executed
		default:
			q.mu.Lock()
			q.pushed[element] = true
			if err == nil {
				q.acked[element] = true
			}
			q.mu.Unlock()
		}
	}
}

func (q *queues) consume(r *rand.Rand) {
	defer q.poppers.Done()
	at := r.IntN(len(q.c.members))
	for {
		select {
		case <-q.popping:
			return
		case <-time.After(time.Duration(r.IntN(2)) * time.Millisecond):
		}
		if !q.pop(at, r) {
			at = r.IntN(len(q.c.members))
		}
	}
}

// pop waits for an element of any queue that a node leads for a moment. False:
// the node had none to offer.
func (q *queues) pop(at int, r *rand.Rand) bool {
	n := q.c.nodeAt(at)
	if n == nil {
		return false
	}
	key := queueKeys[r.IntN(len(queueKeys))]
	slot := int(hashslot.Of([]byte(key)))
	g, _ := n.Route(slot)
	if g == nil {
		return false
	}
	name, woken := "BLPOP", make(chan struct{})
	if r.IntN(2) == 0 {
		name = "BRPOP"
	}
	w := &fsm.Waiter{Wake: func() { close(woken) }, Client: int64(r.IntN(100))}
	reply := &resp.Writer{Proto: 2}
	err := g.Do(&fsm.Unit{Reply: reply, Waiter: w, Ops: []fsm.Op{{Cmd: byName[name], Slot: slot,
		Args: [][]byte{[]byte(name), []byte(key), []byte("0")}}}})
	if err != nil || !w.Blocked() {
		return q.popped(string(reply.Buf), err, false)
	}
	select {
	case <-woken:
	case <-time.After(time.Duration(r.IntN(2000)) * time.Millisecond):
		if w.End(fsm.TimedOut) {
			return true
		}
		<-woken // it is being served
	}
	switch end, reply, err := w.Result(); end {
	case fsm.Served:
		return q.popped(string(reply), nil, true)
	case fsm.Failed:
		return q.popped("", err, true)
	default:
		return end == fsm.TimedOut
	}
}

// popped notes what a pop was answered.
func (q *queues) popped(reply string, err error, waited bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case err != nil && strings.Contains(err.Error(), "in flight"):
		q.unknown++
		if waited {
			q.waitedUnknown++
		}
		return false
	case err != nil || strings.HasPrefix(reply, "-"):
		return false // not executed
	}
	lines := strings.Split(reply, "\r\n")
	if len(lines) != 6 {
		q.c.t.Errorf("a pop was answered %q", reply)
		return false
	}
	q.delivered[lines[4]]++
	if waited {
		q.waited++
	}
	return true
}

// left returns how many elements the queues hold, or -1 if that can't be told.
func (q *queues) left() (sum int) {
	for _, key := range queueKeys {
		known := false
		for i := range q.c.members {
			var n int
			reply, redirected, err := do(q.c.nodeAt(i), "LLEN", key)
			if err == nil && !redirected {
				if _, err := fmt.Sscanf(reply, ":%d", &n); err == nil {
					sum, known = sum+n, true
					break
				}
			}
		}
		if !known {
			return -1
		}
	}
	return sum
}

func (q *queues) check(t *testing.T) {
	twice, unheard, missing := 0, 0, 0
	for element, times := range q.delivered {
		if times > 1 {
			twice++
		}
		if !q.pushed[element] {
			unheard++
		}
	}
	for element := range q.acked {
		if q.delivered[element] == 0 {
			missing++
		}
	}
	t.Logf("%d pushes acknowledged of %d, %d delivered, %d of them to waiters, %d pops with unknown outcome (%d had waited), %d elements gone with them",
		len(q.acked), len(q.pushed), len(q.delivered), q.waited, q.unknown, q.waitedUnknown, missing)
	if twice > 0 || unheard > 0 || missing > q.unknown {
		t.Errorf("%d elements were delivered twice, %d that nobody pushed, %d are gone and only %d pops have an unknown outcome",
			twice, unheard, missing, q.unknown)
	}
	if len(q.delivered) < 200 || q.waited < 50 {
		t.Error("so little happened that it proves nothing")
	}
}
