package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// quorate runs one of the program's tools and returns what it prints to standard output;
// an error has what it prints to standard error.
func quorate(args ...string) (string, error) {
	binary, err := harness.Binary()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	var out, bad bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &bad
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, bad.String())
	}
	return out.String(), nil
}

// mustRun is quorate for what must succeed and print all of want.
func mustRun(t *testing.T, args []string, want ...string) string {
	t.Helper()
	out, err := quorate(args...)
	if err != nil {
		t.Fatalf("quorate %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("quorate %s: no %q in\n%s", strings.Join(args, " "), w, out)
		}
	}
	return out
}

// mustFail is quorate for what must fail with a text.
func mustFail(t *testing.T, want string, args ...string) {
	t.Helper()
	if out, err := quorate(args...); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("quorate %s: %v, want %q\n%s", strings.Join(args, " "), err, want, out)
	}
}

// startGroups starts a cluster of three with so many groups.
func startGroups(t *testing.T, groups int, args ...string) *harness.Cluster {
	t.Helper()
	return startNodes(t, append([]string{"--quorate-initial-groups", strconv.Itoa(groups)}, args...)...)
}

// movers move amounts between two keys of one slot, by transactions, and count up a
// third key beside, until they are stopped.
type movers struct {
	pairs   []mover
	stopped atomic.Bool
	wg      sync.WaitGroup
}

type mover struct {
	from, to, count string
	acked           atomic.Int64 // value of count that was acknowledged
}

