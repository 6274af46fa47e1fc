package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorate/quorate/test/harness"
)

const (
	startLimit    = 30 * time.Second // until the thousand keys are written and read
	failoverLimit = 30 * time.Second // until writes go on after a node was killed
	finishLimit   = 60 * time.Second // until everything has been read back
)

// subject is the cluster under test: one we started, or one that runs already.
type subject struct {
	addrs   []string
	cluster *harness.Cluster // nil if it is not ours to kill
}

func startSubject(t *testing.T) subject {
	t.Helper()
	if list := os.Getenv("QUORATE_CLUSTER"); list != "" {
		return subject{addrs: strings.Split(list, ",")}
	}
	o := harness.Options{}
	switch server := os.Getenv("QUORATE_CLIENTS_SERVER"); server {
	case "", "quorate":
	case "redis":
		o.Kind, o.Nodes = harness.RedisCluster{Replicas: 1}, 6
	default:
		t.Fatalf("QUORATE_CLIENTS_SERVER=%s: want quorate or redis", server)
	}
	c := harness.New(t, o)
	if o.Kind == nil {
		if err := c.WaitSettled(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return subject{addrs: c.Addrs(), cluster: c}
}

// victim is a node that owns slots and is not the one the client was given, nor
// the owner of the first slots: redis-py 4.3 can't look for a new owner while
// the node that it would ask first is dead ("cannot pickle '_thread.lock'").
func (s subject) victim(t *testing.T) int {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.addrs[0], Protocol: 2})
	defer c.Close()
	slots, err := c.ClusterSlots(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range slices.Backward(slots) {
		if i := s.cluster.Index(entry.Nodes[0].Addr); i > 0 {
			return i
		}
	}
	t.Fatalf("no owner of slots beside %s in %v", s.addrs[0], slots)
	return 0
}

// failOver waits until the client writes, kills a node, and waits until the
// client reports that its writes go on. over is closed when the client ends.
func (s subject) failOver(t *testing.T, st stage, over <-chan struct{}) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	if err := st.await("writing", startLimit, over); err != nil {
		t.Error(err)
		return
	}
	if s.cluster == nil {
		t.Log("a cluster that is not ours: no node is killed")
	} else {
		i := s.victim(t)
		began := time.Now()
		defer func() {
			t.Logf("killed %s; fifty writes in a row after %v", s.addrs[i], time.Since(began).Round(10*time.Millisecond))
		}()
		check(s.cluster.Kill(i))
	}
	check(st.announce("killed"))
	check(st.await("resumed", failoverLimit, over))
}

// runScript runs a client program through the failover.
func runScript(t *testing.T, dir string, program ...string) {
	t.Helper()
	s, st := startSubject(t), stage{t.TempDir()}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit+failoverLimit+finishLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program[0], append(program[1:], s.addrs[0], st.dir)...)
	var out strings.Builder
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	var exit error
	// Ends with the program, at the latest when ctx does; waited for below.
	go func() {
		exit = cmd.Wait()
		close(over)
	}()
	s.failOver(t, st, over)
	if err := st.announce("stop"); err != nil {
		t.Error(err)
		cancel()
	}
	<-over
	t.Logf("%s", strings.TrimSpace(out.String()))
	if exit != nil {
		t.Errorf("%s: %v", program[0], exit)
	}
}

func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRedisPy(t *testing.T) {
	// Debian's interpreter first: it is the one that python3-redis belongs to.
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import redis.cluster").Run() == nil {
			runScript(t, ".", python, script(t, "smoke.py"))
			return
		}
	}
	t.Skip("no Python with redis-py 4.1 or newer (Debian: python3-redis)")
}

func TestIORedis(t *testing.T) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--prefix", dir, "ioredis@5")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("npm install ioredis: %v\n%s", err, out)
	}
	runScript(t, dir, "node", script(t, "smoke.mjs"))
}

func TestGoRedis(t *testing.T) {
	s, st := startSubject(t), stage{t.TempDir()}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit+failoverLimit+finishLimit)
	defer cancel()
	// go-redis 9.23 looks for a new owner of a slot on MOVED and READONLY, but not
	// when the old one refuses connections: then only the periodic reload helps,
	// and its default is a minute.
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: s.addrs[:1], DialTimeout: 3 * time.Second,
		ReadTimeout: 3 * time.Second, ClusterStateReloadInterval: time.Second})
	defer c.Close()

	over := make(chan struct{})
	var acked, failed int
	var problem error
	// Ends when told to stop, on the first wrong value, or with ctx; waited for below.
	go func() {
		defer close(over)
		acked, failed, problem = writeThrough(ctx, c, st)
	}()
	s.failOver(t, st, over)
	if err := st.announce("stop"); err != nil {
		t.Error(err)
		cancel()
	}
	<-over
	t.Logf("go-redis %s: acknowledged %d, failed attempts %d", redis.Version(), acked, failed)
	if problem != nil {
		t.Fatal(problem)
	}
	lost := 0
	verify := func(key, want string) {
		got, err := again(ctx, func() (string, error) { return c.Get(ctx, key).Result() })
		if err != nil || got != want {
			if lost++; lost <= 5 {
				t.Errorf("%s: %q, %v", key, got, err)
			}
		}
	}
	for k := range acked {
		verify(fmt.Sprintf("go:w:%d", k), fmt.Sprint(k))
	}
	for i := range 1000 {
		verify(fmt.Sprintf("go:%d", i), fmt.Sprint("v", i))
	}
	t.Logf("lost %d", lost)
}

// again reads until there is an answer: a busy machine can cost a leader its place.
func again(ctx context.Context, read func() (string, error)) (string, error) {
	for i := 0; ; i++ {
		got, err := read()
		if err == nil || errors.Is(err, redis.Nil) || i == 100 || ctx.Err() != nil {
			return got, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// writeThrough is the client of TestGoRedis, as the scripts are for theirs.
// Keys go:w:0 to go:w:(acked-1) were acknowledged, each written once.
func writeThrough(ctx context.Context, c *redis.ClusterClient, st stage) (acked, failed int, err error) {
	for i := range 1000 {
		// A busy machine can cost a leader its place; this write may be repeated.
		for {
			err := c.Set(ctx, fmt.Sprintf("go:%d", i), fmt.Sprint("v", i), 0).Err()
			if err == nil {
				break
			}
			if failed++; failed > 100 || ctx.Err() != nil {
				return 0, failed, err
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	for i := range 1000 {
		got, err := again(ctx, func() (string, error) { return c.Get(ctx, fmt.Sprintf("go:%d", i)).Result() })
		if err != nil || got != fmt.Sprint("v", i) {
			return 0, 0, fmt.Errorf("go:%d is %q: %w", i, got, err)
		}
	}
	happened := func(event string) bool {
		_, err := os.Stat(st.path(event))
		return err == nil
	}
	inARow := 0
	for !happened("stop") {
		err := c.Set(ctx, fmt.Sprintf("go:w:%d", acked), acked, 0).Err()
		if ctx.Err() != nil {
			return acked, failed, ctx.Err()
		}
		if err != nil {
			failed, inARow = failed+1, 0
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		if acked++; acked == 200 {
			if err := st.announce("writing"); err != nil {
				return acked, failed, err
			}
		}
		if inARow++; !happened("killed") {
			inARow = 0
		}
		if inARow == 50 {
			if err := st.announce("resumed"); err != nil {
				return acked, failed, err
			}
		}
	}
	return acked, failed, nil
}
