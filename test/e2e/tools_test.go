package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/quorate/quorate/test/harness"
)

// TestTools runs the programs that Redis brings along, against a cluster and
// against one node, and looks for what they print about errors.
func TestTools(t *testing.T) {
	cli := tool(t, "redis-cli")
	bench := tool(t, "redis-benchmark")
	t.Parallel()
	cluster, plain := startNodes(t), startPlain(t)
	homes(t, cluster) // nothing moves any more
	cp, pp := port(cluster, 0), port(plain, 0)
	tests := "set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange,mset"
	n := "200"
	if !testing.Short() {
		n = "500"
	}
	for _, c := range []struct {
		name, stdin string
		args        []string
		want        []string // all of these in the output
	}{
		{"benchmark of a cluster", "", []string{bench, "--cluster", "-p", cp, "-t", tests, "-n", n, "-q"},
			[]string{"SET: ", "SPOP: ", "ZPOPMIN: ", "LRANGE_600", "MSET (10 keys): "}},
		{"benchmark of one node", "", []string{bench, "-p", pp, "-t", tests + ",ping", "-n", n, "-q"},
			[]string{"PING_MBULK: ", "SET: ", "SPOP: ", "ZPOPMIN: ", "LRANGE_600", "MSET (10 keys): "}},
		{"bigkeys", "", []string{cli, "-p", pp, "--bigkeys"}, []string{"Sampled 4 keys", "Biggest   list found '\"mylist\"'"}},
		{"bigkeys of a cluster node", "", []string{cli, "-p", cp, "--bigkeys"}, []string{"keys in the keyspace!"}},
		{"scan", "", []string{cli, "-p", pp, "--scan"}, []string{"mylist\n", "myhash\n"}},
		{"scan with a pattern", "", []string{cli, "-p", pp, "--scan", "--pattern", "myl*"}, []string{"mylist\n"}},
		{"check", "", []string{cli, "--cluster", "check", cluster.Addr(0)},
			[]string{"All nodes agree about slots configuration", "All 16384 slots covered"}},
		{"info", "", []string{cli, "--cluster", "info", cluster.Addr(1)}, []string{"keys in 3 masters"}},
		{"call", "", []string{cli, "--cluster", "call", cluster.Addr(2), "dbsize"},
			[]string{cluster.Addr(0) + ": ", cluster.Addr(1) + ": ", cluster.Addr(2) + ": "}},
		{"pipe", "*3\r\n$3\r\nSET\r\n$5\r\npiped\r\n$1\r\n1\r\n*2\r\n$4\r\nINCR\r\n$5\r\npiped\r\nGET piped\r\n", []string{cli, "-p", pp, "--pipe"},
			[]string{"errors: 0, replies: 3"}},
		{"samples of the latency", "", []string{cli, "-p", pp, "--latency", "--raw", "-i", "1"}, []string{"\n"}},
		{"a command in the interactive loop", "get piped\ninfo server\n", []string{cli, "-p", pp}, []string{"2\n", "redis_version:"}},
	} {
		out, err := runTool(c.stdin, c.args[0], c.args[1:]...)
		if err != nil {
			t.Errorf("%s: %v\n%.2000s", c.name, err, out)
		}
		for _, w := range c.want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: no %q in\n%.2000s", c.name, w, out)
			}
		}
		for _, bad := range []string{"ERR", "rror:", "rror from server", "Could not", "unknown", "[WARNING]"} {
			if strings.Contains(out, bad) {
				t.Errorf("%s: %q in\n%.2000s", c.name, bad, out)
			}
		}
	}
	toolsOnTerminal(t, plain)
}

// toolsOnTerminal runs what behaves differently on a terminal: prompts with
// hints from COMMAND DOCS, and output that is not held back in a buffer.
func toolsOnTerminal(t *testing.T, c *harness.Cluster) {
	script := tool(t, "script")
	// The size keeps redis-cli from asking the terminal, which can't answer here.
	on := func(stdin, command string, want ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, script, "-qec", "stty cols 100 rows 30; "+command, "/dev/null")
		in, err := cmd.StdinPipe()
		must(t, err)
		var out watched
		cmd.Stdout, cmd.Stderr = &out, &out
		must(t, cmd.Start())
		for _, w := range want {
			eventually(t, w, func() error { return out.has(w) })
			_, _ = in.Write([]byte(stdin)) // it may have ended
			stdin = ""
		}
		cancel() // these programs go on for ever
		_ = cmd.Wait()
		if s := out.String(); strings.Contains(s, "ERR") || strings.Contains(s, "rror") {
			t.Errorf("%s:\n%.2000s", command, s)
		}
	}
	cli := "redis-cli -p " + port(c, 0)
	on("", cli+" --stat -i 1", "requests", "(+")
	on("", cli+" --latency", "samples)")
	on("SET ", cli, "> ", "[NX|XX]") // the hint shows that COMMAND DOCS was understood
}

// watched is output that a test reads while a program writes it.
type watched struct {
	mu sync.Mutex
	b  strings.Builder
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

func (w *watched) has(s string) error {
	if got := w.String(); !strings.Contains(got, s) {
		return fmt.Errorf("no %q in %q", s, got)
	}
	return nil
}
