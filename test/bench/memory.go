package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/quorate/quorate/test/harness"
)

// memoryResult is what loading the keys did to the resident memory of one target.
type memoryResult struct {
	Target      string  `json:"target"`
	Processes   int     `json:"processes"`
	BeforeMB    float64 `json:"before_mb"`
	AfterMB     float64 `json:"after_mb"`
	BytesPerKey float64 `json:"bytes_per_key"` // growth of all processes together
}

// runMemory loads each target in turn, alone on the machine.
func runMemory(ctx context.Context, o options, f facts, out, progress io.Writer) error {
	poolKeys = o.memoryKeys
	var results []memoryResult
	for _, t := range o.targets {
		fmt.Fprintf(progress, "memory of %s\n", t.Name())
		r, err := measureMemory(ctx, t, o.memoryKeys)
		if isMissing(err) {
			fmt.Fprintf(progress, "leaving out %s: %v\n", t.Name(), err)
			continue
		}
		if err != nil {
			return fmt.Errorf("memory of %s: %w", t.Name(), err)
		}
		results = append(results, r)
	}
	if o.json {
		return printJSON(out, map[string]any{"facts": f, "keys": o.memoryKeys, "memory": results})
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%d keys of %d bytes\tprocesses\tbefore MB\tafter MB\tMB per million keys\tper process\tquorate/peer\t\n",
		o.memoryKeys, valueBytes)
	for _, r := range results {
		ratio := ""
		if results[0].Target == subject && r.Target != subject {
			ratio = fmt.Sprintf("%.2f", results[0].BytesPerKey/r.BytesPerKey)
		}
		fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%s\t\n", r.Target, r.Processes, r.BeforeMB, r.AfterMB,
			r.BytesPerKey, r.BytesPerKey/float64(r.Processes), ratio)
	}
	return w.Flush()
}

func measureMemory(ctx context.Context, t target, keys int) (r memoryResult, err error) {
	if err := t.Start(ctx); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, t.Stop()) }()
	before, err := settledBytes(ctx, t)
	if err != nil {
		return r, err
	}
	if err := fill(ctx, t, keys); err != nil {
		return r, err
	}
	after, err := settledBytes(ctx, t)
	const mb = 1e6
	return memoryResult{Target: t.Name(), Processes: len(t.Pids()), BeforeMB: float64(before) / mb,
		AfterMB: float64(after) / mb, BytesPerKey: float64(after-before) / float64(keys)}, err
}

// settledBytes waits until resident memory has not changed by more than 1% for
// three seconds (collectors and rewrites have ended), for at most thirty.
func settledBytes(ctx context.Context, t target) (int64, error) {
	const calm, limit = 3, 30
	var last int64
	same := 0
	for range limit {
		now, err := harness.ResidentBytes(t.Pids())
		if err != nil {
			return 0, err
		}
		if diff := now - last; diff < last/100 && -diff < last/100 {
			same++
		} else {
			same, last = 0, now
		}
		if same == calm {
			return now, nil
		}
		pause(ctx, time.Second)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	return last, nil
}
