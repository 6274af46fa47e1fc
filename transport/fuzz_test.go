package transport

import (
	"context"
	"math/rand"
	"testing"

	"github.com/quorate/quorate/fsm"
)

// fuzzConn delivers an input once, in pieces, and swallows replies.
type fuzzConn struct {
	quietConn
	in *chunks
}

func (c fuzzConn) Read(b []byte) (int, error) { return c.in.Read(b) }

// FuzzSession runs whole conversations: nothing that a client sends may panic,
// or leave anything behind when it is gone.
func FuzzSession(f *testing.F) {
	for i, s := range diffInputs {
		f.Add([]byte(s), int64(i), i%2 == 0)
	}
	f.Add([]byte("command docs\r\nhello 3\r\ncommand\r\nclient list\r\ncommand getkeys set a b\r\n"), int64(1), true)
	f.Fuzz(func(t *testing.T, in []byte, seed int64, cluster bool) {
		a, b := newFakeGroup(fsm.Options{}), newFakeGroup(fsm.Options{})
		var router Router = plainRouter{a}
		if cluster {
			router = &slotRouter{groups: []Group{a, b, nil}, local: a}
		}
		s := New(Options{Router: router, Table: NewTable()})
		defer s.Close(context.Background())
		c := newSession(s, fuzzConn{in: &chunks{data: in, rnd: rand.New(rand.NewSource(seed))}}, 1)
		c.serve()
		if n := s.inputBytes.Load(); n != 0 {
			t.Errorf("%d bytes are counted after the session", n)
		}
		if len(c.unit.Ops) != 0 || c.watch.group != nil {
			t.Errorf("left behind: %d steps, watch %v", len(c.unit.Ops), c.watch.group)
		}
	})
}
