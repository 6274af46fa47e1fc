// Package arch tests which packages may know which: imports point downwards.
package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/quorate/quorate"

// layers lists the packages from top to bottom. A package may import those in
// lines below its own; packages of one line don't know each other, except that
// a package may import what stands inside its own directory.
var layers = [][]string{
	{""}, // main
	{"tool"},
	{"admin"},
	{"transport"},
	{"node"},
	{"transport/peer"},
	{"store"},
	{"slots"},
	{"fsm"},
	{"fsm/script"},
	{"fsm/rdb"},
	{"fsm/keyspace"},
	{"fsm/listpack", "fsm/crc64", "slots/hashslot"},
	{"security", "aof"},
	{"command", "config", "metrics", "resp"},
	{"glob", "gradual", "nonblock", "slab"},
}

// anywhere are directories whose packages nobody imports and which may import
// everything: tests and tools.
var anywhere = []string{"test", "scripts"}

// layerOf returns the line of the package, or -1. A package without a line of
// its own belongs to that of its directory's parent.
func layerOf(dir string) (layer int, named string) {
	for {
		for i, names := range layers {
			if slices.Contains(names, dir) {
				return i, dir
			}
		}
		cut := strings.LastIndexByte(dir, '/')
		if cut < 0 {
			return -1, dir
		}
		dir = dir[:cut]
	}
}

// allowed reports whether a package may import another, both as directories in
// the module.
func allowed(from, to string) bool {
	if top, _, _ := strings.Cut(from, "/"); slices.Contains(anywhere, top) {
		return true
	}
	a, nameA := layerOf(from)
	b, nameB := layerOf(to)
	return a >= 0 && b >= 0 && (a < b || nameA == nameB)
}

// TestImportsPointDownwards parses every file of the module, tests included.
func TestImportsPointDownwards(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if name := d.Name(); rel != "." && (name == "testdata" || name[0] == '.' || name[0] == '_') {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		files++
		from := filepath.ToSlash(filepath.Dir(rel))
		if from == "." {
			from = ""
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			name, _ := strconv.Unquote(imp.Path.Value)
			to, inside := strings.CutPrefix(name, module)
			if !inside || to != "" && to[0] != '/' {
				continue
			}
			if to = strings.TrimPrefix(to, "/"); !allowed(from, to) {
				t.Errorf("%s imports %s, which is not below %q", rel, name, from)
			}
		}
		return nil
	})
	if err != nil || files < 20 {
		t.Fatalf("parsed %d files: %v", files, err)
	}
}

// TestAllowed makes sure that the test above can fail.
func TestAllowed(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"", "store", true},
		{"store", "fsm", true},
		{"node", "transport/peer", true},
		{"node", "transport", false},
		{"fsm", "store", false},
		{"fsm/keyspace", "fsm", false},
		{"fsm", "fsm/rdb", true},
		{"fsm/keyspace", "slots/hashslot", true},
		{"fsm", "slots", false},
		{"slots", "fsm", true},
		{"resp", "command", false},
		{"security", "command", true},
		{"command", "", false},
		{"transport", "transport/peer", true},
		{"transport/peer", "transport", false},
		{"store/log", "store", true},
		{"store", "store/log", true},
		{"unheard/of", "resp", false},
		{"test/cluster", "store", true},
		{"store", "test/cluster", false},
	} {
		if got := allowed(c.from, c.to); got != c.want {
			t.Errorf("%q may import %q: %v, want %v", c.from, c.to, got, c.want)
		}
	}
}
