package keyspace

import (
	"fmt"
	"strings"
	"testing"
)

// TestBeforeWrite: every change of a key is announced to every hook that is
// installed, before it is made; what moves whole databases is not.
func TestBeforeWrite(t *testing.T) {
	ks := New(2, DefaultLimits())
	var log []string
	first := ks.BeforeWrite(func(db *DB, slot uint16, w Written) {
		was := "-"
		switch {
		case w.Value != nil:
			was = string(w.Value.Str(nil))
		case w.Entry != nil:
			was = "entry " + w.Entry.Key()
		}
		if w.Last != nil {
			was += " " + w.Last.Key()
		}
		log = append(log, fmt.Sprintf("%d:%d:%s", slot, db.Slot(slot).Len(), was))
	})
	second := ks.BeforeWrite(func(*DB, uint16, Written) { log = append(log, "second") })
	expect := func(want string, change func()) {
		t.Helper()
		log = nil
		change()
		if got := strings.Join(log, " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	key := []byte("k")
	expect("7:0:- second", func() { ks.Set(0, 7, key, NewInt(1), false) })
	expect("7:1:entry k second", func() { ks.SetExpire(0, 7, key, 5) })
	second()
	expect("7:1:entry k", func() { ks.Persist(0, 7, key) })
	expect("", func() { ks.Persist(0, 7, key) })
	expect("7:1:1", func() { ks.Modify(0, 7, ks.DB(0).Find(7, key)) })
	ks.Settle()
	expect("7:1:1", func() { ks.Overwrite(0, 7, ks.DB(0).Find(7, key), []byte("2")) })
	expect("7:1:2", func() { ks.Set(0, 7, key, NewInt(1), false) })
	old := ks.DB(0)
	expect("", func() { ks.Swap(0, 1) })
	if ks.DB(1) != old {
		t.Error("Swap made a new database")
	}
	expect("", func() { ks.Flush(1) })
	if old.Len() != 1 || ks.DB(1).Len() != 0 {
		t.Error("Flush changed the old database")
	}
	expect("7:0:-", func() { ks.Set(1, 7, key, NewInt(1), false) })
	expect("7:1:entry k k", func() { ks.Delete(1, 7, key) })
	first()
	expect("", func() { ks.Set(0, 7, key, NewInt(1), false) })
}
