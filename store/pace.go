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
	g       *Group
	applied uint64
	since   time.Time // the end of the last write
}

// restFor is how many times as long as it worked the writer rests; longestRest bounds that: a
// moment's work may have taken long by itself.
const (
	restFor     = 5
	longestRest = 5 * time.Millisecond
)

func (g *Group) pace(w io.Writer) *pace {
	return &pace{Writer: w, g: g, applied: g.raft.AppliedIndex(), since: time.Now()}
}

// Write implements io.Writer.
func (p *pace) Write(b []byte) (int, error) {
	n, err := p.Writer.Write(b)
	took := time.Since(p.since)
	if now := p.g.raft.AppliedIndex(); now != p.applied {
		p.applied = now
		time.Sleep(min(restFor*took, longestRest))
	}
	p.since = time.Now()
	return n, err
}
