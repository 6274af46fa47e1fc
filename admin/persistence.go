package admin

import (
	"context"
	"errors"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/transport"
)

const saveFlags = command.Admin | command.NoScript | command.NoAsyncLoading

// saveCommand is SAVE: the RDB file and, in cluster mode, a Raft snapshot of every replica on
// this node, which compacts its log; answered when it is on disk. Other clients
// are served meanwhile.
func (a *Admin) saveCommand() *transport.Command {
	return &transport.Command{Run: a.saveNow, Spec: command.Spec{Name: "SAVE", Arity: 1, Flags: saveFlags | command.NoMulti,
		Group: "server", Since: "1.0.0", Complexity: "O(N)", Summary: "Writes a snapshot to disk and waits for it."}}
}

func (a *Admin) saveNow(s *transport.Session, _ [][]byte) {
	if !a.beginSave(false) {
		s.Error(errSaving)
		return
	}
	switch err := a.save(false, a.Node.Cluster()); {
	case errors.Is(err, node.ErrIncomplete): // Redis knows no such thing
		s.Error("ERR " + err.Error())
	case err != nil:
		a.Warn("SAVE failed", "error", err)
		s.Error("ERR")
	default:
		s.OK()
	}
}

const errSaving = "ERR Background save already in progress"

// bgsaveCommand is BGSAVE [SCHEDULE].
func (a *Admin) bgsaveCommand() *transport.Command {
	return &transport.Command{Run: a.bgsave, Spec: command.Spec{Name: "BGSAVE", Arity: -1, Flags: saveFlags,
		Group: "server", Since: "1.0.0", Complexity: "O(1)", Summary: "Starts to write a snapshot to disk.", Syntax: "[SCHEDULE]"}}
}

func (a *Admin) bgsave(s *transport.Session, args [][]byte) {
	// Nothing that runs keeps a save from beginning but another save, so that there is
	// nothing to schedule it for.
	if len(args) > 2 || len(args) == 2 && !word(args[1], "SCHEDULE") {
		s.Error("ERR syntax error")
		return
	}
	if !a.saveInBackground() {
		s.Error(errSaving)
		return
	}
	s.Simple("Background saving started")
}

// bgrewriteaofCommand is BGREWRITEAOF. It writes the append-only files anew, if there are
// any, and makes the Raft log short by a snapshot, after which what lies before it is
// dropped.
func (a *Admin) bgrewriteaofCommand() *transport.Command {
	return &transport.Command{Run: a.bgrewriteaof, Spec: command.Spec{Name: "BGREWRITEAOF", Arity: 1,
		Flags: command.Admin | command.NoScript | command.NoAsyncLoading, Group: "server", Since: "1.0.0", Complexity: "O(1)",
		Summary: "Writes the append-only files anew in the background, and shortens the log."}}
}

func (a *Admin) bgrewriteaof(s *transport.Session, _ [][]byte) {
	var err error
	if a.AOF.On() {
		err = a.AOF.Rewrite()
	}
	for _, g := range a.Node.Groups() {
		// A snapshot that is under way shortens the log as well.
		if saving := g.SaveInBackground(); !a.AOF.On() {
			err = errors.Join(err, saving)
		}
	}
	if err != nil {
		s.Error("ERR Background append only file rewriting already in progress")
		return
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

// lastSave returns when the RDB file was written; the start of the server if it
// wasn't yet.
func (a *Admin) lastSave() time.Time {
	a.dumps.mu.Lock()
	defer a.dumps.mu.Unlock()
	return a.lastSaveLocked()
}

// saveForShutdown waits for a save that is under way: it lacks the last writes. Leadership goes
// first, so that nobody waits for the disk of a node that leaves; if there is
// no file, the node stays.
func (a *Admin) saveForShutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if a.Node.Cluster() {
		a.Node.HandOver(ctx)
	}
	a.dumps.writing.Lock()
	a.countSave(false)
	err := a.save(false, a.Node.Cluster())
	if err != nil {
		a.Node.Stay()
	}
	return err
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
	if save && !a.Node.Loading() { // else there is nothing that could be saved, as in Redis
		if err := a.saveForShutdown(); err != nil {
			a.Warn("nothing saved for SHUTDOWN", "error", err)
			s.Error("ERR Errors trying to SHUTDOWN. Check logs.")
			return
		}
	}
	a.dumps.mu.Lock()
	a.dumps.skip = save || nosave // it is written, or shall not be
	a.dumps.mu.Unlock()
	// As in Redis, there is no reply: the connection closes.
	s.End()
	a.Stop()
}
