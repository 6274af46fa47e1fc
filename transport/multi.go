package transport

import (
	"slices"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
)

// transaction is what MULTI has collected. Its commands are copies: they
// outlive the input buffer they came in.
type transaction struct {
	open    bool
	spoiled bool // a command was refused: EXEC will abort
	crossed bool // keys of different slots in cluster mode: EXEC says so
	queue   []queuedCommand
	bytes   int64
	slot    int // of the first command with a key, in cluster mode; -1: none yet
}

type queuedCommand struct {
	node *Node
	args [][]byte
	slot int
}

// needsData reports whether a collected command can't run while data is loaded.
func (t *transaction) needsData() bool {
	return slices.ContainsFunc(t.queue, func(q queuedCommand) bool { return !q.node.Spec.Flags.Has(command.Loading) })
}

// watching is what WATCH has collected, at one group.
type watching struct {
	group Group
	keys  fsm.Watch
}

func transactionCommands() []*Command {
	const flags = command.NoScript | command.Loading | command.Stale
	spec := func(name string, arity int, flags command.Flags, since, summary, complexity string) command.Spec {
		return command.Spec{Name: name, Arity: arity, Flags: flags, ACL: command.Transaction, Group: "transactions",
			Since: since, Summary: summary, Complexity: complexity}
	}
	watch := spec("WATCH", -2, flags|command.Fast|command.AllowBusy, "2.2.0",
		"Watches keys: the next transaction runs only if none of them changes before it.", "O(1) for every key.")
	watch.Keys, watch.Syntax = command.AllArgs(command.KeyRO), "key [key ...]"
	return []*Command{
		{Run: multi, Pure: true, Spec: spec("MULTI", 1, flags|command.Fast|command.AllowBusy, "1.2.0",
			"Starts a transaction: commands are collected until EXEC.", "O(1)")},
		// EXEC decides itself whether it must wait for the unit before it.
		{Run: execTx, Pure: true, Spec: spec("EXEC", 1, flags|command.SkipSlowlog, "1.2.0",
			"Runs the collected commands as one piece.", "Depends on commands in the transaction")},
		{Run: discard, Spec: spec("DISCARD", 1, flags|command.Fast|command.AllowBusy, "2.0.0",
			"Drops the collected commands.", "O(N), when N is the number of queued commands")},
		{Run: watchKeys, Spec: watch},
		{Run: unwatchKeys, Spec: spec("UNWATCH", 1, flags|command.Fast|command.AllowBusy, "2.2.0",
			"Forgets all watched keys.", "O(1)")},
	}
}

// queued reports whether a command waits for EXEC inside MULTI. All do but a
// few about the transaction and the connection; not their namesakes among
// subcommands, such as SLOWLOG RESET.
func queued(n *Node) bool {
	if n.Item.Conn == nil || n.Spec.Parent() != nil {
		return true
	}
	switch n.Spec.Name {
	case "EXEC", "DISCARD", "MULTI", "WATCH", "QUIT", "RESET":
		return false
	}
	return true
}

// enqueue adds a command to the transaction and answers QUEUED.
func (s *Session) enqueue(node *Node, args [][]byte, slot int) {
	if s.tx.spoiled {
		// It will never run. Redis says QUEUED and forgets it, too.
		s.direct(func() { s.Simple("QUEUED") })
		return
	}
	if s.outOfMemory(slot) {
		s.reject(node, errOOM)
		return
	}
	size := 0
	for _, a := range args {
		size += len(a)
	}
	copied, text := make([][]byte, len(args)), make([]byte, 0, size)
	for i, a := range args {
		at := len(text)
		text = append(text, a...)
		copied[i] = text[at:len(text):len(text)]
	}
	cost := int64(size + 24*len(args) + 56)
	lim := s.srv.opts.Limits
	s.tx.bytes += cost
	s.srv.inputBytes.Add(cost)
	s.queued.Store(s.tx.bytes)
	if total := lim.TotalInput.Load(); s.tx.bytes > lim.QueryBuffer.Load() || total > 0 && s.srv.inputBytes.Load() > total {
		s.srv.log.Warn("closing client", "client", s.addr, "reason", errInputLimit)
		s.srv.stats.limited.Add(1)
		s.killed.Store(true)
		return
	}
	s.tx.queue = append(s.tx.queue, queuedCommand{node, copied, slot})
	s.direct(func() { s.Simple("QUEUED") })
}

