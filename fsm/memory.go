package fsm

import (
	"sync/atomic"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/slots/hashslot"
)

// Policy is what is evicted when memory is short: maxmemory-policy.
type Policy uint8

// The policies of Redis 7.0.
const (
	NoEviction Policy = iota
	AllKeysLRU
	AllKeysLFU
	AllKeysRandom
	VolatileLRU
	VolatileLFU
	VolatileRandom
	VolatileTTL
)

var policyNames = [...]string{"noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random",
	"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"}

// String returns the name that maxmemory-policy has for p.
func (p Policy) String() string { return policyNames[p] }

// PolicyNamed returns the policy of a name in lower case.
func PolicyNamed(name string) (Policy, bool) {
	for i, n := range policyNames {
		if n == name {
			return Policy(i), true
		}
	}
	return 0, false
}

// lfu reports whether the policy needs to know how often keys are accessed.
func (p Policy) lfu() bool { return p == AllKeysLFU || p == VolatileLFU }

// volatile reports whether only keys with an expiry are evicted.
func (p Policy) volatile() bool { return p >= VolatileLRU }

// MemoryLimit is what this node is told about the use of memory. It is no part
// of the replicated state: the leader's is what counts, and what it decides by
// it goes through the log.
type MemoryLimit struct {
	Max       int64 // maxmemory, bytes that one group's data may take; 0: no limit
	Policy    Policy
	Samples   int // maxmemory-samples
	Tenacity  int // maxmemory-eviction-tenacity, 0 to 100
	LogFactor int // lfu-log-factor
	DecayTime int // lfu-decay-time, minutes
}

// Memory holds the limit in force for all groups of a node. Safe for concurrent use.
type Memory struct{ limit atomic.Pointer[MemoryLimit] }

var defaultMemory = MemoryLimit{Samples: 5, Tenacity: 10, LogFactor: 10, DecayTime: 1}

// Load returns the limit in force, which must not be changed: that of Redis's
// defaults if none was stored.
func (m *Memory) Load() *MemoryLimit {
	if m == nil {
		return &defaultMemory
	}
	if l := m.limit.Load(); l != nil {
		return l
	}
	return &defaultMemory
}

// Store puts a limit in force.
func (m *Memory) Store(l MemoryLimit) { m.limit.Store(&l) }

// StartupMemory is what Used says of a group without data: about what its empty
// dictionaries take. Redis counts something like it, too.
const StartupMemory = 1 << 20

// Used estimates the bytes of memory that the group's data take. Replicas that
// have applied the same entries agree on it.
func (m *Machine) Used() int64 { return StartupMemory + m.ks.Used() }

// maxClock is where the clock in seconds begins anew.
const maxClock = 1<<24 - 1

// seen is what a command leaves behind at the keys that it looks up. It is part
// of every call, so it is small.
type seen struct {
	clock  uint32 // in seconds, or in minutes if accesses are counted
	counts bool   // an LFU policy is in force
}

func seenAt(now int64, l *MemoryLimit) seen {
	if l.Policy.lfu() {
		return seen{uint32(now/60000) & 0xffff, true}
	}
	return seen{uint32(now/1000) & maxClock, false}
}

// lfuInit is the counter of a key that is new, so that it isn't the first to go.
const lfuInit = 5

// fresh is what is known about the accesses to a key that is new.
func (s seen) fresh() uint32 {
	if s.counts {
		return s.clock<<8 | lfuInit
	}
	return s.clock
}

// touch notes that a key was accessed. Reads run beside each other: one of two
// accesses at the same time may be lost.
func (c *ReadCall) touch(e *keyspace.Entry) {
	if c.seen.counts {
		c.count(e)
		return
	}
	e.SetAccess(c.seen.clock)
}

