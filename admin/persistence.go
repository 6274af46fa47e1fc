package admin

import (
	"errors"
	"sync"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/transport"
)

const saveFlags = command.Admin | command.NoScript | command.NoAsyncLoading

// saveCommand is SAVE: a snapshot of every replica on this node, compacting its
// log, answered when all are on disk. Other clients are served meanwhile.
func (a *Admin) saveCommand() *transport.Command {
	return &transport.Command{Run: a.save, Spec: command.Spec{Name: "SAVE", Arity: 1, Flags: saveFlags | command.NoMulti,
		Group: "server", Since: "1.0.0", Complexity: "O(N)", Summary: "Writes a snapshot to disk and waits for it."}}
}

func (a *Admin) save(s *transport.Session, _ [][]byte) {
	var wg sync.WaitGroup
	errs := make(chan error, len(a.Node.Groups()))
	for _, g := range a.Node.Groups() {
		wg.Add(1)
		// Ends with the snapshot it takes; the session waits for it.
		go func() {
			defer wg.Done()
			errs <- g.Save()
		}()
	}
	wg.Wait()
	close(errs)
	var failed error
	for err := range errs {
		failed = errors.Join(failed, err)
	}
	switch {
	case errors.Is(failed, store.ErrSaving):
		s.Error("ERR Background save already in progress")
	case failed != nil:
		s.Error("ERR " + failed.Error())
	default:
		s.OK()
	}
}

// bgsaveCommand is BGSAVE [SCHEDULE].
func (a *Admin) bgsaveCommand() *transport.Command {
	return &transport.Command{Run: a.bgsave, Spec: command.Spec{Name: "BGSAVE", Arity: -1, Flags: saveFlags,
		Group: "server", Since: "1.0.0", Complexity: "O(1)", Summary: "Starts to write a snapshot to disk.", Syntax: "[SCHEDULE]"}}
}

func (a *Admin) bgsave(s *transport.Session, args [][]byte) {
	schedule := len(args) == 2 && word(args[1], "SCHEDULE")
	if len(args) > 1 && !schedule {
		s.Error("ERR syntax error")
		return
	}
	for _, g := range a.Node.Groups() {
		if err := g.SaveInBackground(); err != nil && !schedule {
			s.Error("ERR Background save already in progress")
			return
		}
	}
	s.Simple("Background saving started")
}

// bgrewriteaofCommand is BGREWRITEAOF. The Raft log is the append-only file; it
// becomes short by a snapshot, after which what lies before it is dropped.
func (a *Admin) bgrewriteaofCommand() *transport.Command {
	return &transport.Command{Run: a.bgrewriteaof, Spec: command.Spec{Name: "BGREWRITEAOF", Arity: 1,
		Flags: command.Admin | command.NoScript | command.NoAsyncLoading, Group: "server", Since: "1.0.0", Complexity: "O(1)",
		Summary: "Takes snapshots in the background, so that the log becomes short."}}
}

func (a *Admin) bgrewriteaof(s *transport.Session, _ [][]byte) {
	for _, g := range a.Node.Groups() {
		if err := g.SaveInBackground(); err != nil {
			s.Error("ERR Background append only file rewriting already in progress")
			return
		}
	}
	s.Simple("Background append only file rewriting started")
}

// lastsaveCommand is LASTSAVE.
func (a *Admin) lastsaveCommand() *transport.Command {
	return &transport.Command{Run: func(s *transport.Session, _ [][]byte) { s.Int(a.lastSave().Unix()) },
		Spec: command.Spec{Name: "LASTSAVE", Arity: 1, Flags: command.Loading | command.Stale | command.Fast,
			ACL: command.Admins | command.Dangerous, Group: "server", Since: "1.0.0", Complexity: "O(1)",
			Summary: "Returns the Unix time of the last snapshot that succeeded.", Tips: []string{"nondeterministic_output"}}}
}

// lastSave returns when the oldest of the replicas' newest snapshots was taken,
// the start of the server if there is none.
func (a *Admin) lastSave() time.Time {
	var last time.Time
	for _, g := range a.Node.Groups() {
		if t := g.Persistence().LastSave; !t.IsZero() && (last.IsZero() || t.Before(last)) {
			last = t
		}
	}
	if last.IsZero() {
		return a.Started
	}
	return last
}

// shutdownCommand is SHUTDOWN. Everything acknowledged is in the log, so there
// is nothing to save; SAVE asks for a snapshot all the same.
func (a *Admin) shutdownCommand() *transport.Command {
	return &transport.Command{Run: a.shutdown, Spec: command.Spec{Name: "SHUTDOWN", Arity: -1,
		Flags: command.Admin | command.NoScript | command.Loading | command.Stale | command.NoMulti | command.AllowBusy,
		Group: "server", Since: "1.0.0", Complexity: "O(N)", Summary: "Hands leadership over and stops the server.",
		Syntax: "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]"}}
}

func (a *Admin) shutdown(s *transport.Session, args [][]byte) {
	var save, nosave, abort, other bool
	for _, arg := range args[1:] {
		switch {
		case word(arg, "SAVE"):
			save = true
		case word(arg, "NOSAVE"):
			nosave = true
		case word(arg, "ABORT"):
			abort = true
		case word(arg, "NOW"), word(arg, "FORCE"):
			other = true
		default:
			s.Error("ERR syntax error")
			return
		}
	}
	switch {
	case save && nosave || abort && (save || nosave || other):
		s.Error("ERR syntax error")
		return
	case abort:
		s.Error("ERR No shutdown in progress.")
		return
	}
	if busy := a.Busy(); busy != "" && !nosave {
		s.Error(busy)
		return
	}
	if save {
		for _, g := range a.Node.Groups() {
			if err := g.Save(); err != nil {
				s.Error("ERR Errors trying to SHUTDOWN. Check logs.")
				return
			}
		}
	}
	// As in Redis, there is no reply: the connection closes.
	s.End()
	a.Stop()
}
