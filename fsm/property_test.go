package fsm

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
)

var (
	randomFor  = flag.Duration("random", 4*time.Second, "for how long TestReplicasAgree sends random commands")
	randomSeed = flag.Uint64("random-seed", 0, "run only the round of TestReplicasAgree that has this seed")
)

// TestReplicasAgree sends long random sequences of all commands with hostile
// arguments through three replicas of a group. The leader runs the units that
// entries are made of, the follower the entries' text, and the latecomer does
// that too, but now and then starts again from a snapshot of the follower that
// was written while entries went on being applied. After every entry the
// rolling digests and the events must be equal, after some of them everything
// else, and nothing may panic.
func TestReplicasAgree(t *testing.T) {
	if *randomSeed != 0 {
		newTrio(t, *randomSeed, nil).round()
		return
	}
	done := map[*Command]bool{} // commands that have replied anything but an error
	entries := 0
	deadline := time.Now().Add(*randomFor)
	for entries < 2*roundEntries || time.Now().Before(deadline) {
		seed := rand.Uint64() | 1
		t.Logf("seed %d", seed)
		x := newTrio(t, seed, done)
		x.round()
		entries += x.entries
	}
	t.Logf("%d entries", entries)
	var never []string
	total := 0
	everyCommand(func(c *Command, name string) {
		if total++; len(c.Sub) == 0 && !done[c] {
			never = append(never, name)
		}
	})
	t.Logf("without success: %q", never)
	if entries > 4000 && len(never) > total/10 {
		t.Errorf("in %d entries these commands never succeeded: %q", entries, never)
	}
}

// trio is three replicas of one group, and what it takes to drive them.
type trio struct {
	t       *testing.T
	r       *rand.Rand
	g       *generator
	options Options
	done    map[*Command]bool

	leader, follower, latecomer *Machine
	events                      [3][]string // of the last entry
	away                        bool        // the latecomer applies nothing
	missed                      []missedEntry

	entries int
	index   uint64
	now     int64
	proto   int
	epoch   uint64
	watch   *Watch
	memory  Memory // of the leader
	evictor *Evictor
	last    []byte // the entry that was applied last
}

// missedEntry is an entry that the latecomer has still to apply.
type missedEntry struct {
	index uint64
	data  []byte
}

const roundEntries = 250

func newTrio(t *testing.T, seed uint64, done map[*Command]bool) *trio {
	r := rand.New(rand.NewPCG(seed, 2))
	x := &trio{t: t, r: r, g: newGenerator(r), evictor: NewEvictor(seed), now: scriptTime, done: done}
	x.options = Options{Databases: 3, Cluster: r.IntN(4) == 0,
		Redirect: func(dst []byte, slot uint16) []byte { return fmt.Appendf(dst, "-MOVED %d 127.0.0.1:1\r\n", slot) }}
	if x.options.Cluster {
		x.options.Databases = 1 // as a server in cluster mode has
		x.g.clustered, x.g.dbs = true, 1
	}
	withMemory := x.options
	withMemory.Memory = &x.memory
	x.leader, x.follower, x.latecomer = New(withMemory), New(x.options), New(x.options)
	x.listen(x.leader, 0)
	x.listen(x.follower, 1)
	x.listen(x.latecomer, 2)
	return x
}

func (x *trio) listen(m *Machine, i int) {
	m.Events = func(class byte, event string, db int, key []byte) {
		if class == 'm' {
			return // reads run on one replica only
		}
		x.events[i] = append(x.events[i], fmt.Sprintf("%c %s %d %s", class, event, db, quote(key)))
	}
}

