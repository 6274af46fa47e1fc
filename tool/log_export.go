package tool

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/admin"
	"github.com/quorate/quorate/aof"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/security"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/transport"
)

// logExport writes what a stopped node has as an append-only directory of Redis 7: the
// newest snapshots as the base, the effects of the entries behind them as the increment.
var logExport = Command{
	Name: "export", Usage: "--dir D --out DIR [--databases N] [--uncertain]",
	Summary: "write the data of a stopped node as append-only files of Redis 7", Run: exportLog,
}

func exportLog(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	f := flag.NewFlagSet("log export", flag.ContinueOnError)
	dir := f.String("dir", "", "the `directory` that the node has as dir")
	to := f.String("out", "", "the `directory` to write, which must be empty or missing")
	databases := f.Int("databases", 16, "the `number` that the node has as databases")
	uncertain := f.Bool("uncertain", false, "also what isn't known to be committed")
	if err := parse(f, args); err != nil {
		return err
	}
	if *dir == "" || *to == "" {
		return fmt.Errorf("quorate log export: --dir and --out are needed; %s", flagsOf(f))
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("quorate log export: %w", err)
		}
	}()
	n, err := node.OpenStopped(*dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	undo, err := emptyDir(*to)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, undo())
		}
	}()
	e := &export{node: n, databases: *databases, uncertain: *uncertain, progress: progress}
	if n.Cluster {
		e.databases = 1
	}
	defer e.close()
	for _, g := range n.Groups() {
		if n.Cluster && g == 0 {
			continue // the map of slots, no data
		}
		if err := e.open(g); err != nil {
			return fmt.Errorf("group %d: %w", g, err)
		}
	}
	if len(e.parts) == 0 {
		return errors.New("the node has no replica of any group")
	}
	if err := e.write(ctx, aof.Dir{Path: *to, Name: "appendonly.aof"}); err != nil {
		return err
	}
	e.report(out, *to)
	return nil
}

// emptyDir makes a directory, or finds an empty one. undo empties it again.
func emptyDir(path string) (undo func() error, err error) {
	names, err := os.ReadDir(path)
	made := errors.Is(err, fs.ErrNotExist)
	if made {
		err = os.MkdirAll(path, 0o755)
	}
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("%s isn't empty: nothing was written", path)
	}
	return func() error {
		if made {
			return os.RemoveAll(path)
		}
		names, err := os.ReadDir(path)
		for _, n := range names {
			err = errors.Join(err, os.RemoveAll(filepath.Join(path, n.Name())))
		}
		return err
	}, nil
}

// export is one run of the command.
type export struct {
	node      *node.Stopped
	databases int
	uncertain bool
	progress  io.Writer
	parts     []*part
	db        int  // selected at the end of the increment
	again     bool // commands can't tell what the entries did: see write
}

// part is a group of it.
type part struct {
	group       uint32
	archive     *store.Archive
	machine     *fsm.Machine
	first, last uint64 // entries that are exported
	left        uint64 // entries that aren't
}

func (e *export) open(group uint32) error {
	a, err := e.node.Archive(group)
	if err != nil {
		return err
	}
	p := &part{group: group, archive: a}
	e.parts = append(e.parts, p)
	if p.first, p.last, err = a.Behind(); err != nil {
		return err
	}
	committed, err := a.Committed(e.node.ID)
	if err != nil {
		return err
	}
	if !e.uncertain && committed < p.last {
		p.left = p.last - max(committed, p.first-1)
		p.last -= p.left
	}
	o := fsm.Options{Databases: e.databases, Cluster: e.node.Cluster, Commands: allCommands()}
	if o.Skip, err = e.node.Skip(group); err != nil {
		return err
	}
	fmt.Fprintf(e.progress, "group %d: reading the snapshot\n", group)
	p.machine, err = a.State(o)
	return err
}

// allCommands are what the rules of users can name, as in a server: entries of
// scripts carry such rules.
var allCommands = sync.OnceValue(func() *security.Commands {
	table := transport.NewTable((&admin.Admin{}).Commands()...)
	return security.NewUsers(transport.SecurityCommands(table)).Commands
})

func (e *export) close() {
	for _, p := range e.parts {
		_ = p.archive.Close() // it was only read
	}
}

// write writes base, increment, and last the manifest, without which the others are nothing.
func (e *export) write(ctx context.Context, to aof.Dir) error {
	m := aof.NewManifest(to.Name)
	base, increment := filepath.Join(to.Path, m.Base.Name), filepath.Join(to.Path, m.Increments[0].Name)
	if err := writeSynced(base, e.writeBase); err != nil {
		return err
	}
	if err := writeSynced(increment, func(w io.Writer) error { return e.writeEffects(ctx, w) }); err != nil {
		return err
	}
	if e.again {
		// A command about all there is (FLUSHALL) was one of a single group, or slots
		// have come or gone. Then the base has everything.
		if err := errors.Join(writeSynced(base, e.writeBase), writeSynced(increment, func(io.Writer) error { return nil })); err != nil {
			return err
		}
	}
	return to.WriteManifest(m)
}

// writeBase writes the state of all groups.
func (e *export) writeBase(w io.Writer) error {
	file := fsm.File{AOFBase: true}
	var parts []fsm.SnapshotPart
	for _, p := range e.parts {
		file.Now = p.machine.Now()
		s := p.machine.BeginFile(file)
		defer s.Release()
		parts = append(parts, fsm.SnapshotPart{Snapshot: s, Lock: &sync.Mutex{}})
	}
	return fsm.WriteFile(w, file, parts)
}

// writeEffects applies the entries and writes what they do.
func (e *export) writeEffects(ctx context.Context, w io.Writer) error {
	e.db = -1
	for _, p := range e.parts {
		fmt.Fprintf(e.progress, "group %d: applying entries %d to %d\n", p.group, p.first, p.last)
		for i := p.first; i <= p.last; i++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			l, err := p.archive.Entry(i)
			if err != nil {
				return fmt.Errorf("group %d: %w", p.group, err)
			}
			if l.Type != raft.LogCommand || i <= p.machine.Index() {
				continue
			}
			p.machine.Record(true, e.db)
			if err := p.machine.Apply(i, l.Data, nil); err != nil {
				return fmt.Errorf("group %d: %w", p.group, err)
			}
			effects := p.machine.TakeEffects()
			e.again = e.again || effects.Moved || effects.Whole && len(e.parts) > 1
			if e.db = effects.DB; len(effects.Commands) > 0 {
				if _, err := w.Write(effects.Commands); err != nil {
					return err
				}
			}
		}
		p.machine.Record(false, -1)
	}
	return nil
}

func (e *export) report(out io.Writer, to string) {
	for _, p := range e.parts {
		keys := 0
		for db := range p.machine.Keyspace().Databases() {
			keys += p.machine.Keyspace().DB(db).Len()
		}
		fmt.Fprintf(out, "group %d: %d keys, up to entry %d\n", p.group, keys, p.last)
		if p.left > 0 {
			fmt.Fprintf(out, "group %d: %d entries at the end aren't known to be committed and were left out (--uncertain takes them)\n", p.group, p.left)
		}
	}
	fmt.Fprintf(out, "written to %s\n", to)
}

// writeSynced writes a file that is on stable storage when it returns.
func writeSynced(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err = write(w); err == nil {
		err = errors.Join(w.Flush(), f.Sync())
	}
	return errors.Join(err, f.Close())
}
