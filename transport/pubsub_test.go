package transport

import (
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/quorate/quorate/fsm"
)

// Replies observed on redis-server 7.0.15.
func TestSubscribe(t *testing.T) {
	s, addr := hearingServer(t)
	c := dial(t, addr)
	c.values("unsubscribe; punsubscribe; sunsubscribe; unsubscribe x",
		"*[$unsubscribe _ :0]", "*[$punsubscribe _ :0]", "*[$sunsubscribe _ :0]", "*[$unsubscribe $x :0]")
	c.values("subscribe a b a; psubscribe p* q; ssubscribe s s",
		"*[$subscribe $a :1]", "*[$subscribe $b :2]", "*[$subscribe $a :2]", "*[$psubscribe $p* :3]", "*[$psubscribe $q :4]",
		"*[$ssubscribe $s :1]", "*[$ssubscribe $s :1]")
	const context = ": only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
	c.values("ping; ping hello; get x; client list", "*[$pong $]", "*[$pong $hello]", "-ERR Can't execute 'get'"+context,
		"-ERR Can't execute 'client|list'"+context)
	other := dial(t, addr)
	other.values("pubsub channels; pubsub numpat; pubsub numsub a z; pubsub shardchannels; pubsub shardnumsub s; pubsub channels b*",
		"*[$a $b]", ":2", "*[$a :1 $z :0]", "*[$s]", "*[$s :1]", "*[$b]")
	other.values("publish a 1; publish pa 2; publish none 3; spublish s 4; spublish a 5", ":1", ":1", ":0", ":1", ":0")
	for _, want := range []string{"*[$message $a $1]", "*[$pmessage $p* $pa $2]", "*[$smessage $s $4]"} {
		if v := c.value(); v != want {
			t.Fatalf("got %s, want %s", v, want)
		}
	}
	other.send("client list type pubsub")
	if v := other.value(); !strings.Contains(v, " flags=P ") || !strings.Contains(v, " sub=2 psub=2 ssub=1 ") {
		t.Error(v)
	}
	c.values("unsubscribe; punsubscribe q; reset; get x", "*[$unsubscribe $a :3]", "*[$unsubscribe $b :2]", "*[$punsubscribe $q :1]", "+RESET", "_")
	other.values("publish pa 1; pubsub channels; pubsub numpat; pubsub shardchannels", ":0", "*[]", ":0", "*[]")
	if st := s.Stats().PubSub; st.Channels+st.Patterns+st.ShardChannels != 0 {
		t.Errorf("left: %+v", st)
	}
}

func TestSubscribeResp3(t *testing.T) {
	_, addr := hearingServer(t)
	c := resp3(t, addr)
	c.values("subscribe a; psubscribe a*; publish a hi; ping; get x; unsubscribe",
		">[$subscribe $a :1]", ">[$psubscribe $a* :2]", ">[$message $a $hi]", ">[$pmessage $a* $a $hi]", ":2", "+PONG", "_",
		">[$unsubscribe $a :1]")
	// Inside EXEC a message waits for the end of the reply.
	c.values("multi; subscribe a; publish a x; get y; exec; ping", "+OK", "+QUEUED", "+QUEUED", "+QUEUED",
		"*[>[$subscribe $a :2] :2 _]")
	c.send("ping")
	seen := map[string]int{}
	for range 4 {
		seen[c.value()]++
	}
	if seen[">[$message $a $x]"] != 1 || seen[">[$pmessage $a* $a $x]"] != 1 || seen["+PONG"] != 2 {
		t.Errorf("after EXEC: %v", seen)
	}
	c.values("client reply off; unsubscribe; client reply on", ">[$unsubscribe $a :1]", "+OK")
}