// round runs one sequence.
func (x *trio) round() {
	x.t.Helper()
	defer func() {
		if p := recover(); p != nil {
			x.t.Fatalf("panic: %v\nin or after entry %q\n%s", p, x.last, debug.Stack())
		}
	}()
	x.entry(Op{Cmd: writesByName["#LIMIT"], Slot: -1, Args: Limit("proto-max-bulk-len", 8192).Args})
	if x.options.Cluster {
		x.entry(x.own()...)
	}
	for x.entries < roundEntries {
		x.entry()
		if x.r.IntN(60) == 0 {
			x.rejoin()
		}
		if x.r.IntN(30) == 0 {
			x.compare()
		}
	}
	x.rejoin()
	x.compare()
}

// entry builds an entry of random units, and of ops before them, and applies it
// on all replicas that are there.
func (x *trio) entry(ops ...Op) {
	x.t.Helper()
	x.entries++
	x.now = max(x.now+x.r.Int64N(100)-10, x.leader.now) // the clock of a new leader may be behind
	x.g.now = x.now
	x.read()
	applied := x.index
	x.index++
	if x.r.IntN(10) == 0 {
		x.index++ // entries of Raft's own take indexes too
	}

	var units []*Unit
	if x.r.IntN(8) == 0 {
		units = append(units, &Unit{Ops: x.evict()})
	}
	if watched := x.watched(&applied); watched != nil {
		units = append(units, &Unit{Ops: append([]Op{*watched}, x.ops()...)})
	}
	if len(ops) > 0 {
		units = append(units, &Unit{Ops: ops})
	}
	for range 1 + x.r.IntN(3) {
		units = append(units, &Unit{Ops: x.ops()})
	}
	h := Header{Time: x.now, Seed: x.r.Uint64(), Origin: 1, Seq: x.index, Expire: x.r.IntN(4)}
	data, db := AppendHeader(nil, h), 0
	for _, u := range units {
		u.Reply = &resp.Writer{Proto: 2 + x.r.IntN(2)}
		data, db = AppendUnit(data, u, db, x.now, applied)
	}
	x.apply(data, units)
	for _, u := range units {
		x.replies(u)
	}
}

// apply runs an entry on all replicas that are there. Nothing may depend on an
// entry's bytes or on arguments afterwards: they are overwritten.
func (x *trio) apply(data []byte, units []*Unit) {
	x.t.Helper()
	x.last = data
	x.events = [3][]string{}
	must := func(m *Machine, data []byte, units []*Unit) {
		if err := m.Apply(x.index, data, units); err != nil {
			x.t.Fatalf("%v\nentry: %q", err, x.last)
		}
		for i := range data {
			data[i] = 0xaa
		}
	}
	must(x.leader, bytes.Clone(data), units)
	must(x.follower, bytes.Clone(data), nil)
	others := []*Machine{x.follower}
	if used, counted := x.leader.ks.Used(), x.leader.ks.Recount(); used != counted {
		x.t.Fatalf("%d bytes are used, counted anew %d, after %q", used, counted, x.last)
	}
	if x.away {
		x.missed = append(x.missed, missedEntry{x.index, bytes.Clone(data)})
	} else {
		must(x.latecomer, bytes.Clone(data), nil)
		others = append(others, x.latecomer)
	}
	for i, m := range others {
		if m.Chain() != x.leader.Chain() {
			x.t.Fatalf("replica %d: the digest differs after %q", i+1, x.last)
		}
		if m.Used() != x.leader.Used() { // which was counted anew
			x.t.Fatalf("replica %d: %d bytes are used, the leader has %d after %q", i+1, m.Used(), x.leader.Used(), x.last)
		}
		if !slices.Equal(x.events[0], x.events[i+1]) {
			x.t.Fatalf("replica %d: events differ after %q:\n%s\n%s", i+1, x.last, x.events[0], x.events[i+1])
		}
	}
}

// ops draws the steps of a unit.
func (x *trio) ops() (ops []Op) {
	for range 1 + x.r.IntN(3) {
		switch n := x.r.IntN(40); {
		case n < 8:
			ops = append(ops, x.transaction())
		case n == 8:
			ops = append(ops, x.limit())
		case n == 9 && x.options.Cluster:
			ops = append(ops, x.own()...)
		default:
			ops = append(ops, x.g.op())
		}
	}
	return ops
}