// count lets the counter of a key grow, by chance the less often the higher it
// is. Replicas needn't agree on that: it takes none of the numbers that the
// command draws.
func (c *ReadCall) count(e *keyspace.Entry) {
	l := c.m.memory.Load()
	counter := l.frequency(e.Access(), c.seen.clock)
	if counter < 255 {
		luck := Rand{c.rand.state ^ uint64(c.hits)<<32 ^ uint64(hashslot.Of([]byte(e.Key()))) ^ 0x6c62272e07bb0142}
		above := max(int(counter)-lfuInit, 0)
		// The chance is one in above*factor+1.
		if luck.Uint64()>>32*(uint64(above)*uint64(l.LogFactor)+1) < 1<<32 {
			counter++
		}
	}
	e.SetAccess(c.seen.clock<<8 | counter)
}

// frequency returns the counter of an access word, less what it has lost by the
// passing of time. minute is the clock in minutes.
//
// Source: "Using Redis as an LRU cache" in the Redis 7.0 docs, and evict.c.
func (l *MemoryLimit) frequency(word, minute uint32) uint32 {
	counter := word & 255
	if l.DecayTime == 0 {
		return counter
	}
	passed := (minute - word>>8) & 0xffff
	return counter - min(counter, passed/uint32(l.DecayTime))
}

// idle returns the seconds since the last access of an access word.
func idle(word, clock uint32) int64 { return int64((clock - word) & maxClock) }

// accessed sets what is known about the accesses to a key, for RESTORE: with an
// LRU policy the seconds since the last one, with an LFU policy the counter.
// A negative number is none. Redis 7.0's objectSetLRUOrLFU.
func (c *WriteCall) accessed(key []byte, idleSeconds, frequency int64) {
	if e := c.peek(key); e != nil {
		c.seen.put(e, idleSeconds, frequency)
	}
}

// put is accessed for an entry.
func (s seen) put(e *keyspace.Entry, idleSeconds, frequency int64) {
	switch {
	case s.counts:
		if frequency >= 0 {
			e.SetAccess(s.clock<<8 | uint32(min(frequency, 255)))
		}
	case idleSeconds >= 0:
		e.SetAccess(s.clock - uint32(min(idleSeconds, maxClock)))
	}
}

// Full reports whether commands that may need memory are refused in the running
// entry: the leader has found nothing to evict, and more is used than allowed.
func (m *Machine) Full() bool { return m.deny > 0 && m.Used() > m.deny }

// refuses reports whether a step must not run because it may need memory.
func (m *Machine) refuses(op *Op) bool { return m.Full() && m.needsMemory(op) }

// needsMemory reports whether a step may need memory, as far as its command says
// or the flags of the script that it runs.
func (m *Machine) needsMemory(op *Op) bool {
	if op.Cmd == nil || op.Cmd.Write == nil {
		return false
	}
	return op.Cmd.Flags.Has(command.DenyOOM) || op.Cmd.script != nil && m.scriptNeedsMemory(op)
}

// refusesTx reports whether a transaction must not run because one of its
// commands may need memory.
func (m *Machine) refusesTx(tx []Op) bool {
	if !m.Full() {
		return false
	}
	for i := range tx {
		if m.needsMemory(&tx[i]) {
			return true
		}
	}
	return false
}

// OutOfMemory reports whether more memory is used than l allows and nothing can
// be evicted. Commands that may need memory need not be proposed then.
func (m *Machine) OutOfMemory(l *MemoryLimit) bool {
	return l.Max > 0 && m.Used() > l.Max && !m.CanEvict(l)
}

// Refused answers a unit that consists of nothing but commands which may need
// memory, of slots that the group serves, and reports true; it has not run. Of
// others it says false. The caller has found that the group is out of memory.
func (m *Machine) Refused(u *Unit) bool {
	for i := range u.Ops {
		op := &u.Ops[i]
		if op.Cmd == nil || op.Cmd.Write == nil || !op.Cmd.Flags.Has(command.DenyOOM) || !m.serves(op.slot(m)) {
			return false
		}
	}
	for range u.Ops {
		u.Reply.Error(errOOM)
	}
	return len(u.Ops) > 0
}
