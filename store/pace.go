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
	applied uint64        // entries of all of them
	since   time.Time     // the end of the last write
	busy    time.Duration // since the last rest
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

// Pace returns a writer for a snapshot of groups that lets those who write to these have the
// processor.
func Pace(w io.Writer, groups ...*Group) io.Writer {
	p := &pace{Writer: w, groups: groups, since: time.Now()}
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
	case p.busy > longestBusy:
		p.busy = 0
		time.Sleep(blink)
	}
	p.since = time.Now()
	return n, err
}
