package fsm

import (
	"fmt"
	"testing"

	"github.com/quorate/quorate/resp"
)

// BenchmarkSort sorts a list of a hundred numbers.
func BenchmarkSort(b *testing.B) {
	m := New(plain)
	line := "RPUSH l"
	for i := range 100 {
		line += fmt.Sprintf(" %d", i*7919%1000003*31%1000000)
	}
	if err := m.Apply(1, entry(Header{Time: scriptTime, Seed: 1}, line), nil); err != nil {
		b.Fatal(err)
	}
	u := &Unit{Ops: []Op{{Cmd: tableCommand("SORT_RO"), Slot: -1, Args: [][]byte{[]byte("SORT_RO"), []byte("l")}}}, Reply: &resp.Writer{Proto: 2}}
	b.ReportAllocs()
	for b.Loop() {
		u.Reply.Buf = u.Reply.Buf[:0]
		m.Read(u, scriptTime, 1)
	}
}

func tableCommand(name string) *Command {
	for _, c := range Commands() {
		if c.Name == name {
			return c
		}
	}
	return nil
}
