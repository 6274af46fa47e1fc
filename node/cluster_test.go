package node

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
	"github.com/quorate/quorate/store"
)

// cluster is a cluster of nodes in this process, on loopback.
type cluster struct {
	t     *testing.T
	opts  []Options
	nodes []*Node
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func startCluster(t *testing.T, n int) *cluster { return startClusterWith(t, n, nil) }

// startClusterWith starts a cluster whose options adjust has seen.
func startClusterWith(t *testing.T, n int, adjust func(i int, o *Options)) *cluster {
	t.Helper()
	c := &cluster{t: t}
	var addrs []Address
	for i := range n {
		addrs = append(addrs, Address{"127.0.0.1", 1 + i, freePort(t)})
	}
	level := hclog.Warn
	if testing.Verbose() {
		level = hclog.Info
	}
	for i := range n {
		c.opts = append(c.opts, Options{Dir: t.TempDir(), Self: addrs[i], Cluster: true, InitialNodes: addrs,
			Databases: 1, Timeout: 150 * time.Millisecond,
			Fatal:  func(err error) { panic(err) },
			Logger: hclog.New(&hclog.LoggerOptions{Name: fmt.Sprint("n", i), Level: level})})
		if adjust != nil {
			adjust(i, &c.opts[i])
		}
		c.nodes = append(c.nodes, nil)
		c.start(i)
	}
	t.Cleanup(func() {
		for i := range c.nodes {
			c.stop(i)
		}
	})
	return c
}

func (c *cluster) start(i int) {
	c.t.Helper()
	n, err := Open(c.opts[i])
	if err != nil {
		c.t.Fatal(err)
	}
	c.nodes[i] = n
}

func (c *cluster) stop(i int) {
	if c.nodes[i] != nil {
		if err := c.nodes[i].Close(); err != nil {
			c.t.Logf("close node %d: %v", i, err)
		}
		c.nodes[i] = nil
	}
}

func (c *cluster) wait(what string, ok func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			for _, n := range c.nodes {
				if n != nil {
					c.t.Logf("map of %s: %+v", n.ID()[:6], n.Map().Image())
				}
			}
			c.t.Fatalf("timed out waiting: %s", what)
		}
	}
}

// serves reports whether all running nodes agree that every slot is served, and
// by whom, and each group by its preferred leader if that node runs.
func (c *cluster) serves() bool {
	var first *Node
	running := map[string]bool{}
	for _, n := range c.nodes {
		if n != nil {
			running[n.ID()] = true
		}
	}
	for _, n := range c.nodes {
		if n == nil {
			continue
		}
		m := n.Map()
		if first == nil {
			first = n
		}
		if _, served := m.Assigned(); served != hashslot.Count || m.Version != first.Map().Version {
			return false
		}
		for _, g := range m.Groups {
			if !running[g.Leader] || running[g.Preferred] && g.Leader != g.Preferred {
				return false
			}
		}
	}
	return true
}

var commands = func() map[string]*fsm.Command {
	m := map[string]*fsm.Command{}
	for _, c := range fsm.Commands() {
		m[c.Name] = c
	}
	return m
}()

// do runs one command on whichever node serves its key.
func (c *cluster) do(args ...string) (string, error) {
	b := make([][]byte, len(args))
	for i, a := range args {
		b[i] = []byte(a)
	}
	slot := int(hashslot.Of(b[1]))
	for _, n := range c.nodes {
		if n == nil {
			continue
		}
		if g, _ := n.Route(slot); g != nil {
			w := &resp.Writer{Proto: 2}
			err := g.Do(&fsm.Unit{Ops: []fsm.Op{{Cmd: commands[args[0]], Args: b, Slot: slot}}, Reply: w})
			return string(w.Buf), err
		}
	}
	return "", fmt.Errorf("nobody serves slot %d", slot)
}

func TestClusterFormsAndSurvives(t *testing.T) {
	c := startCluster(t, 3)
	c.wait("all slots served", c.serves)
	for i := range 100 {
		// A busy machine can cost a leader its place; these commands may be repeated.
		c.wait("a write", func() bool {
			r, err := c.do("SET", fmt.Sprint("k", i), fmt.Sprint("v", i))
			if err == nil && r != "+OK\r\n" {
				t.Fatalf("SET: %q", r)
			}
			return err == nil
		})
	}
	check := func() {
		t.Helper()
		for i := range 100 {
			v := fmt.Sprint("v", i)
			c.wait("a read", func() bool {
				r, err := c.do("GET", fmt.Sprint("k", i))
				if err == nil && r != fmt.Sprintf("$%d\r\n%s\r\n", len(v), v) {
					t.Fatalf("GET k%d: %q", i, r)
				}
				return err == nil
			})
		}
	}
	check()
	c.stop(0)
	c.wait("the others serve", c.serves)
	check()
	c.start(0)
	c.wait("leadership is back", c.serves)
	check()

	// A wiped node comes back as another one and takes the old one's place.
	old := c.nodes[1].ID()
	c.stop(1)
	c.opts[1].Dir = t.TempDir()
	c.start(1)
	c.wait("the new node leads its group", func() bool {
		m := c.nodes[0].Map()
		return m.Nodes[old] == nil && len(m.Nodes) == 3 && c.serves()
	})
	check()
}

func TestPlainNode(t *testing.T) {
	n, err := Open(Options{Dir: t.TempDir(), Databases: 16, Fatal: func(err error) { panic(err) },
		Logger: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	c := &cluster{t: t, nodes: []*Node{n}}
	if !n.Ready(t.Context()) {
		t.Fatal("not ready")
	}
	if r, err := c.do("SET", "k", "v"); r != "+OK\r\n" || err != nil {
		t.Fatalf("SET: %q %v", r, err)
	}
	if r, err := c.do("GET", "k"); r != "$1\r\nv\r\n" || err != nil {
		t.Fatalf("GET: %q %v", r, err)
	}
}

// TestPanickingCommand: a command that panics is left out by all replicas, the
// group goes on, and a restart leaves it out again.
func TestPanickingCommand(t *testing.T) {
	c := startCluster(t, 3)
	c.wait("all slots served", c.serves)
	// The leader may change before a proposal: then nothing was executed.
	c.wait("a value is there", func() bool {
		r, err := c.do("SET", "k", "before")
		return r == "+OK\r\n" && err == nil
	})
	slot := int(hashslot.Of([]byte("k")))
	c.wait("the command is in the log", func() bool {
		for _, n := range c.nodes {
			g, _ := n.Route(slot)
			if g == nil {
				continue
			}
			err := g.Propose(&fsm.Unit{Ops: []fsm.Op{fsm.Panic()}, Reply: &resp.Writer{Proto: 2}})
			if err == nil || !errors.Is(err, store.ErrUncertain) && !errors.Is(err, store.ErrNotLeader) {
				t.Fatalf("the client heard %v", err)
			}
			return errors.Is(err, store.ErrUncertain)
		}
		return false
	})
	check := func(want string) {
		t.Helper()
		c.wait("the group serves "+want, func() bool {
			r, err := c.do("GET", "k")
			return err == nil && strings.Contains(r, want)
		})
	}
	check("before")
	c.wait("a write is taken", func() bool {
		r, err := c.do("SET", "k", "after")
		return err == nil && r == "+OK\r\n"
	})
	for i := range c.nodes {
		c.stop(i)
	}
	for i := range c.nodes {
		c.start(i)
	}
	check("after")
}
