package fsm

import (
	"slices"
	"strconv"
	"strings"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/slots/hashslot"
)

// Eviction is decided by the leader, who alone knows which keys are read, and
// goes through the log as the names of the keys. In the log it is a DEL behind
// a line "#evict", so that it means the same to Redis and tells replicas what
// event to announce.

var evictCommand = &Command{Write: evicted, Spec: command.Spec{Name: "#EVICTED", Arity: -2}}

// evictLine marks a DEL of the log as an eviction.
const evictLine = "#evict"

// evicted implements the DEL behind #evict. A key that is gone meanwhile, by its
// expiry, is no matter.
func evicted(c *WriteCall) {
	for _, key := range c.Args[1:] {
		if c.remove(key) {
			c.m.Stats.Evicted.Add(1)
			c.changed('e', "evicted", key)
			c.propagate([]byte("DEL"), key)
			c.m.endStep()
		}
	}
}

// denyAbove returns the step that has commands refused in the rest of its entry
// that may need memory while more than limit bytes are used. The leader puts it
// into an entry when nothing is left to evict.
func denyAbove(limit int64) Op {
	return Op{Cmd: writesByName["#MAXMEMORY"], Slot: -1,
		Args: [][]byte{[]byte("#maxmemory"), strconv.AppendInt(nil, limit, 10)}}
}

// maxmemory implements #maxmemory bytes.
func maxmemory(c *WriteCall) {
	if n, err := strconv.ParseInt(string(c.Args[1]), 10, 64); err == nil {
		c.m.deny = n
	}
}

// Growth estimates by how many bytes a step lets the data grow, as far as its
// arguments tell.
func (o *Op) Growth() (bytes int64) {
	if o.Cmd != nil && o.Cmd.Write != nil && o.Cmd.Flags.Has(command.DenyOOM) {
		bytes = keyspace.NewKeyCost
		for _, a := range o.Args[1:] {
			bytes += int64(len(a))
		}
	}
	for i := range o.Tx {
		bytes += o.Tx[i].Growth()
	}
	return bytes
}

// CanEvict reports whether there is a key that the policy may evict.
func (m *Machine) CanEvict(l *MemoryLimit) bool { return m.candidates(l.Policy) > 0 }

// candidates returns the number of keys that a policy may evict.
func (m *Machine) candidates(p Policy) int {
	switch {
	case p == NoEviction:
		return 0
	case p.volatile():
		return m.ks.Volatile()
	}
	return m.ks.Len()
}

// Evictor chooses the keys to evict. It approximates a policy as Redis 7.0 does:
// it looks at a few random keys and keeps the best of all it has seen in a
// small pool. It belongs to the one who makes a group's entries.
type Evictor struct {
	pool   []candidate // the best last
	policy Policy      // by which the pool is scored
	rand   Rand
}

// candidate is a key, worth the more the higher its score is.
type candidate struct {
	db    int
	key   string
	score uint64
}

// poolSize is the number of candidates that are remembered, as in Redis.
const poolSize = 16

// NewEvictor returns an evictor that draws from seed.
func NewEvictor(seed uint64) *Evictor { return &Evictor{rand: Rand{seed}} }

// Eviction is what has to happen before an entry's commands.
type Eviction struct {
	// Ops go in front of the entry's commands.
	Ops []Op
	// Keys is how many keys they evict.
	Keys int
	// Short says that there is more to evict, in further entries, before there
	// is room.
	Short bool
}

// Evict returns what makes room for growth bytes: nothing if there is room. It
// changes nothing itself, and is meant for the entry that comes next. now is the time
// in Unix ms.
func (v *Evictor) Evict(m *Machine, l *MemoryLimit, growth, now int64) (e Eviction) {
	if l.Max == 0 {
		return e
	}
	need := m.Used() + growth - l.Max
	if need <= 0 {
		return e
	}
	candidates := m.candidates(l.Policy)
	chosen := map[*keyspace.Entry]struct{}{}
	byDB := make([][][]byte, m.ks.Databases())
	take := func(db int, k *keyspace.Entry) {
		chosen[k] = struct{}{}
		byDB[db] = append(byDB[db], []byte(k.Key()))
		need -= k.Cost()
	}
	// Tenacity is the time that Redis spends at once; 10 is half a millisecond.
	for most := 1 + 100*l.Tenacity; need > 0 && len(chosen) < min(candidates, most); {
		db, k := v.next(m, l, now, chosen)
		if k == nil {
			break
		}
		take(db, k)
	}
	for db, keys := range byDB {
		if len(keys) > 0 {
			e.Ops = append(e.Ops, Op{Cmd: evictCommand, DB: db, Slot: -1, Args: append([][]byte{[]byte("DEL")}, keys...)})
		}
	}
	e.Keys = len(chosen)
	e.Short = need > 0 && e.Keys < candidates
	if !e.Short && need > 0 {
		e.Ops = append(e.Ops, denyAbove(l.Max))
	}
	return e
}

