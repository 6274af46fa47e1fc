package admin

import (
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/resp"
)

// TestNoFileOfPart: a process that ends before it has read its log leaves the RDB file
// alone: it would hold a part of the data.
func TestNoFileOfPart(t *testing.T) {
	if err := (&Admin{}).SaveAtEnd(); err != nil {
		t.Error(err)
	}
}

// TestChangesOfEarlyClients: what clients write between the end of loading and Served,
// which comes when everything else has begun, counts as changed since the last file, and
// what the log held doesn't.
func TestChangesOfEarlyClients(t *testing.T) {
	dir := t.TempDir()
	var incr *fsm.Command
	for _, c := range fsm.Commands() {
		if c.Name == "INCR" {
			incr = c
		}
	}
	for start, want := range []int64{2, 1} {
		n, err := node.Open(node.Options{Dir: dir, Databases: 16, Fatal: func(err error) { panic(err) }, Logger: hclog.NewNullLogger()})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		if !n.Ready(t.Context()) {
			t.Fatal("not ready")
		}
		a := &Admin{Node: n}
		if got := a.lastLoad().Keys; got != int64(start) {
			t.Errorf("start %d: clients are served and hear that %d keys were loaded", start, got)
		}
		g, _ := n.Route(0)
		for range 2 - start {
			if err := g.Propose(&fsm.Unit{Ops: []fsm.Op{{Cmd: incr, Args: [][]byte{[]byte("INCR"), []byte("k")}}}, Reply: &resp.Writer{Proto: 2}}); err != nil {
				t.Fatal(err)
			}
		}
		a.Served()
		if got := a.changes().since(a.dumps.changes); got != want {
			t.Errorf("start %d: %d changes, want %d", start, got, want)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestChangesSince: changes are counted for each replica by itself, and a replica that has
// come or gone is one.
func TestChangesSince(t *testing.T) {
	var a, b, c fsm.Stats
	for _, x := range []struct {
		before, now counts
		want        int64
	}{
		{nil, counts{&a: 3, &b: 4}, 7},
		{counts{&a: 3, &b: 4}, counts{&a: 3, &b: 4}, 0},
		{counts{&a: 3, &b: 4}, counts{&a: 5, &b: 4}, 2},
		{counts{&a: 300, &b: 4}, counts{&b: 4}, 1},
		{counts{&a: 300, &b: 4}, counts{&b: 4, &c: 0}, 2},
		{counts{}, counts{&c: 10}, 11},
	} {
		if got := x.now.since(x.before); got != x.want {
			t.Errorf("%v since %v: %d, want %d", x.now, x.before, got, x.want)
		}
	}
}
