package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
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
func (n *Node) seed(files *store.Files, members []raft.Server, o *store.GroupOptions) (*fsm.Machine, error) {
	if n.opt.Cluster || members == nil {
		return nil, nil
	}
	begin := func(to *fsm.Machine, opt fsm.Options) error { return n.seedRDB(to, opt, o.Loading) }
	name, there := n.opt.Seed.RDB, false
	if name != "" {
		_, err := os.Stat(name)
		there = !errors.Is(err, fs.ErrNotExist)
	}
	if dir := n.opt.Seed.AOF; dir != (aof.Dir{}) {
		m, err := dir.Manifest()
		if err != nil {
			return nil, err
		}
		if m != nil || dir.Single(m) {
			name, there = dir.Path, true
			begin = func(to *fsm.Machine, opt fsm.Options) error { return n.seedAOF(to, opt, m, o.Loading) }
		}
	}
	if !there {
		return nil, nil
	}
	var limits map[string]int
	if n.opt.Limits != nil {
		limits = n.opt.Limits()
	}
	start := time.Now()
	m, err := files.Seed(begin, members, o.Machine, o.Loading, limits)
	switch {
	case err != nil:
		return nil, fmt.Errorf("load %s, as there is no other data: %w", name, err)
	case m != nil:
		n.log.Info("began with files of another server", "files", name, "keys", n.loaded.Keys, "expired", n.loaded.Expired, "took", time.Since(start))
	default:
		n.log.Info("files not loaded: there is data already", "files", name)
	}
	return m, nil
}

func (n *Node) seedRDB(m *fsm.Machine, o fsm.Options, l *store.Loading) error {
	f, err := os.Open(n.opt.Seed.RDB)
	if err != nil {
		return err
	}
	read := make(chan struct{})
	var wg sync.WaitGroup
	// Owned by this call, which ends it. A file may keep its reader waiting.
	wg.Go(func() {
		select {
		case <-n.stop:
		case <-read:
		}
		_ = f.Close() // it was only read
	})
	defer wg.Wait()
	defer close(read)
	st, err := f.Stat()
	if err != nil {
		return err
	}
	n.loaded, err = m.Load(l.RDB(f, st.Size()), time.Now().UnixMilli(), false, o)
	return err
}

func (n *Node) seedAOF(m *fsm.Machine, o fsm.Options, files *aof.Manifest, p *store.Loading) error {
	dir, start := n.opt.Seed.AOF, time.Now()
	if dir.Single(files) {
		next, err := dir.Upgrade(files)
		if err != nil {
			return err
		}
		files = next
		n.log.Info(fmt.Sprintf("Successfully migrated an old-style AOF file (%s) into the AOF directory (%s).", dir.Name, filepath.Base(dir.Path)))
	}
	o.Tail = true // of a base of Redis 6 and older
	l := &loader{m: m, opt: o, progress: p, replay: fsm.NewReplay(m, time.Now().UnixMilli())}
	err := dir.Load(files, l, n.opt.Seed.Truncated, n.log)
	if err == nil {
		err = l.err
	}
	if err != nil {
		return err
	}
	l.replay.Done()
	n.loaded = l.loaded
	n.log.Info(fmt.Sprintf("DB loaded from append only file: %.3f seconds", time.Since(start).Seconds()))
	return nil
}

// loader puts what append-only files say into a machine.
type loader struct {
	m        *fsm.Machine
	opt      fsm.Options
	progress *store.Loading
	replay   *fsm.Replay
	loaded   fsm.Loaded // of the base
	err      error
}

// RDB implements aof.Loader. Nothing expires: an increment may say that a key of the
// base stays.
func (l *loader) RDB(r io.Reader) (int64, error) {
	if l.err != nil {
		return 0, l.err
	}
	var err error
	l.loaded, err = l.m.Load(l.progress.RDB(r, 0), 0, false, l.opt)
	return l.loaded.Bytes, err
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
