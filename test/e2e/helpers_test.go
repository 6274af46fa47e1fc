package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quorate/quorate/slots/hashslot"
	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// patience bounds every wait for something that must happen. It is generous:
// the machine may be busy with other tests.
const patience = 40 * time.Second

// askTimeout bounds one reply.
const askTimeout = 10 * time.Second

// startNodes starts a cluster of three with DEBUG allowed and the given
// arguments besides.
func startNodes(t *testing.T, args ...string) *harness.Cluster {
	t.Helper()
	return harness.New(t, harness.Options{Args: append([]string{"--enable-debug-command", "yes"}, args...)})
}

// startPlain starts one node in plain mode.
func startPlain(t *testing.T, args ...string) *harness.Cluster {
	t.Helper()
	return harness.New(t, harness.Options{Kind: harness.Quorate{}, Nodes: 1,
		Args: append([]string{"--enable-debug-command", "yes"}, args...)})
}

// eventually repeats check until it returns nil.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s: %v", patience, what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// must ends the test at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask sends one command to one node; an error reply is an error.
func ask(addr string, args ...string) (wire.Reply, error) {
	return wire.Once(context.Background(), addr, askTimeout, args...)
}

// passing reports whether a reply says that nothing was executed because the group has
// no leader here at the moment, or the node loads: on a busy machine a leader can lose
// its place at any time, and gets it back (node.leadGroups).
func passing(r wire.Reply) bool {
	if !r.IsError() {
		return false
	}
	switch code, _, _ := strings.Cut(string(r.Str), " "); code {
	case "MOVED", "TRYAGAIN", "CLUSTERDOWN", "LOADING":
		return true
	}
	return false
}

// uncertain reports whether a reply says that nobody knows what became of the command: its
// leader lost its place in between.
func uncertain(r wire.Reply) bool {
	return r.IsError() && strings.HasPrefix(string(r.Str), "UNCERTAIN ")
}

// mayRepeat reports whether a command is to be sent again after such a reply: it was not
// executed, or twice is the same as once.
func mayRepeat(r wire.Reply, args []string) bool {
	switch args[0] {
	case "SET", "MSET", "HSET", "SADD", "DEL", "FLUSHALL":
		return passing(r) || uncertain(r)
	}
	return passing(r)
}

// text is ask for a reply that must come and be a string. What passes is waited for.
func text(t *testing.T, addr string, args ...string) string {
	t.Helper()
	return string(reply(t, addr, args...).Str)
}

// reply is ask for a reply that must come and be no error, but for one that passes.
func reply(t *testing.T, addr string, args ...string) wire.Reply {
	t.Helper()
	r, err := askAgain(addr, args...)
	if err != nil {
		t.Fatalf("%s on %s: %v", strings.Join(args, " "), addr, err)
	}
	return r
}

// askAgain is ask, again and again as long as the reply passes.
func askAgain(addr string, args ...string) (wire.Reply, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if r, err := ask(addr, args...); err == nil || !mayRepeat(r, args) || time.Now().After(deadline) {
			return r, err
		}
	}
}

// say is reply over a connection. Push messages before the reply are left out.
func say(t *testing.T, conn *wire.Conn, args ...string) wire.Reply {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		r, err := conn.Do(args...)
		for err == nil && r.Kind == '>' {
			r, err = conn.Receive()
		}
		if err == nil && !r.IsError() {
			return r
		}
		if err != nil || !mayRepeat(r, args) || time.Now().After(deadline) {
			t.Fatalf("%s: %s %v", strings.Join(args, " "), r.Raw, err)
		}
	}
}

// leaders returns, as a node tells it, who serves each run of slots.
func leaders(addr string) (map[[2]int]string, error) {
	r, err := ask(addr, "CLUSTER", "SLOTS")
	if err != nil {
		return nil, err
	}
	out := map[[2]int]string{}
	for _, e := range r.Elems {
		if len(e.Elems) < 3 || len(e.Elems[2].Elems) < 2 {
			return nil, fmt.Errorf("CLUSTER SLOTS of %s: %q", addr, r.Raw)
		}
		first, _ := e.Elems[0].Int()
		last, _ := e.Elems[1].Int()
		port, _ := e.Elems[2].Elems[1].Int()
		out[[2]int{int(first), int(last)}] = string(e.Elems[2].Elems[0].Str) + ":" + strconv.FormatInt(port, 10)
	}
	return out, nil
}

// home is a node's own run of slots: those of the group that it leads when all
// is well.
type home struct {
	node        int // index in the cluster
	first, last int
}