// outOfMemory reports whether the group of the transaction, as far as that is
// known, refuses commands for want of memory. A queue takes memory whatever is
// in it, so Redis then queues nothing at all.
func (s *Session) outOfMemory(slot int) bool {
	router := s.srv.opts.Router
	if slot = max(slot, s.tx.slot); slot < 0 && router.Cluster() {
		return false
	}
	g, ok := router.Local(max(slot, 0)).(interface{ OutOfMemory() bool })
	return ok && g.OutOfMemory()
}

// enqueueIn is enqueue in cluster mode, where a transaction has one slot.
func (s *Session) enqueueIn(node *Node, args [][]byte, slot int) {
	if slot >= 0 && s.tx.slot >= 0 && s.tx.slot != slot && !s.tx.spoiled {
		s.tx.crossed = true
	}
	if slot < 0 && len(s.srv.opts.Router.Led()) > 1 {
		s.reject(node, errKeylessTx)
		return
	}
	if slot >= 0 {
		s.tx.slot = slot
	}
	s.enqueue(node, args, slot)
}

// dropTx forgets the transaction.
func (s *Session) dropTx() {
	s.srv.inputBytes.Add(-s.tx.bytes)
	s.queued.Store(0)
	s.tx = transaction{slot: -1}
}

// unwatch forgets the watched keys. No unit with them may be under way.
func (s *Session) unwatch() {
	if s.watch.group != nil {
		s.watch.group.Unwatch(&s.watch.keys)
		s.watch.group = nil
	}
}

// multi implements MULTI.
func multi(s *Session, args [][]byte) {
	if s.tx.open {
		s.Error(errNested)
		return
	}
	s.tx.open = true
	s.OK()
}

// discard implements DISCARD.
func discard(s *Session, args [][]byte) {
	if !s.tx.open {
		s.Error(errNoMultiDisc)
		return
	}
	s.unwatch()
	s.dropTx()
	s.OK()
}

// unwatchKeys implements UNWATCH.
func unwatchKeys(s *Session, args [][]byte) {
	s.unwatch()
	s.OK()
}

// watchKeys implements WATCH key [key ...].
func watchKeys(s *Session, args [][]byte) {
	if s.tx.open {
		s.Error(errWatchInMulti)
		return
	}
	router := s.srv.opts.Router
	slot := 0
	if router.Cluster() {
		var problem string
		if slot, problem = keySlot(s.last, args); problem != "" {
			s.Error(problem)
			return
		}
	}
	g, redirect := router.Route(slot)
	switch {
	case g == nil:
		s.Error(redirect)
		return
	case s.watch.group != nil && s.watch.group != g:
		s.Error(errWatchGroups)
		return
	}
	// Counted as watched even on an error: part of the keys may be.
	s.watch.group = g
	if err := g.Watch(&s.watch.keys, s.db, args[1:]); err != nil {
		s.Error(replyFor(err, router.Cluster(), func() string { return router.Redirect(slot) }))
		return
	}
	s.OK()
}

// execTx implements EXEC.
func execTx(s *Session, args [][]byte) {
	switch {
	case !s.tx.open:
		s.Error(errNoMultiExec)
		return
	case s.tx.crossed, s.tx.spoiled:
		crossed := s.tx.crossed
		s.unwatchLater()
		s.dropTx()
		if crossed {
			s.Error(errCrossSlot)
		} else {
			s.Error(errExecAbort)
		}
		return
	}
	tx := s.tx
	s.dropTx()
	s.execute(tx)
}

// unwatchLater waits for units that rest on the watch before it is forgotten.
func (s *Session) unwatchLater() {
	if s.watch.group != nil {
		s.settle()
		s.unwatch()
	}
}

// settle sends the unit although the running command began with its reply on
// the side: nothing has been written there yet.
func (s *Session) settle() {
	s.endSide()
	s.flush()
	s.beginSide()
}

