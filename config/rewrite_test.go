package config

import (
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rewritten loads content, runs CONFIG SET args and CONFIG REWRITE, and returns
// the file and the configuration.
func rewritten(t *testing.T, content string, args ...string) (string, *Config) {
	t.Helper()
	c := mustLoad(t, content)
	if len(args) > 0 {
		if err := c.Set(args, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Rewrite(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(c.File())
	if err != nil {
		t.Fatal(err)
	}
	return string(text), c
}

func TestRewrite(t *testing.T) {
	const marker = generatedMarker + "\n"
	for _, tc := range []struct{ name, before, args, after string }{
		{"nothing changed", "# c\n\nPORT   7001\nproto-max-bulk-len 1048576", "",
			"# c\n\nPORT   7001\nproto-max-bulk-len 1048576"},
		{"in place", "# c\ntimeout   5 \n# d\nport 1\n", "timeout 6", "# c\ntimeout 6\n# d\nport 1\n"},
		{"appended", "port 1\n", "timeout 6 loglevel debug", "port 1\n" + marker + "timeout 6\nloglevel debug\n"},
		{"appended again", "port 1\n" + marker + "loglevel debug\n", "timeout 6", "port 1\n" + marker + "loglevel debug\ntimeout 6\n"},
		{"no newline at the end", "port 1", "timeout 6", "port 1\n" + marker + "timeout 6\n"},
		{"alias", "hash-max-ziplist-entries 5\n", "hash-max-listpack-entries 6", "hash-max-listpack-entries 6\n"},
		{"twice", "timeout 1\nport 1\ntimeout 2\n", "timeout 3", "timeout 3\nport 1\n"},
		{"back to the default", "timeout 5\n", "timeout 0", "timeout 0\n"},
		{"memory", "proto-max-bulk-len 2m\n", "proto-max-bulk-len 3145728", "proto-max-bulk-len 3mb\n"},
		{"save", "save 900 1\n# x\nsave 60 10\n", "save 5|5|6|6", "save 5 5\nsave 6 6\n# x\n"},
		{"save none", "save 900 1\nsave 60 10\n", "save ", "save \"\"\n"},
		{"text", "proc-title-template x\n", "proc-title-template a|\"b\"", "proc-title-template \"a \\\"b\\\"\"\n"},
	} {
		var args []string
		if tc.args != "" {
			for _, word := range strings.Split(tc.args, " ") {
				args = append(args, strings.ReplaceAll(word, "|", " "))
			}
		}
		got, _ := rewritten(t, tc.before, args...)
		if got != tc.after {
			t.Errorf("%s:\n%s\nwant\n%s", tc.name, got, tc.after)
		}
	}
}

func TestRewriteOptions(t *testing.T) {
	c := mustLoad(t, "timeout 1\n", "--port", "7005", "--timeout", "3")
	if err := c.Rewrite(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(c.File())
	if want := "timeout 3\n" + generatedMarker + "\nport 7005\n"; err != nil || string(text) != want {
		t.Errorf("%q, %v, want %q", text, err, want)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(c.File()), "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("files left behind: %v %v", left, err)
	}
	if info, err := os.Stat(c.File()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestRewriteInclude(t *testing.T) {
	inc := filepath.Join(t.TempDir(), "inc.conf")
	if err := os.WriteFile(inc, []byte("timeout 7\ntcp-keepalive 8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// tcp-keepalive comes from the include and stays there; a changed timeout
	// must not be written where the include would undo it.
	got, _ := rewritten(t, "timeout 1\ninclude "+inc+"\n", "timeout", "9")
	if want := "include " + inc + "\n" + generatedMarker + "\ntimeout 9\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRewriteRefused(t *testing.T) {
	c, err := Load(Invocation{}, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Rewrite(); !errors.Is(err, ErrNoFile) {
		t.Error(err)
	}
	c = mustLoad(t, "timeout 1\n")
	if err := os.WriteFile(c.File(), []byte("timeout 1\nfoo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Rewrite(); errText(err) != "Rewriting config file: line 2 of the file is bad: Bad directive or wrong number of arguments" {
		t.Error(err)
	}
	if err := os.Remove(c.File()); err != nil {
		t.Fatal(err)
	}
	if err := c.Rewrite(); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(c.File()); err != nil || string(text) != generatedMarker+"\ntimeout 1\n" {
		t.Errorf("%q %v", text, err)
	}
}

// TestRewriteRandom changes random directives, rewrites, and compares a fresh
// load with the running values; comments must survive in order.
func TestRewriteRandom(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewSource(seed))
	choices := [][]string{
		{"timeout", "0", "1", "77"},
		{"loglevel", "debug", "notice"},
		{"save", "", "1 1", "900 1 300 10"},
		{"proto-max-bulk-len", "1mb", "3000000", "512mb"},
		{"zset-max-ziplist-value", "64", "65"},
		{"client-output-buffer-limit", "normal 1 2 3", "slave 1kb 2mb 3 pubsub 0 0 0"},
		{"proc-title-template", "", "a b", "\x00\"'\n"},
		{"hz", "10", "20"},
	}
	content := "# one\nsave 5 5\ntimeout 3\n# two\nloglevel notice\nsave 6 6\nhz 11\n# three\nclient-output-buffer-limit pubsub 1 1 1\ntimeout 4\n"
	for round := range 100 {
		c := mustLoad(t, content)
		for range 1 + r.Intn(4) {
			pick := choices[r.Intn(len(choices))]
			if err := c.Set([]string{pick[0], pick[1+r.Intn(len(pick)-1)]}, true); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Rewrite(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(c.File())
		if err != nil {
			t.Fatal(err)
		}
		again, err := Load(Invocation{File: c.File()}, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprint(again.Get("*")), fmt.Sprint(c.Get("*")); got != want {
			t.Fatalf("round %d: file\n%s\ngives\n%s\nwant\n%s", round, text, got, want)
		}
		comments := ""
		for _, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "#") && line != generatedMarker {
				comments += line
			}
		}
		if comments != "# one# two# three" {
			t.Fatalf("comments: %q in\n%s", comments, text)
		}
		content = string(text)
	}
}

// TestRewriteOtherDefault: what CONFIG SET has named is written though it is the
// default here, as the default in Redis is another one.
func TestRewriteOtherDefault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "redis.conf")
	if err := os.WriteFile(path, []byte("save 20 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := ParseArgs([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(in, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		set  []string
		want string
	}{
		{nil, "save 20 3\n"},
		{[]string{"hz", "10"}, "save 20 3\n"},
		{[]string{"appendfsync", "always"}, "save 20 3\n" + generatedMarker + "\nappendfsync always\n"},
		{nil, "save 20 3\n" + generatedMarker + "\nappendfsync always\n"},
	} {
		if step.set != nil {
			if err := c.Set(step.set, true); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Rewrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != step.want {
			t.Errorf("after CONFIG SET %q: %q %v, want %q", step.set, got, err, step.want)
		}
	}
}
