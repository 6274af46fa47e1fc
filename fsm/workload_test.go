package fsm

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/redcon"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/listpack"
	"github.com/quorate/quorate/slots/hashslot"
)

// The tests of snapshots need writes of every kind of value that don't depend
// on which command families exist, and that reach into the order of elements:
// T.DROP deletes the element at a random position. They are commands of
// entries only.
func init() {
	for name, write := range map[string]func(*WriteCall){
		"T.SET":    func(c *WriteCall) { c.put(c.Args[1], keyspace.NewString(c.Args[2])) },
		"T.APPEND": testAppend,
		"T.DEL":    func(c *WriteCall) { c.remove(c.Args[1]) },
		"T.EXPIRE": testExpire,
		"T.FLUSH":  func(c *WriteCall) { c.m.ks.Flush(c.DB) },
		"T.SWAP":   testSwap,
		"T.PUSH":   testPush,
		"T.LSET":   testListSet,
		"T.SADD":   testSetAdd,
		"T.ZADD":   testZSetAdd,
		"T.HSET":   testHashSet,
		"T.DROP":   testDrop,
		"T.XADD":   testStreamAdd,
	} {
		writesByName[name] = &Command{Write: func(c *WriteCall) {
			write(c)
			c.modified(c.Args[len(c.Args)-1])
		}}
	}
}

func testAppend(c *WriteCall) {
	e := c.modify(c.Args[1])
	if e == nil {
		c.put(c.Args[1], keyspace.NewRawString(c.Args[2]))
	} else if e.Kind() == keyspace.KindString {
		e.Append(c.Args[2])
	}
}

func testExpire(c *WriteCall) {
	if c.modify(c.Args[1]) != nil {
		n, _ := strconv.ParseInt(string(c.Args[2]), 10, 64)
		c.expireAt(c.Args[1], n)
	}
}

func testSwap(c *WriteCall) {
	n, _ := strconv.Atoi(string(c.Args[1]))
	c.m.ks.Swap(c.DB, n)
}

// testValue returns the value of the key to be changed: of a new one, or of
// one that has the kind; or nil.
func testValue(c *WriteCall, kind keyspace.Kind, empty keyspace.Value) *keyspace.Value {
	e := c.modify(c.Args[1])
	if e == nil {
		c.put(c.Args[1], empty)
		e = c.modify(c.Args[1])
	}
	if e.Kind() != kind {
		return nil
	}
	return &e.Value
}

func testPush(c *WriteCall) {
	if v := testValue(c, keyspace.KindList, keyspace.NewListValue(&keyspace.List{})); v != nil {
		if c.Rand().IntN(3) == 0 {
			v.List().PushLeft(c.Args[2], c.Limits())
		} else {
			v.List().PushRight(c.Args[2], c.Limits())
		}
	}
}

func testListSet(c *WriteCall) {
	if e := c.modify(c.Args[1]); e != nil && e.Kind() == keyspace.KindList {
		e.List().Set(c.Rand().IntN(e.List().Len()), c.Args[2], c.Limits())
	}
}

func testSetAdd(c *WriteCall) {
	if v := testValue(c, keyspace.KindSet, keyspace.NewSetValue(&keyspace.Set{})); v != nil {
		v.Set().Add(c.Args[2], c.Limits())
	}
}

func testZSetAdd(c *WriteCall) {
	if v := testValue(c, keyspace.KindZSet, keyspace.NewZSetValue(&keyspace.ZSet{})); v != nil {
		scores := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), 1e300, 0.1, 5e-324}
		score := float64(c.Rand().IntN(20)) / 3
		if n := c.Rand().IntN(30); n < len(scores) {
			score = scores[n]
		}
		v.ZSet().Add(c.Args[2], score, c.Limits())
	}
}

func testHashSet(c *WriteCall) {
	if v := testValue(c, keyspace.KindHash, keyspace.NewHashValue(&keyspace.Hash{})); v != nil {
		v.Hash().Set(c.Args[2], bytes.Repeat(c.Args[2], c.Rand().IntN(4)), c.Limits())
	}
}

// testDrop deletes the element at a random position, whatever it is.
func testDrop(c *WriteCall) {
	e := c.modify(c.Args[1])
	if e == nil {
		return
	}
	left := 1
	switch e.Kind() {
	case keyspace.KindList:
		e.List().PopLeft(nil)
		left = e.List().Len()
	case keyspace.KindSet:
		member := e.Set().At(c.Rand().IntN(e.Set().Len()), new(listpack.Scratch))
		c.m.mix(member)
		e.Set().Remove(bytes.Clone(member))
		left = e.Set().Len()
	case keyspace.KindZSet:
		rank := c.Rand().IntN(e.ZSet().Len())
		member, _ := e.ZSet().ByRank(rank)
		c.m.mix(member)
		e.ZSet().RemoveSpan(rank, rank+1)
		left = e.ZSet().Len()
	case keyspace.KindHash:
		field, value := e.Hash().At(c.Rand().IntN(e.Hash().Len()), new(keyspace.HashScratch))
		c.m.mix(value)
		e.Hash().Delete(bytes.Clone(field))
		left = e.Hash().Len()
	case keyspace.KindStream:
		testStreamDrop(c, e.Stream())
	}
	if left == 0 {
		c.remove(c.Args[1])
	}
}

// entry builds a log entry of commands that are words with spaces between
// them, "SELECT n" among them.
func entry(h Header, commands ...string) []byte {
	b := AppendHeader(nil, h)
	for _, c := range commands {
		if c[0] == '#' {
			b = append(b, c+"\r\n"...)
			continue
		}
		words := strings.Split(c, " ")
		b = redcon.AppendArray(b, len(words))
		for _, w := range words {
			b = redcon.AppendBulkString(b, w)
		}
	}
	return b
}

