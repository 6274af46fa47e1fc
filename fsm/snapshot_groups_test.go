package fsm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/quorate/quorate/fsm/rdb"
	"github.com/quorate/quorate/slots/hashslot"
)

// keyAt returns the n-th key of a slot.
func keyAt(slot uint16, n int) string {
	for i := 0; ; i++ {
		if key := fmt.Sprintf("key:%d", i); hashslot.Of([]byte(key)) == slot {
			if n--; n < 0 {
				return key
			}
		}
	}
}

// TestFileOfGroups: a file of several groups has the keys of each slot once, those of the
// group that got it last, also while slots move, and none that a group has and doesn't serve;
// libraries once; and it says what it has of whom.
func TestFileOfGroups(t *testing.T) {
	group := func(epoch uint64, first, last uint16) *pair {
		p := newPair(t, Options{Cluster: true, Databases: 1})
		var all, owned SlotSet
		all.Add(0, 300)
		owned.Add(first, last)
		p.apply(0, Own(&all, epoch-1)...)
		for slot := range uint16(300) {
			if slot%50 == 10 { // also where it will serve nothing
				p.want(fmt.Sprintf("SET %s %d", keyAt(slot, 0), epoch), "+OK\r\n")
				p.want(fmt.Sprintf("SET %s %d PX 100000", keyAt(slot, 1), epoch), "+OK\r\n")
			}
		}
		p.do(0, [][]byte{[]byte("FUNCTION"), []byte("LOAD"), []byte("#!lua name=lib\nredis.register_function('f', function() return 7 end)")})
		p.apply(0, Own(&owned, epoch)...)
		return p
	}
	// Both say that they serve slots 50 to 99. One has a large value there, which the applier saves
	// before the other's claim is known.
	a, b := group(7, 0, 99), group(9, 50, 199)
	large := keyAt(60, 2)
	a.do(0, [][]byte{[]byte("SETRANGE"), []byte(large), []byte("100000"), []byte("x")})
	a.do(0, append([][]byte{[]byte("RPUSH"), []byte(keyAt(60, 3))}, bytes.Split(bytes.Repeat([]byte("some element,"), 20000), []byte(","))...))
	file, progress := File{Node: "some node", Now: scriptTime}, Progress{}
	file.Progress = &progress
	var parts []SnapshotPart
	for i, p := range []*pair{a, b} {
		s := p.leader.BeginFile(file)
		defer s.Release()
		parts = append(parts, SnapshotPart{Snapshot: s, Lock: alone{}, Group: uint32(i + 1), Term: 5})
	}
	// The applier saves what is left out later, and what was left out already.
	a.want("SET "+keyAt(60, 0)+" later", "+OK\r\n")
	a.want("SET "+keyAt(10, 0)+" later", "+OK\r\n")
	a.want("APPEND "+large+" y", ":100002\r\n")
	a.want("RPUSH "+keyAt(60, 3)+" y", ":20002\r\n")
	b.want("SET "+keyAt(60, 0)+" later", "+OK\r\n")
	var out bytes.Buffer
	if err := WriteFile(&out, file, parts); err != nil {
		t.Fatal(err)
	}
	if node := FileNode(bytes.NewReader(out.Bytes())); node != "some node" {
		t.Errorf("the file is of the node %q", node)
	}
	for _, other := range [][]byte{nil, []byte("REDIS0011"), out.Bytes()[:20], fileOf(t, a.leader, File{})} {
		if node := FileNode(bytes.NewReader(other)); node != "" {
			t.Errorf("the file is of the node %q", node)
		}
	}
	keys, libraries := map[string]string{}, 0
	var origins []string
	d := rdb.NewDecoder(&out)
	for {
		rec, err := d.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case rec.Kind == rdb.KeyValue:
			if _, twice := keys[string(rec.Key)]; twice {
				t.Errorf("%s is there twice", rec.Key)
			}
			keys[string(rec.Key)] = string(rec.Value.Str(nil))
		case rec.Kind == rdb.FunctionLibrary:
			libraries++
		case rec.Kind == rdb.AuxField && string(rec.Name) == AuxOrigin:
			o, err := ParseOrigin(rec.Text)
			if err != nil || o.Index == 0 || o.Term != 5 {
				t.Errorf("%+v, %v", o, err)
			}
			origins = append(origins, fmt.Sprintf("group %d: %s, %d keys, %d expire", o.Group, o.Slots, o.Keys, o.Expires))
		}
	}
	want := map[string]string{}
	for slot, value := range map[uint16]string{10: "7", 60: "9", 110: "9", 160: "9"} {
		want[keyAt(slot, 0)], want[keyAt(slot, 1)] = value, value
	}
	if fmt.Sprint(keys) != fmt.Sprint(want) || libraries != 1 {
		t.Errorf("the file has %v and %d libraries, want %v and one", keys, libraries, want)
	}
	if got := strings.Join(origins, "\n"); got != "group 1: 0-49, 2 keys, 1 expire\ngroup 2: 50-199, 6 keys, 3 expire" {
		t.Errorf("the file says it has\n%s", got)
	}
	if done, total := progress.Keys.Load(), progress.Total.Load(); done != 8 || total != 8 || progress.Copied.Load() != 0 {
		t.Errorf("%d keys of %d, %d bytes left", done, total, progress.Copied.Load())
	}
}
