package store

import (
	"io"
	"time"
)

// pace lets others have three moments of four while a snapshot is written beside them:
// what serialises is busy all the time, and on a machine of few processors clients would
// wait for it (with one moment of two the p99 of writes was 95 ms, with one of five 18). Where
// nothing is written meanwhile it doesn't hold anything up. Nor does it a short one: the longer a
// snapshot takes, the more of what it has before it must be copied.
type pace struct {
	io.Writer
	g       *Group
	applied uint64
	since   time.Time     // the end of the last write
	worked  time.Duration // in all
}

// restFor is how many times as long as it worked the writer rests; longestRest bounds that: a
// moment's work may have taken long by itself.
const (
	restFor     = 3
	longestRest = 5 * time.Millisecond
	restless    = 200 * time.Millisecond // of work, before the first rest
)

func (g *Group) pace(w io.Writer) *pace {
	return &pace{Writer: w, g: g, applied: g.raft.AppliedIndex(), since: time.Now()}
}

// Write implements io.Writer.
func (p *pace) Write(b []byte) (int, error) {
	n, err := p.Writer.Write(b)
	took := time.Since(p.since)
	p.worked += took
	if now := p.g.raft.AppliedIndex(); now != p.applied && p.worked > restless {
		p.applied = now
		time.Sleep(min(restFor*took, longestRest))
	}
	p.since = time.Now()
	return n, err
}
