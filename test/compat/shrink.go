package compat

import (
	"context"
	"slices"
	"time"
)

// Shrink looks for a short sequence of steps that still shows a difference in
// the same command, by leaving steps out and replaying. It stops when no single
// step can be left out, or when the time is up. A difference that does not
// happen again in a replay comes back as nil steps.
func (p *Pair) Shrink(ctx context.Context, steps []Step, first *Difference, limit time.Duration) ([]Step, *Difference, error) {
	deadline := time.Now().Add(limit)
	steps = steps[:min(first.Index+1, len(steps))]
	shows := func(s []Step) (*Difference, error) {
		d, err := p.Run(ctx, s)
		if d != nil && d.Step.name() != first.Step.name() {
			d = nil // some other difference: one at a time
		}
		return d, err
	}
	// Without pipelining if possible: that is simpler to read, and to replay by hand.
	pipeline := p.Pipeline
	defer func() { p.Pipeline = pipeline }()
	p.Pipeline = 1
	best, err := shows(steps)
	if err == nil && best == nil {
		p.Pipeline = pipeline
		best, err = shows(steps)
	}
	if err != nil || best == nil {
		return nil, nil, err
	}
	for size := max(len(steps)/2, 1); ; {
		removed := false
		for at := 0; at < len(steps) && time.Now().Before(deadline); {
			shorter := slices.Concat(steps[:at], steps[min(at+size, len(steps)):])
			d, err := shows(shorter)
			if err != nil {
				return nil, nil, err
			}
			if d == nil {
				at += size
				continue
			}
			best, removed = d, true
			steps = shorter[:min(d.Index+1, len(shorter))]
		}
		if time.Now().After(deadline) || size == 1 && !removed {
			return steps, best, nil
		}
		size = max(size/2, 1)
	}
}