// workload makes random entries that can be applied to any number of machines.
type workload struct {
	r     *rand.Rand
	index uint64
	time  int64
	churn bool // with FLUSHDB, SWAPDB
}

func newWorkload(t *testing.T, churn bool) *workload {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return &workload{r: rand.New(rand.NewPCG(seed, 7)), time: 1_700_000_000_000, churn: churn}
}

func (w *workload) apply(t *testing.T, machines ...*Machine) {
	t.Helper()
	w.index++
	w.time += int64(w.r.IntN(200))
	var commands []string
	if w.index == 1 { // small, so that the large forms are reached
		for _, limit := range []string{"hash-max-listpack-entries 12", "zset-max-listpack-entries 12",
			"set-max-intset-entries 16", "list-max-listpack-size 5", "stream-node-max-entries 7"} {
			commands = append(commands, "#limit "+limit)
		}
	}
	for range 1 + w.r.IntN(20) {
		if w.r.IntN(4) == 0 {
			commands = append(commands, fmt.Sprintf("SELECT %d", []int{0, 1, 2, 15}[w.r.IntN(4)]))
		}
		commands = append(commands, w.command())
	}
	data := entry(Header{Time: w.time, Seed: w.r.Uint64(), Expire: 5}, commands...)
	for _, m := range machines {
		if err := m.Apply(w.index, data, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *workload) command() string {
	kind := w.r.IntN(len(workloadCommands))
	// One name a type and number, so that a command mostly finds its type;
	// hash tags make slots with many keys.
	key := fmt.Sprintf("k%d:%d{%d}", kind, w.r.IntN(4), w.r.IntN(12))
	switch n := w.r.IntN(400); {
	case n == 0 && w.churn:
		return "T.FLUSH x"
	case n == 1 && w.churn:
		return fmt.Sprintf("T.SWAP %d", w.r.IntN(3))
	case n < 20:
		return "T.DEL " + key
	case n < 60:
		return fmt.Sprintf("T.EXPIRE %s %d", key, w.time+int64(w.r.IntN(20000)))
	}
	choices := workloadCommands[kind]
	// Sprintf complains about arguments that a format doesn't use: replace.
	return strings.NewReplacer("KEY", key, "WORD", w.word(), "NUMBER", strconv.Itoa(w.r.IntN(3000)-1000)).
		Replace(choices[w.r.IntN(len(choices))])
}

// workloadCommands are the commands on each type: of a key and a word or number.
var workloadCommands = [][]string{
	{"T.SET KEY WORD", "T.APPEND KEY WORD"},
	{"T.PUSH KEY WORD", "T.PUSH KEY WORD", "T.LSET KEY WORD", "T.DROP KEY"},
	{"T.SADD KEY WORD", "T.SADD KEY WORD", "T.DROP KEY"},
	{"T.SADD KEY NUMBER", "T.SADD KEY NUMBER", "T.DROP KEY"},
	{"T.ZADD KEY WORD", "T.ZADD KEY WORD", "T.DROP KEY"},
	{"T.HSET KEY WORD", "T.HSET KEY WORD", "T.DROP KEY"},
	{"T.XADD KEY WORD", "T.XADD KEY WORD", "T.DROP KEY"},
}

// word returns something to store: numbers of every width, short and long
// text, text that compresses.
func (w *workload) word() string {
	switch w.r.IntN(7) {
	case 0, 1:
		return strconv.Itoa(w.r.IntN(100))
	case 2:
		return strconv.FormatInt(int64(w.r.Uint64())>>w.r.IntN(64), 10)
	case 3:
		return strings.Repeat("ab", w.r.IntN(100))
	case 4:
		return fmt.Sprintf("%x", make([]byte, w.r.IntN(20)))
	}
	return fmt.Sprintf("w%d", w.r.IntN(500))
}

// same fails unless the machines are equal in everything that is replicated.
func same(t *testing.T, got, want *Machine) {
	t.Helper()
	if got.index != want.index || got.now != want.now || got.chain != want.chain || got.epoch != want.epoch {
		t.Fatalf("index, time, chain, epoch: %d %d %x %d, want %d %d %x %d",
			got.index, got.now, got.chain, got.epoch, want.index, want.now, want.chain, want.epoch)
	}
	if got.ks.Limits != want.ks.Limits {
		t.Fatalf("limits %+v, want %+v", got.ks.Limits, want.ks.Limits)
	}
	if got.Digest() != want.Digest() {
		t.Fatal("digests differ")
	}
	for i := range want.ks.Databases() {
		a, b := got.ks.DB(i), want.ks.DB(i)
		if a.Len() != b.Len() || a.Expires() != b.Expires() {
			t.Fatalf("database %d: %d keys, %d expire; want %d, %d", i, a.Len(), a.Expires(), b.Len(), b.Expires())
		}
		for slot := range hashslot.Count {
			for j := range b.Slot(uint16(slot)).Len() {
				x, y := a.Slot(uint16(slot)).At(j), b.Slot(uint16(slot)).At(j)
				if x.Key() != y.Key() || x.ExpireAt() != y.ExpireAt() || x.Encoding() != y.Encoding() {
					t.Fatalf("database %d slot %d position %d: %q %d %s, want %q %d %s", i, slot, j,
						x.Key(), x.ExpireAt(), x.Encoding(), y.Key(), y.ExpireAt(), y.Encoding())
				}
			}
		}
	}
}
