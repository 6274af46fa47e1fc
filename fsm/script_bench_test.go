package fsm

import (
	"testing"

	"github.com/quorate/quorate/resp"
)

// BenchmarkScripts measures a script that reads, as it is tried, and one that
// writes, as it is applied; 16 of them each time, as in a pipeline.
func BenchmarkScripts(b *testing.B) {
	const n = 16
	lines := func(text string) (all [][]string) {
		for range n {
			all = append(all, []string{"EVAL", text, "1", "key"})
		}
		return all
	}
	b.Run("get", func(b *testing.B) {
		s := newBench(lines("return redis.call('get',KEYS[1])")...)
		for i := range s.unit.Ops {
			s.unit.Ops[i].Try = true
		}
		b.ReportAllocs()
		for b.Loop() {
			s.unit.Reply.Buf = s.unit.Reply.Buf[:0]
			if tried, _ := s.m.Try(s.unit, scriptTime, 1); tried != TriedRead {
				b.Fatal(tried)
			}
		}
	})
	b.Run("incr", func(b *testing.B) {
		s := newBench(lines("return redis.call('incr',KEYS[1])")...)
		s.unit.Reply = &resp.Writer{Proto: 2}
		units := []*Unit{s.unit}
		b.ReportAllocs()
		for b.Loop() {
			s.apply(units)
		}
	})
}
