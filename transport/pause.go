package transport

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
)

// pause is what CLIENT PAUSE asked for. Safe for concurrent use.
type pause struct {
	on atomic.Bool // false: there is none, which is all that commands look at

	mu    sync.Mutex
	until time.Time
	all   bool          // reads too
	ended chan struct{} // closed when the pause is over or another takes its place
}

// begin starts a pause or makes the one that is there longer and, with all,
// stricter: what was promised to an earlier caller holds.
func (p *pause) begin(until time.Time, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) {
		all = all || p.all
		if p.until.After(until) {
			until = p.until
		}
	}
	p.signal()
	p.until, p.all = until, all
	p.ended = make(chan struct{})
	p.on.Store(true)
}

func (p *pause) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until, p.all = time.Time{}, false
	p.signal()
	p.on.Store(false)
}

func (p *pause) signal() {
	if p.ended != nil {
		close(p.ended)
		p.ended = nil
	}
}

// left returns for how long a command has to wait, and what closes when that
// may have changed.
func (p *pause) left(writes bool) (time.Duration, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := time.Until(p.until)
	if left <= 0 {
		p.on.Store(false)
	}
	if left <= 0 || !p.all && !writes {
		return 0, nil
	}
	return left, p.ended
}

// Paused reports whether clients' writes are held back: nothing shall change
// then, so nothing expires or is evicted either.
func (s *Server) Paused() bool {
	if !s.pause.on.Load() {
		return false
	}
	left, _ := s.pause.left(true)
	return left > 0
}

// pauseLook is how often a waiting session looks whether it has been killed.
const pauseLook = 100 * time.Millisecond

// waitPause waits while the command is paused. What came before it is answered
// first.
func (s *Session) waitPause(node *Node, args [][]byte) {
	if !s.srv.pause.on.Load() {
		return
	}
	writes := s.mayWrite(node, args)
	left, ended := s.srv.pause.left(writes)
	if left <= 0 {
		return
	}
	s.flush()
	if !s.write() {
		s.killed.Store(true)
		return
	}
	s.srv.paused.Add(1)
	defer s.srv.paused.Add(-1)
	for left > 0 && !s.killed.Load() && !s.srv.closing.Load() {
		s.rest() // each time: the first message makes the queue
		t := time.NewTimer(min(left, pauseLook))
		select {
		case <-ended:
		case <-t.C:
		}
		t.Stop()
		left, ended = s.srv.pause.left(writes)
	}
	s.begin()
}

// mayWrite reports whether a command changes data or may have to be passed on:
// EXEC does if a command of its transaction does, and a script unless its flags
// say that it doesn't.
func (s *Session) mayWrite(node *Node, args [][]byte) bool {
	if node.Spec.Flags&(command.Write|command.MayReplicate) != 0 {
		return node.Spec.Group != "scripting" || !s.onlyReads(node, args)
	}
	if node.Spec.Name == "EXEC" && node.Spec.Parent() == nil {
		for i := range s.tx.queue {
			if q := &s.tx.queue[i]; s.mayWrite(q.node, q.args) {
				return true
			}
		}
	}
	return false
}

// onlyReads reports whether a command runs a script whose flags say that it
// doesn't write, as far as the node's own replica knows the script.
func (s *Session) onlyReads(node *Node, args [][]byte) bool {
	router, slot := s.srv.opts.Router, -1
	if node.Item.Data == nil {
		return false
	}
	if router.Cluster() {
		slot, _ = keySlot(node.Spec, args)
	}
	g, ok := router.Local(max(slot, 0)).(interface {
		OnlyReads(cmd *fsm.Command, args [][]byte) bool
	})
	return ok && g.OnlyReads(node.Item.Data, args)
}

// clientPause implements CLIENT PAUSE timeout [WRITE | ALL].
func clientPause(s *Session, args [][]byte) {
	all := true
	if len(args) > 4 {
		s.Error("ERR unknown subcommand or wrong number of arguments for '" + cString(args[1], 128) + "'. Try CLIENT HELP.")
		return
	}
	if len(args) == 4 {
		switch {
		case bytes.EqualFold(args[3], []byte("WRITE")):
			all = false
		case bytes.EqualFold(args[3], []byte("ALL")):
		default:
			s.Error("ERR CLIENT PAUSE mode must be WRITE or ALL")
			return
		}
	}
	ms, ok := parseLength(args[2])
	switch {
	case !ok:
		s.Error("ERR timeout is not an integer or out of range")
		return
	case ms < 0:
		s.Error("ERR timeout is negative")
		return
	}
	// The longest pause is a hundred years, which no duration overflows at.
	s.srv.pause.begin(time.Now().Add(time.Duration(min(ms, 100*365*24*3600*1000))*time.Millisecond), all)
	s.OK()
}

// clientUnpause implements CLIENT UNPAUSE.
func clientUnpause(s *Session, _ [][]byte) {
	s.srv.pause.end()
	s.OK()
}
