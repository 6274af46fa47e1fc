package tool

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/config"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/store"
)

// logDump prints the log of a stopped node for people.
var logDump = Command{
	Name: "dump", Usage: "--dir D [--group G] [--from I] [--to I]", Summary: "print the log of a stopped node",
	Run: func(ctx context.Context, args []string, out, _ io.Writer) error { return dump(ctx, args, out) },
}

func dump(ctx context.Context, args []string, out io.Writer) (err error) {
	f := flag.NewFlagSet("log dump", flag.ContinueOnError)
	dir := f.String("dir", "", "the `directory` that the node has as dir")
	group := f.Int64("group", -1, "only the log of this `group`")
	from := f.Uint64("from", 0, "begin with this `index`")
	to := f.Uint64("to", math.MaxUint64, "end with this `index`")
	if err := parse(f, args); err != nil {
		return err
	}
	if *dir == "" {
		return fmt.Errorf("quorate log dump: --dir is needed; %s", flagsOf(f))
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("quorate log dump: %w", err)
		}
	}()
	n, err := node.OpenStopped(*dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	groups := n.Groups()
	if *group >= 0 {
		if !slices.Contains(groups, uint32(*group)) {
			return fmt.Errorf("no replica of group %d here: there is %d", *group, groups)
		}
		groups = []uint32{uint32(*group)}
	}
	w := bufio.NewWriterSize(out, 64<<10)
	for _, g := range groups {
		if err := dumpGroup(ctx, n, g, *from, *to, w); err != nil {
			return errors.Join(err, w.Flush())
		}
	}
	return w.Flush()
}

func dumpGroup(ctx context.Context, n *node.Stopped, group uint32, from, to uint64, w *bufio.Writer) error {
	a, err := n.Archive(group)
	if err != nil {
		return err
	}
	defer a.Close()
	if s := a.Snapshot; s != nil {
		fmt.Fprintf(w, "# group %d: the newest snapshot is that of index %d, term %d\n", group, s.Index, s.Term)
	}
	if a.First == 0 {
		return nil // the log is empty, and index 0 none
	}
	for i := max(from, a.First); i <= min(to, a.Last); i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := dumpEntry(a, group, i, n.Cluster && group == 0, w); err != nil {
			return err
		}
	}
	return nil
}

// dumpEntry prints an entry: a line about it, and one for each command. Those of the
// control group are JSON.
func dumpEntry(a *store.Archive, group uint32, index uint64, control bool, w *bufio.Writer) error {
	l, err := a.Entry(index)
	if err != nil {
		return err
	}
	at, body := l.AppendedAt, []byte(nil)
	if l.Type == raft.LogCommand && !control {
		var h fsm.Header
		if h, body, err = fsm.ParseHeader(l.Data); err != nil {
			return fmt.Errorf("group %d, entry %d: %w", group, index, err)
		}
		at = time.UnixMilli(h.Time)
	}
	stamp := "-"
	if !at.IsZero() {
		stamp = at.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	fmt.Fprintf(w, "group=%d index=%d term=%d time=%s type=%s\n", group, index, l.Term, stamp, typeOf(l.Type))
	switch {
	case l.Type == raft.LogConfiguration:
		for _, s := range raft.DecodeConfiguration(l.Data).Servers {
			fmt.Fprintf(w, "  %s %s at %s\n", s.Suffrage, s.ID, s.Address)
		}
	case control && len(l.Data) > 0:
		fmt.Fprintf(w, "  %s\n", readable(l.Data))
	}
	err = fsm.Steps(body, func(args [][]byte) {
		w.WriteString(" ")
		for _, arg := range args {
			w.WriteByte(' ')
			if args[0][0] == '#' {
				w.WriteString(readable(arg))
			} else {
				w.WriteString(config.Quote(string(arg)))
			}
		}
		w.WriteByte('\n')
	})
	if err != nil {
		return fmt.Errorf("group %d, entry %d: %w", group, index, err)
	}
	return nil
}

// readable quotes text that a terminal might take for something else.
func readable(b []byte) string {
	if bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r > '~' }) {
		return config.Quote(string(b))
	}
	return string(b)
}

func typeOf(t raft.LogType) string {
	switch t {
	case raft.LogCommand:
		return "commands"
	case raft.LogNoop:
		return "noop"
	case raft.LogBarrier:
		return "barrier"
	case raft.LogConfiguration:
		return "configuration"
	}
	return t.String()
}
