package fsm

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// impure are packages that would let replicas differ, and the files that may
// import one all the same, with the reason in a comment there.
var impure = map[string][]string{
	"time":         nil,
	"math/rand":    nil,
	"math/rand/v2": nil,
	"crypto/rand":  nil,
	"net":          nil,
	"os":           nil,
	"os/signal":    nil,
	"syscall":      nil,
	"runtime":      nil,
	"sync":         {"snapshot.go", "wait.go"},
	"hash/maphash": {"keyspace/dense.go"},
}

// TestPurity holds the machine to what it promises: it and everything under it
// see no clock, no chance, no network, no file and no goroutine.
func TestPurity(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, problem := range impurities(fset, f, filepath.ToSlash(path)) {
			t.Error(problem)
		}
		return nil
	})
	if err != nil || files < 10 {
		t.Fatalf("parsed %d files: %v", files, err)
	}
}

// TestPurityFinds makes sure that the guard can fail.
func TestPurityFinds(t *testing.T) {
	const src = `package x
import ("time"; "net/http"; "sync"; "hash/maphash")
func f() { go f() }`
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "x.go", src, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := impurities(fset, f, "x.go"); len(got) != 5 {
		t.Errorf("found %q, want five problems", got)
	}
	if got := impurities(fset, f, "keyspace/dense.go"); len(got) != 4 {
		t.Errorf("found %q, want four problems", got)
	}
}

func impurities(fset *token.FileSet, f *ast.File, path string) (found []string) {
	for _, imp := range f.Imports {
		name, _ := strconv.Unquote(imp.Path.Value)
		allowed, listed := impure[name]
		if !listed && !strings.HasPrefix(name, "net/") {
			continue
		}
		ok := false
		for _, a := range allowed {
			ok = ok || a == path
		}
		if !ok {
			found = append(found, path+" imports "+name)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if g, ok := n.(*ast.GoStmt); ok {
			found = append(found, fset.Position(g.Pos()).String()+": a go statement")
		}
		return true
	})
	return found
}
