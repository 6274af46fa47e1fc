// Bench measures Quorate and its peers side by side, interleaved, in one go:
//
//	go run ./test/bench [-cells ...] [-targets ...] [-seconds N] [-rounds N] [-json]
//	go run ./test/bench -memory
//	go run ./test/bench -families
//	go run ./test/bench -restart [-restart-keys N,N]
//	go run ./test/bench -stall [-stall-keys N] [-stall-collections] [-stall-rate N] [-seconds N]
//
// All targets run during the whole measurement; each round visits every cell
// and every target in a rotating order, and the medians over the rounds are
// reported. The load comes from this process, on the same processors as the
// servers, so the clients are written to be cheap and their own processor time
// is reported too. Latencies are per batch: with a pipeline of 16, the time
// from the first byte sent until the sixteenth reply.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/quorate/quorate/test/harness"
)

type options struct {
	cells       []cell
	targets     []target
	warmup      time.Duration
	window      time.Duration
	rounds      int
	dir         string
	portBase    int
	json        bool
	memory      bool
	memoryKeys  int
	families    bool
	only        string
	restart     bool
	restartKeys []int
	stall       bool
	stallKeys   int
	stallInFour bool
	stallRate   int
}

func main() {
	// A second signal ends the process at once; the kernel takes the children.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	o, err := parseFlags(args, progress)
	if err != nil {
		return err
	}
	f, err := gatherFacts(o.dir)
	if err != nil {
		return err
	}
	if !o.json {
		f.print(out)
	}
	if o.families {
		return runFamilies(ctx, o, o.only, out, progress)
	}
	if o.stall {
		return runStall(ctx, o, out, progress)
	}
	if o.restart {
		return runRestart(ctx, o, out, progress)
	}
	if o.memory {
		return runMemory(ctx, o, f, out, progress)
	}
	results, err := measure(ctx, o, progress)
	switch {
	case results == nil:
	case o.json:
		err = errors.Join(err, printJSON(out, map[string]any{"facts": f, "results": results}))
	default:
		printTables(out, o, results)
	}
	return err
}

func parseFlags(args []string, usage io.Writer) (options, error) {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(usage)
	cells := fs.String("cells", defaultCells, "comma-separated cells: KIND:CLIENTSxPIPELINE, kind set, get or mixed")
	targets := fs.String("targets", defaultTargets, "comma-separated targets; also etcd-leader (all clients on the leader)")
	seconds := fs.Float64("seconds", 3, "measured time per cell, target and round")
	rounds := fs.Int("rounds", 3, "rounds; medians are reported")
	portBase := fs.Int("port-base", 0, "first client port; 0 draws random free ports")
	dir := fs.String("dir", os.TempDir(), "where the servers' directories are created; should be a real disk")
	asJSON := fs.Bool("json", false, "print JSON instead of tables")
	memory := fs.Bool("memory", false, "measure memory with data of several shapes instead of speed")
	families := fs.Bool("families", false, "measure commands of every family on one node without persistence")
	only := fs.String("only", "", "with -families: those whose family or command contains one of these words, separated by |; with -memory: shapes whose name contains this")
	memoryKeys := fs.Int("memory-keys", 1_000_000, "the size of a shape with -memory; a list has ten times as many elements")
	restart := fs.Bool("restart", false, "measure how long a start with data takes instead of speed")
	restartKeys := fs.String("restart-keys", "1000000", "with -restart: comma-separated numbers of keys")
	stall := fs.Bool("stall", false, "measure what a snapshot does to the latency of writes instead of speed")
	stallKeys := fs.Int("stall-keys", 1_000_000, "with -stall: keys that are there")
	stallInFour := fs.Bool("stall-collections", false, "with -stall: four large collections of as many elements in all, instead of keys")
	stallRate := fs.Int("stall-rate", 5000, "with -stall: writes a second")
	if err := fs.Parse(args); err != nil {
		return options{}, err
	}
	o := options{window: time.Duration(*seconds * float64(time.Second)), rounds: *rounds, dir: *dir,
		portBase: *portBase, json: *asJSON, memory: *memory, memoryKeys: *memoryKeys,
		families: *families, only: *only, restart: *restart,
		stall: *stall, stallKeys: *stallKeys, stallInFour: *stallInFour, stallRate: *stallRate}
	for text := range strings.SplitSeq(*restartKeys, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-restart-keys: %q is no number of keys", text)
		}
		o.restartKeys = append(o.restartKeys, n)
	}
	o.warmup = min(500*time.Millisecond, o.window/2)
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if o.window <= 0 || o.rounds < 1 || o.memoryKeys < 1 || o.stallKeys < 1 || o.stallRate < 1 {
		return o, errors.New("-seconds, -rounds, -memory-keys, -stall-keys and -stall-rate must be positive")
	}
	for name := range strings.SplitSeq(*cells, ",") {
		c, err := parseCell(name)
		if err != nil {
			return o, err
		}
		o.cells = append(o.cells, c)
	}
	for i, name := range strings.Split(*targets, ",") {
		base := 0
		if o.portBase != 0 {
			base = o.portBase + 10*i
		}
		t, err := newTarget(name, o.dir, base)
		if err != nil {
			return o, err
		}
		o.targets = append(o.targets, t)
	}
	return o, nil
}