// transaction draws a transaction. In cluster mode all its keys share a slot,
// as the session makes sure of.
func (x *trio) transaction() Op {
	x.g.oneTag, x.g.tag = true, x.r.IntN(2)
	defer func() { x.g.oneTag = false }()
	tx := Op{Tx: []Op{}, Slot: -1}
	for range x.r.IntN(4) {
		if x.r.IntN(10) == 0 {
			tx.Tx = append(tx.Tx, Op{Raw: []byte("+PONG\r\n")})
			continue
		}
		op := x.g.op()
		if keys, _ := op.Cmd.AppendKeys(nil, op.Args); len(keys) > 0 {
			tx.Slot = int(hashslot.Of(op.Args[keys[0]])) // as the session does
		}
		tx.Tx = append(tx.Tx, op)
	}
	return tx
}

// limit changes a threshold, so that values are in every form and change it.
func (x *trio) limit() Op {
	name := limitNames[x.r.IntN(len(limitNames)-1)]
	values := []int{0, 1, 2, 3, 5, 8, 16, 64, 128, 512, -1, -2, -5, math.MaxInt, math.MinInt}
	return Limit(name, values[x.r.IntN(len(values))])
}

// evict puts a limit of memory in force on the leader, which no other replica
// knows, and returns what it makes of that.
func (x *trio) evict() []Op {
	x.memory.Store(MemoryLimit{Max: max(x.leader.Used()-x.r.Int64N(3000)+500, 1), Policy: Policy(x.r.IntN(len(policyNames))),
		Samples: x.r.IntN(8), Tenacity: x.r.IntN(2), LogFactor: x.r.IntN(2), DecayTime: x.r.IntN(2)})
	return x.evictor.Evict(x.leader, x.memory.Load(), 0, x.now).Ops
}

// own hands the group random slots, mostly all, of a newer or older epoch.
func (x *trio) own() []Op {
	slots := &SlotSet{}
	if x.epoch == 0 || x.r.IntN(3) > 0 {
		slots.Add(0, hashslot.Count-1)
	} else {
		for range 3 {
			first := uint16(x.r.IntN(hashslot.Count))
			slots.Add(first, first+uint16(x.r.IntN(hashslot.Count-int(first))))
		}
	}
	x.epoch += uint64(x.r.IntN(3))
	return Own(slots, x.epoch-uint64(x.r.IntN(int(min(x.epoch, 1))+1)))
}

// watched begins to watch a key, or returns the transaction that ends it if the
// proposer would propose it, with the index on which that rests: one that may
// be out of date, so that the transaction must not run.
func (x *trio) watched(applied *uint64) *Op {
	if x.watch == nil {
		if x.r.IntN(10) == 0 {
			x.watch = &Watch{}
			key := x.g.key(&Command{}, 0)
			x.leader.Watch(x.watch, 0, key, x.now)
		}
		return nil
	}
	if x.r.IntN(3) > 0 {
		return nil
	}
	watch := x.watch
	x.watch = nil
	holds := x.leader.WatchHolds(watch, x.now)
	x.leader.Unwatch(watch)
	op := x.transaction()
	if !holds || !op.Writes() {
		return nil
	}
	if x.r.IntN(4) == 0 && *applied > 0 {
		*applied--
	}
	op.Watch = watch
	return &op
}

// read runs a unit that only reads, now or a little later. It changes nothing.
func (x *trio) read() {
	x.t.Helper()
	u := &Unit{Reply: &resp.Writer{Proto: 2 + x.r.IntN(2)}}
	for range 1 + x.r.IntN(4) {
		if op := x.g.op(); !op.Writes() {
			u.Ops = append(u.Ops, op)
		}
	}
	if x.leader.Read(u, x.now+x.r.Int64N(200), x.r.Uint64()) {
		x.replies(u)
	} else if len(u.Reply.Buf) > 0 {
		x.t.Fatalf("an answer %q to a read that must wait", u.Reply.Buf)
	}
}

