package fsm

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
)

// evictBench is a machine with a limit, whose reads and writes are at times
// that the test chooses.
type evictBench struct {
	t      *testing.T
	m      *Machine
	memory Memory
	index  uint64
	now    int64
}

func newEvictBench(t *testing.T, l MemoryLimit) *evictBench {
	b := &evictBench{t: t, now: scriptTime}
	b.memory.Store(l)
	b.m = New(Options{Databases: 2, Memory: &b.memory})
	return b
}

// do runs commands, words with spaces between them, and returns the replies.
func (b *evictBench) do(commands ...string) string {
	b.t.Helper()
	u := &Unit{Reply: &resp.Writer{Proto: 2}}
	for _, c := range commands {
		args := bytes.Fields([]byte(c))
		cmd, problem := findCommand(args)
		if cmd == nil {
			b.t.Fatal(problem)
		}
		u.Ops = append(u.Ops, Op{Cmd: cmd, Args: args, Slot: -1})
	}
	if !u.Writes() {
		b.m.Read(u, b.now, uint64(b.now)+b.index*31)
		b.index++
		return string(u.Reply.Buf)
	}
	b.apply(u)
	return string(u.Reply.Buf)
}

func (b *evictBench) apply(units ...*Unit) {
	b.t.Helper()
	b.index++
	data, db := AppendHeader(nil, Header{Time: b.now, Seed: b.index}), 0
	for _, u := range units {
		data, db = AppendUnit(data, u, db, b.now, 0)
	}
	if err := b.m.Apply(b.index, data, units); err != nil {
		if p, ok := err.(*PanicError); ok {
			b.t.Logf("%s", p.Stack)
		}
		b.t.Fatal(err)
	}
}

// evictAll evicts until l holds and returns how many keys went.
func (b *evictBench) evictAll(v *Evictor) (n int) {
	b.t.Helper()
	l := b.memory.Load()
	for round := 0; ; round++ {
		e := v.Evict(b.m, l, 0, b.now)
		if e.Keys == 0 {
			return n
		}
		if round > 1000 {
			b.t.Fatal("no end of evicting")
		}
		n += e.Keys
		before := b.m.ks.Len()
		b.apply(&Unit{Ops: e.Ops, Reply: &resp.Writer{Discard: true}})
		if b.m.ks.Len() != before-e.Keys {
			b.t.Fatalf("%d keys were named, %d went", e.Keys, before-b.m.ks.Len())
		}
	}
}

// TestEvictorChooses: the keys that a policy is meant to keep mostly survive the
// eviction of half of all keys.
func TestEvictorChooses(t *testing.T) {
	const keys = 2000
	key := func(i int) string { return fmt.Sprint("key:", i) }
	for _, c := range []struct {
		policy  Policy
		keep    func(b *evictBench, i int) // makes the even keys worth keeping
		atLeast int                        // of the 1000 even ones
	}{
		{AllKeysLRU, func(b *evictBench, i int) { b.do("GET " + key(i)) }, 900},
		{VolatileLRU, func(b *evictBench, i int) { b.do("GET " + key(i)) }, 900},
		{AllKeysLFU, func(b *evictBench, i int) {
			b.do(strings.Split(strings.Repeat("GET "+key(i)+",", 29)+"GET "+key(i), ",")...)
		}, 850},
		{VolatileLFU, func(b *evictBench, i int) {
			b.do(strings.Split(strings.Repeat("GET "+key(i)+",", 29)+"GET "+key(i), ",")...)
		}, 850},
		{VolatileTTL, func(b *evictBench, i int) { b.do("EXPIRE " + key(i) + " 100000") }, 900},
		{AllKeysRandom, func(*evictBench, int) {}, 400},
		{VolatileRandom, func(*evictBench, int) {}, 400},
	} {
		t.Run(c.policy.String(), func(t *testing.T) {
			b := newEvictBench(t, MemoryLimit{Policy: c.policy, Samples: 10, Tenacity: 2, LogFactor: 1, DecayTime: 1})
			for i := range keys {
				b.do(fmt.Sprintf("SET %s %d EX %d", key(i), i, 1000+i))
			}
			b.now += 10_000
			for i := 0; i < keys; i += 2 {
				c.keep(b, i)
			}
			b.now += 10_000
			l := *b.memory.Load()
			l.Max = StartupMemory + b.m.ks.Used()/2
			b.memory.Store(l)
			n := b.evictAll(NewEvictor(7))
			if b.m.Used() > l.Max || n < keys/2-20 || n > keys/2+20 || int64(n) != b.m.Stats.Evicted.Load() {
				t.Fatalf("%d keys were evicted of %d, %d bytes are used of %d", n, keys, b.m.Used(), l.Max)
			}
			kept := 0
			for i := 0; i < keys; i += 2 {
				if k := []byte(key(i)); b.m.ks.DB(0).Find(hashslot.Of(k), k) != nil {
					kept++
				}
			}
			if kept < c.atLeast {
				t.Errorf("%d of the 1000 keys that are worth it were kept", kept)
			}
		})
	}
}

