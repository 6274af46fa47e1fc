package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/quorate/quorate/slab"
)

// ErrNoBinary is returned when there is no Quorate to run: QUORATE_BIN is not
// set and the repository has no main package.
var ErrNoBinary = errors.New("no quorate binary: set QUORATE_BIN, or add the main package")

// Root returns the directory of go.mod, searching upwards from the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = up
	}
}

// Binary returns the server to test: QUORATE_BIN if set, otherwise bin/quorate,
// built afresh once per process. Tests that run with the tag poison have a server with it,
// bin/quorate-poison.
var Binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("QUORATE_BIN"); path != "" {
		abs, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		if _, err := os.Stat(abs); err != nil {
			return "", fmt.Errorf("QUORATE_BIN: %w", err)
		}
		return abs, nil
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(root, "main.go")); err != nil {
		return "", ErrNoBinary
	}
	// Built aside and renamed, so that packages tested in parallel, or a node
	// that is running from bin/, never see half a file.
	final, tags := filepath.Join(root, "bin", "quorate"), ""
	if slab.Poison {
		final, tags = final+"-poison", "poison"
	}
	aside := fmt.Sprintf("%s.%d", final, os.Getpid())
	build := exec.Command("go", "build", "-tags", tags, "-o", aside, ".")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build quorate: %w\n%s", err, out)
	}
	return final, os.Rename(aside, final)
})
