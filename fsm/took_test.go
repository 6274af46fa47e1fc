package fsm

import (
	"testing"

	"github.com/quorate/quorate/resp"
)

// TestTook: each step of a pipeline has the time of its lap, a transaction and a
// read theirs.
func TestTook(t *testing.T) {
	var now int64
	m := New(Options{Databases: 1, Clock: func() int64 { now++; return now }})
	unit := func(n int, line ...string) *Unit {
		u := &Unit{Reply: &resp.Writer{}}
		for range n {
			args := make([][]byte, len(line))
			for i, a := range line {
				args[i] = []byte(a)
			}
			cmd, problem := findCommand(args)
			if problem != "" {
				t.Fatal(problem)
			}
			u.Ops = append(u.Ops, Op{Cmd: cmd, Args: args})
		}
		return u
	}
	for _, n := range []int{1, lapOps - 1, lapOps, lapOps + 1, 5 * lapOps / 2} {
		write, read := unit(n, "SET", "k", "v"), unit(n, "GET", "k")
		if err := m.Apply(m.Index()+1, AppendHeader(nil, Header{}), []*Unit{write}); err != nil {
			t.Fatal(err)
		}
		if !m.Read(read, 1, 0) {
			t.Fatal("a key has expired")
		}
		for name, u := range map[string]*Unit{"write": write, "read": read} {
			for i := range u.Ops {
				if took := u.Ops[i].Took(); took != 1 {
					t.Errorf("%s of %d steps: step %d took %d, want 1", name, n, i, took)
				}
			}
		}
	}
	looks := now
	u := unit(10*lapOps, "GET", "k")
	m.Read(u, 1, 0)
	if now -= looks; now != 11 {
		t.Errorf("%d looks at the clock for 10 laps", now)
	}
}
