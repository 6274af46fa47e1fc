package store

import (
	"io"
	"time"
)

// pace lets others have five moments of six while a snapshot is written beside them:
// what serialises is busy all the time, and on a machine of few processors clients would
// wait for it. Where nothing is written meanwhile it doesn't hold anything up.
type pace struct {
	io.Writer
	groups  []*Group
	applied uint64               // entries of all of them
	since   time.Time            // the end of the last write
	busy    time.Duration        // since the last rest
	crowd   func() time.Duration // how long goroutines wait for a processor
	began   time.Time
	waited  time.Duration // for others to have what they need, in all
}

// restFor is how many times as long as it worked the writer rests; longestRest bounds that: a
// moment's work may have taken long by itself.
const (
	restFor     = 5
	longestRest = 5 * time.Millisecond

	// The scheduler looks at the network when a processor has nothing else to do, and the
	// garbage collector's sweeper may keep the others from that. So there is a blink also
	// where nothing seems to be written: it may be waiting there.
	longestBusy = time.Millisecond
	blink       = 20 * time.Microsecond
)

// While garbage is collected beside writes, goroutines wait ten times as long for a processor as beside
// a snapshot alone. Then the snapshot waits for about as long as a collection takes, but
// for no more than a third of its time: clients may keep all processors busy for good.
const (
	overloadWait = 100 * time.Microsecond
	overloadLook = 20 * time.Millisecond
	overloadRest = 150 * time.Millisecond
)

// overloaded reports whether there is more to do than the snapshot should add to.
func (p *pace) overloaded() bool {
	return p.waited < time.Since(p.began)/3 && p.crowd() > overloadWait
}

// yield waits while it is.
func (p *pace) yield() {
	for p.overloaded() {
		time.Sleep(overloadRest)
		p.waited += overloadRest
	}
}

// Pace returns a writer for a snapshot of groups that lets those who write to these have the
// processor.
func Pace(w io.Writer, groups ...*Group) io.Writer {
	p := &pace{Writer: w, groups: groups, since: time.Now(), began: time.Now()}
	var c crowding
	p.crowd = func() time.Duration { return c.lately(overloadLook) }
	p.applied = p.entries()
	return p
}

// entries counts what was applied.
func (p *pace) entries() (n uint64) {
	for _, g := range p.groups {
		n += g.raft.AppliedIndex()
	}
	return n
}

// Write implements io.Writer.
func (p *pace) Write(b []byte) (int, error) {
	n, err := p.Writer.Write(b)
	took := time.Since(p.since)
	p.busy += took
	switch now := p.entries(); {
	case now != p.applied:
		p.applied, p.busy = now, 0
		time.Sleep(min(restFor*took, longestRest))
		p.yield()
	case p.busy > longestBusy:
		p.busy = 0
		time.Sleep(blink)
	}
	p.since = time.Now()
	return n, err
}
