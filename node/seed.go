package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/aof"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/store"
)

// Seed names files of Redis's with which a node in plain mode begins if it has no
// state yet. The first that is there counts; none: it begins empty.
type Seed struct {
	AOF       aof.Dir // zero: not looked at
	Truncated bool    // the last file of AOF may end in the middle of a command
	RDB       string  // "": not looked at
}

// seed gives the group of a node in plain mode its first state, if there are files for
// that and no state yet.
func (n *Node) seed(files *store.Files, members []raft.Server, o fsm.Options) error {
	if n.opt.Cluster || members == nil {
		return nil
	}
	begin := n.seedRDB
	name := n.opt.Seed.RDB
	if n.opt.Seed.AOF != (aof.Dir{}) {
		m, err := n.opt.Seed.AOF.Manifest()
		if err != nil {
			return err
		}
		if m != nil {
			name = n.opt.Seed.AOF.Path
			begin = func(to *fsm.Machine) error { return n.seedAOF(to, m) }
		}
	}
	if _, err := os.Stat(name); name == "" || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var limits map[string]int
	if n.opt.Limits != nil {
		limits = n.opt.Limits()
	}
	start := time.Now()
	used, err := files.Seed(begin, members, o, limits)
	switch {
	case err != nil:
		return fmt.Errorf("load %s, as there is no other data: %w", name, err)
	case used:
		n.log.Info("began with files of another server", "files", name, "keys", n.loaded.Keys, "expired", n.loaded.Expired, "took", time.Since(start))
	default:
		n.log.Info("files not loaded: there is data already", "files", name)
	}
	return nil
}

func (n *Node) seedRDB(m *fsm.Machine) error {
	f, err := os.Open(n.opt.Seed.RDB)
	if err != nil {
		return err
	}
	n.loaded, err = m.Load(f, time.Now().UnixMilli(), false)
	return errors.Join(err, f.Close())
}

func (n *Node) seedAOF(m *fsm.Machine, files *aof.Manifest) error {
	l := &loader{m: m, replay: fsm.NewReplay(m, time.Now().UnixMilli())}
	err := n.opt.Seed.AOF.Load(files, l, n.opt.Seed.Truncated, func(text string) { n.log.Warn(text) })
	if err == nil {
		err = l.err
	}
	if err == nil {
		l.replay.Done()
	}
	return err
}

// loader puts what append-only files say into a machine.
type loader struct {
	m      *fsm.Machine
	replay *fsm.Replay
	err    error
}

// RDB implements aof.Loader. Nothing expires: an increment may say that a key of the
// base stays.
func (l *loader) RDB(r io.Reader) error {
	if l.err != nil {
		return l.err
	}
	_, err := l.m.Load(r, 0, false)
	return err
}

// Command implements aof.Loader.
func (l *loader) Command(args [][]byte) error {
	if l.err == nil {
		l.err = l.replay.Command(args)
	}
	return l.err
}

// End implements aof.Loader.
func (l *loader) End() bool {
	if l.err != nil {
		return false
	}
	unfinished, err := l.replay.End()
	l.err = err
	return unfinished
}