func startMovers(t *testing.T, c *harness.Cluster, homes []home) *movers {
	t.Helper()
	m := &movers{pairs: make([]mover, len(homes))}
	for i, h := range homes {
		tag := "{" + h.key("pair", i) + "}"
		for n := 0; !h.holds(tag + "from"); n++ {
			tag = "{" + h.key("pair", n) + "}"
		}
		p := &m.pairs[i]
		p.from, p.to, p.count = tag+"from", tag+"to", tag+"count"
		addr := c.Addr(h.node)
		// Ends when the movers are stopped.
		m.wg.Go(func() {
			for !m.stopped.Load() {
				if err := p.move(addr, &m.stopped); err != nil { // its group may have another leader for a while
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	t.Cleanup(m.stop)
	return m
}

// move moves over one connection until that fails.
func (p *mover) move(addr string, stopped *atomic.Bool) error {
	conn, err := wire.Dial(context.Background(), addr, askTimeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	for !stopped.Load() {
		commands := [][]string{{"MULTI"}, {"DECRBY", p.from, "7"}, {"INCRBY", p.to, "7"}, {"INCR", p.count}, {"EXEC"}}
		for _, args := range commands {
			conn.Send(args...)
		}
		if err := conn.Flush(); err != nil {
			return err
		}
		var r wire.Reply
		for range commands {
			if r, err = conn.Receive(); err != nil {
				return err
			}
			if r.IsError() {
				return errors.New(string(r.Str))
			}
		}
		if n, ok := r.Elems[2].Int(); ok {
			p.acked.Store(n)
		}
	}
	return nil
}

func (m *movers) stop() {
	m.stopped.Store(true)
	m.wg.Wait()
}

// acked returns what was acknowledged by now.
func (m *movers) acked() (all []int64) {
	for i := range m.pairs {
		all = append(all, m.pairs[i].acked.Load())
	}
	return all
}

// consistent looks at what was restored from a backup to one server: of every pair
// the sum, that the count fits it, and that what was acknowledged before is there.
func (m *movers) consistent(t *testing.T, addr string, before []int64) {
	t.Helper()
	for i := range m.pairs {
		p := &m.pairs[i]
		r, err := ask(addr, "MGET", p.from, p.to, p.count)
		must(t, err)
		var n [3]int64
		for j, s := range r.Strings() {
			n[j], _ = strconv.ParseInt(s, 10, 64)
		}
		if n[0] != -n[1] || n[1] != 7*n[2] || n[2] < before[i] || before[i] == 0 {
			t.Errorf("%s: %v, acknowledged before were %d", p.count, n, before[i])
		}
	}
}

// TestBackup takes backups of a cluster while clients write, and restores them into
// other clusters and servers.
func TestBackup(t *testing.T) {
	c := startNodes(t)
	hs := homes(t, c)
	dir := t.TempDir()
	for i, h := range hs {
		for n := range 300 {
			text(t, c.Addr(h.node), "SET", h.key("string", n), strings.Repeat("v", n), "PX", strconv.Itoa(100000000+n))
		}
		text(t, c.Addr(h.node), "HSET", h.key("hash", i), "f", "v", "g", "1")
		text(t, c.Addr(h.node), "XADD", h.key("stream", i), "5-1", "f", "v")
		text(t, c.Addr(h.node), "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('seven', function() return 7 end)")
	}
	m := startMovers(t, c, hs)
	eventually(t, "the movers move", func() error {
		for _, n := range m.acked() {
			if n == 0 {
				return errors.New("not yet")
			}
		}
		return nil
	})
	before := m.acked()
	tree, single := filepath.Join(dir, "tree"), filepath.Join(dir, "single.rdb")
	mustRun(t, []string{"backup", "--from", c.Addr(1), "--to", tree}, "group 1: slots 0-5460 ", "group 3: ", "backup took: ")
	mustRun(t, []string{"backup", "--from", c.Addr(2), "--to", single}, "keys: ", "size: ")
	mustFail(t, "is there already", "backup", "--from", c.Addr(1), "--to", tree)
	mustFail(t, "is there already", "backup", "--from", c.Addr(1), "--to", single)
	mustRun(t, []string{"backup", "--from", c.Addr(1), "--to", tree, "--force"}, "group 2: ")
	mustRun(t, []string{"backup", "--from", c.Addr(1), "--to", single, "--force"}, "group 2: ")
	m.stop()
	for _, path := range []string{tree, single} {
		// Clients have written since: what differs is told.
		out, err := quorate("verify", "--from", path, "--against", c.Addr(0))
		if err == nil || !strings.Contains(out, " is sound") || !strings.Contains(out, "all data is there: no") {
			t.Errorf("verify against the cluster: %v\n%s", err, out)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}

	// Into one server and a cluster with other groups, from both forms.
	plain := startPlain(t)
	mustRun(t, []string{"restore", "--from", tree, "--to", plain.Addr(0), "--verify"},
		"all data is there: yes", "extra: 0\n", "backup took: ", "restore took: ", "size: ")
	m.consistent(t, plain.Addr(0), before)
	if v := text(t, plain.Addr(0), "FCALL", "seven", "0"); v != "7" {
		t.Errorf("FCALL: %q", v)
	}
	five := startGroups(t, 5)
	mustRun(t, []string{"restore", "--from", single, "--to", five.Addr(1), "--verify"}, "all data is there: yes", "extra: 0\n")
	mustFail(t, "they are there already", "restore", "--from", single, "--to", five.Addr(0))
	mustRun(t, []string{"restore", "--from", single, "--to", five.Addr(2), "--replace"})
	text(t, plain.Addr(0), "SET", "more", "x")
	mustRun(t, []string{"verify", "--from", tree, "--against", plain.Addr(0)}, "extra: 1\n", "string: ", "stream: 3\n", "all data is there: yes")
	mustRun(t, []string{"restore", "--from", single, "--to", plain.Addr(0), "--flush", "--verify"}, "extra: 0\n", "all data is there: yes")
	m.consistent(t, plain.Addr(0), before)

	// redis-server loads the one file, and a node without data begins with it.
	digest := text(t, plain.Addr(0), "DEBUG", "DIGEST")
	if out, err := runTool("", tool(t, "redis-check-rdb"), single); err != nil || !strings.Contains(out, "RDB looks OK") {
		t.Errorf("redis-check-rdb: %v\n%s", err, out)
	}
	home := filepath.Join(dir, "home")
	must(t, os.Mkdir(home, 0o700))
	data, err := os.ReadFile(single)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(home, "dump.rdb"), data, 0o600))
	redis := startRedis(t, "--dir", home)
	if d := text(t, redis, "DEBUG", "DIGEST"); d != digest {
		t.Errorf("redis-server has the digest %s, want %s", d, digest)
	}
	seeded := startPlain(t, "--dir", home)
	if d := text(t, seeded.Addr(0), "DEBUG", "DIGEST"); d != digest {
		t.Errorf("a node that begins with the file has the digest %s, want %s", d, digest)
	}
	// And the other way round: it is a backup's source, too, in plain mode.
	mustRun(t, []string{"backup", "-h", "127.0.0.1", "-p", port(seeded, 0), "--to", filepath.Join(dir, "plain")}, "group 1: slots 0-16383 ")
	mustRun(t, []string{"verify", "--from", filepath.Join(dir, "plain"), "-p", port(plain, 0)}, "all data is there: yes", "extra: 0\n")
	mustFail(t, "where to?", "restore", "--from", single)
	mustFail(t, "no Quorate", "backup", "--from", redis, "--to", filepath.Join(dir, "redis"))
}

// startRedis starts a redis-server with DEBUG allowed and returns its address.
func startRedis(t *testing.T, args ...string) string {
	t.Helper()
	path := tool(t, "redis-server")
	ports, err := harness.FreePorts(1, 0)
	must(t, err)
	p := harness.NewProcess("redis", t.TempDir(), path,
		append([]string{"--port", strconv.Itoa(ports[0]), "--bind", "127.0.0.1", "--save", "", "--enable-debug-command", "yes"}, args...)...)
	must(t, p.Start())
	t.Cleanup(func() { must(t, p.Kill()) })
	addr := harness.Addr(ports[0])
	eventually(t, "redis-server answers", func() error {
		_, err := ask(addr, "DBSIZE")
		if err != nil && strings.Contains(err.Error(), "NOAUTH") {
			return nil
		}
		return err
	})
	return addr
}

// TestBackupOverFailure: a leader is killed while its group is being sent; the group
// comes from the next one, with all that was acknowledged.
func TestBackupOverFailure(t *testing.T) {
	if _, err := os.Stat("/proc/net/tcp"); err != nil {
		t.Skip(err)
	}
	c := startNodes(t, "--appendfsync", "no")
	hs := homes(t, c)
	value := make([]byte, 1<<20)
	for i := range value {
		value[i] = byte(i * i >> 8) // nothing that a file would have compressed
	}
	const perGroup = 16 // MiB, more than sockets hold
	for i, h := range hs {
		pipelined(t, c.Addr(i), perGroup, func(n int) []string {
			copy(value, strconv.Itoa(i*100+n))
			for j := range 4096 {
				value[j*256+8] = byte(j * n)
			}
			return []string{"SET", h.key("large", n), string(value)}
		})
	}
	binary, err := harness.Binary()
	must(t, err)
	dir := t.TempDir()
	path := filepath.Join(dir, "b")
	// begin starts a backup and stops the tool as soon as something of a group has come, so
	// that what happens then happens in the middle of the file.
	begin := func(to string, bad *watched) (cmd *exec.Cmd, from int) {
		t.Helper()
		cmd = exec.CommandContext(t.Context(), binary, "backup", "--from", c.Addr(0), "--to", to)
		cmd.Stderr = bad
		must(t, cmd.Start())
		eventually(t, "the backup has begun", func() error {
			if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				return err
			}
			if from = sending(c); from >= 0 {
				return nil
			}
			must(t, cmd.Process.Signal(syscall.SIGCONT))
			return errors.New("nothing has come")
		})
		return cmd, from
	}
	for _, to := range []string{path, path + ".rdb"} {
		var bad watched
		cmd, victim := begin(to, &bad)
		must(t, c.Kill(victim))
		must(t, cmd.Process.Signal(syscall.SIGCONT))
		if err := cmd.Wait(); err != nil {
			t.Fatalf("backup to %s: %v\n%s", to, err, bad.String())
		}
		if err := bad.has("trying again"); err != nil {
			t.Errorf("the leader wasn't missed: %v", err)
		}
		must(t, c.Restart(victim))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		must(t, c.WaitReady(ctx))
		cancel()
		mustRun(t, []string{"verify", "--from", to, "--against", c.Addr(0)}, "all data is there: yes", "extra: 0\n", fmt.Sprintf("looked for: %d\n", 3*perGroup))

		// One that is interrupted leaves nothing.
		cmd, _ = begin(filepath.Join(dir, "not"+filepath.Base(to)), &bad)
		must(t, cmd.Process.Signal(syscall.SIGINT))
		must(t, cmd.Process.Signal(syscall.SIGCONT))
		if err := cmd.Wait(); err == nil {
			t.Error("an interrupted backup says that all went well")
		}
		left, err := filepath.Glob(filepath.Join(dir, "*not*"))
		hidden, err2 := filepath.Glob(filepath.Join(dir, ".*"))
		if err := errors.Join(err, err2); err != nil || len(left)+len(hidden) > 0 {
			t.Errorf("left over: %v %v %v", left, hidden, err)
		}
	}
}

// TestBackupOfDeposed: a leader that was paused, and has been replaced, is asked for a
// backup the moment it goes on and still thinks that it leads. What it sends, if it sends
// anything, has what its successor has acknowledged.
func TestBackupOfDeposed(t *testing.T) {
	c := startNodes(t)
	h := homes(t, c)[2]
	key := h.key("k", 0)
	text(t, c.Addr(2), "SET", key, "old")
	for round := range 5 {
		homes(t, c)
		value := fmt.Sprintf("round-%d", round)
		conns := make([]*wire.Conn, 16) // one of them may be served before the node has noticed
		for i := range conns {
			conns[i] = dial(t, c.Addr(2), askTimeout)
			if r, err := conns[i].Do("REPLCONF", "quorate-slot", strconv.Itoa(h.first)); err != nil || r.IsError() {
				t.Fatalf("REPLCONF: %s %v", r.Str, err)
			}
		}
		pause(t, c, 2)
		eventually(t, "another leader acknowledges", func() error {
			m, err := leaders(c.Addr(0))
			if err != nil {
				return err
			}
			at := ""
			for run, addr := range m {
				if run[0] <= h.first && h.first <= run[1] {
					at = addr
				}
			}
			if at == "" || at == c.Addr(2) {
				return fmt.Errorf("leaders are %v", m)
			}
			_, err = ask(at, "SET", key, value)
			return err
		})
		for _, conn := range conns {
			conn.Send("SYNC")
			must(t, conn.Flush())
		}
		resume(t, c, 2)
		for _, conn := range conns {
			must(t, conn.SetReadDeadline(time.Now().Add(patience)))
			in := bufio.NewReader(conn.Conn)
			head, err := in.ReadString('\n')
			must(t, err)
			if head[0] == '-' {
				if code, _, _ := strings.Cut(head[1:], " "); code != "MOVED" && code != "TRYAGAIN" && code != "CLUSTERDOWN" {
					t.Errorf("SYNC: %q", head)
				}
				continue
			}
			n, err := strconv.Atoi(strings.TrimSpace(head[1:]))
			must(t, err)
			file := make([]byte, n)
			_, err = io.ReadFull(in, file)
			must(t, err)
			if !bytes.Contains(file, []byte(value)) {
				t.Errorf("the backup lacks what was acknowledged before it was asked for: %q", file)
			}
		}
	}
}

// sending returns a node of the cluster that has more to send to a client than this
// reads, or -1.
func sending(c *harness.Cluster) int {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(table)) {
		// sl local_address rem_address st tx_queue:rx_queue ..., in hexadecimal
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		_, at, _ := strings.Cut(f[1], ":")
		queued, _, _ := strings.Cut(f[4], ":")
		n, _ := strconv.ParseInt(queued, 16, 64)
		local, _ := strconv.ParseInt(at, 16, 32)
		if i := c.Index(harness.Addr(int(local))); i >= 0 && n > 64<<10 {
			return i
		}
	}
	return -1
}