// replies makes sure that a unit got one sound reply a step and overwrites the
// arguments, which belong to the session again.
func (x *trio) replies(u *Unit) {
	x.t.Helper()
	rest := u.Reply.Buf
	for i := range u.Ops {
		op := &u.Ops[i]
		if op.Cmd == evictCommand || op.Cmd != nil && op.Args[0][0] == '#' {
			continue // the group's own, without a reply
		}
		if len(rest) == 0 {
			x.t.Fatalf("no reply to %q in %q", op.Args, u.Reply.Buf)
		}
		if op.Cmd != nil && rest[0] != '-' && x.done != nil {
			x.done[op.Cmd] = true
		}
		_, rest = render(rest, false)
		for _, a := range op.Args {
			for j := range a {
				a[j] = 0xbb
			}
		}
	}
	if len(rest) > 0 {
		x.t.Fatalf("%q after the last reply of %q", rest, u.Reply.Buf)
	}
}

// rejoin replaces the latecomer by what comes out of a snapshot of the
// follower, written while entries go on, and lets it catch up.
func (x *trio) rejoin() {
	x.t.Helper()
	want := snapshot(x.t, x.leader)
	x.away, x.missed = true, nil
	from := x.index
	s := x.follower.BeginSnapshot()
	for range x.r.IntN(3) {
		x.entry()
	}
	var mu sync.RWMutex
	p := &pacer{meanwhile: func() {
		mu.Lock()
		defer mu.Unlock()
		if x.r.IntN(20) == 0 {
			x.entry()
		}
	}}
	if _, err := s.WriteTo(p, mu.RLocker()); err != nil {
		x.t.Fatal(err)
	}
	s.Release()
	if !bytes.Equal(p.Bytes(), want) {
		x.t.Fatalf("the snapshot is not the state at its beginning, index %d", from)
	}
	m, err := Restore(bytes.NewReader(p.Bytes()), x.options)
	if err != nil {
		x.t.Fatal(err)
	}
	m.TakeOver(x.latecomer)
	x.latecomer = m
	x.catchUp()
	x.away = false
	x.compare()
}

// catchUp applies what the latecomer has missed.
func (x *trio) catchUp() {
	x.t.Helper()
	for _, e := range x.missed {
		x.last = bytes.Clone(e.data)
		if err := x.latecomer.Apply(e.index, e.data, nil); err != nil {
			x.t.Fatalf("the latecomer: %v\nentry: %q", err, x.last)
		}
	}
	x.missed = nil
}

// compare fails unless all replicas that are there hold the same: by content,
// by digest, and by the bytes of a snapshot.
func (x *trio) compare() {
	x.t.Helper()
	want, file, sum := dump(x.leader.ks), snapshot(x.t, x.leader), x.leader.Digest()
	x.sound()
	others := []*Machine{x.follower}
	if !x.away {
		others = append(others, x.latecomer)
	}
	for i, m := range others {
		same(x.t, m, x.leader)
		if got := dump(m.ks); got != want {
			x.t.Fatalf("replica %d: contents differ after %q:\n%s\n-- and --\n%s", i+1, x.last, want, got)
		}
		if m.Digest() != sum || !bytes.Equal(snapshot(x.t, m), file) {
			x.t.Fatalf("replica %d: equal contents, but another digest or snapshot after %q", i+1, x.last)
		}
	}
}

// sound fails if a key holds an empty collection.
func (x *trio) sound() {
	x.t.Helper()
	for i := range x.leader.ks.Databases() {
		x.leader.ks.DB(i).Scan(0, math.MaxInt, func(e *keyspace.Entry) {
			if e.Kind() != keyspace.KindString && len(dumpValue(&e.Value)) == 0 {
				x.t.Fatalf("%q is an empty %s after %q", e.Key(), e.Kind(), x.last)
			}
		})
	}
}
