package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// mustNotStart runs the server and wants it to give up by itself, naming the reason.
func mustNotStart(t *testing.T, parts []string, args ...string) {
	t.Helper()
	bin, err := harness.Binary()
	if errors.Is(err, harness.ErrNoBinary) {
		t.Skip(err)
	}
	must(t, err)
	out, err := runTool("", bin, args...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() <= 0 {
		t.Errorf("%v: ended with %v, want an exit status other than 0\n%s", args, err, out)
	}
	for _, p := range parts {
		if !strings.Contains(out, p) {
			t.Errorf("%v: says nothing of %q:\n%s", args, p, out)
		}
	}
}

// TestRefusesToStart is what a second process, and a mistake in the
// configuration, get to hear.
func TestRefusesToStart(t *testing.T) {
	t.Parallel()
	c := startPlain(t)
	text(t, c.Addr(0), "SET", "k", "v")
	free, err := harness.FreePorts(1, 0)
	must(t, err)
	dir := t.TempDir()

	mustNotStart(t, []string{"in use by another process", c.Node(0).Dir()},
		"--port", fmt.Sprint(free[0]), "--dir", c.Node(0).Dir(), "--quorate-metrics-port", "0")
	mustNotStart(t, []string{"address already in use", port(c, 0)},
		"--port", port(c, 0), "--dir", dir, "--quorate-metrics-port", "0")
	// It failed before it touched anything.
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("a process that could not have its port has written %v, %v", left, err)
	}

	conf := filepath.Join(dir, "redis.conf")
	must(t, os.WriteFile(conf, []byte("# a comment\nport "+fmt.Sprint(free[0])+"\n\nno-such-directive yes\n"), 0o600))
	mustNotStart(t, []string{"FATAL CONFIG FILE ERROR", "at line 4", "'no-such-directive yes'", "Bad directive or wrong number of arguments"}, conf)
	mustNotStart(t, []string{"no-such-directive"}, "--no-such-directive", "yes")
	mustNotStart(t, nil, filepath.Join(dir, "missing.conf"))

	if got := text(t, c.Addr(0), "GET", "k"); got != "v" {
		t.Errorf("the process that was there first: GET k is %q", got)
	}
	// Data of the other mode is not touched either.
	must(t, c.Terminate(0))
	mustNotStart(t, []string{"a node in plain mode"}, "--port", fmt.Sprint(free[0]), "--dir", c.Node(0).Dir(),
		"--cluster-enabled", "yes", "--quorate-metrics-port", "0")
}

// isMisconf wants a write to be refused because the disk is full.
func isMisconf(addr, key string) error {
	_, err := ask(addr, "SET", key, "v")
	if err == nil {
		return errors.New("the write was accepted")
	}
	if !strings.Contains(err.Error(), "MISCONF") {
		return err
	}
	return nil
}

// noise returns text that a snapshot can't compress.
func noise(size int) string {
	rnd := rand.New(rand.NewPCG(1, 1))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return string(b)
}

// TestFullDisk fills the disk of all nodes from outside, frees it, and then
// has clients fill it.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "160m")
	c := harness.New(t, harness.Options{Dir: dir, Args: []string{"--enable-debug-command", "yes", "--quorate-min-free-bytes", "24mb",
		"--quorate-snapshot-log-bytes", "4mb"}})
	own := homes(t, c)
	alive := func() {
		t.Helper()
		for i := range c.Len() {
			if err := c.Node(i).Crashed(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, h := range own {
		text(t, c.Addr(h.node), "SET", h.key("full", 0), "before")
	}

	filler := filepath.Join(dir, "filler")
	fillDisk(t, filler)
	for _, h := range own {
		eventually(t, "writes are refused with MISCONF", func() error { return isMisconf(c.Addr(h.node), h.key("full", 1)) })
		if got := text(t, c.Addr(h.node), "GET", h.key("full", 0)); got != "before" {
			t.Errorf("on a full disk: GET is %q", got)
		}
		if r, err := ask(c.Addr(h.node), "GET", h.key("full", 1)); err != nil || !r.Null && string(r.Str) != "v" {
			t.Errorf("a key whose write was refused: %q %v", r.Raw, err)
		}
		if !strings.Contains(text(t, c.Addr(h.node), "INFO", "quorate"), "disk_full:true") {
			t.Error("INFO quorate doesn't say disk_full:true")
		}
	}
	alive()
	// There is room for what the nodes themselves must write: terms, votes, the
	// first entry of a leader. A node dies, others lead, it comes back.
	must(t, c.Kill(0))
	eventually(t, "another node leads and answers reads on a full disk", func() error {
		for _, h := range own {
			if r, err := newClient(c.Addrs(), askTimeout, newRand(t)).read("GET", h.key("full", 0)); err != nil || string(r.Str) != "before" {
				return fmt.Errorf("%q %v", r.Raw, err)
			}
		}
		return nil
	})
	must(t, c.Restart(0))
	must(t, c.WaitReady(t.Context()))
	homes(t, c)
	alive()
	must(t, os.Remove(filler))
	for _, h := range own {
		eventually(t, "writes are accepted again", func() error {
			_, err := ask(c.Addr(h.node), "SET", h.key("full", 1), "after")
			return err
		})
	}
	replicasAgree(t, c)
	alive()

	// Now by what clients write, as fast as they can.
	h := own[0]
	value := noise(64 << 10)
	conn, err := wire.Dial(t.Context(), c.Addr(h.node), patience)
	must(t, err)
	defer conn.Close()
	stored, refusals, kept := 0, 0, ""
	for i := 0; i < 4000 && refusals < 100; i += 50 {
		for j := range 50 {
			conn.Send("SET", h.key("bulk", i+j), value)
		}
		must(t, conn.Flush())
		for j := range 50 {
			r, err := conn.Receive()
			if err != nil {
				alive()
				t.Fatal(err)
			}
			switch {
			case !r.IsError():
				stored++
				kept = h.key("bulk", i+j)
			case strings.HasPrefix(string(r.Str), "MISCONF"):
				refusals++
			case passing(r), uncertain(r): // not stored, or not for certain
			default:
				t.Fatalf("SET: %s", r.Str)
			}
		}
	}
	t.Logf("%d values of 64 KiB stored before the disk was full", stored)
	if refusals == 0 {
		t.Error("the disk could not be filled")
	}
	if got := text(t, c.Addr(h.node), "GET", kept); got != value {
		t.Error("on a full disk: a value is not what was written")
	}
	alive()
	replicasAgree(t, c)
}
