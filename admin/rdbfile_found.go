package admin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"github.com/quorate/quorate/aof"
	"github.com/quorate/quorate/fsm"
)

// A file at dir/dbfilename that somebody else has left, of Redis Cluster or of a node that
// was wiped, may be all that there is of some data, and so may append-only files. A node of a
// cluster doesn't load them, as its data is the cluster's, and doesn't write over them either.

// headBytes is where in a file of our own its node stands.
const headBytes = 4 << 10

// foundFile reports whether there is a file that this node hasn't written.
func (a *Admin) foundFile(path string) (bool, error) {
	if !a.Node.Cluster() {
		return false, nil
	}
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !st.Mode().IsRegular() {
		return false, nil // whatever else is there is in the way
	}
	if err != nil {
		return false, err
	}
	own, err := a.ownFile(path)
	return !own, err
}

// ownFile reports whether this node has written an RDB file.
func (a *Admin) ownFile(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	return fsm.FileNode(io.LimitReader(f, headBytes)) == a.Node.ID(), nil
}

// keepFound moves such a file aside before the node's own takes its place.
func (a *Admin) keepFound(path string) error {
	found, err := a.foundFile(path)
	if err != nil || !found {
		return err
	}
	return a.moveFound(path)
}

// KeepFoundDir moves append-only files that this node hasn't written aside.
func (a *Admin) KeepFoundDir(dir aof.Dir) error {
	if !a.Node.Cluster() {
		return nil
	}
	m, err := dir.Manifest()
	if err != nil || m == nil {
		return err
	}
	if base := dir.Base(m); base != "" {
		if own, err := a.ownFile(base); err != nil || own {
			return err
		}
	}
	return a.moveFound(dir.Path)
}

func (a *Admin) moveFound(path string) error {
	kept, err := nameForFound(path)
	if err == nil {
		err = os.Rename(path, kept)
	}
	if err != nil {
		return fmt.Errorf("keep what was here before: %w", err)
	}
	a.Warn("files that this node hasn't written were kept under another name", "path", path, "now", kept)
	return nil
}

// nameForFound returns a name that nothing has.
func nameForFound(path string) (string, error) {
	for n := 1; ; n++ {
		kept := path + ".found"
		if n > 1 {
			kept += "-" + strconv.Itoa(n)
		}
		if _, err := os.Lstat(kept); errors.Is(err, fs.ErrNotExist) {
			return kept, nil
		} else if err != nil {
			return "", err
		}
	}
}

// TellFound says at the start what becomes of such a file.
func (a *Admin) TellFound() {
	path := a.dumpPath()
	if found, err := a.foundFile(path); err == nil && found {
		a.Warn("there is an RDB file that this node hasn't written. A node of a cluster doesn't load it: quorate restore does. "+
			"It is kept under another name when the node writes its own", "file", path)
	}
}
