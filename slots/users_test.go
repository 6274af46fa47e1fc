package slots

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

// TestUsers takes revisions in order, whatever bytes they are of, and keeps them in
// snapshots and across other changes.
func TestUsers(t *testing.T) {
	m := NewMap()
	set := func(revision uint64, name string) error {
		next, err := m.With(&Change{Users: &Users{Revision: revision, All: []User{{[]byte(name), []byte("on \xff")}}}})
		if err == nil {
			m = next
		}
		return err
	}
	if err := set(1, "a"); err == nil {
		t.Error("there is no cluster yet")
	}
	m.Cluster = "c"
	if err := set(1, "a\xfe"); err != nil {
		t.Fatal(err)
	}
	for _, stale := range []uint64{0, 1, 3} {
		if err := set(stale, "b"); !errors.Is(err, ErrUsersChanged) {
			t.Errorf("revision %d after 1: %v", stale, err)
		}
	}
	next, err := m.With(&Change{Join: &Node{ID: "n", Host: "h", Port: 1}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(next.Image())
	if err != nil {
		t.Fatal(err)
	}
	var im Image
	if err := json.Unmarshal(text, &im); err != nil {
		t.Fatal(err)
	}
	if m, err = im.Map(); err != nil {
		t.Fatal(err)
	}
	if u := m.Users; u.Revision != 1 || len(u.All) != 1 || string(u.All[0].Name) != "a\xfe" || !bytes.Equal(u.All[0].Rules, []byte("on \xff")) {
		t.Errorf("%+v", u)
	}
	if err := set(2, "b"); err != nil {
		t.Error(err)
	}
}
