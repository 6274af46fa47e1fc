// Package sim runs a whole cluster in a testing/synctest bubble: virtual time, a
// network in memory, files in memory. Minutes of faults take seconds.
package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/transport/peer/simnet"
)

// member is one host of the simulated cluster: its disk outlives its node.
type member struct {
	name string
	opt  node.Options
	disk map[uint32]*store.Files
	node *node.Node
	life atomic.Int64 // how often it has crashed
	slow atomic.Int64 // longest time a write to the log takes, ns
	held atomic.Int64 // time each write takes besides, ns
}

// cluster is the simulated cluster. Nodes come and go; clients look at
// whatever runs at the moment.
type cluster struct {
	t   testing.TB
	net *simnet.Net
	rng *rand.Rand

	mu      sync.Mutex
	members []*member
}

// newCluster starts n nodes. tune may change a node's options.
func newCluster(t testing.TB, n int, seed uint64, tune func(i int, o *node.Options)) *cluster {
	c := &cluster{t: t, net: simnet.New(seed), rng: rand.New(rand.NewPCG(seed, 3))}
	var addrs []node.Address
	for i := range n {
		addrs = append(addrs, node.Address{Host: fmt.Sprint("n", i), Port: 7000, PeerPort: 17000})
	}
	for i := range n {
		m := &member{name: addrs[i].Host, disk: map[uint32]*store.Files{}}
		m.opt = node.Options{Dir: filepath.Join(t.TempDir(), m.name), Self: addrs[i], Cluster: true, InitialNodes: addrs,
			Databases: 1, Network: c.net.Host(m.name), Files: m.files,
			Fatal:  func(err error) { t.Errorf("%s: fatal: %v", m.name, err) },
			Logger: hclog.New(&hclog.LoggerOptions{Name: m.name, Level: logLevel(), Output: os.Stderr})}
		if tune != nil {
			tune(i, &m.opt)
		}
		c.members = append(c.members, m)
		c.start(i)
	}
	return c
}

func logLevel() hclog.Level {
	if l := os.Getenv("SIM_LOG"); l != "" {
		return hclog.LevelFromString(l)
	}
	return hclog.Off
}

// files keeps a replica's state over restarts: everything that was stored counts
// as synced, and what is being stored when the node crashes is lost.
func (m *member) files(group uint32, _ string) (*store.Files, error) {
	if m.disk[group] == nil {
		mem := raft.NewInmemStore()
		m.disk[group] = &store.Files{Log: mem, Stable: mem, Snapshots: &snapshots{},
			Close: func() error { return nil }}
	}
	f := *m.disk[group]
	f.Log = &slowLog{InmemStore: f.Log.(*raft.InmemStore), m: m, life: m.life.Load()}
	return &f, nil
}

// slowLog is a log whose writes take time if its member's disk is slow.
type slowLog struct {
	*raft.InmemStore
	m    *member
	life int64 // which of the member's lives this is
}

var errCrashed = errors.New("crashed during the write")

// StoreLogs implements raft.LogStore.
func (l *slowLog) StoreLogs(logs []*raft.Log) error {
	if d := l.m.slow.Load(); d > 0 {
		time.Sleep(time.Duration(rand.Int64N(d)))
	}
	time.Sleep(time.Duration(l.m.held.Load()))
	if l.m.life.Load() != l.life {
		return errCrashed
	}
	return l.InmemStore.StoreLogs(logs)
}

// start starts or restarts node i if it doesn't run.
func (c *cluster) start(i int) {
	if c.nodeAt(i) != nil {
		return
	}
	n, err := node.Open(c.members[i].opt)
	if err != nil {
		c.t.Fatalf("start %s: %v", c.members[i].name, err)
	}
	c.mu.Lock()
	c.members[i].node = n
	c.mu.Unlock()
}

// crash takes node i away without a word to the others.
func (c *cluster) crash(i int) {
	c.mu.Lock()
	n := c.members[i].node
	c.members[i].node = nil
	c.mu.Unlock()
	if n == nil {
		return
	}
	c.members[i].life.Add(1)
	c.net.Crash(c.members[i].name)
	_ = n.Close() // its connections are gone: errors are expected
}

func (c *cluster) close() {
	for i := range c.members {
		c.crash(i)
	}
}

// node returns node i, or nil while it is down.
func (c *cluster) nodeAt(i int) *node.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.members[i].node
}

// wait waits, in virtual time, until ok.
func (c *cluster) wait(what string, limit time.Duration, ok func() bool) {
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("waited %s: %s", limit, what)
		}
	}
}

// served reports whether every running node sees all slots served.
func (c *cluster) served() bool {
	for i := range c.members {
		if n := c.nodeAt(i); n != nil {
			if _, served := n.Map().Assigned(); served != hashslot.Count {
				return false
			}
		}
	}
	return true
}

var byName = func() map[string]*fsm.Command {
	m := map[string]*fsm.Command{}
	for _, c := range fsm.Commands() {
		m[c.Name] = c
	}
	return m
}()

// do runs a command at node n as a client's session would. redirected is set
// if nothing was executed because another node serves the key.
func do(n *node.Node, args ...string) (reply string, redirected bool, err error) {
	b := make([][]byte, len(args))
	for i, a := range args {
		b[i] = []byte(a)
	}
	slot := int(hashslot.Of(b[1]))
	g, redirect := n.Route(slot)
	if g == nil {
		return redirect, true, nil
	}
	w := &resp.Writer{Proto: 2}
	err = g.Do(&fsm.Unit{Ops: []fsm.Op{{Cmd: byName[args[0]], Args: b, Slot: slot}}, Reply: w})
	if len(w.Buf) > 0 && w.Buf[0] == '-' {
		return string(w.Buf), true, nil // refused when it was applied: not executed
	}
	return string(w.Buf), false, err
}

// settled waits, when nobody writes any more, until all replicas have applied
// the same entries, and checks that those at the same index have the same state.
func (c *cluster) settled() {
	c.wait("equal replicas", time.Minute, func() bool {
		type state struct{ index, chain uint64 }
		states := map[uint32]map[state]bool{}
		for i := range c.members {
			for id, g := range c.nodeAt(i).Groups() {
				if states[id] == nil {
					states[id] = map[state]bool{}
				}
				g.View(func(m *fsm.Machine) { states[id][state{m.Index(), m.Chain()}] = true })
			}
		}
		for id, s := range states {
			byIndex := map[uint64]uint64{}
			for st := range s {
				if chain, twice := byIndex[st.index]; twice && chain != st.chain {
					c.t.Fatalf("group %d: replicas differ at index %d", id, st.index)
				}
				byIndex[st.index] = st.chain
			}
			if len(s) > 1 {
				return false
			}
		}
		return len(states) == len(c.members)
	})
}
