// Package e2e holds tests of whole programs and scripts, as a user runs them.
package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quorate/quorate/config"
)

// fakeNodeEnv makes the test program behave as a node, so that cluster.sh can
// be tested by itself: "ok" for one that answers as a complete cluster does,
// "incomplete" for one whose cluster never is, "broken" for one that ends.
const fakeNodeEnv = "QUORATE_FAKE_NODE"

func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeNodeEnv); mode != "" {
		if err := fakeNode(mode); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// fakeNode reads its configuration as the server does and answers CLUSTER INFO until SIGTERM.
func fakeNode(mode string) error {
	in, err := config.ParseArgs(os.Args[1:])
	if err != nil {
		return err
	}
	cfg, err := config.Load(in, os.Stdin, config.Options{Version: "fake"})
	if err != nil {
		return err
	}
	s := cfg.Current()
	if !s.ClusterEnabled || len(s.InitialNodes) == 0 || mode == "broken" {
		return errors.New("fake node: told to break, or not told the cluster")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", net.JoinHostPort(s.Bind[0], strconv.FormatInt(s.Port, 10)))
	if err != nil {
		return err
	}
	state, slots := "ok", 16384
	if mode == "incomplete" {
		state, slots = "fail", 5461
	}
	info := fmt.Sprintf("cluster_enabled:1\r\ncluster_state:%s\r\ncluster_slots_assigned:%d\r\ncluster_known_nodes:%d\r\n",
		state, slots, len(s.InitialNodes))
	go func() { // stops when the process does
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if line, err := bufio.NewReader(c).ReadString('\n'); err == nil && line == "CLUSTER INFO\r\n" {
				_, _ = fmt.Fprintf(c, "$%d\r\n%s\r\n", len(info), info)
			}
			_ = c.Close()
		}
	}()
	<-ctx.Done()
	return nil
}

// script runs cluster.sh on one directory and port range.
type script struct {
	t    *testing.T
	dir  string
	port int
	mode string
}

func newScript(t *testing.T) *script {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash")
	}
	s := &script{t: t, dir: filepath.Join(t.TempDir(), `a "dir"`), port: freePorts(t), mode: "ok"}
	t.Cleanup(func() { s.run("clean") })
	return s
}

// freePorts returns the first of three ports that are free, with those for peers.
func freePorts(t *testing.T) int {
	t.Helper()
next:
	for range 50 {
		first := 12000 + rand.Intn(10000)
		for p := first; p < first+3; p++ {
			for _, q := range []int{p, p + 10000} {
				l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", q))
				if err != nil {
					continue next
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
		return first
	}
	t.Fatal("no free ports found")
	return 0
}

func (s *script) run(args ...string) (output string, ok bool) {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "../../scripts/cluster.sh", append(args, "--dir", s.dir)...)
	wait := "30"
	if s.mode == "incomplete" { // it is going to be waited out
		wait = "2"
	}
	cmd.Env = append(os.Environ(), "QUORATE_BIN="+self, fakeNodeEnv+"="+s.mode, "QUORATE_WAIT_SECONDS="+wait)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return string(out), err == nil
}

// want runs an action that must succeed or fail, and print all of the parts.
// A no-break space in the action is a space inside an argument.
func (s *script) want(ok bool, action string, parts ...string) {
	s.t.Helper()
	var args []string
	for _, arg := range strings.Split(action, " ") {
		args = append(args, strings.ReplaceAll(arg, "\u00a0", " "))
	}
	out, got := s.run(args...)
	if got != ok {
		s.t.Fatalf("%s: success is %v:\n%s", action, got, out)
	}
	for _, part := range parts {
		if !strings.Contains(out, part) {
			s.t.Fatalf("%s: no %q in:\n%s", action, part, out)
		}
	}
}

func TestClusterScript(t *testing.T) {
	s := newScript(t)
	port := strconv.Itoa(s.port)
	s.want(false, "status", "there is no cluster in")
	s.want(true, "start --port "+port, "started node 3", "the cluster is up: 3 nodes", "redis-cli -c -p "+port, "cluster.sh status --dir")
	s.want(true, "start", "already running: 3 nodes from port "+port)
	s.want(false, "start --nodes 5", "has 3 nodes from port "+port)
	s.want(true, "status", "node 1  127.0.0.1:"+port+"  ok (pid ", "node 3")
	s.want(true, "kill 2", "killed node 2")
	s.want(false, "status", "node 2  127.0.0.1:"+strconv.Itoa(s.port+1)+"  not running", "node 3")
	s.want(false, "kill 2", "node 2 is not running")
	s.want(false, "kill 4", "give a number from 1 to 3")
	s.want(true, "restart 2", "restarted node 2")
	s.want(true, "restart 1", "restarted node 1")
	s.want(true, "status")
	s.want(true, "logs 1", "tail -F")
	s.want(true, "kill 3", "killed node 3")
	s.want(true, "start", "started node 3", "the cluster is up")
	s.want(true, "stop", "stopped; the data stays")
	s.want(true, "stop", "no node is running")
	s.want(true, "restart 1", "the cluster waits for a majority of its 3 nodes")
	s.want(true, "start", "the cluster is up")
	conf, err := os.ReadFile(filepath.Join(s.dir, "node-3", "redis.conf"))
	if err != nil || strings.Contains(string(conf), "quorate-initial-groups") {
		t.Errorf("a directive that nobody gave, or %v", err)
	}
	s.want(true, "clean", "stopped", "removed")
	s.want(true, "start --port "+port+" --conf quorate-initial-groups\u00a01 --conf maxmemory\u00a01gb", "the cluster is up")
	conf, err = os.ReadFile(filepath.Join(s.dir, "node-3", "redis.conf"))
	if err != nil || !strings.HasSuffix(string(conf), "\nquorate-initial-groups 1\nmaxmemory 1gb\n") {
		t.Errorf("--conf isn't the end of the file: %v\n%s", err, conf)
	}
	s.want(true, "clean", "stopped", "removed")
	s.want(true, "clean", "nothing to clean")
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("the directory is still there:", err)
	}
}

func TestClusterScriptTrouble(t *testing.T) {
	s := newScript(t)
	port := strconv.Itoa(s.port)
	peer, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(s.port+10001))
	if err != nil {
		t.Fatal(err)
	}
	s.want(false, "start --port "+port, fmt.Sprintf("port %d is taken by another program: choose another with --port", s.port+10001))
	if err := peer.Close(); err != nil {
		t.Fatal(err)
	}
	s.want(false, "start --port 99999", "--port must be a number")
	s.want(false, "start --nodes x", "--nodes must be a number")
	s.want(false, "fly", "unknown action fly")

	s.mode = "broken"
	s.want(false, "start --port "+port, "node 1 has ended", "fake node: told to break", "did not come up")
	s.mode = "incomplete"
	s.want(false, "start", "not complete after 2 seconds (cluster_state:fail cluster_slots_assigned:5461)", "stopped again")
	s.want(false, "status", "not running")
	s.want(true, "clean", "removed")

	// A directory of somebody else's stays as it is.
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(s.dir, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(false, "clean", "was not made by this script")
	s.want(false, "start --port "+port, "is not empty and was not made by this script")
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}
