package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// load reads content as a configuration file in a directory of its own.
func load(t *testing.T, content string, args ...string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "redis.conf")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := ParseArgs(append([]string{path}, args...))
	if err != nil {
		t.Fatal(err)
	}
	return Load(in, strings.NewReader(""), Options{Version: "1.2.3"})
}

func mustLoad(t *testing.T, content string, args ...string) *Config {
	t.Helper()
	c, err := load(t, content, args...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// value1 is the answer of CONFIG GET for one name.
func value1(t *testing.T, c *Config, name string) string {
	t.Helper()
	pairs := c.Get(name)
	if len(pairs) != 1 {
		t.Fatalf("CONFIG GET %s: %v", name, pairs)
	}
	return pairs[0].Value
}

func TestDefaults(t *testing.T) {
	c, err := Load(Invocation{}, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := c.Current()
	if s.Port != 6379 || s.AppendFsync != "always" || s.ProtoMaxBulkLen != 512<<20 || len(s.Save) != 3 ||
		s.ClientOutputBufferLimit[OutputPubSub] != (OutputLimit{32 << 20, 8 << 20, 60}) || s.MaxEntrySize != 1<<20 {
		t.Errorf("%+v", s)
	}
	if p, err := s.EffectivePeerPort(); p != 16379 || err != nil {
		t.Error(p, err)
	}
	if p := s.EffectiveMetricsPort(); p != 26379 {
		t.Error(p)
	}
}

// TestTable checks what every entry must have.
func TestTable(t *testing.T) {
	for _, d := range allDirectives {
		if d.doc == "" || d.value == nil {
			t.Errorf("%s has no doc line or no value", d.name)
		}
		if d.flags&cosmetic != 0 && !strings.Contains(d.doc, "No effect") {
			t.Errorf("%s is cosmetic, so its doc line must say why it has no effect", d.name)
		}
		if v, ok := d.value.(inert); ok && (v.name != d.name || d.flags&(cosmetic|unsupported) == 0) {
			t.Errorf("%s is inert: its name must be right, and cosmetic or unsupported said", d.name)
		}
		for _, name := range append([]string{d.name}, d.aliases...) {
			if name != strings.ToLower(name) {
				t.Errorf("%s is not lower case", name)
			}
		}
	}
}

// badLines are lines and what redis-server 7.0.15 says about them (TestOracle
// asks it, for those it knows).
var badLines = []struct{ line, want string }{
	{"foo bar", "Bad directive or wrong number of arguments"},
	{"include", "Bad directive or wrong number of arguments"},
	{`appenddirname ""`, "appenddirname can't be empty"},
	{"appenddirname a/b", "appenddirname can't be a path, just a dirname"},
	{`appendfilename ""`, "appendfilename can't be empty"},
	{"appendfilename a/b", "appendfilename can't be a path, just a filename"},
	{"port abc", "argument couldn't be parsed into an integer"},
	{"port 99999999999999999999", "argument couldn't be parsed into an integer"},
	{"port +5", "argument couldn't be parsed into an integer"},
	{"port 05", "argument couldn't be parsed into an integer"},
	{"port 0x10", "argument couldn't be parsed into an integer"},
	{`port " 5"`, "argument couldn't be parsed into an integer"},
	{"port 70000", "argument must be between 0 and 65535 inclusive"},
	{"port -1", "argument must be between 0 and 65535 inclusive"},
	{"port 1 2", "wrong number of arguments"},
	{"port", "wrong number of arguments"},
	{`logfile "abc`, "Unbalanced quotes in configuration line"},
	{`logfile 'abc`, "Unbalanced quotes in configuration line"},
	{`logfile "a"b`, "Unbalanced quotes in configuration line"},
	{`logfile a"b"c`, "Unbalanced quotes in configuration line"},
	{`logfile "\x4`, "Unbalanced quotes in configuration line"},
	{"hash-max-listpack-entries 1xb", "argument couldn't be parsed into an integer"},
	{"hash-max-ziplist-entries 1k", "argument couldn't be parsed into an integer"},
	{"hash-max-listpack-value -1", "argument must be a memory value"},
	{"maxmemory 1zb", "argument must be a memory value"},
	{"maxmemory 10%", "argument must be a memory value"},
	{"maxmemory 1.5gb", "argument must be a memory value"},
	{"maxmemory-clients 1zb", "argument must be a memory or percent value"},
	{"maxmemory-clients x%", "argument must be a memory or percent value"},
	{"maxmemory-clients 101%", "percentage argument must be less or equal to 100"},
	{"maxmemory-samples 0", "argument must be between 1 and 2147483647 inclusive"},
	{"maxmemory-eviction-tenacity 101", "argument must be between 0 and 100 inclusive"},
	{"appendfsync foo", "argument(s) must be one of the following: everysec, always, no"},
	{"loglevel foo", "argument(s) must be one of the following: debug, verbose, notice, warning"},
	{"enable-debug-command maybe", "argument(s) must be one of the following: no, yes, local"},
	{"appendonly foo", "argument must be 'yes' or 'no'"},
	{`rdbchecksum ""`, "argument must be 'yes' or 'no'"},
	{"save 1", "Invalid save parameters"},
	{"save a b", "Invalid save parameters"},
	{"save 0 1", "Invalid save parameters"},
	{"save 900 1 300", "Invalid save parameters"},
	{"client-output-buffer-limit normal 1", "Wrong number of arguments in buffer limit configuration."},
	{"client-output-buffer-limit foo 1 1 1", "Invalid client class specified in buffer limit configuration."},
	{"client-output-buffer-limit normal a 1 1", "Error in hard, soft or soft_seconds setting in buffer limit configuration."},
	{"databases 0", "argument must be between 1 and 2147483647 inclusive"},
	{"dir /nonexist", "No such file or directory"},
	{"dir /etc/passwd", "Not a directory"},
	{"maxclients 0", "argument must be between 1 and 4294967295 inclusive"},
	{"proto-max-bulk-len 100", "argument must be between 1048576 and 9223372036854775807 inclusive"},
	{"proto-max-bulk-len 18446744073709551616", "argument must be between 1048576 and 9223372036854775807 inclusive"},
	{"client-query-buffer-limit 1", "argument must be between 1048576 and 9223372036854775807 inclusive"},
	{"slowlog-log-slower-than -2", "argument must be between -1 and 9223372036854775807 inclusive"},
	{"dbfilename a/b", "dbfilename can't be a path, just a filename"},
	{"bind 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "Too many bind addresses specified."},
	{"oom-score-adj-values 1 2", "wrong number of arguments"},
}

func TestBadLines(t *testing.T) {
	for _, c := range badLines {
		_, err := load(t, "# a comment\n\n  "+c.line+" \t\r\nport 1\n")
		want := "\n*** FATAL CONFIG FILE ERROR (Quorate 1.2.3) ***\n" +
			"Reading the configuration file, at line 3\n>>> '" + c.line + "'\n" + c.want
		if err == nil || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", c.line, err, want)
		}
	}
}

func TestUnsupported(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"replica-read-only no", "replica-read-only is not supported yet: only 'yes' is accepted"},
		{"unixsocket /tmp/x", "unixsocket is not supported yet"},
		{"quorate-initial-nodes a:1 b", "'b' is not of the form host:port"},
		{"quorate-initial-nodes a:1 a:1", "'a:1' is named twice"},
		{"quorate-initial-nodes a:0", "'a:0' has no valid port"},
	} {
		_, err := load(t, c.line)
		if err == nil || !strings.HasSuffix(err.Error(), "\n"+c.want) {
			t.Errorf("%s: %v", c.line, err)
		}
	}
	c, err := Load(Invocation{Options: "unixsocket /tmp/x"}, nil, Options{Supported: []string{"unixsocket"}})
	if err != nil || c.Get("unixsocket")[0].Value != "/tmp/x" {
		t.Error("Supported does not lift the refusal:", err)
	}
}

func TestWholeFile(t *testing.T) {
	for _, c := range []struct{ content, want string }{
		{"port 60000\ncluster-enabled yes", "set quorate-peer-port"},
		{"port 7000\nquorate-peer-port 7000", "must differ"},
		{"port 7000\nquorate-metrics-port 17000", "must differ"},
	} {
		_, err := load(t, c.content)
		var le *LoadError
		if !errors.As(err, &le) || le.Line != 0 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.content, err)
		}
	}
	if c := mustLoad(t, "port 60000"); c.Current().EffectiveMetricsPort() != 0 {
		t.Error("metrics port beyond 65535 must be off")
	}
}