// homes waits until each node leads one group and returns them, by node.
func homes(t *testing.T, c *harness.Cluster) []home {
	t.Helper()
	out := make([]home, c.Len())
	eventually(t, "each node leads one group", func() error {
		var before map[[2]int]string
		for i := range c.Len() {
			m, err := leaders(c.Addr(i))
			if err != nil {
				return err
			}
			if before != nil && fmt.Sprint(m) != fmt.Sprint(before) {
				return fmt.Errorf("the nodes disagree: %v and %v", before, m)
			}
			before = m
		}
		seen := map[int]bool{}
		for run, addr := range before {
			i := c.Index(addr)
			if i < 0 || seen[i] {
				return fmt.Errorf("leaders are %v", before)
			}
			seen[i] = true
			out[i] = home{i, run[0], run[1]}
		}
		if len(seen) != c.Len() {
			return fmt.Errorf("leaders are %v", before)
		}
		return nil
	})
	return out
}

// holds reports whether a key belongs to the run of slots.
func (h home) holds(key string) bool {
	s := int(hashslot.Of([]byte(key)))
	return h.first <= s && s <= h.last
}

// key returns the n-th key with a prefix whose slot is one of the run.
func (h home) key(prefix string, n int) string {
	for salt := 0; ; salt++ {
		if k := fmt.Sprintf("%s:%d:%d", prefix, n, salt); h.holds(k) {
			return k
		}
	}
}

// groupLines returns the figures of a node's groups from INFO quorate, by group.
func groupLines(addr string) (map[string]map[string]string, error) {
	r, err := ask(addr, "INFO", "quorate")
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]string{}
	for line := range strings.Lines(string(r.Str)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || !strings.HasPrefix(name, "group") {
			continue
		}
		out[name] = map[string]string{}
		for f := range strings.SplitSeq(value, ",") {
			k, v, _ := strings.Cut(f, "=")
			out[name][k] = v
		}
	}
	return out, nil
}

// replicasAgree waits until every group has the same applied index and chain
// on all nodes, and DEBUG DIGEST is the same everywhere.
func replicasAgree(t *testing.T, c *harness.Cluster) {
	t.Helper()
	eventually(t, "all replicas are equal", func() error {
		var first map[string]map[string]string
		for i := range c.Len() {
			g, err := groupLines(c.Addr(i))
			if err != nil {
				return err
			}
			data := 0
			for name := range g {
				if name != "group0" {
					data++
				}
			}
			if data != c.Len() {
				return fmt.Errorf("%s has replicas of %d groups: %v", c.Addr(i), data, g)
			}
			if first == nil {
				first = g
			}
			for name, want := range first {
				got := g[name]
				if got["applied"] != want["applied"] || got["chain"] != want["chain"] {
					return fmt.Errorf("%s of %s is %v, of %s %v", name, c.Addr(i), got, c.Addr(0), want)
				}
				if got["applied"] == "" || got["chain"] == "" {
					return fmt.Errorf("%s of %s lacks figures: %v", name, c.Addr(i), got)
				}
			}
		}
		digest := ""
		for i := range c.Len() {
			r, err := ask(c.Addr(i), "DEBUG", "DIGEST")
			if err != nil {
				return err
			}
			if d := string(r.Str); digest == "" {
				digest = d
			} else if d != digest {
				return fmt.Errorf("digest of %s is %s, of %s %s", c.Addr(i), d, c.Addr(0), digest)
			}
		}
		return nil
	})
}

// sendSignal sends a signal to a node.
func sendSignal(t *testing.T, c *harness.Cluster, node int, sig syscall.Signal) {
	t.Helper()
	must(t, c.Node(node).Signal(sig))
}

// tool returns the path of a program that Redis brings along, or skips.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// runTool runs a program to its end.
func runTool(stdin, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// snapshotFiles returns the RDB files below a node's directory.
func snapshotFiles(t *testing.T, c *harness.Cluster, node int) []string {
	t.Helper()
	// group-N is a directory of ours, snapshots/ID/state.bin the library's.
	found, err := filepath.Glob(filepath.Join(c.Node(node).Dir(), "quorate-data", "group-*", "snapshots", "*", "state.bin"))
	must(t, err)
	return found
}

// scaled returns the full size of something, or the small one in -short mode.
func scaled(full, short int) int {
	if testing.Short() {
		return short
	}
	return full
}

// compact has the Raft log of an idle node replaced by a snapshot.
func compact(t *testing.T, addr string) {
	t.Helper()
	text(t, addr, "BGREWRITEAOF")
	eventually(t, "a snapshot of everything", func() error {
		info := text(t, addr, "INFO", "persistence")
		if !strings.Contains(info, "quorate_log_bytes:0\r\n") || !strings.Contains(info, "aof_rewrite_in_progress:0\r\n") {
			return fmt.Errorf("%s", info)
		}
		return nil
	})
}

// save has a node of a cluster take snapshots, however long that takes.
func save(t *testing.T, addr string) {
	t.Helper()
	eventually(t, "SAVE", func() error {
		_, err := wire.Once(t.Context(), addr, patience, "SAVE")
		return err
	})
}
