package compat

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// lyingProxy passes commands on to a redis-server and gets some wrong. Either
// function may be nil. request may replace a command; reply may replace a reply.
type lyingProxy struct {
	request func(args []string) []string
	reply   func(args []string, raw []byte) []byte
}

// start serves until the test ends and returns the proxy's address.
func (p lyingProxy) start(t *testing.T, server string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	// Ends when the listener is closed. Each connection's goroutine ends with
	// its client, and the clients end with Pair.Run.
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c, server)
		}
	}()
	return l.Addr().String()
}

func (p lyingProxy) serve(client net.Conn, server string) {
	defer client.Close()
	up, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer up.Close()
	in, back := bufio.NewReader(client), bufio.NewReader(up)
	for {
		raw, err := wire.ReadRaw(in, nil) // a command looks like a reply: an array of bulks
		if err != nil {
			return
		}
		cmd, err := wire.Parse(raw)
		if err != nil {
			return
		}
		args := cmd.Strings()
		if p.request != nil {
			raw = wire.AppendCommand(nil, p.request(args)...)
		}
		if _, err := up.Write(raw); err != nil {
			return
		}
		answer, err := wire.ReadRaw(back, nil)
		if err != nil {
			return
		}
		if p.reply != nil {
			answer = p.reply(args, answer)
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

// TestLiesAreFound puts one small lie at a time between the test and a real
// server. Each must be found, and shrunk to a handful of commands.
func TestLiesAreFound(t *testing.T) {
	is := func(args []string, name string) bool { return len(args) > 0 && strings.EqualFold(args[0], name) }
	swap := func(name, from, to string) lyingProxy {
		return lyingProxy{reply: func(args []string, raw []byte) []byte {
			if is(args, name) && string(raw) == from {
				return []byte(to)
			}
			return raw
		}}
	}
	cases := []struct {
		name     string
		proxy    lyingProxy
		command  string // in which the difference must be seen; "" is any
		maxSteps int
	}{
		{"a wrong number", swap("HLEN", ":2\r\n", ":3\r\n"), "HLEN", 3},
		{"null of the wrong kind", swap("LPOP", "$-1\r\n", "*-1\r\n"), "LPOP", 1},
		{"an error's wording", lyingProxy{reply: func(args []string, raw []byte) []byte {
			if is(args, "INCRBY") && strings.HasPrefix(string(raw), "-ERR value is not") {
				return []byte("-ERR value is no integer or out of range\r\n")
			}
			return raw
		}}, "INCRBY", 2},
		{"a reply on RESP3 only", swap("ZSCORE", "_\r\n", "$-1\r\n"), "ZSCORE", 1},
		{"an encoding", swap("OBJECT", "$6\r\nintset\r\n", "$9\r\nhashtable\r\n"), "OBJECT", 3},
		{"a write that is not done", lyingProxy{request: func(args []string) []string {
			if is(args, "PERSIST") {
				return []string{"PTTL", args[len(args)-1]}
			}
			return args
		}}, "", 3},
		{"a TTL ten seconds short", lyingProxy{request: func(args []string) []string {
			if is(args, "PEXPIREAT") && len(args) == 3 && len(args[2]) == 13 {
				return []string{"PEXPIREAT", args[1], args[2][:8] + "00000"}
			}
			return args
		}}, "", 6},
		{"an iteration that forgets", lyingProxy{reply: func(args []string, raw []byte) []byte {
			if is(args, "SSCAN") && strings.HasPrefix(string(raw), "*2\r\n$1\r\n0\r\n*1\r\n") {
				return []byte("*2\r\n$1\r\n0\r\n*0\r\n")
			}
			return raw
		}}, "SSCAN", 3},
		{"a choice from nowhere", lyingProxy{reply: func(args []string, raw []byte) []byte {
			if is(args, "SRANDMEMBER") && len(args) == 2 && raw[0] == '$' && raw[1] != '-' {
				return []byte("$7\r\nnowhere\r\n")
			}
			return raw
		}}, "SRANDMEMBER", 3},
		{"a pop that leaves the member", lyingProxy{request: func(args []string) []string {
			if is(args, "SPOP") && len(args) == 2 {
				return []string{"SRANDMEMBER", args[1]}
			}
			return args
		}}, "", 4},
	}
	server, oracle := startRedis(t), startRedis(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(c.proxy.start(t, server), oracle)
			p.IgnoreEncoding = false
			// Shrinking replays the commands; where the servers choose at random, or
			// the machine is busy, it can stop early: some seed must get there.
			long := ""
			for seed := uint64(1); seed < 80; seed++ {
				g, err := NewGenerator(seed, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				steps := g.Steps(400)
				d, err := p.Run(t.Context(), steps)
				if err != nil {
					t.Fatal(err)
				}
				if d == nil {
					continue
				}
				short, d, err := p.Shrink(t.Context(), steps, d, 3*time.Second)
				if err != nil {
					t.Fatalf("seed %d: shrinking: %v", seed, err)
				}
				if d == nil {
					continue // what the servers chose at random hid the lie in the replay
				}
				if c.command != "" && d.Step.name() != c.command {
					t.Fatalf("seed %d: shrunk to %v\n%v", seed, short, d)
				}
				if len(short) <= c.maxSteps {
					return
				}
				long = fmt.Sprintf("seed %d: shrunk to no less than %d steps", seed, len(short))
			}
			t.Fatal("not found, or not shrunk: ", long)
		})
	}
}

// TestConnectionThatDies is a difference, not a failure of the test.
func TestConnectionThatDies(t *testing.T) {
	oracle := startRedis(t)
	dying := harness.New(t, harness.Options{Kind: harness.Redis{}, Nodes: 1})
	p := newPair(lyingProxy{reply: func(args []string, raw []byte) []byte {
		if strings.EqualFold(args[0], "LSET") {
			return []byte("no reply at all\r\n")
		}
		return raw
	}}.start(t, dying.Addr(0)), oracle)
	d, err := p.Run(context.Background(), []Step{{Args: []string{"PING"}}, {Args: []string{"LSET", "k", "0", "v"}}})
	if err != nil || d == nil || d.Index != 1 || !strings.Contains(d.SUT, "malformed") {
		t.Fatalf("difference %v, error %v", d, err)
	}
}

func TestAgree(t *testing.T) {
	cases := []struct {
		policy      policy
		name        string
		sut, oracle string
		want        bool
	}{
		{exact, "GET", "$1\r\na\r\n", "$1\r\na\r\n", true},
		{exact, "GET", "$-1\r\n", "*-1\r\n", false},
		{exact, "ZSCORE", ",3\r\n", ",3.0\r\n", false},
		{unordered, "SMEMBERS", "*2\r\n:1\r\n:2\r\n", "*2\r\n:2\r\n:1\r\n", true},
		{unordered, "SMEMBERS", "*2\r\n:1\r\n:1\r\n", "*2\r\n:2\r\n:1\r\n", false},
		{unordered, "SMEMBERS", "*2\r\n:1\r\n:2\r\n", "~2\r\n:2\r\n:1\r\n", false},
		{unordered, "SMEMBERS", "-ERR a\r\n", "-ERR b\r\n", false},
		{pairs, "HGETALL", "*4\r\n+a\r\n+1\r\n+b\r\n+2\r\n", "*4\r\n+b\r\n+2\r\n+a\r\n+1\r\n", true},
		{pairs, "HGETALL", "*4\r\n+a\r\n+2\r\n+b\r\n+1\r\n", "*4\r\n+b\r\n+2\r\n+a\r\n+1\r\n", false},
		{nearScores, "ZRANGE", "*2\r\n+a\r\n+5459.8211087373729\r\n", "*2\r\n+a\r\n+5459.821108737372\r\n", true},
		{nearScores, "ZRANGE", "*2\r\n+a\r\n+5459.821108737\r\n", "*2\r\n+a\r\n+5459.821108738\r\n", false},
		{nearScores, "ZRANGE", "*2\r\n+a\r\n+1\r\n", "*2\r\n+b\r\n+1\r\n", false},
		{anyOrder, "COMMAND", "*2\r\n*1\r\n:1\r\n%2\r\n+a\r\n+1\r\n+b\r\n+2\r\n", "*2\r\n%2\r\n+b\r\n+2\r\n+a\r\n+1\r\n*1\r\n:1\r\n", true},
		{anyOrder, "COMMAND", "%2\r\n+a\r\n+1\r\n+b\r\n+2\r\n", "%2\r\n+a\r\n+2\r\n+b\r\n+1\r\n", false},
		{anyOrder, "COMMAND", "*1\r\n*1\r\n:1\r\n", "*1\r\n~1\r\n:1\r\n", false},
		{timeLeft, "PTTL", ":5000\r\n", ":6999\r\n", true},
		{timeLeft, "PTTL", ":5000\r\n", ":7001\r\n", false},
		{timeLeft, "TTL", ":5\r\n", ":8\r\n", false},
		{timeLeft, "TTL", ":0\r\n", ":-1\r\n", false},
		{timeLeft, "TTL", ":-2\r\n", ":-1\r\n", false},
	}
	parse := func(raw string) wire.Reply {
		r, err := wire.Parse([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range cases {
		if got := agree(c.policy, c.name, parse(c.sut), parse(c.oracle)); got != c.want {
			t.Errorf("%s: %q and %q agree: %v", c.name, c.sut, c.oracle, got)
		}
	}
}

// TestGeneratorReachesCommandsAndEncodings checks that the commands are not
// mostly refused: a generator that only makes errors would compare little.
func TestGeneratorReachesCommandsAndEncodings(t *testing.T) {
	addr := startRedis(t)
	c, err := wire.Dial(t.Context(), addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if r, err := c.Do(append([]string{"CONFIG", "SET"}, settings...)...); err != nil || r.IsError() {
		t.Fatalf("%q, error %v", r.Raw, err)
	}
	ok, refused := map[string]int{}, 0
	encodings := map[string]bool{}
	// Family by family: what one builds up, the others overwrite.
	var steps []Step
	for _, f := range familyNames() {
		g, err := NewGenerator(3, []string{f}, nil)
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, g.Steps(5_000)...)
	}
	for _, s := range steps {
		if s.Pause != 0 || s.name() == "MULTI" {
			continue
		}
		r, err := c.Do(s.Args...)
		if err != nil {
			t.Fatalf("%v: %.100q", err, s.Args)
		}
		if r.IsError() {
			refused++
			continue
		}
		ok[s.name()]++
		if s.name() == "OBJECT" && !r.Null {
			encodings[string(r.Str)] = true
		}
	}
	if refused > len(steps)/2 {
		t.Errorf("%d of %d commands were refused", refused, len(steps))
	}
	for _, list := range templates {
		for _, line := range list {
			name, _, _ := strings.Cut(line, " ")
			if ok[name] == 0 && !strings.Contains(" NOSUCHCOMMAND HELLO READONLY READWRITE ASKING CLUSTER ", " "+name+" ") {
				t.Errorf("%s never succeeded", name)
			}
		}
	}
	for _, e := range []string{"int", "embstr", "raw", "quicklist", "listpack", "hashtable", "intset", "skiplist"} {
		if !encodings[e] {
			t.Errorf("no key ever had the encoding %s", e)
		}
	}
}
