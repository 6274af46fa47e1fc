package fsm

import (
	"math/bits"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/lua"
	"github.com/quorate/quorate/fsm/rdb"
	"github.com/quorate/quorate/security"
	"github.com/quorate/quorate/slots/hashslot"
)

// Machine is the replicated state of one group. Apply needs it alone; Read and
// the other methods that don't change it may run beside each other. The lock is
// the caller's (package store).
type Machine struct {
	ks    *keyspace.Keyspace
	now   int64           // largest time of any applied entry, Unix ms; it never goes back
	index uint64          // Raft index of the last applied entry
	owned *SlotSet        // slots the group serves in cluster mode; nil: all of them
	epoch uint64          // of the last change of owned, from the slot map
	chain uint64          // rolling digest over entries and changes
	steps stepReader      // of the entry that is applied
	call  WriteCall       // of the step that runs; commands of a script have their own
	step  int             // write commands of the running entry so far
	deny  int64           // bytes above which the running entry's commands are refused memory; 0: never
	bar   Bar             // for which the running entry's writes are refused
	seen  seen            // left behind at the keys of the running entry
	skip  map[Poison]bool // steps that are left out: see poison.go

	watches Watches
	memory  *Memory
	waiters *Waiters

	commands *security.Commands // what rules of users can name
	rules    *atomic.Pointer[map[string]*security.Rules]

	redirect func(dst []byte, slot uint16) []byte

	tracker Tracker // nil: nobody caches
	feed    *feed   // nil: nobody wants to know what entries do
	client  int64   // whose unit runs, if it is one of this node

	// Events is called with every keyspace event on every replica; nil: nobody
	// listens. It must not block.
	Events func(class byte, event string, db int, key []byte)

	listening func() bool // see Options
	heard     bool        // somebody hears the running entry's events

	// ScriptLog is called with what scripts write to the log, on the replica that
	// answers; levels are those of redis.LOG_DEBUG (0) to redis.LOG_WARNING (3).
	// nil: it is dropped. It must not block.
	ScriptLog func(level int, text string)

	// Publish is called with what scripts publish, on the replica that answers,
	// while the script runs. nil: it is dropped. It must not block.
	Publish func(shard bool, channel, payload []byte)
	answers bool // the running entry is one of this replica's own

	flushed *bool // Unit.Flushed of the unit that runs; may be nil

	Stats *Stats

	scripts   scriptCache
	libraries libraries
	interp    *lua.Interpreter // shared by the machines of a process; holds no state
	running   *Running
	letAll    bool         // scripts of the running entry may call what is not for scripts
	letReads  *atomic.Bool // the same of scripts on the read path; of this process

	uncompressed func() bool // Options.Uncompressed

	clock func() int64 // for Op.Took; nil: nothing is measured

	// What the running entry adds to Stats, at its end: an atomic addition in the
	// middle would wait for all that the CPU has under way.
	changed, hits, misses int64
}

// Stats are counters of this process, not part of the replicated state.
type Stats struct {
	Hits, Misses, Expired, Evicted, Changes, Panics atomic.Int64

	// LazyFreed counts the values that UNLINK and the ASYNC forms of FLUSHALL and
	// FLUSHDB have left to be freed later, as far as Redis would free them in the
	// background. The collector frees those of DEL no earlier.
	LazyFreed atomic.Int64

	// Libraries and Functions are how many there are: FUNCTION STATS tells it
	// also while a script holds the lock.
	Libraries, Functions atomic.Int64
}

// Options configure a machine.
type Options struct {
	Databases int
	Cluster   bool // own no slot until told
	// Redirect appends the error reply for a command whose slot the group
	// doesn't serve: -MOVED with the address known at the time.
	Redirect func(dst []byte, slot uint16) []byte
	// Events becomes Machine.Events, Tracker is told of changed keys. Both may be nil.
	// Listening is asked once an entry whether anybody hears events; nil: yes.
	Events    func(class byte, event string, db int, key []byte)
	Listening func() bool
	Tracker   Tracker
	// Skip are steps that panicked before and are left out.
	Skip []Poison
	// Memory tells what may be used; nil: no limit.
	Memory *Memory
	// Publish becomes Machine.Publish.
	Publish func(shard bool, channel, payload []byte)
	// Clock is read for Op.Took, in ns; nil: nothing is measured.
	Clock func() int64
	// Running are the scripts that run on the node; nil: the machine's own.
	Running *Running
	// Loaded is told what Restore and Load have read; nil: nobody looks.
	Loaded *LoadProgress
	// Ahead decodes the records of a file ahead of who reads them, until done is called; nil:
	// they are decoded when they are read.
	Ahead func(*rdb.Decoder) (r Records, done func())
	// Uncompressed reports whether DUMP compresses nothing (rdbcompression no); nil: it
	// does. In scripts it always does: what they write may depend on it.
	Uncompressed func() bool
	// Tail says that Load may find something behind the file, which it leaves.
	Tail bool
	// Commands are all that rules of users can name; nil: the data commands.
	Commands *security.Commands
}