// next returns the best key that isn't chosen yet, or nil if luck has found none.
func (v *Evictor) next(m *Machine, l *MemoryLimit, now int64, chosen map[*keyspace.Entry]struct{}) (int, *keyspace.Entry) {
	if l.Policy == AllKeysRandom || l.Policy == VolatileRandom {
		return v.draw(m, l, chosen)
	}
	if v.policy != l.Policy {
		v.pool, v.policy = nil, l.Policy
	}
	at := seenAt(now, l)
	for range max(l.Samples, 1) {
		if db, k := v.draw(m, l, chosen); k != nil {
			v.add(candidate{db, strings.Clone(k.Key()), l.score(k, at, now)})
		}
	}
	for len(v.pool) > 0 {
		best := v.pool[len(v.pool)-1]
		v.pool = v.pool[:len(v.pool)-1]
		k := m.ks.DB(best.db).Find(hashslot.Of([]byte(best.key)), []byte(best.key))
		if k == nil || l.Policy.volatile() && k.ExpireAt() == 0 {
			continue
		}
		if _, twice := chosen[k]; twice {
			continue
		}
		if score := l.score(k, at, now); score < best.score { // accessed since it was drawn
			best.score = score
			v.add(best)
			continue
		}
		return best.db, k
	}
	return 0, nil
}

// drawTries is how many keys are drawn at random before the next one in order
// that isn't chosen yet is taken.
const drawTries = 8

// draw returns a random key that the policy may evict and that isn't chosen.
func (v *Evictor) draw(m *Machine, l *MemoryLimit, chosen map[*keyspace.Entry]struct{}) (int, *keyspace.Entry) {
	n := m.candidates(l.Policy)
	if n == 0 {
		return 0, nil
	}
	at := m.anyKey
	if l.Policy.volatile() {
		at = m.ks.VolatileAt
	}
	for range drawTries {
		db, k := at(v.rand.IntN(n))
		if _, twice := chosen[k]; !twice {
			return db, k
		}
	}
	for i, from := 0, v.rand.IntN(n); i < min(n, 2*len(chosen)+1); i++ {
		db, k := at((from + i) % n)
		if _, twice := chosen[k]; !twice {
			return db, k
		}
	}
	return 0, nil
}

// anyKey returns the i-th key of all databases.
func (m *Machine) anyKey(i int) (int, *keyspace.Entry) {
	db := 0
	for ; i >= m.ks.DB(db).Len(); db++ {
		i -= m.ks.DB(db).Len()
	}
	return db, m.ks.DB(db).ByRank(i)
}

// add puts a candidate into the pool if it is good enough or there is room.
func (v *Evictor) add(c candidate) {
	for i := range v.pool {
		if v.pool[i].db == c.db && v.pool[i].key == c.key {
			v.pool = slices.Delete(v.pool, i, i+1)
			break
		}
	}
	i := len(v.pool)
	for i > 0 && v.pool[i-1].score > c.score {
		i--
	}
	v.pool = slices.Insert(v.pool, i, c)
	if len(v.pool) > poolSize {
		v.pool = slices.Delete(v.pool, 0, 1)
	}
}

// score tells how well a key suits a policy: the longest idle, the most seldom
// used, the first to expire.
func (l *MemoryLimit) score(k *keyspace.Entry, at seen, now int64) uint64 {
	switch {
	case l.Policy == VolatileTTL:
		return ^uint64(0) - uint64(max(k.ExpireAt(), 0))
	case l.Policy.lfu():
		return uint64(255 - l.frequency(k.Access(), at.clock))
	}
	return uint64(idle(k.Access(), at.clock))
}