// execute runs a transaction.
func (s *Session) execute(tx transaction) {
	g, stale, problem := s.txGroup(&tx)
	if problem != "" {
		s.unwatchLater()
		s.Error(problem)
		return
	}
	op := fsm.Op{Tx: make([]fsm.Op, len(tx.queue)), Slot: tx.slot}
	own, db := false, s.db
	for i := range tx.queue {
		q := &tx.queue[i]
		if q.node.Item.Data == nil {
			// A place in the replies; see splice.go.
			op.Tx[i] = fsm.Op{Raw: placeholder, Slot: -1}
			own = true
			db = s.selected(q, db)
			continue
		}
		if reply := s.deniedReply(q); reply != nil {
			op.Tx[i] = fsm.Op{Raw: reply, Slot: -1}
			continue
		}
		op.Tx[i] = fsm.Op{Cmd: q.node.Item.Data.For(q.args), Args: q.args, DB: db, Slot: q.slot}
		if s.track != nil {
			op.Tx[i].Before = s.remember(q.node, q.args)
		}
		op.Tx[i].Nested, op.Tx[i].As = s.nestedOf(q.node, q.args), s.as(q.node)
	}
	if g == nil {
		// Only commands of the session, and nothing watched.
		s.settle()
		s.Array(len(tx.queue))
		for i := range tx.queue {
			s.runQueued(&tx.queue[i])
		}
		s.showTx(&tx, s.db)
		return
	}
	watched := s.watch.group != nil
	before := s.db
	shown := s.monitored()
	if watched {
		op.Watch = &s.watch.keys
	}
	if watched || own || shown {
		s.settle()
	}
	// The reply comes with the unit's, not from the writer the caller chose.
	s.endSide()
	mark, muted := len(s.out.Buf), s.out.Discard
	if own {
		s.discard(false) // splice must see whether the transaction ran
	}
	s.addOp(op, int(tx.bytes), g, stale)
	if watched || own || shown {
		s.flush()
		s.unwatch()
	}
	if shown && ranTx(s.out.Buf[mark:]) {
		s.showTx(&tx, before)
	}
	if own {
		s.splice(mark, &tx)
		if muted {
			s.out.Buf = s.out.Buf[:mark]
			s.discard(true)
		}
	}
	s.beginSide()
}

// txGroup returns the group a transaction runs in, nil if it needs none.
func (s *Session) txGroup(tx *transaction) (g Group, stale bool, problem string) {
	data, reads := false, true
	for i := range tx.queue {
		if c := tx.queue[i].node.Item.Data; c != nil {
			data = true
			reads = reads && c.Write == nil
		}
	}
	router := s.srv.opts.Router
	switch {
	case !data:
		return s.watch.group, false, ""
	case !router.Cluster():
		if g, problem = router.Route(0); g == nil {
			return nil, false, problem
		}
	case tx.slot >= 0:
		if g, stale, problem = s.route(tx.slot, reads); problem != "" {
			return nil, false, problem
		}
	default:
		led := router.Led()
		if len(led) == 0 {
			return nil, false, "CLUSTERDOWN This node leads no group"
		}
		if len(led) > 1 {
			return nil, false, errKeylessTx
		}
		g = led[0]
	}
	if s.watch.group != nil && s.watch.group != g {
		return nil, false, errWatchGroups
	}
	return g, stale, ""
}

// selected returns the database that is selected after a queued command of the
// session.
func (s *Session) selected(q *queuedCommand, db int) int {
	if q.node.Spec.Name == "SELECT" && !s.srv.opts.Router.Cluster() {
		if n, ok := parseLength(q.args[1]); ok && n >= 0 && n < int64(s.srv.opts.Databases) {
			return int(n)
		}
	}
	return db
}

// runQueued runs a command of the session whose turn in EXEC has come.
func (s *Session) runQueued(q *queuedCommand) {
	s.last, s.executing = q.node.Spec, true
	defer func() { s.executing = false }()
	if reply := s.deniedReply(q); reply != nil {
		s.Raw(reply)
		return
	}
	s.timed(q.node.Spec, q.args, func() {
		s.observed(q.node.Spec, func() { q.node.Item.Conn.Run(s, q.args) })
	})
}