func TestGrammar(t *testing.T) {
	c := mustLoad(t, "# first\r\n\n  PORT\t7001\r\n"+
		`logfile "a\x41\n\"b"`+"\n"+
		`pidfile 'it\'s "x"'`+"\n"+
		"hash-max-ziplist-entries 7\n"+
		"save 900 1\nsave 300 10 60 100\n"+
		"client-output-buffer-limit slave 1kb 1k 5\n"+
		`bind "127.0.0.1 -::1"`+"\n"+
		"quorate-initial-nodes 127.0.0.1:7001 127.0.0.1:7002\n"+
		"port 7002")
	s := c.Current()
	if s.Port != 7002 || s.LogFile != "aA\n\"b" || s.PidFile != `it's "x"` || s.HashMaxListpackEntries != 7 {
		t.Errorf("%+v", s)
	}
	if want := []SavePoint{{900, 1}, {300, 10}, {60, 100}}; !reflect.DeepEqual(s.Save, want) {
		t.Errorf("save %v", s.Save)
	}
	if want := (OutputLimit{1024, 1000, 5}); s.ClientOutputBufferLimit[OutputReplica] != want {
		t.Errorf("limits %v", s.ClientOutputBufferLimit)
	}
	if !reflect.DeepEqual(s.Bind, []string{"127.0.0.1", "-::1"}) || len(s.InitialNodes) != 2 {
		t.Errorf("bind %q nodes %q", s.Bind, s.InitialNodes)
	}
	if c := mustLoad(t, "save 1 1\nsave \"\"\n"); len(c.Current().Save) != 0 {
		t.Errorf("save \"\" left %v", c.Current().Save)
	}
}

