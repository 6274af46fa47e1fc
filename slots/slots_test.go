package slots

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/quorate/quorate/slots/hashslot"
)

func nodes(n int) (out []*Node) {
	for i := range n {
		out = append(out, &Node{ID: fmt.Sprintf("%040d", i), Host: "127.0.0.1", Port: 7001 + i, PeerPort: 17001 + i})
	}
	return out
}

func TestFound(t *testing.T) {
	for n, want := range map[int]string{1: "[0-16383]", 2: "[0-8191]", 3: "[0-5460]", 5: "[0-3276]"} {
		m, err := Found("c", nodes(n), 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(m.RangesOf(1)); got != want {
			t.Errorf("%d nodes: first group has %s, want %s", n, got, want)
		}
		assigned, served := m.Assigned()
		if assigned != 16384 || served != 0 || len(m.Groups) != n {
			t.Errorf("%d nodes: %d slots in %d groups, %d served before any leader", n, assigned, len(m.Groups), served)
		}
		for _, g := range m.Groups {
			if len(g.Members) != min(n, Replicas) || g.Members[0] != g.Preferred {
				t.Errorf("%d nodes: group %d has members %v", n, g.ID, g.Members)
			}
		}
	}
}

func apply(t *testing.T, m *Map, ch Change) *Map {
	t.Helper()
	next, err := m.With(&ch)
	if err != nil {
		t.Fatal(err)
	}
	if next == nil {
		return m
	}
	return next
}

func TestChanges(t *testing.T) {
	first, _ := Found("c", nodes(3), 0)
	m := apply(t, NewMap(), Change{Found: first.Image()})
	for g := range uint32(3) {
		m = apply(t, m, Change{Leader: &Leader{g + 1, nodes(3)[g].ID, 5}})
	}
	if _, served := m.Assigned(); served != 16384 {
		t.Fatalf("%d slots are served", served)
	}
	// Who was taken out of a group doesn't come back, whoever else comes and goes.
	all := m.Groups[3].Members
	m = apply(t, m, Change{Members: &Members{3, all[:2]}})
	if next, err := m.With(&Change{Members: &Members{3, all}}); err == nil {
		t.Errorf("a former member is one again: %+v", next.Groups[3])
	}
	m = apply(t, m, Change{Members: &Members{3, all[1:2]}})
	before := m
	if m = apply(t, m, Change{Leader: &Leader{1, nodes(3)[1].ID, 4}}); m != before {
		t.Error("news from an old term changed the leader")
	}
	m = apply(t, m, Change{Failed: &Failed{nodes(3)[0].ID, true}})
	if _, served := m.Assigned(); served != 16384-5461 {
		t.Errorf("%d slots are served with a node down", served)
	}
	m = apply(t, m, Change{Leader: &Leader{1, nodes(3)[1].ID, 6}})
	if got := fmt.Sprint(m.ByLeader()[nodes(3)[1].ID]); got != "[0-10922]" {
		t.Errorf("the new leader serves %s", got)
	}
	fresh := &Node{ID: "ff", Host: "127.0.0.1", Port: 7001, PeerPort: 17001}
	m = apply(t, m, Change{Join: fresh})
	if m.Nodes[nodes(3)[0].ID] != nil || m.Groups[1].Preferred != "ff" || m.Groups[2].Members[2] != "ff" {
		t.Errorf("a node that joined at a taken address did not take the old one's place: %+v", m.Groups[2])
	}
	if first.Groups[1].Preferred != nodes(3)[0].ID {
		t.Error("a change reached a published map")
	}
	text, err := json.Marshal(m.Image())
	if err != nil {
		t.Fatal(err)
	}
	var im Image
	if err := json.Unmarshal(text, &im); err != nil {
		t.Fatal(err)
	}
	back, err := im.Map()
	if err != nil || !reflect.DeepEqual(back, m) {
		t.Errorf("through its image the map became %+v (%v)", back, err)
	}
}

// TestFoundGroups has fewer and more groups than nodes.
func TestFoundGroups(t *testing.T) {
	for groups := 1; groups <= 7; groups++ {
		m, err := Found("c", nodes(3), groups)
		if err != nil {
			t.Fatal(err)
		}
		count := map[uint32]int{}
		for _, g := range m.Slots {
			count[g]++
		}
		if len(m.Groups) != groups || len(count) != groups || count[0] != 0 {
			t.Errorf("%d groups wanted, %d made, slots %v", groups, len(m.Groups), count)
		}
		for id, n := range count {
			if d := n - hashslot.Count/groups; d < -1 || d > 1 {
				t.Errorf("%d groups: %d has %d slots", groups, id, n)
			}
			if len(m.Groups[id].Members) != 3 {
				t.Errorf("%d groups: %d has members %v", groups, id, m.Groups[id].Members)
			}
		}
	}
	if _, err := Found("c", nodes(3), hashslot.Count+1); err == nil {
		t.Error("more groups than slots")
	}
}