// New returns an empty machine.
func New(o Options) *Machine {
	m := &Machine{ks: keyspace.New(o.Databases, keyspace.DefaultLimits()), redirect: o.Redirect, memory: o.Memory, Stats: &Stats{},
		waiters: &Waiters{}, tracker: o.Tracker, Events: o.Events, listening: o.Listening, Publish: o.Publish, interp: &lua.Interpreter{}, running: o.Running, clock: o.Clock, uncompressed: o.Uncompressed, letReads: &atomic.Bool{},
		commands: o.Commands, rules: &atomic.Pointer[map[string]*security.Rules]{}}
	if m.running == nil {
		m.running = &Running{}
	}
	if m.commands == nil {
		m.commands = ownCommands()
	}
	if o.Cluster {
		m.owned = &SlotSet{}
	}
	if len(o.Skip) > 0 {
		m.skip = map[Poison]bool{}
		for _, p := range o.Skip {
			m.skip[p] = true
		}
	}
	return m
}

// Index returns the Raft index of the last applied entry.
func (m *Machine) Index() uint64 { return m.index }

// Now returns the machine's time: the largest of all applied entries.
func (m *Machine) Now() int64 { return m.now }

// Chain returns the rolling digest: replicas that applied the same index have
// the same.
func (m *Machine) Chain() uint64 { return m.chain }

// Keyspace returns the data, for reading.
func (m *Machine) Keyspace() *keyspace.Keyspace { return m.ks }

// Owned returns the slots the group serves, nil for all, and the epoch of that
// decision.
func (m *Machine) Owned() (*SlotSet, uint64) { return m.owned, m.epoch }

// TakeOver gives a machine that was just restored what belongs to this process
// and not to the replicated state: the watches, the waiters, the hooks, the counters.
func (m *Machine) TakeOver(old *Machine) {
	m.watches, m.waiters, m.redirect, m.memory = old.watches, old.waiters, old.redirect, old.memory
	m.Events, m.listening = old.Events, old.listening
	m.Stats, m.ScriptLog, m.Publish = old.Stats, old.ScriptLog, old.Publish
	m.clock, m.interp, m.running, m.letReads = old.clock, old.interp, old.running, old.letReads
	m.uncompressed = old.uncompressed
	m.commands, m.rules = old.commands, old.rules
	m.countFunctions()
	if m.tracker = old.tracker; m.tracker != nil {
		m.tracker.Replaced()
	}
}

// Drop gives the memory of keys and values back. The machine is good for nothing afterwards, and
// nobody may look at it but snapshots that are open: these keep it until the collector finds it.
func (m *Machine) Drop() { m.ks.Drop() }

// serves reports whether the group serves the slot.
func (m *Machine) serves(slot int) bool {
	return m.owned == nil || slot < 0 || m.owned.Has(uint16(slot))
}

// mix adds b to the rolling digest: XXH64 of b, then a step that can be undone,
// so that what differs once differs for ever. It covers every byte of every entry
// on every replica, and so had better be fast; against damage the log has a
// checksum of its own.
func (m *Machine) mix(b []byte) {
	m.chain = bits.RotateLeft64(m.chain^xxhash.Sum64(b), 29) * 0x9e3779b97f4a7c15
}

func (m *Machine) modified(db int, key []byte) {
	m.mix(key)
	m.changed++
	m.watches.touch(m.ks, db, key)
	m.waiters.touch(db, key)
	if m.tracker != nil {
		m.tracker.Changed(m.client, key)
	}
}

func (m *Machine) notify(class byte, event string, db int, key []byte) {
	if m.heard {
		m.Events(class, event, db, key)
	}
}

// expire deletes a key whose time has come.
func (m *Machine) expire(db int, slot uint16, key []byte) {
	m.ks.Delete(db, slot, key)
	m.modified(db, key)
	m.changed-- // as in Redis, the passing of time is no change to save
	m.Stats.Expired.Add(1)
	if m.feed != nil {
		m.feed.add(db, []byte("DEL"), key)
	}
	m.notify('x', "expired", db, key)
}

// tally adds the entry's counts to Stats.
func (m *Machine) tally() {
	m.Stats.Changes.Add(m.changed)
	m.Stats.Hits.Add(m.hits)
	m.Stats.Misses.Add(m.misses)
	m.changed, m.hits, m.misses = 0, 0, 0
}

// SlotSet is a set of hash slots.
type SlotSet [hashslot.Count / 64]uint64

// Has reports whether slot is in the set.
func (s *SlotSet) Has(slot uint16) bool { return s[slot/64]>>(slot%64)&1 != 0 }

// Add adds the slots from first to last.
func (s *SlotSet) Add(first, last uint16) {
	for i := int(first); i <= int(last); i++ {
		s[i/64] |= 1 << (i % 64)
	}
}

// Remove removes a slot.
func (s *SlotSet) Remove(slot uint16) { s[slot/64] &^= 1 << (slot % 64) }

// Ranges calls visit for every maximal run of slots, in order.
func (s *SlotSet) Ranges(visit func(first, last uint16)) {
	for i := 0; i < hashslot.Count; i++ {
		if !s.Has(uint16(i)) {
			continue
		}
		first := i
		for i+1 < hashslot.Count && s.Has(uint16(i+1)) {
			i++
		}
		visit(uint16(first), uint16(i))
	}
}
