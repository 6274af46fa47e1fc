package admin

import (
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/transport"
)

func slowCommand(line string) transport.SlowCommand {
	words := strings.Fields(line)
	args := make([][]byte, len(words))
	for i, w := range words {
		args[i] = []byte(w)
	}
	spec := &command.Spec{Name: strings.ToUpper(words[0])}
	table := command.NewTable[int]()
	n := table.Add(spec, 0)
	if words[0] == "config" || words[0] == "acl" {
		n.AddSub(&command.Spec{Name: strings.ToUpper(words[1])}, 0)
		spec = n.Sub(args[1]).Spec
	}
	return transport.SlowCommand{Spec: spec, Args: args, Took: 1500 * time.Microsecond, Addr: "1.2.3.4:5", Name: "n"}
}

func TestSlowLogKeepsTheYoungest(t *testing.T) {
	var l slowLog
	for range 5 {
		l.add(slowCommand("get a"), 3)
	}
	got := l.latest(-1)
	if len(got) != 3 || l.len() != 3 || got[0].id != 4 || got[2].id != 2 || got[0].micros != 1500 || len(l.latest(1)) != 1 {
		t.Errorf("got %+v", got)
	}
	l.reset()
	l.add(slowCommand("get a"), 0)
	if l.len() != 0 {
		t.Error("a log of length 0 keeps an entry")
	}
}

func TestSlowLogArguments(t *testing.T) {
	for line, want := range map[string]string{
		"get k":                                 "get k",
		"auth secret":                           "auth (redacted)",
		"hello 3 AUTH u p SETNAME x":            "hello 3 AUTH (redacted) (redacted) SETNAME x",
		"acl setuser u >p":                      "acl setuser (redacted) (redacted)",
		"config set masterauth x save y":        "config set masterauth (redacted) save y",
		"migrate h 1 k 0 1 AUTH p":              "migrate h 1 k 0 1 AUTH (redacted)",
		"migrate h 1 k 0 1 AUTH2 u p KEYS AUTH": "migrate h 1 k 0 1 AUTH2 (redacted) (redacted) KEYS AUTH",
		"set k " + strings.Repeat("x", 130):     "set k " + strings.Repeat("x", 128) + "... (2 more bytes)",
		"del" + strings.Repeat(" k", 40):        "del" + strings.Repeat(" k", 30) + " ... (10 more arguments)",
	} {
		c := slowCommand(line)
		if got := strings.Join(trimArgs(redact(c.Spec, c.Args)), " "); got != want {
			t.Errorf("%s\n got %s\nwant %s", line, got, want)
		}
		if strings.Join(strings.Fields(line), " ") != joined(c.Args) {
			t.Errorf("%s: the command's own arguments changed", line)
		}
	}
}

func joined(args [][]byte) string { return strings.Join(texts(args), " ") }

func TestLatencyMonitor(t *testing.T) {
	var m latencyMonitor
	for i := range int64(200) {
		m.add("command", i/2, 10+i%2)
	}
	s := m.of("command")
	if len(s.samples) != 100 || s.samples[99] != (latencySample{99, 11}) || s.max != 11 {
		t.Errorf("%d samples, last %v, max %d", len(s.samples), s.samples[len(s.samples)-1], s.max)
	}
	for i := range int64(200) {
		m.add("x", i, 1)
	}
	if n := len(m.of("x").samples); n != latencySamples {
		t.Errorf("%d samples are kept", n)
	}
	if !m.reset("x") || m.reset("x") || strings.Join(m.names(), " ") != "command" {
		t.Error("reset leaves the event")
	}
	if g := graph([]latencySample{{0, 100}, {1, 500}}, 100, 500, 61); g != " #\n |\n |\n_|\n\n11\nmm\n" {
		t.Errorf("graph is %q", g)
	}
}

// TestBuckets compares the bounds with those that the Redis docs show for
// LATENCY HISTOGRAM.
func TestBuckets(t *testing.T) {
	for i, want := range []int64{1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113} {
		if got := bucketBound(i); got != want {
			t.Errorf("bound %d is %d, want %d", i, got, want)
		}
	}
	for d, want := range map[time.Duration]int{0: 0, 1024: 0, 1025: 1, 2048: 1, 2049: 2, time.Hour: latencyBuckets - 1} {
		if got := bucketOf(d); got != want {
			t.Errorf("%v is in bucket %d, want %d", d, got, want)
		}
	}
}

func TestMigrateKeys(t *testing.T) {
	for line, want := range map[string]string{
		"migrate h 1 k 0 1":                     "",
		"migrate h 1 k 0 1 COPY REPLACE AUTH p": "",
		"migrate h 1 k 0 1 AUTH":                "ERR syntax error",
		"migrate h 1 k 0 1 AUTH2 u":             "ERR syntax error",
		"migrate h 1 k 0 1 FOO":                 "ERR syntax error",
		"migrate h 1 k 0 1 KEYS a":              "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
	} {
		if _, got := migrateKeys(slowCommand(line).Args); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// TestMigrateExtract has what COMMAND GETKEYS of redis-server 7.0.15 says.
func TestMigrateExtract(t *testing.T) {
	for line, want := range map[string]string{
		"migrate h 1 k 0 1":                       "k",
		"migrate h 1 k 0 1 foo bar":               "k",
		"migrate h 1 k 0 1 keys a b":              "",
		"migrate h 1 k 0 1 copy keys":             "k",
		"migrate h 1 _ 0 1 foo keys a b":          "a b",
		"migrate h 1 _ 0 1 auth keys keys a":      "a",
		"migrate h 1 _ 0 1 auth2 keys x keys y":   "y",
		"migrate h 1 _ 0 1 keys a keys b":         "a keys b",
		"migrate h 1 _ 0 1 keys":                  "_",
		"migrate h 1 _ 0 1 auth keys":             "_",
		"migrate h 1 _ 0 1 auth2 a keys keys a b": "a b",
	} {
		args := slowCommand(line).Args
		if string(args[3]) == "_" {
			args[3] = nil
		}
		keys, ok := migrateExtract(args)
		var names []string
		for _, k := range keys {
			if len(args[k]) == 0 {
				names = append(names, "_")
			} else {
				names = append(names, string(args[k]))
			}
		}
		if got := strings.Join(names, " "); got != want || ok != (want != "") {
			t.Errorf("%s: %q and %v, want %q", line, got, ok, want)
		}
	}
}