func TestShardChannels(t *testing.T) {
	g := newFakeGroup(fsm.Options{})
	var lost atomic.Bool
	s, addr := startServer(t, Options{Router: &slotRouter{groups: []Group{g, nil}}, Serves: func(int) bool { return !lost.Load() }})
	c := resp3(t, addr)
	// The slots of bar and foo are 5061 and 12182.
	c.values("ssubscribe foo; ssubscribe bar; ssubscribe bar foo; ssubscribe {bar}1 {bar}2; spublish foo x; spublish bar y",
		"-MOVED 1 127.0.0.1:7002", ">[$ssubscribe $bar :1]", "-CROSSSLOT Keys in request don't hash to the same slot",
		">[$ssubscribe ${bar}1 :2]", ">[$ssubscribe ${bar}2 :3]", "-MOVED 1 127.0.0.1:7002", ">[$smessage $bar $y]", ":1")
	lost.Store(true)
	s.CheckSlots()
	ended := map[string]bool{}
	for i := range 3 {
		v := c.value()
		name, count, _ := strings.Cut(strings.TrimPrefix(v, ">[$sunsubscribe $"), " :")
		ended[name] = count == []string{"2]", "1]", "0]"}[i]
	}
	if !ended["bar"] || !ended["{bar}1"] || !ended["{bar}2"] {
		t.Errorf("told of the end of %v", ended)
	}
	c.values("pubsub shardchannels", "*[]")
}

func TestKeyspaceEvents(t *testing.T) {
	s, addr := hearingServer(t)
	c, w := dial(t, addr), dial(t, addr)
	s.SetEvents("AKE")
	if s.Wants('g') {
		t.Error("events are wanted although nobody subscribes")
	}
	c.values("psubscribe __key*", "*[$psubscribe $__key* :1]")
	if !s.Wants('g') || s.Wants('m') || s.Wants('n') {
		t.Error("A stands for the wrong classes")
	}
	w.values("select 3; set a 1", "+OK", "+OK")
	for _, want := range []string{"*[$pmessage $__key* $__keyspace@3__:a $set]", "*[$pmessage $__key* $__keyevent@3__:set $a]"} {
		if v := c.value(); v != want {
			t.Fatalf("got %s, want %s", v, want)
		}
	}
	s.SetEvents("Em")
	w.values("del a; get a; get b", ":1", "_", "_")
	if v := c.value(); v != "*[$pmessage $__key* $__keyevent@3__:keymiss $a]" {
		t.Fatal(v)
	}
	if v := c.value(); v != "*[$pmessage $__key* $__keyevent@3__:keymiss $b]" {
		t.Fatal(v)
	}
	s.SetEvents("")
	if s.Wants('m') {
		t.Error("events are wanted although none are configured")
	}
}

func TestMonitor(t *testing.T) {
	_, addr := hearingServer(t)
	m, c := dial(t, addr), dial(t, addr)
	m.values("monitor; get a; ping", "+OK", "-ERR Replica can't interact with the keyspace", "+PONG")
	c.send(`set a "b\n\x00\xff\"\\"`, "auth user secret", "hello 2 auth user secret", "client list", "nosuch", "get", "select 3",
		"multi", "set a 1", "select 4", "get a", "exec", "watch a", "set a 2", "multi", "get a", "exec", "multi", "get b", "discard")
	stamp := regexp.MustCompile(`^\+\d{10}\.\d{6} \[(\d) 127\.0\.0\.1:\d+\] `)
	for _, want := range []string{`0 "ping"`, `0 "set" "a" "b\n\x00\xff\"\\"`, `0 "auth" "(redacted)" "(redacted)"`,
		`0 "hello" "2" "auth" "(redacted)" "(redacted)"`, `3 "select" "3"`, `3 "multi"`, `3 "set" "a" "1"`,
		`4 "select" "4"`, `4 "get" "a"`, `4 "exec"`, `4 "watch" "a"`, `4 "set" "a" "2"`, `4 "multi"`, `4 "exec"`, `4 "multi"`, `4 "discard"`} {
		v := m.value()
		if got := stamp.ReplaceAllString(v, "$1 "); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	m.values("reset", "+RESET")
	m.values("get z")
}
