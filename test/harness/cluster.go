package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/test/wire"
)

// Options describe a cluster to start. The zero value is three Quorate nodes
// with default settings.
type Options struct {
	Kind     Kind     // what to run; nil is Quorate
	Nodes    int      // 0 means 3
	Dir      string   // parent of the cluster's directory; "" is os.TempDir
	Binary   string   // "" is what the kind finds by itself
	Args     []string // added to every node's command line
	Env      []string // added to every node's environment
	PortBase int      // 0 draws random free ports
	Ready    time.Duration
}

// Kind says how to start a node and how to make a cluster of started nodes.
type Kind interface {
	// Binary returns the program to run.
	Binary() (string, error)
	// Args returns the command line of node i of a cluster on these ports.
	Args(ports []int, i int, dir string) []string
	// Alive returns nil when the node answers at all, before the cluster is formed.
	Alive(ctx context.Context, addr string) error
	// Form is called once, when all nodes are alive.
	Form(ctx context.Context, c *Cluster) error
	// Ready returns nil when the node serves; it is asked again until it does.
	Ready(ctx context.Context, addr string) error
}

const (
	replyTimeout = 5 * time.Second
	stopGrace    = 15 * time.Second
	pollEvery    = 20 * time.Millisecond
)

// Cluster is a set of nodes of one kind. Safe for concurrent use, except that
// no two calls may work on the same node at once.
type Cluster struct {
	kind  Kind
	ready time.Duration
	dir   string
	ports []int
	nodes []*Process
}

// Start starts a cluster and waits until it serves. The caller must call Stop.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Kind == nil {
		o.Kind = Quorate{Cluster: true}
	}
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Ready == 0 {
		o.Ready = 30 * time.Second
	}
	if o.Binary == "" {
		path, err := o.Kind.Binary()
		if err != nil {
			return nil, err
		}
		o.Binary = path
	}
	ports, err := FreePorts(o.Nodes, o.PortBase)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.Dir, "quorate-test-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{kind: o.Kind, ready: o.Ready, dir: dir, ports: ports}
	for i := range ports {
		name := "node" + strconv.Itoa(i+1)
		nodeDir := filepath.Join(dir, name)
		args := append(o.Kind.Args(ports, i, nodeDir), o.Args...)
		p := NewProcess(name, nodeDir, o.Binary, args...)
		// Nodes on one machine share its cores, as with scripts/cluster.sh.
		p.env = append([]string{"GOMAXPROCS=" + strconv.Itoa(max(1, runtime.NumCPU()/len(ports)))}, o.Env...)
		c.nodes = append(c.nodes, p)
	}
	if err := c.start(ctx); err != nil {
		err = fmt.Errorf("%w\n%s", err, c.LogTails(15))
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	for _, n := range c.nodes {
		if err := n.Start(); err != nil {
			return err
		}
	}
	for i := range c.nodes {
		if err := c.waitFor(ctx, i, func() error { return c.kind.Alive(ctx, c.Addr(i)) }); err != nil {
			return err
		}
	}
	if err := c.kind.Form(ctx, c); err != nil {
		return err
	}
	return c.WaitReady(ctx)
}