func TestInclude(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("x1.conf", "timeout 1\ndatabases 3\n")
	write("x2.conf", "timeout 2\n")
	c := mustLoad(t, "timeout 9\ninclude "+dir+"/x*.conf\ninclude "+dir+"/none*\n")
	if s := c.Current(); s.Timeout != 2 || s.Databases != 3 {
		t.Errorf("timeout %d, databases %d", s.Timeout, s.Databases)
	}
	bad := write("bad.conf", "\nfoo\n")
	if _, err := load(t, "include "+bad); err == nil || !strings.Contains(err.Error(), "at line 2 of '"+bad+"'\n>>> 'foo'") {
		t.Error(err)
	}
	self := write("self.conf", "include "+filepath.Join(dir, "self.conf"))
	if _, err := load(t, "include "+self); err == nil || !strings.Contains(err.Error(), "Too many nested") {
		t.Error(err)
	}
	if _, err := load(t, "include /nonexist"); err == nil || err.Error() != "Fatal error, can't open config file '/nonexist': No such file or directory" {
		t.Error(err)
	}
}

func TestArgs(t *testing.T) {
	for _, c := range []struct {
		args    []string
		options string
	}{
		{[]string{"--port", "1"}, `port "1" `},
		{[]string{"--port 1", "--timeout", "2"}, "port 1 \ntimeout \"2\" "},
		{[]string{"--port", "--loglevel"}, `port "--loglevel" `},
		{[]string{"--bind", "a", "b", "--port", "1"}, "bind \"a\" \"b\" \nport \"1\" "},
		{[]string{"--save", "--port", "1"}, "save \"\"\nport \"1\" "},
		{[]string{"--save"}, `save ""`},
		{[]string{"--logfile", "a b\n"}, `logfile "a b\n" `},
		{[]string{"--loglevel", "verbose", "foo", "-", "x"}, `loglevel "verbose" "foo" "-" "x" `},
	} {
		in, err := ParseArgs(c.args)
		if err != nil || in.Options != c.options {
			t.Errorf("%q: %q, %v, want %q", c.args, in.Options, err, c.options)
		}
	}
	for _, args := range [][]string{{"-"}, {"-", "--port", "7001"}, {"--port", "7001", "-"}} {
		in, err := ParseArgs(args)
		if err != nil || !in.Stdin {
			t.Fatalf("%q: %+v, %v", args, in, err)
		}
		c, err := Load(in, strings.NewReader("port 5\ntimeout 3"), Options{})
		if err != nil || c.Current().Timeout != 3 || len(args) > 1 && c.Current().Port != 7001 {
			t.Errorf("%q: %v", args, err)
		}
	}
	for _, args := range [][]string{{"-v"}, {"--version"}, {"-h"}, {"--help"}} {
		if in, err := ParseArgs(args); err != nil || !in.Version && !in.Help {
			t.Errorf("%q: %+v %v", args, in, err)
		}
	}
	c := mustLoad(t, "port 1\ntimeout 4", "--port", "2", "--hash-max-ziplist-value", "10")
	if s := c.Current(); s.Port != 2 || s.Timeout != 4 || s.HashMaxListpackValue != 10 {
		t.Errorf("%+v", s)
	}
	_, err := load(t, "port 1\n", "--foo", "a b")
	if err == nil || !strings.Contains(err.Error(), "at line 3\n>>> 'foo \"a b\"'\nBad directive") {
		t.Error(err)
	}
}

// FuzzLoad feeds files to the parser: it must not panic, and what Quote writes
// Split must read back.
func FuzzLoad(f *testing.F) {
	for _, c := range badLines {
		f.Add(c.line)
	}
	f.Add("save 1 1\nbind \"a b\"\n# x\nlogfile '\\''")
	options := Options{}
	defaults, err := defaultSettings()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content string) {
		if words, err := Split(Quote(content)); err != nil || len(words) != 1 || words[0] != content {
			t.Fatalf("Split(Quote(%q)) = %q, %v", content, words, err)
		}
		if strings.Contains(strings.ToLower(content), "include") {
			return // would read files of this machine
		}
		s, err := options.parse(content, defaults)
		if err != nil {
			return
		}
		// What was accepted must print as a file that gives the same values.
		var again strings.Builder
		for _, d := range allDirectives {
			for _, line := range d.value.lines(s, d.name) {
				again.WriteString(line + "\n")
			}
		}
		reread, err := options.parse(again.String(), defaults)
		if err != nil {
			t.Fatalf("printed as\n%s\nwhich does not load: %v", again.String(), err)
		}
		for _, d := range allDirectives {
			if d.value.get(s) != d.value.get(reread) {
				t.Fatalf("%s: %q became %q", d.name, d.value.get(s), d.value.get(reread))
			}
		}
	})
}
