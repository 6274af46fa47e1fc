package fsm

import (
	"fmt"
	"strings"
	"testing"

	"github.com/quorate/quorate/resp"
)

// bench is a machine and an entry to apply to it.
type bench struct {
	m     *Machine
	unit  *Unit
	data  []byte
	index uint64
}

func newBench(lines ...[]string) *bench {
	b := &bench{m: New(Options{Databases: 16}), unit: &Unit{Reply: &resp.Writer{Proto: 2}}}
	for _, line := range lines {
		var args [][]byte
		for _, w := range line {
			args = append(args, []byte(w))
		}
		cmd, errText := findCommand(args)
		if cmd == nil {
			panic(errText)
		}
		b.unit.Ops = append(b.unit.Ops, Op{Cmd: cmd, Args: args, Slot: -1})
	}
	b.data, _ = AppendUnit(AppendHeader(nil, Header{Time: scriptTime, Seed: 1}), b.unit, 0, scriptTime, 0)
	b.apply([]*Unit{b.unit})
	return b
}

func (b *bench) apply(units []*Unit) {
	b.index++
	b.unit.Reply.Buf = b.unit.Reply.Buf[:0]
	if err := b.m.Apply(b.index, b.data, units); err != nil {
		panic(err)
	}
}

// TestAllocations pins what a command costs beyond the entry that carries it.
func TestAllocations(t *testing.T) {
	units := func(b *bench) float64 {
		u := []*Unit{b.unit}
		return testing.AllocsPerRun(200, func() { b.apply(u) })
	}
	empty := units(newBench())
	for _, c := range []struct {
		line []string
		most float64
	}{
		{[]string{"GET", "key"}, 0},
		{[]string{"SET", "key", "value"}, 0},
		{[]string{"SET", "key", "12345"}, 0},
		{[]string{"SETEX", "key", "100", strings.Repeat("v", 100)}, 0},
		{[]string{"MSET", "key", "v", "key2", strings.Repeat("v", 100)}, 0},
		{[]string{"INCR", "key"}, 0},
	} {
		if got := units(newBench(c.line)) - empty; got > c.most {
			t.Errorf("%q allocates %v times, at most %v", c.line, got, c.most)
		}
	}
	// A short value is dumped into one buffer, without a table on the heap.
	long := strings.Repeat("abcdefg ", 25)
	dump := newBench([]string{"SET", "key", long}, []string{"DUMP", "key"})
	if got := units(dump) - units(newBench([]string{"SET", "key", long})); got > 2 {
		t.Errorf("DUMP allocates %v times, at most 2", got)
	}
	b := newBench([]string{"GET", "key"})
	got := testing.AllocsPerRun(200, func() {
		b.unit.Reply.Buf = b.unit.Reply.Buf[:0]
		b.m.Read(b.unit, scriptTime, 1)
	})
	if got > 1 {
		t.Errorf("reading a key allocates %v times, at most 1", got)
	}
}

func BenchmarkApply(b *testing.B) {
	for _, name := range []string{"GET", "SET", "INCR"} {
		var lines [][]string
		for i := range 100 {
			line := []string{name, fmt.Sprint("key:", i)}
			if name == "SET" {
				line = append(line, "value")
			}
			lines = append(lines, line)
		}
		b.Run(name+"/leader", func(b *testing.B) {
			x := newBench(lines...)
			u := []*Unit{x.unit}
			b.ReportAllocs()
			for b.Loop() {
				x.apply(u)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/command")
		})
		if name == "GET" {
			continue
		}
		b.Run(name+"/follower", func(b *testing.B) {
			x := newBench(lines...)
			b.ReportAllocs()
			for b.Loop() {
				x.apply(nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/command")
		})
	}
}
