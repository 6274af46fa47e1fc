package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/quorate/quorate/test/harness"
)

// TestDaemon: daemonize yes returns at once and leaves a server with a pidfile
// and a log, and SIGTERM ends it and removes the pidfile.
func TestDaemon(t *testing.T) {
	t.Parallel()
	binary, err := harness.Quorate{}.Binary()
	if err != nil {
		t.Skip(err)
	}
	ports, err := harness.FreePorts(1, 0)
	must(t, err)
	dir := t.TempDir()
	pidfile, logfile := filepath.Join(dir, "server.pid"), filepath.Join(dir, "server.log")
	start := func(pidfile, logfile string) (string, error) {
		out, err := exec.Command(binary, "--port", strconv.Itoa(ports[0]), "--dir", dir, "--daemonize", "yes",
			"--pidfile", pidfile, "--logfile", logfile).CombinedOutput()
		return string(out), err
	}
	if out, err := start(pidfile, filepath.Join(dir, "missing", "server.log")); err == nil || !strings.Contains(out, "Can't open the log file") {
		t.Errorf("a log that can't be opened: %v, %q", err, out)
	}

	// Without a place for its pidfile it runs all the same, and tells the log.
	for n, place := range []string{pidfile, filepath.Join(dir, "missing", "server.pid")} {
		if out, err := start(place, logfile); err != nil || out != "" {
			t.Fatalf("%v, %q", err, out)
		}
		addr := harness.Addr(ports[0])
		eventually(t, "the daemon answers", func() error { _, err := ask(addr, "PING"); return err })
		eventually(t, "it is ready", func() error {
			log, err := os.ReadFile(logfile)
			if err == nil && strings.Count(string(log), "ready to accept connections") != n+1 {
				err = fmt.Errorf("log:\n%s", log)
			}
			return err
		})
		pid, err := strconv.Atoi(infoField(text(t, addr, "INFO", "server"), "process_id"))
		must(t, err)
		written, err := os.ReadFile(place)
		if place == pidfile && (err != nil || string(written) != fmt.Sprintln(pid)) {
			t.Errorf("pidfile has %q, %v; the process is %d", written, err, pid)
		}
		must(t, syscall.Kill(pid, syscall.SIGTERM))
		eventually(t, "the daemon ends", func() error {
			if err := syscall.Kill(pid, 0); err == nil && !isZombie(pid) {
				return fmt.Errorf("process %d runs", pid)
			}
			return nil
		})
		if _, err := os.Stat(place); err == nil {
			t.Errorf("%s is still there", place)
		}
	}
	log, err := os.ReadFile(logfile)
	if err != nil || strings.Count(string(log), "ready to accept connections") != 2 || strings.Count(string(log), "no pidfile") != 1 {
		t.Errorf("%v, log:\n%s", err, log)
	}
}

// infoField returns a field of INFO's reply.
func infoField(info, name string) string {
	_, rest, _ := strings.Cut(info, name+":")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// isZombie reports whether a process has ended and waits for its parent, which
// may take its time: a daemon's is init, in a container maybe anything.
func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}
