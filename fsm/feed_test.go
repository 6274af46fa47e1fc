package fsm

import (
	"strings"
	"testing"

	"github.com/quorate/quorate/resp"
)

// effectsOf applies an entry of one unit and returns the effects.
func effectsOf(t *testing.T, m *Machine, time int64, expire int, ops ...Op) Effects {
	t.Helper()
	u := &Unit{Ops: ops, Reply: &resp.Writer{Proto: 2}}
	data := AppendHeader(nil, Header{Time: time, Expire: expire})
	data, _ = AppendUnit(data, u, 0, time, m.Index())
	if err := m.Apply(m.Index()+1, data, []*Unit{u}); err != nil {
		t.Fatal(err)
	}
	return m.TakeEffects()
}

func opOf(line string, db int) Op {
	var args [][]byte
	for _, w := range strings.Fields(line) {
		args = append(args, []byte(w))
	}
	cmd, problem := findCommand(args)
	if cmd == nil {
		panic(problem)
	}
	return Op{Cmd: cmd, Args: args, DB: db, Slot: -1}
}

// shown are the words of effects.
func shown(e Effects) string {
	var words []string
	for _, w := range strings.Split(string(e.Commands), "\r\n") {
		if w != "" && w[0] != '$' && w[0] != '*' {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// TestEffects covers what a comparison with redis-server can't: whose effects
// are whose, expiry, eviction, slots, and that nothing is kept for nobody.
func TestEffects(t *testing.T) {
	m := New(Options{Databases: 16})
	check := func(want string, e Effects) {
		t.Helper()
		if got := shown(e); got != want {
			t.Errorf("effects %q, want %q", got, want)
		}
	}
	check("", effectsOf(t, m, 1000, 0, opOf("SET a 1", 0)))
	m.Record(true, -1)
	check("SELECT 0 SET a 2", effectsOf(t, m, 1000, 0, opOf("SET a 2", 0)))
	check("SET a 1 PXAT 1100 SELECT 3 SET b 1 PXAT 1100",
		effectsOf(t, m, 1000, 0, opOf("SET a 1 PX 100", 0), opOf("SET b 1 PX 100", 3)))
	// Keys that expire are effects of their own, whether time or a command finds them.
	check("SELECT 0 DEL a", effectsOf(t, m, 1200, 1))
	check("SELECT 3 MULTI DEL b SET b 3 EXEC", effectsOf(t, m, 1200, 0, opOf("SET b 3", 3)))
	check("DEL b", effectsOf(t, m, 1200, 0, Op{Cmd: evictCommand, DB: 3, Slot: -1, Args: [][]byte{[]byte("DEL"), []byte("b"), []byte("gone")}}))
	if e := effectsOf(t, m, 1200, 0, opOf("FLUSHALL", 3)); !e.Whole || shown(e) != "FLUSHALL" {
		t.Errorf("FLUSHALL: %+v", e)
	}
	if e := effectsOf(t, m, 1200, 0, opOf("SET x 1", 3)); e.Whole {
		t.Error("SET is taken to be about everything")
	}
	m.Record(false, 0)
	check("", effectsOf(t, m, 1200, 0, opOf("SET a 2", 0)))
}

// TestEffectsOfSlots: slots that come or go are told apart from those that stay.
func TestEffectsOfSlots(t *testing.T) {
	m := New(Options{Databases: 1, Cluster: true})
	m.Record(true, 0)
	var s SlotSet
	s.Add(0, 100)
	for i, want := range []bool{true, false} {
		if e := effectsOf(t, m, 1000, 0, Own(&s, 1)...); e.Moved != want {
			t.Errorf("the %d. time: moved %v", i+1, e.Moved)
		}
	}
}
