package fsm

import (
	"fmt"
	"strings"
	"testing"

	"github.com/quorate/quorate/resp"
)

// BenchmarkWrites measures writes that overwrite what is there, as a load that
// lasts does: what an entry of 50 units of 16 steps costs on the leader, from
// its text on, and on a follower.
func BenchmarkWrites(b *testing.B) {
	value := strings.Repeat("x", 100)
	for _, c := range []struct {
		name  string
		setup string
		line  string // {k} is a key's number, {v} a value
	}{
		{"SET", "", "SET s:{k} {v}"},
		{"SETEX", "", "SETEX e:{k} 1000 {v}"},
		{"MSET", "", "MSET a{k} {v} b{k} {v} c{k} {v} d{k} {v} e{k} {v} f{k} {v} g{k} {v} h{k} {v} i{k} {v} j{k} {v}"},
		{"COPY", "SET s:{k} {v}", "COPY s:{k} c:{k} REPLACE"},
		{"LMOVE", "RPUSH l:{k}" + strings.Repeat(" {v}", 100), "LMOVE l:{k} l:{k} LEFT RIGHT"},
		{"LPUSH", "", "LPUSH l:{k} {v}"},
		{"ZADD", "", "ZADD z:{k} {m} m{m}"},
		{"GEOADD", "", "GEOADD g:{k} 13.{m} 38.{m} m{m}"},
		{"XADD", "", "XADD x:{k} MAXLEN ~ 100 * f {v}"},
		{"XADDexact", "", "XADD x:{k} MAXLEN 100 * f {v}"},
	} {
		const keys, steps = 1000, 16
		x := &writeBench{m: New(Options{Databases: 16})}
		if c.setup != "" {
			for k := range keys {
				x.unit(c.setup, value, k)
			}
			x.apply(true)
		}
		x.units = nil
		for u := range 50 {
			var ks []int
			for i := range steps {
				ks = append(ks, (u*steps+i)*7919%keys)
			}
			x.unit(c.line, value, ks...)
		}
		for _, leader := range []bool{true, false} {
			b.Run(c.name+map[bool]string{true: "/leader", false: "/follower"}[leader], func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					x.apply(leader)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/50/steps, "ns/command")
			})
		}
	}
}

// writeBench is a machine and units that are made into entries for it.
type writeBench struct {
	m     *Machine
	units []*Unit
	index uint64
	text  []byte
}

func (x *writeBench) unit(line, value string, keys ...int) {
	u := &Unit{Reply: &resp.Writer{Proto: 2}}
	for _, k := range keys {
		filled := strings.NewReplacer("{k}", fmt.Sprint(k), "{m}", fmt.Sprint(k*31%100), "{v}", value).Replace(line)
		var args [][]byte
		for w := range strings.FieldsSeq(filled) {
			args = append(args, []byte(w))
		}
		cmd, errText := findCommand(args)
		if cmd == nil {
			panic(errText)
		}
		u.Ops = append(u.Ops, Op{Cmd: cmd, Args: args, Slot: -1})
	}
	x.units = append(x.units, u)
}

// apply makes an entry of the units and applies it.
func (x *writeBench) apply(leader bool) {
	x.index++
	x.text = AppendHeader(x.text[:0], Header{Time: scriptTime, Seed: x.index})
	for _, u := range x.units {
		x.text, _ = AppendUnit(x.text, u, 0, scriptTime, 0)
		u.Reply.Buf = u.Reply.Buf[:0]
	}
	units := x.units
	if !leader {
		units = nil
	}
	if err := x.m.Apply(x.index, x.text, units); err != nil {
		panic(err)
	}
}
