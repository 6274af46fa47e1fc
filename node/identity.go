// Package node is one process's part of a cluster: it forms or joins the
// cluster, runs the replicas that the slot map gives it, keeps their membership
// as the map says, and routes commands to groups.
package node

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/quorate/quorate/config"
	"github.com/quorate/quorate/slots"
)

// DataDir is the name of a node's data directory, below the server's dir.
const DataDir = config.DataName

// identity is what a node must never lose or share: it is written before it is
// used and read at every start.
type identity struct {
	Version int    `json:"version"` // 1
	Node    string `json:"node"`    // ID of this node
	Mode    string `json:"mode"`    // "plain" or "cluster"
	Log     string `json:"log"`     // how the log is kept: see log.go
	Cluster string `json:"cluster"` // ID of the cluster, "" before this node belongs to one
	// Founding is the first map of a cluster this node founded with others: the
	// members that bootstrap the control group. nil for a node that joined.
	Founding *slots.Image `json:"founding,omitempty"`
	// Groups are the replicas that were started here. One whose files are
	// missing lost its vote and its log and must not come back under this ID.
	Groups map[uint32]bool `json:"groups"`
	// GivenUp are those that were deleted because the map took them away. They don't
	// come back either, whatever an older map says: docs/decisions/0027-given-up.md.
	GivenUp map[uint32]bool `json:"given-up,omitempty"`

	path string
}

// newID draws an ID of 40 hexadecimal digits.
func newID() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// loadIdentity reads the identity in dir or makes a new one.
func loadIdentity(dir, mode string) (*identity, error) {
	id, err := readIdentity(dir)
	if errors.Is(err, os.ErrNotExist) {
		id = &identity{Version: 1, Node: newID(), Mode: mode, Groups: map[uint32]bool{}, GivenUp: map[uint32]bool{}, path: identityPath(dir)}
		return id, id.save()
	}
	if err != nil {
		return nil, err
	}
	if id.Mode != mode {
		return nil, fmt.Errorf("the data in %s is that of a node in %s mode: set cluster-enabled accordingly, or use another directory", dir, id.Mode)
	}
	return id, nil
}

func identityPath(dir string) string { return filepath.Join(dir, "node.json") }

// readIdentity reads the identity in dir.
func readIdentity(dir string) (*identity, error) {
	id := &identity{path: identityPath(dir)}
	text, err := os.ReadFile(id.path)
	if err != nil {
		return nil, fmt.Errorf("read the node's identity: %w", err)
	}
	if err := json.Unmarshal(text, id); err != nil || id.Version != 1 || len(id.Node) != 40 {
		return nil, fmt.Errorf("the node's identity in %s can't be understood", id.path)
	}
	if id.Groups == nil {
		id.Groups = map[uint32]bool{}
	}
	if id.GivenUp == nil {
		id.GivenUp = map[uint32]bool{}
	}
	return id, nil
}

// save writes the identity so that a crash leaves the old or the new one.
func (id *identity) save() error {
	text, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(id.path, append(text, '\n'))
}

// writeFile replaces a file by way of a synced temporary one.
func writeFile(path string, text []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a directory's names durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lockDir takes a directory for this process, or says that another has it.
func lockDir(dir string) (*os.File, error) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("data directory: %w", err)
		}
		if err := syncDir(filepath.Dir(filepath.Clean(dir))); err != nil {
			return nil, fmt.Errorf("data directory: %w", err)
		}
	}
	return takeLock(dir, os.O_CREATE|os.O_RDWR)
}

// takeLock opens the lock's file as mode says and takes the lock.
func takeLock(dir string, mode int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), mode, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory %s is in use by another process", dir), f.Close())
	}
	return f, nil
}