// New is Start for tests: failures end the test, the cluster is stopped with
// it, and a failed test prints the nodes' last log lines. Without a binary to
// test the test is skipped.
func New(tb testing.TB, o Options) *Cluster {
	tb.Helper()
	c, err := Start(context.Background(), o)
	if errors.Is(err, ErrNoBinary) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		for _, n := range c.nodes {
			if err := n.Crashed(); err != nil {
				tb.Error(err)
			}
		}
		if tb.Failed() {
			tb.Log(c.LogTails(40))
		}
		if err := c.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// Len returns the number of nodes.
func (c *Cluster) Len() int { return len(c.nodes) }

// Addr returns the client address of node i, counted from 0.
func (c *Cluster) Addr(i int) string { return Addr(c.ports[i]) }

// Addrs returns the client addresses of all nodes, running or not.
func (c *Cluster) Addrs() []string {
	out := make([]string, len(c.nodes))
	for i := range out {
		out[i] = c.Addr(i)
	}
	return out
}

// Index returns the node that listens on addr, or -1.
func (c *Cluster) Index(addr string) int {
	for i := range c.nodes {
		if c.Addr(i) == addr {
			return i
		}
	}
	return -1
}

// Node returns the process of node i, for signals and figures.
func (c *Cluster) Node(i int) *Process { return c.nodes[i] }

// Pids returns the process ids of the running nodes.
func (c *Cluster) Pids() []int {
	var out []int
	for _, n := range c.nodes {
		if pid := n.Pid(); pid != 0 {
			out = append(out, pid)
		}
	}
	return out
}

// Kill ends node i with SIGKILL.
func (c *Cluster) Kill(i int) error { return c.nodes[i].Kill() }

// Terminate ends node i with SIGTERM and waits until it has left.
func (c *Cluster) Terminate(i int) error { return c.nodes[i].Stop(stopGrace) }

// Restart starts node i again, after Kill or Terminate. It does not wait for
// the node to serve; WaitReady does.
func (c *Cluster) Restart(i int) error {
	if err := c.nodes[i].Kill(); err != nil {
		return err
	}
	return c.nodes[i].Start()
}

// Wipe removes the data of node i, which must not be running.
func (c *Cluster) Wipe(i int) error { return c.nodes[i].Wipe() }

// WaitReady waits until every running node says that it serves.
func (c *Cluster) WaitReady(ctx context.Context) error {
	for i, n := range c.nodes {
		if !n.Running() && n.Crashed() == nil {
			continue // killed or terminated by the test
		}
		err := c.waitFor(ctx, i, func() error { return c.kind.Ready(ctx, c.Addr(i)) })
		if err != nil {
			return err
		}
	}
	return nil
}

// WaitSettled waits until every node of a Quorate cluster with one group a node leads its own, and all
// nodes know it: leadership has come to where it stays.
func (c *Cluster) WaitSettled(ctx context.Context) error {
	return c.waitFor(ctx, 0, func() error {
		first := ""
		for i := range c.nodes {
			r, err := wire.Once(ctx, c.Addr(i), replyTimeout, "CLUSTER", "SLOTS")
			if err != nil {
				return err
			}
			known, leads := "", map[string]bool{}
			for _, run := range r.Elems {
				if len(run.Elems) < 3 || len(run.Elems[2].Elems) < 2 {
					return fmt.Errorf("CLUSTER SLOTS of %s: %q", c.Addr(i), r.Raw)
				}
				leader := string(run.Elems[2].Raw)
				known += fmt.Sprintf("%s-%s: %s\n", run.Elems[0].Str, run.Elems[1].Str, leader)
				leads[leader] = true
			}
			if len(leads) != len(c.nodes) {
				return fmt.Errorf("%s knows %d leaders, want %d", c.Addr(i), len(leads), len(c.nodes))
			}
			if i == 0 {
				first = known
			} else if known != first {
				return fmt.Errorf("%s and %s disagree on who leads", c.Addr(0), c.Addr(i))
			}
		}
		return nil
	})
}

// waitFor repeats check until it returns nil, the node exits, or the time for
// getting ready is over.
func (c *Cluster) waitFor(ctx context.Context, i int, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, c.ready)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return nil
		}
		if err := c.nodes[i].Crashed(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s (%s) not ready after %v: %w", c.nodes[i].Name(), c.Addr(i), c.ready, err)
		case <-time.After(pollEvery):
		}
	}
}

// LogTails returns the last lines of every node's log.
func (c *Cluster) LogTails(lines int) string {
	var b strings.Builder
	for i, n := range c.nodes {
		fmt.Fprintf(&b, "--- %s %s\n%s\n", n.Name(), c.Addr(i), n.LogTail(lines))
	}
	return b.String()
}

// Stop ends all nodes at once, first with SIGTERM, and removes the cluster's
// directory.
func (c *Cluster) Stop() error {
	results := make(chan error, len(c.nodes))
	for _, n := range c.nodes {
		// Ends within the grace period; waited for below.
		go func() { results <- n.Stop(stopGrace) }()
	}
	var errs []error
	for range c.nodes {
		errs = append(errs, <-results)
	}
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}