// measure starts all targets, fills them, and runs all cells. With results, an
// error is about stopping the targets.
func measure(ctx context.Context, o options, progress io.Writer) (results []*result, err error) {
	running, err := startAll(ctx, o.targets, progress)
	defer func() { err = errors.Join(err, stopAll(running)) }()
	if err != nil {
		return nil, err
	}
	for _, t := range running {
		fmt.Fprintf(progress, "filling %s\n", t.Name())
		if err := fill(ctx, t, poolKeys); err != nil {
			return nil, fmt.Errorf("fill %s: %w", t.Name(), err)
		}
	}
	byName := map[string]*result{}
	for _, c := range o.cells {
		for _, t := range running {
			r := &result{Cell: c.String(), Target: t.Name()}
			byName[r.Cell+" "+r.Target] = r
			results = append(results, r)
		}
	}
	for round := range o.rounds {
		for _, c := range o.cells {
			for k := range running {
				t := running[(k+round)%len(running)]
				if !supports(t, c) {
					continue
				}
				s, err := runCell(ctx, t, c, o.warmup, o.window)
				if err != nil {
					return nil, fmt.Errorf("%s on %s: %w", c, t.Name(), err)
				}
				fmt.Fprintf(progress, "round %d  %-12s %-12s %9.0f /s\n", round+1, c, t.Name(), s.OpsPerSecond)
				r := byName[c.String()+" "+t.Name()]
				r.Rounds = append(r.Rounds, s)
			}
		}
	}
	for _, r := range results {
		r.summarise()
	}
	return results, nil
}

// startAll starts the targets that this machine has. A missing program leaves
// its target out; a program that does not come up is an error.
func startAll(ctx context.Context, targets []target, progress io.Writer) ([]target, error) {
	var running []target
	for _, t := range targets {
		fmt.Fprintf(progress, "starting %s\n", t.Name())
		err := t.Start(ctx)
		if isMissing(err) {
			fmt.Fprintf(progress, "leaving out %s: %v\n", t.Name(), err)
			continue
		}
		if err != nil {
			return running, fmt.Errorf("start %s: %w", t.Name(), err)
		}
		running = append(running, t)
	}
	if len(running) == 0 {
		return nil, errors.New("none of the targets is on this machine")
	}
	return running, nil
}

func stopAll(targets []target) error {
	var errs []error
	for _, t := range targets {
		errs = append(errs, t.Stop())
	}
	return errors.Join(errs...)
}

func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// cpuTime is the processor time of all processes of a target.
func cpuTime(t target) (time.Duration, error) { return harness.CPUTime(t.Pids()) }
