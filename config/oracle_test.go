package config

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOracleBadLines compares the message for each bad line with the one
// redis-server 7.0 prints, where it is installed.
func TestOracleBadLines(t *testing.T) {
	server, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	version, err := exec.Command(server, "--version").Output()
	if err != nil || !bytes.Contains(version, []byte("v=7.0.")) {
		t.Skipf("another Redis: %s %v", version, err)
	}
	for _, c := range badLines {
		if strings.HasPrefix(c.line, "dir /etc/passwd") {
			continue // its text depends on the C library
		}
		path := filepath.Join(t.TempDir(), "redis.conf")
		// The last line stops a server that takes the line we refuse.
		if err := os.WriteFile(path, []byte("\n"+c.line+"\nno-such-directive\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		out, err := exec.CommandContext(ctx, server, path).CombinedOutput()
		cancel()
		if err == nil {
			t.Fatalf("%s: redis-server ended without an error", c.line)
		}
		_, ours := Load(Invocation{File: path}, nil, Options{Version: "x"})
		_, want, _ := strings.Cut(string(out), "***\n")
		_, got, _ := strings.Cut(errText(ours), "***\n")
		if got != strings.TrimRight(want, "\n") {
			t.Errorf("%s:\nours  %s\nRedis %s", c.line, got, want)
		}
	}
}

// TestStockFile loads the redis.conf of the installed package, but for the
// directory, which belongs to its service.
func TestStockFile(t *testing.T) {
	stock, err := os.ReadFile("/etc/redis/redis.conf")
	if err != nil {
		t.Skip("no redis.conf installed")
	}
	content := strings.ReplaceAll(string(stock), "\ndir /var/lib/redis", "\ndir .")
	c, err := load(t, content)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Set([]string{"hz", "50"}, true); err != nil {
		t.Fatal(err)
	}
	if err := c.Rewrite(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(c.File())
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(content, "\nhz 10\n", "\nhz 50\n", 1); string(after) != want {
		t.Error("a rewrite after one change must change one line")
	}
}
