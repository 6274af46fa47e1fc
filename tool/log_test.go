package tool

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
)

// TestLog is how "quorate log" finds its commands, and what they refuse.
func TestLog(t *testing.T) {
	c, ok := Find("log")
	if !ok {
		t.Fatal("no command log")
	}
	dir := t.TempDir()
	for _, x := range []struct {
		args []string
		want string
	}{
		{nil, "quorate log migrate --dir D --to shared|boltdb"},
		{nil, "usage: quorate log dump --dir D"},
		{[]string{"shred"}, "quorate log migrate"},
		{[]string{"migrate"}, "--dir and --to are needed"},
		{[]string{"migrate", "--dir", dir, "--to", "boltdb", "more"}, `unexpected "more"`},
		{[]string{"migrate", "--dir", dir, "--to", "boltdb"}, "no node's data"},
		{[]string{"dump"}, "--dir is needed"},
		{[]string{"dump", "--dir", dir}, "no data of a node"},
		{[]string{"export", "--dir", dir}, "--dir and --out are needed"},
		{[]string{"export", "--dir", dir, "--out", dir}, "no data of a node"},
	} {
		err := c.Run(context.Background(), x.args, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("log %v: %v, want %q", x.args, err, x.want)
		}
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("%v was made, %v", names, err)
	}
}
