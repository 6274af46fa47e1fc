package admin

import (
	"testing"

	"github.com/quorate/quorate/slots"
)

// TestServedRanges makes sure that CLUSTER SLOTS lists ranges by slot, whatever
// the nodes are called.
func TestServedRanges(t *testing.T) {
	m := slots.NewMap()
	for i, id := range []string{"b", "c", "a"} {
		group := uint32(i + 1)
		m.Nodes[id] = &slots.Node{ID: id}
		m.Groups[group] = &slots.Group{ID: group, Members: []string{"a", "b", "c"}, Leader: id}
		for s := i * 5000; s < len(m.Slots); s++ {
			m.Slots[s] = group
		}
	}
	m.Slots[16000] = 1
	want := []servedRange{{slots.Range{First: 0, Last: 4999}, "b"}, {slots.Range{First: 5000, Last: 9999}, "c"},
		{slots.Range{First: 10000, Last: 15999}, "a"}, {slots.Range{First: 16000, Last: 16000}, "b"}, {slots.Range{First: 16001, Last: 16383}, "a"}}
	got := servedRanges(m)
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("range %d is %v, want %v", i, got[i], want[i])
		}
	}
}