// TestEvictorExhausts: with little to evict all of it goes, and only then is
// anything refused; what has no expiry stays under the volatile policies.
func TestEvictorExhausts(t *testing.T) {
	for p := range policyNames {
		policy := Policy(p)
		b := newEvictBench(t, MemoryLimit{Policy: policy, Samples: 3, Tenacity: 10, LogFactor: 10, DecayTime: 1, Max: 1})
		b.do("SET plain x")
		for i := range 30 {
			b.do(fmt.Sprintf("SET key:%d x EX 100", i))
		}
		e := NewEvictor(1).Evict(b.m, b.memory.Load(), 0, b.now)
		u := &Unit{Reply: &resp.Writer{}, Ops: []Op{{Cmd: writesByName["SET"], Args: [][]byte{[]byte("SET"), []byte("new"), []byte("x")}, Slot: -1}}}
		b.apply(&Unit{Ops: e.Ops, Reply: &resp.Writer{Discard: true}}, u)
		want := map[bool]int{true: 1, false: 31}[policy.volatile()]
		if !policy.volatile() && policy != NoEviction {
			want = 0
		}
		if b.m.ks.Len() != want || e.Short {
			t.Errorf("%v: %d keys are left, want %d", policy, b.m.ks.Len(), want)
		}
		if got := string(u.Reply.Buf); got != "-"+errOOM+"\r\n" {
			t.Errorf("%v: %q", policy, got)
		}
	}
}

// TestAccessTimes: what OBJECT IDLETIME and FREQ tell, and what counts as access.
func TestAccessTimes(t *testing.T) {
	b := newEvictBench(t, MemoryLimit{LogFactor: 0, DecayTime: 1})
	b.do("SET k v", "SET other v")
	b.now += 5500
	for _, c := range []struct{ command, idle string }{
		{"EXISTS k", ":5"}, {"TTL k", ":5"}, {"TYPE k", ":5"}, {"OBJECT ENCODING k", ":5"}, {"MEMORY USAGE k", ":5"},
		{"TOUCH k", ":0"},
	} {
		b.do(c.command)
		if got := b.do("OBJECT IDLETIME k"); got != c.idle+"\r\n" {
			t.Errorf("after %s: %q, want %s", c.command, got, c.idle)
		}
	}
	b.now += 7000
	b.do("GET k")
	if got := b.do("OBJECT IDLETIME k", "OBJECT IDLETIME other"); got != ":0\r\n:12\r\n" {
		t.Errorf("after GET: %q", got)
	}
	b.now += 3000
	b.do("APPEND other x")
	if got := b.do("OBJECT IDLETIME other"); got != ":0\r\n" {
		t.Errorf("after APPEND: %q", got)
	}
	b.memory.Store(MemoryLimit{Policy: AllKeysLFU, LogFactor: 0, DecayTime: 1})
	b.do("DEL k")
	b.do("SET k v")
	if got := b.do("OBJECT FREQ k"); got != ":5\r\n" {
		t.Errorf("of a new key: %q", got)
	}
	b.do("GET k", "GET k", "GET k") // with a factor of 0 each access counts
	if got := b.do("OBJECT FREQ k"); got != ":8\r\n" {
		t.Errorf("after three accesses: %q", got)
	}
	b.now += 2 * 60_000
	if got := b.do("OBJECT FREQ k"); got != ":6\r\n" {
		t.Errorf("two minutes later: %q", got)
	}
}

// TestAccessed: what RESTORE can say about the accesses to a key.
func TestAccessed(t *testing.T) {
	b := newEvictBench(t, MemoryLimit{DecayTime: 1})
	b.do("SET k v")
	set := func(idle, freq int64) {
		b.m.setClock()
		c := WriteCall{ReadCall: ReadCall{m: b.m, now: b.now, seen: seenAt(b.now, b.memory.Load())}}
		c.accessed([]byte("k"), idle, freq)
	}
	set(1000, 77)
	if got := b.do("OBJECT IDLETIME k"); got != ":1000\r\n" {
		t.Errorf("%q", got)
	}
	// RESTORE can say either; the policy decides which of them counts.
	restore := func(key, option, value string) {
		args := [][]byte{[]byte("RESTORE"), []byte(key), []byte("0"), []byte("\x00\x03bar\n\x00\xe6\xbeI`\xeef\xfd\x17"),
			[]byte("REPLACE"), []byte(option), []byte(value)}
		cmd, _ := findCommand(args)
		u := &Unit{Ops: []Op{{Cmd: cmd, Args: args, Slot: -1}}, Reply: &resp.Writer{}}
		if b.apply(u); string(u.Reply.Buf) != "+OK\r\n" {
			t.Errorf("RESTORE replied %q", u.Reply.Buf)
		}
	}
	restore("idle", "IDLETIME", "50")
	restore("often", "FREQ", "99")
	if idle, often := b.do("OBJECT IDLETIME idle"), b.do("OBJECT IDLETIME often"); idle != ":50\r\n" || often != ":0\r\n" {
		t.Errorf("idle for %q and %q", idle, often)
	}
	b.memory.Store(MemoryLimit{Policy: AllKeysLFU, DecayTime: 1})
	restore("idle", "IDLETIME", "50")
	restore("often", "FREQ", "99")
	if idle, often := b.do("OBJECT FREQ idle"), b.do("OBJECT FREQ often"); idle != ":5\r\n" || often != ":99\r\n" {
		t.Errorf("used %q and %q times", idle, often)
	}
	b.memory.Store(MemoryLimit{Policy: VolatileLFU, DecayTime: 1})
	set(1000, 77)
	if got := b.do("OBJECT FREQ k"); got != ":77\r\n" {
		t.Errorf("%q", got)
	}
	var e keyspace.Entry
	e.SetAccess(1<<32 - 1)
	if e.Access() != 1<<24-1 {
		t.Errorf("%x", e.Access())
	}
}
