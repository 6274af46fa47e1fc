package fsm

import "sync/atomic"

// Running are the scripts that run on a node, in all its groups: what SCRIPT KILL
// ends and what others are told BUSY because of. The zero value is ready. Safe
// for concurrent use, and by those who can't have the lock of a group: a script
// holds it while it runs.
type Running struct {
	n     atomic.Int32 // of them; more than slots has room for can be
	slots [64]atomic.Pointer[runningScript]
	long  atomic.Bool // one of them may take much memory
}

// runningScript is a script or a function that runs.
type runningScript struct {
	stop     atomic.Bool // ends it
	group    *Stats      // tells the groups of the node apart
	function bool
	logged   bool     // it runs from the log: it is part of the state and can't be ended
	name     string   // of the function
	command  [][]byte // that called it
	since    int64    // Unix ms
	entered  bool     // there was room for it
}

// begin enters a script; end removes it. False: there are too many already and
// the script can't be ended.
func (r *Running) begin(s *runningScript) bool {
	for i := range r.slots {
		if r.slots[i].Load() == nil && r.slots[i].CompareAndSwap(nil, s) {
			r.n.Add(1)
			return true
		}
	}
	return false
}

func (r *Running) end(s *runningScript) {
	for i := range r.slots {
		if r.slots[i].CompareAndSwap(s, nil) {
			r.n.Add(-1)
			return
		}
	}
}

// oldest returns the script that has been running for the longest time, or nil.
func (r *Running) oldest() (first *runningScript) {
	if r.n.Load() == 0 {
		return nil
	}
	for i := range r.slots {
		if s := r.slots[i].Load(); s != nil && (first == nil || s.since < first.since) {
			first = s
		}
	}
	return first
}

// Busy returns the error for commands that come at a time (Unix ms) when a script
// has been running for longer than limit ms, or "".
func (r *Running) Busy(now, limit int64) string {
	s := r.oldest()
	switch {
	case s == nil || now-s.since < limit:
		return ""
	case s.function:
		return errBusyFunction
	}
	return errBusyScript
}

// Any reports whether a script runs.
func (r *Running) Any() bool { return r.n.Load() > 0 }

// kill is SCRIPT KILL or FUNCTION KILL. It returns the error reply, or "".
func (r *Running) kill(function bool) string {
	s := r.oldest()
	switch {
	case s == nil:
		return errNotBusy
	case !function && s.function:
		return errBusyFunction
	case function && !s.function:
		return errBusyScript
	case s.logged:
		return errUnkillable
	}
	s.stop.Store(true)
	return ""
}

// EndAll ends the scripts of one group, nil: of all, that can be ended: it has lost
// its leadership, or closes.
func (r *Running) EndAll(group *Stats) {
	for i := range r.slots {
		if s := r.slots[i].Load(); s != nil && (group == nil || s.group == group) {
			s.stop.Store(true)
		}
	}
}
