package backup

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
)

// groupFile is what a leader sends for a group with one key, or none if it is "".
func groupFile(group uint32, slots, key string) []byte {
	var e rdb.Encoder
	e.Header()
	o := fsm.Origin{Group: group, Term: 1, Index: 7, Slots: slots}
	if key != "" {
		o.Keys = 1
	}
	e.Aux(fsm.AuxOrigin, o.Text())
	if key != "" {
		v := keyspace.NewString([]byte("of " + key))
		e.SelectDB(0)
		e.Key(key, 0, &v)
	}
	var b bytes.Buffer
	w := rdb.NewWriter(&b)
	_, _ = w.Write(e.Bytes()) // a Buffer takes everything
	_ = w.Finish()
	return b.Bytes()
}

func take(t *testing.T, from *fakeServer, to string) (*Manifest, string, error) {
	t.Helper()
	var said bytes.Buffer
	m, err := Take(t.Context(), TakeOptions{From: Access{Addr: from.addr, Timeout: 5 * time.Second}, To: to, Progress: &said})
	return m, said.String(), err
}

// TestTake: each group is there once, however many runs of slots it has, and in both
// forms what is there can be read again.
func TestTake(t *testing.T) {
	f := newFakeServer(t)
	f.slots = func() string { return "*3\r\n" + f.row(0, 99) + f.row(200, 299) + f.row(300, 16383) }
	f.file = func(slot int) []byte {
		switch {
		case slot < 100 || slot >= 200 && slot < 300:
			return groupFile(4, "0-99 200-299", "first")
		case slot < 200:
			return groupFile(9, "100-199", "")
		}
		return groupFile(2, "300-16383", "second")
	}
	dir := t.TempDir()
	for _, name := range []string{"tree", "one.rdb", "slash/"} {
		path := filepath.Join(dir, name) // without the slash
		m, _, err := take(t, f, dir+"/"+name)
		if err != nil || m.Keys != 2 || len(m.Groups) != 3 || m.Groups[0].Group != 4 || m.Groups[1].Group != 9 || m.Groups[2].Group != 2 {
			t.Fatalf("%s: %v %+v", name, err, m)
		}
		keys := map[string]bool{}
		s, err := openSource(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.read(t.Context(), newProgress(io.Discard), func(rec *rdb.Record, _ int64) error {
			if rec.Kind == rdb.KeyValue {
				keys[string(rec.Key)] = true
			}
			return nil
		})
		if err != nil || len(keys) != 2 || s.manifest.Checksum != m.Checksum {
			t.Errorf("%s: %v, keys %v", name, err, keys)
		}
	}
}

// TestTakeMoved: a backup in which a slot would be twice begins anew, and one that
// can't be had leaves nothing.
func TestTakeMoved(t *testing.T) {
	f := newFakeServer(t)
	f.slots = func() string { return "*2\r\n" + f.row(0, 99) + f.row(100, 16383) }
	moves, asked := 1, 0
	f.file = func(slot int) []byte {
		if asked++; slot < 100 {
			return groupFile(1, "0-99", "a")
		}
		if moves > 0 {
			moves--
			return groupFile(2, "99-16383", "b")
		}
		return groupFile(2, "100-16383", "c")
	}
	dir := t.TempDir()
	m, said, err := take(t, f, filepath.Join(dir, "a"))
	if err != nil || m.Keys != 2 || asked != 4 || !strings.Contains(said, "beginning anew") {
		t.Fatalf("%v: %+v, asked %d times\n%s", err, m, asked, said)
	}
	moves = 100
	if _, _, err := take(t, f, filepath.Join(dir, "b")); err == nil || !strings.Contains(err.Error(), "slots have moved") {
		t.Errorf("%v", err)
	}
	whole := f.file
	f.file = func(slot int) []byte {
		b := whole(slot)
		b[len(b)-1] ^= 1
		return b
	}
	if _, _, err := take(t, f, filepath.Join(dir, "c.rdb")); err == nil || !strings.Contains(err.Error(), "came damaged") {
		t.Errorf("%v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left over: %v", entries)
	}
}
