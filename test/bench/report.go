package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// subject is the target whose ratios to all others are printed.
const subject = "quorate"

// result is one cell on one target: all rounds and their medians.
type result struct {
	Cell   string   `json:"cell"`
	Target string   `json:"target"`
	Rounds []sample `json:"rounds"` // empty: the target cannot run the cell
	Median sample   `json:"median"`
}

// summarise sets Median: each figure's own median, and all failures.
func (r *result) summarise() {
	pick := func(get func(sample) float64) float64 {
		var all []float64
		for _, s := range r.Rounds {
			all = append(all, get(s))
		}
		return median(all)
	}
	r.Median = sample{
		OpsPerSecond:  pick(func(s sample) float64 { return s.OpsPerSecond }),
		P50Ms:         pick(func(s sample) float64 { return s.P50Ms }),
		P99Ms:         pick(func(s sample) float64 { return s.P99Ms }),
		CPUPerMillion: pick(func(s sample) float64 { return s.CPUPerMillion }),
		ClientCPU:     pick(func(s sample) float64 { return s.ClientCPU }),
	}
	for _, s := range r.Rounds {
		r.Median.Failed += s.Failed
		if r.Median.Failure == "" {
			r.Median.Failure = s.Failure
		}
	}
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	mid := len(all) / 2
	if len(all)%2 == 1 {
		return all[mid]
	}
	return (all[mid-1] + all[mid]) / 2
}

// printTables prints one table per cell. The last columns relate quorate to the
// peer of the line: throughput (more is better), processor time (less is
// better), and the project's goal for the throughput ratio if there is one.
func printTables(out io.Writer, o options, results []*result) {
	fmt.Fprintf(out, "%d round(s) of %v after %v of warm-up; medians; latency per batch; failed: sum of all rounds\n\n",
		o.rounds, o.window, o.warmup)
	for _, c := range o.cells {
		var lines []*result
		var own *sample
		for _, r := range results {
			if r.Cell != c.String() || len(r.Rounds) == 0 {
				continue
			}
			lines = append(lines, r)
			if r.Target == subject {
				own = &r.Median
			}
		}
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(w, "%s\tops/s\tp50 ms\tp99 ms\tcpu s/M\tclient cores\tfailed\tquorate/peer\tcpu ratio\tgoal\t\n", c)
		for _, r := range lines {
			m := r.Median
			fmt.Fprintf(w, "%s\t%.0f\t%.3f\t%.3f\t%.2f\t%.2f\t%d\t", r.Target, m.OpsPerSecond, m.P50Ms, m.P99Ms,
				m.CPUPerMillion, m.ClientCPU, m.Failed)
			if own == nil || r.Target == subject {
				fmt.Fprint(w, "\t\t\t\n")
				continue
			}
			ratio := own.OpsPerSecond / m.OpsPerSecond
			fmt.Fprintf(w, "%.2f\t%.2f\t%s\t\n", ratio, own.CPUPerMillion/m.CPUPerMillion, goalText(r.Cell, r.Target, ratio))
		}
		w.Flush()
		for _, r := range lines {
			if r.Median.Failed > 0 {
				fmt.Fprintf(out, "  %s failed first with: %s\n", r.Target, r.Median.Failure)
			}
		}
		fmt.Fprintln(out)
	}
}

func goalText(cell, peer string, ratio float64) string {
	goal, ok := goals[cell][peer]
	switch {
	case !ok:
		return ""
	case ratio >= goal:
		return fmt.Sprintf(">= %.1f met", goal)
	}
	return fmt.Sprintf(">= %.1f MISSED", goal)
}
