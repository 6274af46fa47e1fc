package transport

import (
	"bytes"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/security"
	"github.com/quorate/quorate/slots/hashslot"
)

// run resolves one command and either runs it, puts it into the unit or queues
// it in the transaction. The order of the checks is that of processCommand in
// redis-server 7.0.15.
func (s *Session) run(args [][]byte) {
	s.processed++
	mute := s.skipNext
	if mute {
		s.skipNext = false
		s.flush()
		s.discard(true)
	}
	s.resolve(args)
	if s.track != nil && s.track.caching && !s.tx.open && !isClientCommand(s.last) {
		s.track.caching = false // it was for one command, or one transaction
	}
	if mute {
		s.flush()
		s.discard(s.replyOff)
	}
}

// discard drops replies from now on, or stops doing so.
func (s *Session) discard(on bool) { s.out.Discard, s.side.Discard = on, on }

func (s *Session) resolve(args [][]byte) {
	node, problem := lookup(s.srv.opts.Table, args)
	if problem != "" {
		if node == nil && attack(args[0]) {
			s.srv.log.Warn("closing client that speaks HTTP", "client", s.addr)
			s.flush()
			s.killed.Store(true) // Redis doesn't even send the replies before it
			return
		}
		s.reject(node, problem)
		return
	}
	spec := node.Spec
	s.last = spec
	if s.mustAuth() && !spec.Flags.Has(command.NoAuth) {
		s.reject(node, errNoAuth)
		return
	}
	if busy := s.srv.opts.Busy; busy != nil && !spec.Flags.Has(command.AllowBusy) {
		if problem := busy(); problem != "" {
			s.reject(node, problem)
			return
		}
	}
	if s.tx.open && spec.Flags.Has(command.NoMulti) {
		s.reject(node, errNotInMulti)
		return
	}
	if r := s.denied(node, args, s.context()); r != security.Allowed {
		s.reject(node, errNoPerm(r, spec))
		return
	}
	if s.out.Proto == 2 && s.subs.any() && !allowedSubscribed(spec) {
		s.reject(node, errSubscribed(spec))
		return
	}
	if (s.monitoring || s.following.Load()) && refusesMonitor(spec) {
		s.reject(node, errMonitoring)
		return
	}
	if s.refusesLoading(node) {
		s.reject(node, errLoading)
		return
	}
	if !s.tx.open || !queued(node) {
		if s.waitPause(node, args); s.killed.Load() {
			return
		}
	}
	if node.Item.Conn != nil {
		if s.tx.open && queued(node) {
			s.enqueue(node, args, -1)
			return
		}
		s.runConn(node, args)
		return
	}
	s.runData(node, args)
}

// refusesLoading reports whether a command has to wait until the node has loaded its
// data. In cluster mode one with keys is sent to its slot's group first.
func (s *Session) refusesLoading(node *Node) bool {
	loading := s.srv.opts.Loading
	if loading == nil || !loading(-1) {
		return false
	}
	spec := node.Spec
	if spec.Flags.Has(command.Loading) {
		return spec.Name == "EXEC" && spec.Parent() == nil && s.tx.open && s.tx.slot < 0 && s.tx.needsData()
	}
	return !s.srv.opts.Router.Cluster() || len(spec.Keys) == 0 && spec.Extract == nil
}

// attack reports whether the command is the first line of an HTTP request that
// a browser was tricked into sending; Redis closes on both words.
func attack(name []byte) bool {
	return bytes.EqualFold(name, []byte("post")) || bytes.EqualFold(name, []byte("host:"))
}

// reject replies an error to a command that isn't run, and spoils the
// transaction it should have been part of.
func (s *Session) reject(node *Node, msg string) {
	if node != nil && node.Spec.Name == "EXEC" && node.Spec.Parent() == nil {
		s.flush()
		s.unwatch()
		s.dropTx()
		if len(msg) > 4 && msg[:4] == "ERR " {
			msg = msg[4:]
		}
		msg = "EXECABORT Transaction discarded because of: " + msg
	} else if s.tx.open {
		s.tx.spoiled = true
	}
	if node != nil {
		s.observeFailure(node.Spec, false)
	}
	s.direct(func() { s.Error(msg) })
}

// runConn runs a command of the session itself.
func (s *Session) runConn(node *Node, args [][]byte) {
	c := node.Item.Conn
	if !c.Pure {
		s.flush()
	}
	s.beginSide()
	s.timed(node.Spec, args, func() { s.observed(node.Spec, func() { c.Run(s, args) }) })
	s.endSide()
	if s.monitored() {
		s.show(node.Spec, args, s.db)
	}
}

// runData puts a data command into the unit of its group, or queues it.
func (s *Session) runData(node *Node, args [][]byte) {
	slot := -1
	router := s.srv.opts.Router
	var g Group
	stale := false
	if router.Cluster() {
		var problem string
		if slot, problem = keySlot(node.Spec, args); problem == "" && slot >= 0 {
			g, stale, problem = s.route(slot, node.Item.Data.Write == nil && !node.Item.Data.MayWait(args))
		}
		s.asking = false
		if problem != "" {
			s.reject(node, problem)
			return
		}
		if bar := s.bar(node, slot); bar != fsm.NoBar {
			s.reject(node, bar.Reply())
			return
		}
		if s.tx.open {
			s.enqueueIn(node, args, slot)
			return
		}
		if slot < 0 {
			if s.monitored() {
				s.show(node.Spec, args, s.db)
			}
			s.keyless(node, args)
			return
		}
	} else {
		if bar := s.bar(node, 0); bar != fsm.NoBar {
			s.reject(node, bar.Reply())
			return
		}
		if s.tx.open {
			s.enqueue(node, args, -1)
			return
		}
		var problem string
		if g, problem = router.Route(0); g == nil {
			s.reject(node, problem)
			return
		}
	}
	if s.monitored() {
		s.show(node.Spec, args, s.db)
	}
	s.add(node, args, slot, g, stale)
}

// bar returns why a command is refused by its group because it is a write, if it
// is. Scripts, and commands without a key in cluster mode, are refused by the group
// itself.
func (s *Session) bar(node *Node, slot int) fsm.Bar {
	if slot < 0 || !node.Spec.Flags.Has(command.Write) {
		return fsm.NoBar
	}
	if g, ok := s.srv.opts.Router.Local(slot).(interface{ Bar() fsm.Bar }); ok {
		return g.Bar()
	}
	return fsm.NoBar
}

// route returns the group for a slot, and whether it is only a local replica
// that this session has agreed to read from.
func (s *Session) route(slot int, reads bool) (g Group, stale bool, redirect string) {
	g, redirect = s.srv.opts.Router.Route(slot)
	if g != nil {
		return g, false, ""
	}
	if s.readonly && reads {
		if loading := s.srv.opts.Loading; loading != nil && loading(slot) {
			return nil, false, errLoading
		}
		if local := s.srv.opts.Router.Local(slot); local != nil {
			return local, true, ""
		}
	}
	return nil, false, redirect
}

// keySlot returns the slot of a command's keys, -1 if it has none, or an error.
func keySlot(spec *command.Spec, args [][]byte) (int, string) {
	var buf [16]int
	keys, ok := spec.AppendKeys(buf[:0], args)
	if !ok {
		// The handler will say what is wrong with the arguments; it touches no key then.
		if len(keys) == 0 {
			return -1, ""
		}
	}
	slot := -1
	for _, k := range keys {
		switch of := int(hashslot.Of(args[k])); slot {
		case -1, of:
			slot = of
		default:
			return slot, errCrossSlot
		}
	}
	return slot, ""
}
